"""What the records that compare the stored prediction with the stored label share."""

from __future__ import annotations

from typing import Any

import pandas as pd

from rollforward.errors import DataError
from rollforward.workflow.record_temp.base import LABEL, PRED, ACRecordTemp, name_of
from rollforward.workflow.record_temp.signal import SignalRecord

_LABEL_REMEDY = "Keep the handler's raw data (drop_raw=False), or store a label.pkl."
_PRED_REMEDY = "Let the model predict at least one row."


class JudgingRecord(ACRecordTemp):
    """A record that needs prediction and label.

    Parameters
    ----------
    recorder
        The run; holds ``pred.pkl`` and ``label.pkl``.
    label_col
        Position of the label's column.
    skip_existing, optional
        As in `ACRecordTemp`.
    """

    depend_cls = SignalRecord

    def __init__(
        self, recorder: Any, label_col: int = 0, skip_existing: bool = False, *, optional: bool = False
    ) -> None:
        super().__init__(recorder=recorder, skip_existing=skip_existing, optional=optional)
        self.label_col = label_col

    def _score_and_target(self) -> tuple[pd.Series, pd.Series]:
        """Load the first column of the prediction, and the label's column that is asked for.

        Raises
        ------
        DataError
            If one of them is empty, or there is no such column.
        """
        return self._pred().iloc[:, 0], self._target(self._label())

    def _pred(self) -> pd.DataFrame:
        return self._frame(self.load(PRED), "prediction", _PRED_REMEDY)

    def _label(self, given: Any = None) -> pd.DataFrame:
        """Take the label that is given, else load the stored one."""
        return self._frame(self.load(LABEL) if given is None else given, "label", _LABEL_REMEDY)

    def _target(self, label: pd.DataFrame) -> pd.Series:
        if not -label.shape[1] <= self.label_col < label.shape[1]:
            raise DataError(
                f"{type(self).__name__}: label_col is {self.label_col}, and the label has {label.shape[1]} columns.",
                "the position of one of its columns, from 0.",
                "Correct label_col.",
            )
        return label.iloc[:, self.label_col]

    def _frame(self, data: Any, word: str, remedy: str) -> pd.DataFrame:
        frame = data.to_frame() if isinstance(data, pd.Series) else data
        if not isinstance(frame, pd.DataFrame) or frame.empty:
            state = "empty" if isinstance(frame, pd.DataFrame) else f"an object of type {type(frame).__name__}"
            raise DataError(
                f"{type(self).__name__}: the {word} of the run {name_of(self.recorder)} is {state}.",
                "a frame indexed (datetime, instrument), with at least one row.",
                remedy,
            )
        return frame
