"""A model that serves, as MLflow loads it: ``mlflow.pyfunc.load_model("models:/name@champion").predict(...)``.

MLflow keeps the name of this module and the stored model and dataset; the code is that of the rollforward which is
installed where it is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from rollforward.data.calendar_in_use import resolve
from rollforward.data.dataset import DatasetH
from rollforward.data.handler import DataHandlerLP
from rollforward.data.selection import DATETIME, INSTRUMENT
from rollforward.errors import CalendarError, OnlineError
from rollforward.serialize import read_object
from rollforward.workflow.online.signals import score_of
from rollforward.workflow.online.update.loader import DATASET, MODEL, TEST, RMDLoader
from rollforward.workflow.online.update.warmup import warm_up
from rollforward.workflow.record_temp.signal import as_frame

_START, _END = "start", "end"
_EXPECTED = (
    "features as the model was trained on (those of data_key='infer'), with datetime and instrument as index or as "
    "columns; or a dictionary or a frame of one row with start and end, the first and the last session to predict."
)


class Served:
    """One stored model.

    Parameters
    ----------
    folder
        Where ``params.pkl`` is, and ``dataset`` if there is one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.model = self._read(MODEL)

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Predict scores.

        Parameters
        ----------
        model_input
            One of two. *Features*: a frame with one row for each date and instrument, ``datetime`` and ``instrument``
            as index or as columns, and the columns that the model was trained on, processed as they were then. *A
            range*: a dictionary or a frame of one row with ``start`` and ``end``; the dataset that is stored with the
            model loads these sessions from its own source, which has to be within reach, and processes them as in
            training.
        params
            MLflow's; not used.

        Returns
        -------
        pd.DataFrame
            Columns ``datetime``, ``instrument``, ``score``, sorted by the first two.

        Raises
        ------
        OnlineError
            If it is neither, or there is no dataset.
        """
        del params
        given = _range_of(model_input)
        dataset = _of_features(model_input) if given is None else self._of_range(*given)
        found: pd.DataFrame = score_of(as_frame(self.model.predict(dataset), self.model)).reset_index()
        return found

    def _of_range(self, start: pd.Timestamp, end: pd.Timestamp) -> Any:
        if not (self._folder / DATASET).exists():
            raise OnlineError("There is no dataset with this model.", "features.", "Give a frame of them.")
        dataset = self._read(DATASET)
        first, history = start, warm_up(dataset)
        try:
            sessions = resolve()
            first = sessions[max(0, sessions.index_of(start, "next") - (history or 0))]
        except CalendarError:
            history = None if history else 0
        if history is None:  # how far it looks back is not known, or not where that is
            whole = getattr(dataset.handler, "start_time", None)
            first = start if whole is None else min(start, pd.Timestamp(whole))
        loader = RMDLoader(None)  # type: ignore[arg-type]  # it gets the dataset
        return loader.get_dataset(first, end, {TEST: (start, end)}, dataset)

    def _read(self, name: str) -> Any:
        with (self._folder / name).open("rb") as file:
            return read_object(file, name)


def _load_pyfunc(path: str) -> Served:
    """Load a model; MLflow calls it."""
    return Served(Path(path))


def _range_of(given: Any) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """Read a range of sessions; ``None`` if it is something else."""
    if isinstance(given, pd.DataFrame) and {_START, _END} == set(given.columns):
        if len(given) != 1:
            raise OnlineError(f"The range has {len(given)} rows.", "one row: its start and its end.")
        given = given.iloc[0].to_dict()
    if isinstance(given, Mapping) and {_START, _END} == set(given):
        return pd.Timestamp(given[_START]), pd.Timestamp(given[_END])
    return None


def _of_features(given: Any) -> DatasetH:
    keys = [DATETIME, INSTRUMENT]
    if isinstance(given, pd.DataFrame) and set(keys) <= set(given.columns):
        given = given.assign(**{DATETIME: pd.to_datetime(given[DATETIME])}).set_index(keys)
    if not isinstance(given, pd.DataFrame) or list(given.index.names) != keys or not len(given):
        what = f"columns {list(given.columns)}" if isinstance(given, pd.DataFrame) else type(given).__name__
        raise OnlineError(f"The input is {what}.", _EXPECTED)
    frame = given.sort_index()
    frame.columns = pd.MultiIndex.from_product([["feature"], frame.columns])
    days = frame.index.get_level_values(DATETIME)
    return DatasetH(DataHandlerLP.from_df(frame), {TEST: (days.min(), days.max())})
