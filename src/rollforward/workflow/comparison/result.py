"""A finished comparison: its table, its figures, its page."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.report.compare import comparison_page
from rollforward.report.saving import save_page
from rollforward.workflow.comparison.words import NAMES, sentences

if TYPE_CHECKING:
    import os

    from rollforward.workflow.comparison.statistics import Verdict
    from rollforward.workflow.comparison.trials import Trials


@dataclass(frozen=True, eq=False)
class Comparison:
    """Results on the same dates, and how much choosing among them may have helped.

    Attributes
    ----------
    table
        One row per result. ``experiment``, ``recorder_id``; ``own_start``, ``own_end``, ``own_dates``: the dates it has
        by itself; ``folds``, ``instruments``. On the common dates: ``IC``, ``ICIR``, ``Rank IC``, ``Rank ICIR``;
        ``annual_gross``, ``annual_net``, ``drawdown`` of the long-short position, as fractions, not compounded;
        ``annual_sharpe`` of the basis, and ``sharpe``, the same per period and not annualised; ``psr`` and ``dsr``: the
        probability that its true value is above zero, and above the luck of the best of all attempts.
    series
        What Sharpe ratios are of, on the common dates; one column per result.
    first, last
        The outer common dates, inclusive.
    trials
        The attempts that are reckoned with.
    best, dsr
        The result of the highest Sharpe ratio, and its Deflated Sharpe Ratio.
    pbo
        Probability of backtest overfitting over the results that are compared; ``None`` with one or too few dates.
    basis, cost
        As they were given.
    span
        Sessions that a label spans; Sharpe ratios are of as many, and the track record is that much shorter.
    notes
        What to know before reading.
    verdict
        The figures behind `dsr` and `pbo`.
    """

    table: pd.DataFrame
    series: pd.DataFrame = field(repr=False)
    first: pd.Timestamp
    last: pd.Timestamp
    trials: Trials
    dsr: float
    pbo: float | None
    best: str | None
    basis: str
    cost: float
    span: int
    notes: tuple[str, ...]
    verdict: Verdict = field(repr=False)

    @property
    def n_trials(self) -> int:
        """Attempts that the best was chosen from; at least as many as are compared."""
        return max(self.trials.n, len(self.table))

    @property
    def sentences(self) -> list[str]:
        """What the figures say, in words."""
        return sentences(self)

    def to_dict(self) -> dict[str, Any]:
        """Return what ``rollforward compare --json`` prints: plain numbers, texts and lists; missing is ``None``."""
        rows = [
            {"result": str(key)} | {str(name): _plain(value) for name, value in row.items()}
            for key, row in self.table.iterrows()
        ]
        return {
            "first": str(self.first.date()),
            "last": str(self.last.date()),
            "n_dates": len(self.series),
            "n_periods": self.verdict.n_periods,
            "basis": self.basis,
            "cost": self.cost,
            "n_trials": self.n_trials,
            "trials": str(self.trials),
            "best": self.best,
            "deflated_sharpe_ratio": _plain(self.dsr),
            "probability_of_backtest_overfitting": _plain(self.pbo),
            "notes": list(self.notes),
            "sentences": self.sentences,
            "results": rows,
        }

    def html(self) -> str:
        """Return one page that needs nothing else."""
        return comparison_page(
            self.table,
            self.series.cumsum() / self.span if self.basis == "long_short" else self.series.cumsum(),
            percent=self.basis == "long_short",
            basis=NAMES[self.basis],
            n_trials=self.n_trials,
            dsr=self.dsr,
            pbo=self.pbo,
            best=self.best,
            cost=self.cost,
            sentences=self.sentences,
            trials=str(self.trials),
            notes=self.notes,
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page.

        Parameters
        ----------
        path
            The file; its folder is made if needed.

        Raises
        ------
        DataError
            If the file cannot be written.
        """
        return save_page(self.html(), Path(path))

    def _repr_html_(self) -> str:
        style = "width:100%;height:760px;border:0"
        return f'<iframe srcdoc="{escape(self.html())}" style="{style}" title="Comparison"></iframe>'


def _plain(value: Any) -> Any:
    """Return what JSON can hold."""
    if isinstance(value, pd.Timestamp):
        return str(value.date()) if value == value.normalize() else value.isoformat()
    if isinstance(value, str) or value is None:
        return value
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value
