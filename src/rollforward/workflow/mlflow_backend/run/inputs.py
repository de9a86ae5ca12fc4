"""Data as MLflow notes them with a run."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from rollforward.errors import TrackingError

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONTEXT = "mlflow.data.context"
_DIGITS = 16


def data_input(dataset: Any, context: str | None, tags: Mapping[str, str] | None, name: str | None) -> dict[str, Any]:
    """Describe data, as plain values; see `Recorder.log_input`.

    Returns
    -------
    dict
        ``dataset``, what MLflow's ``Dataset`` is made of, and ``tags``, a dictionary of texts.

    Raises
    ------
    TrackingError
        If they are of a kind that MLflow does not know.
    """
    notes = dict(tags or {}) | ({} if context is None else {_CONTEXT: context})
    described = dataset if hasattr(dataset, "_to_mlflow_entity") else _described(dataset, name)
    entity = described._to_mlflow_entity()  # noqa: SLF001  # as mlflow.log_input does
    return {"dataset": dict(entity), "tags": {key: str(value) for key, value in notes.items()}}


def _described(dataset: Any, name: str | None) -> Any:
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415
    from mlflow.data.numpy_dataset import from_numpy  # noqa: PLC0415
    from mlflow.data.pandas_dataset import from_pandas  # noqa: PLC0415

    if isinstance(dataset, pd.DataFrame) and dataset.columns.nlevels == 1:
        return from_pandas(dataset, name=name, digest=_digest(dataset))
    if isinstance(dataset, np.ndarray):
        digest = None if dataset.dtype.hasobject else _digest(pd.DataFrame({"values": dataset.ravel()}), *dataset.shape)
        return from_numpy(dataset, name=name, digest=digest)
    raise TrackingError(
        f"log_input got an object of type {type(dataset).__name__}.",
        "a dataset of mlflow.data, a DataFrame whose columns have one level, or a NumPy array.",
        "Build one with mlflow.data.from_...; of column groups take one: frame['feature'].",
    )


def _digest(frame: Any, *shape: int) -> str:
    """Hash all rows; MLflow's own digest covers the first 10,000."""
    import pandas as pd  # noqa: PLC0415  # rarely needed

    digest = hashlib.sha256(repr((shape, list(frame.columns))).encode())
    digest.update(pd.util.hash_pandas_object(frame).to_numpy().tobytes())
    return digest.hexdigest()[:_DIGITS]
