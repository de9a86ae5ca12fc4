"""Equity and drawdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward.report import words
from rollforward.report.equity import drawdown_of, equity_of
from rollforward.report.plots.equity import draw_equity
from rollforward.report.sections.base import Plot, Section

if TYPE_CHECKING:
    from rollforward.report.sections.base import Subject

_ROLES = {"net of costs": "ic", "before costs": "zero", "benchmark": "rank-ic"}
_LEAST_DATES = 5


def equity_section(subject: Subject) -> Section | None:
    """Show the running result of a backtest or, without one, of a long-short position in the outer fifths."""
    equity = equity_of(subject)
    if equity is None or len(equity.daily["net of costs"]) < _LEAST_DATES:
        return None
    lines = {name: (daily.cumsum(), _ROLES[name]) for name, daily in equity.daily.items()}
    drawdown = drawdown_of(equity.daily["net of costs"])
    title = "Equity and drawdown" if equity.is_portfolio else "Long-short equity and drawdown"
    words_above = "running sum, not compounded"
    plot = Plot(
        lambda shape: draw_equity(lines, drawdown, words_above, shape),
        title,
        (400, 340),
        words.describe_equity(equity.figures, drawdown),
    )
    values = {
        "equity": equity,
        "rows": [{"name": str(name), **row.to_dict()} for name, row in equity.figures.iterrows()],
        "cost": subject.cost,
        "span": subject.span,
    }
    return Section("equity", title, {"equity": plot}, values, tables={"equity": equity.figures})
