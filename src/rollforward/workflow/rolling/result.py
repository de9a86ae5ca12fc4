"""What a rolling job leaves behind: in memory, and in its parent run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollforward.workflow.display import Card, Section

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from rollforward.report import SignalReport
    from rollforward.workflow.recorder import Recorder


@dataclass(frozen=True, repr=False)
class RollingResult:
    """What a rolling job leaves behind; shows itself as a short table, with the IC of the merged prediction.

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
    metrics
        ``IC``, ``ICIR``, ``Rank IC`` and ``Rank ICIR`` of the merged prediction. What else its records have logged is
        in the run.
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
    metrics: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        dates = self._dates
        return f"RollingResult({self.recorder.name!r}, {len(self.recorders)} folds, {dates[0]} to {dates[1]})"

    def __str__(self) -> str:
        return self._card.text

    def _repr_html_(self) -> str:
        return self._card.html

    @property
    def _dates(self) -> tuple[str, str]:
        times = self.pred.index.get_level_values("datetime")
        return ("none", "none") if times.empty else (f"{times.min():%Y-%m-%d}", f"{times.max():%Y-%m-%d}")

    @property
    def _card(self) -> Card:
        """What came of the job, from what is in memory."""
        counts = Counter(trained=self.n_trained, predicted=self.n_predicted, reused=self.n_reused)
        done = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        times = self.pred.index.get_level_values("datetime")
        facts = [
            ("run", str(self.recorder.id)),
            ("folds", f"{len(self.recorders)} ({done})" + (", continued" if self.resumed else "")),
            ("predictions", f"{len(self.pred)} of {times.nunique()} dates, {self._dates[0]} to {self._dates[1]}"),
            ("labels", str(len(self.label))),
        ]
        figures = [(name, f"{value:.4f}") for name, value in self.metrics.items()]
        sections = [Section("", facts), *([Section("metrics", figures)] if figures else [])]
        return Card(f"Rolling job {self.recorder.name!r}", sections)
