"""The two updaters: predictions of new sessions, and labels that have become known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rollforward.data.cut import data_cut_at
from rollforward.data.selection import DATETIME
from rollforward.errors import ColumnError, DataError, EmptySegmentError, UpdateError
from rollforward.workflow.online.update.base import PRED, DSBasedUpdater, RecordUpdater
from rollforward.workflow.online.update.loader import TEST
from rollforward.workflow.online.update.merging import as_table
from rollforward.workflow.record_temp.signal import as_frame, raw_label

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import pandas as pd

    from rollforward.workflow.recorder import Recorder

__all__ = ["PRED", "DSBasedUpdater", "LabelUpdater", "PredUpdater", "RecordUpdater"]

LABEL = "label.pkl"


class PredUpdater(DSBasedUpdater):
    """Predicts the sessions that ``pred.pkl`` of a run does not have yet.

    Parameters and attributes are those of `DSBasedUpdater`.
    """

    def get_update_data(self, dataset: Any) -> Any:
        """Predict, and put the new scores among the old ones.

        Returns
        -------
            The whole table, of the kind and with the columns it had.

        Raises
        ------
        ModelError, UpdateError
            If the model returns something that does not fit.
        """
        model = self.rmdl.get_model()
        new = as_frame(model.predict(dataset), model)
        return self.merged(as_table(new, f"What {type(model).__name__}.predict returned"), dataset)

    def _known(self) -> pd.DataFrame:
        return self._old.dropna(how="all")


class LabelUpdater(DSBasedUpdater):
    """Fills in the labels of ``label.pkl`` that have become known, and adds the new rows.

    A label that looks beyond ``to_date`` stays missing, whatever the data know by now: so the table is the one that was
    known at the end of that date.

    Parameters
    ----------
    record, to_date, **kwargs
        As of `DSBasedUpdater`.
    """

    def __init__(self, record: Recorder, to_date: Any = None, **kwargs: Any) -> None:
        super().__init__(record, to_date=to_date, **{"fname": LABEL, **kwargs})

    def get_update_data(self, dataset: Any) -> Any:
        """Take the raw label of the new rows, and put it among the old ones.

        Raises
        ------
        UpdateError
            If the dataset has no raw label.
        """
        try:
            with self._knowing(dataset):
                label = raw_label(dataset, TEST)
        except EmptySegmentError:
            raise
        except (AttributeError, ColumnError, DataError) as error:
            raise UpdateError(
                f"The dataset of run {self.record.id} gives no raw label: {error}",
                "a handler that keeps its raw data, with a column group 'label'.",
                "Set drop_raw=False.",
            ) from error
        return self.merged(self._masked(as_table(label, "The raw label"), dataset), dataset)

    def _masked(self, label: pd.DataFrame, dataset: Any) -> pd.DataFrame:
        lookahead = _lookahead(dataset)
        if not lookahead or not self._is_past:
            return label
        last_known = self.calendar.position(self.to_date) - lookahead
        known = self.calendar[last_known] if last_known >= 0 else None
        unknown = label.index.get_level_values(DATETIME) > known if known is not None else slice(None)
        label = label.copy()
        label.loc[unknown] = np.nan
        return label

    def _knowing(self, dataset: Any) -> AbstractContextManager[Any]:
        # Where the look-ahead is known, hiding the labels is the same and costs less than a cut.
        return data_cut_at(self.to_date if self._is_past and _lookahead(dataset) is None else None)

    @property
    def _is_past(self) -> bool:
        return self.to_date < self.calendar.current_end


def _lookahead(dataset: Any) -> int | None:
    known: int | None = getattr(getattr(dataset, "handler", None), "label_lookahead", None)
    return known
