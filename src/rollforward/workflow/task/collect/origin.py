"""Where a prediction comes from, written beside its scores: the run, and the last session its model was trained on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.model.ens.origin import with_origin
from rollforward.workflow.task.recorders import tags_of, trained_until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)


class Origins:
    """Adds the columns ``cutoff`` and ``recorder_id`` to predictions.

    Parameters
    ----------
    recorders
        All that were listed: a fold may use the model that another one has fitted.
    """

    def __init__(self, recorders: Iterable[Recorder]) -> None:
        tags = {recorder.info["id"]: tags_of(recorder) for recorder in recorders}
        self._cutoffs = {run: trained_until(run, tags) for run in tags}
        unknown = sum(cutoff is None for cutoff in self._cutoffs.values())
        if unknown:
            logger.info("Of %d recorders it is not known until when their models were trained.", unknown)

    def __call__(self, recorder: Recorder, value: Any) -> Any:
        """Add the columns to a Series or a DataFrame; anything else stays as it is."""
        if not isinstance(value, pd.Series | pd.DataFrame):
            return value
        run = recorder.info["id"]
        return with_origin(value, cutoff=self._cutoffs.get(run), recorder_id=run)
