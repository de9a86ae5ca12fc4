"""Predicting each session for itself: to the bit what a routine predicts on the evening of that session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.data.selection import DATETIME, select_rows
from rollforward.workflow.online.containing import concerns_all
from rollforward.workflow.online.update.loader import TEST
from rollforward.workflow.online.update.merging import as_table
from rollforward.workflow.online.update.updaters import PredUpdater
from rollforward.workflow.record_temp.signal import as_frame

if TYPE_CHECKING:
    from rollforward.workflow.recorder import Recorder


class EachSession(PredUpdater):
    """Loads the data of many sessions at once, and predicts as if each had been loaded alone.

    A model that multiplies matrices gives other last digits for one session than for many. What is missing up to a
    session is predicted together, as that session's routine does it; each later session is predicted alone. Where one
    cannot be predicted it ends, for that session's own routine to find out why.

    Parameters
    ----------
    record, to_date, **kwargs
        As of `PredUpdater`; what is stored from ``from_date`` on is forgotten.
    together
        Up to this session what is missing is predicted together.
    """

    def __init__(self, record: Recorder, to_date: Any = None, *, together: pd.Timestamp, **kwargs: Any) -> None:
        super().__init__(record, to_date, **kwargs)
        self.together = together
        if kwargs.get("from_date") is not None and self.start is not None and len(self._old):
            dates = self._old.index.get_level_values(DATETIME)
            self._old = self._old[dates < self.start]

    def get_update_data(self, dataset: Any) -> Any:
        """Predict, and put the new scores among the old ones; as of `PredUpdater`."""
        model, parts = self.rmdl.get_model(), []
        start, end = self._first_test(dataset) if self.start is None else self.start, self.to_date
        if start <= self.together:
            parts.append(self._predicted(model, dataset, start, min(end, self.together)))
        for session in self.calendar.sessions(max(start, self.together), end):
            if session <= self.together:
                continue
            try:
                parts.append(self._predicted(model, dataset, session, session))
            except Exception as error:
                if concerns_all(error):
                    raise
                self.logger.debug("%s is left to its own routine: %s", session, error)
                break
        dataset.config(segments={TEST: (start, end)})  # others may share it
        return self.merged(pd.concat(parts), dataset) if parts else self.old_data

    @staticmethod
    def _predicted(model: Any, dataset: Any, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
        dataset.config(segments={TEST: (start, end)})
        found = as_table(as_frame(model.predict(dataset), model), f"What {type(model).__name__}.predict returned")
        return select_rows(found, slice(start, end))
