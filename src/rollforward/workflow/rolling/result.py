"""What a rolling job leaves behind: in memory, and in its parent run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from rollforward.report import SignalReport
    from rollforward.workflow.recorder import Recorder


@dataclass(frozen=True)
class RollingResult:
    """What a rolling job leaves behind.

    Attributes
    ----------
    recorder
        The parent run; holds the merged ``pred.pkl`` and ``label.pkl``, ``sig_analysis/``, ``folds.csv``,
        ``audit.csv``, ``report.html`` and the plots.
    recorders
        The folds' runs, in the order of the tasks; one that was trained in another experiment is there as it is.
    pred, label
        Merged out-of-sample frames indexed ``(datetime, instrument)``; each date comes from one fold.
    report
        The report, also stored in the parent run.
    n_trained, n_predicted, n_reused
        How many folds fitted a model now, how many only predicted, with the model of another fold, and how many were
        found finished.
    resumed
        Whether the parent run existed before.
    """

    recorder: Recorder
    recorders: list[Recorder]
    pred: pd.DataFrame
    label: pd.DataFrame
    report: SignalReport
    n_trained: int
    n_reused: int
    resumed: bool
    n_predicted: int = 0
