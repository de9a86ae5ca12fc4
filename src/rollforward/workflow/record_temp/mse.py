"""The error of a signal that predicts the label itself."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from rollforward.errors import DataError
from rollforward.evaluation.bydate import panel_of
from rollforward.workflow.record_temp.base import name_of
from rollforward.workflow.record_temp.judging import JudgingRecord

logger = logging.getLogger(__name__)


class SignalMseRecord(JudgingRecord):
    """Mean squared error of the prediction, over all rows that have both a prediction and a label.

    Stores ``sig_analysis/mse.pkl`` and ``rmse.pkl`` (numbers, in the label's unit squared and in its unit), and logs
    ``MSE`` and ``RMSE``. It says something only of a model that predicts the label as it is stored; one that learns
    ranks is judged by `SigAnaRecord`.

    Parameters
    ----------
    recorder
        The run; holds ``pred.pkl`` and ``label.pkl``.
    label_col
        Position of the label's column.
    skip_existing, optional
        As in `ACRecordTemp`.

    Raises
    ------
    DataError
        When it computes: if no row has both.
    """

    artifact_path = "sig_analysis"

    def list(self) -> list[str]:
        """Name the files."""
        return ["mse.pkl", "rmse.pkl"]

    def _generate(self) -> dict[str, Any]:
        score, target = self._score_and_target()
        pairs = panel_of(score, target, "datetime").pairs()
        if not len(pairs.pred):
            raise DataError(
                f"SignalMseRecord: in the run {name_of(self.recorder)} no row has both a prediction and a label.",
                "at least one row (datetime, instrument) with both.",
                "Store a label of the same dates and instruments.",
            )
        mse = float(np.mean((pairs.pred - pairs.label) ** 2))
        rmse = float(np.sqrt(mse))
        self.recorder.log_metrics(MSE=mse, RMSE=rmse)
        logger.info("Signal: MSE %.6g, RMSE %.6g, over %d rows", mse, rmse, len(pairs.pred))
        return {"mse.pkl": mse, "rmse.pkl": rmse}
