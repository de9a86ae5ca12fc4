"""What a position in the signal earned: a backtest's account, or a long-short position in the outer fifths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rollforward.evaluation.long_short import long_short_returns

if TYPE_CHECKING:
    from rollforward.report.sections.base import Subject

QLIB_YEAR, YEAR = 238, 252  # sessions that a year counts, in Qlib's figures and elsewhere
FIFTH = 0.2


@dataclass(frozen=True, eq=False)
class Equity:
    """Daily results and their figures.

    Attributes
    ----------
    daily
        By name, the one to judge first; fractions of the capital, not compounded; indexed by date.
    figures
        One row per name; columns ``annual`` (mean of a year), ``ratio`` (annual mean over annual deviation) and
        ``drawdown`` (of the running sum, at most 0).
    turnover
        Bought and sold per date, as a share of the capital; NaN if unknown.
    per_year
        Sessions that a year is counted with.
    is_portfolio
        From a backtest, instead of a long-short position in the outer fifths.
    """

    daily: dict[str, pd.Series]
    figures: pd.DataFrame
    turnover: float
    per_year: int
    is_portfolio: bool


def equity_of(subject: Subject) -> Equity | None:
    """Take the backtest's report, else the long-short position; ``None`` if labels are no returns of known span."""
    if subject.portfolio is not None:
        return of_portfolio(subject.portfolio)
    if not subject.percent or subject.horizon is None:
        return None
    daily = booked_long_short(subject.score, subject.label, span=subject.span, cost=subject.cost)
    if daily.empty or daily["turnover"].sum() == 0:
        return None
    results = {"net of costs": daily["net"], "before costs": daily["gross"]}
    figures = pd.DataFrame({name: _figures(series, YEAR, subject.span) for name, series in results.items()}).T
    return Equity(results, figures, float(daily["turnover"].mean()), YEAR, is_portfolio=False)


def of_portfolio(report: pd.DataFrame) -> Equity:
    """Take the results of a backtest.

    Parameters
    ----------
    report
        As `inputs.tidy_portfolio` returns it.
    """
    net = report["return"] - report["cost"]
    results = {"net of costs": net, "before costs": report["return"]}
    bench = report["bench"] if "bench" in report else pd.Series(np.nan, report.index)
    if bench.notna().any() and (bench != 0).any():
        results |= {"benchmark": bench.fillna(0.0)}
    rows = {name: _figures(series, QLIB_YEAR) for name, series in results.items()}
    if "benchmark" in results:
        rows["excess, net of costs"] = _figures(net - results["benchmark"], QLIB_YEAR)
    turnover = float(report["turnover"].mean()) if "turnover" in report else float("nan")
    return Equity(results, pd.DataFrame(rows).T, turnover, QLIB_YEAR, is_portfolio=True)


def booked_long_short(score: pd.Series, label: pd.Series, *, span: int, cost: float) -> pd.DataFrame:
    """Hold the outer fifths of each date for the sessions that its label spans.

    Parameters
    ----------
    score, label
        As `inputs.signal_column` returns them; the label is the return over ``span`` sessions.
    span
        Sessions that one label spans: the capital is split into as many parts, and each date invests one of them.
    cost
        Of one unit bought or sold.

    Returns
    -------
    pd.DataFrame
        ``gross``, ``turnover``, ``cost`` and ``net`` by date, where the label is known; what a part earns over its
        sessions is booked on the date that it was chosen on.
    """
    gross = long_short_returns(score, label / span, FIFTH)["gross"]
    turnover = long_short_returns(score, label, FIFTH, holding=span)["turnover"]
    table = pd.DataFrame({"gross": gross, "turnover": turnover, "cost": turnover * cost})
    return table.assign(net=gross - table["cost"]).dropna(subset=["gross"])


def drawdown_of(daily: pd.Series) -> pd.Series:
    """Return how far a running sum is below its peak; 0 at a peak."""
    total = daily.cumsum()
    return total - total.cummax()


def _figures(daily: pd.Series, per_year: int, span: int = 1) -> dict[str, float]:
    return {
        "annual": float(daily.mean()) * per_year,
        "ratio": _ratio(daily * span, per_year / span),
        "drawdown": float(drawdown_of(daily).min()),
    }


def _ratio(results: pd.Series, per_year: float) -> float:
    """Return the annual mean over the annual deviation."""
    deviation = float(results.std(ddof=1))
    return float(results.mean()) / deviation * float(np.sqrt(per_year)) if deviation > 0 else float("nan")
