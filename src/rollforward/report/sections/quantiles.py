"""The groups that a score sorts instruments into: what they return, and who is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward.evaluation.turnover import quantile_turnover, rank_autocorrelation
from rollforward.report import words
from rollforward.report.measures import FEW_DATES
from rollforward.report.plots.quantiles import draw_cumulative_quantiles, draw_quantile_returns, draw_steadiness
from rollforward.report.sections.base import BESIDE, Plot, Section
from rollforward.report.smooth import smoothed

if TYPE_CHECKING:
    import pandas as pd

    from rollforward.report.sections.base import Subject

_LEAST_DATES = 10


def quantiles_section(subject: Subject) -> Section:
    """Show the mean label of each group, and the difference of the outer ones by year."""
    measures, percent = subject.measures, subject.percent
    means, spread, thin = measures.quantile_means, measures.yearly_spread, measures.thin_years
    plot = Plot(
        lambda shape: draw_quantile_returns(means, spread, shape, percent=percent, thin=thin),
        "Returns by quantile",
        BESIDE,
        words.describe_quantiles(means, spread, percent=percent),
    )
    values = {"n_quantiles": len(means), "per_date": measures.per_date, "least": FEW_DATES if thin else 0}
    return Section("quantiles", "Returns by quantile", {"quantile_returns": plot}, values)


def spread_section(subject: Subject) -> Section | None:
    """Show the running sums of the groups, and of the difference of the outer ones."""
    quantiles = subject.measures.quantiles.dropna()
    if len(quantiles) < _LEAST_DATES:
        return None
    excess = quantiles.sub(quantiles.mean(axis=1), axis=0).cumsum() / subject.span
    spread = (quantiles.iloc[:, -1] - quantiles.iloc[:, 0]).cumsum() / subject.span
    percent = subject.percent
    plot = Plot(
        lambda shape: draw_cumulative_quantiles(excess, spread, shape, percent=percent),
        "Cumulative returns by quantile",
        BESIDE,
        words.describe_spread(spread, len(quantiles.columns), percent=percent),
    )
    values = {"span": subject.span, "n_quantiles": len(quantiles.columns)}
    return Section("spread", "Cumulative quantile spread", {"quantile_spread": plot}, values)


def steadiness_section(subject: Subject) -> Section | None:
    """Show how fast the groups change."""
    columns = subject.measures.quantiles.columns
    turnover = quantile_turnover(subject.score, len(columns))[[columns[0], columns[-1]]].dropna()
    correlation = rank_autocorrelation(subject.score).dropna()
    if len(turnover) < _LEAST_DATES or len(correlation) < _LEAST_DATES:
        return None
    smooth, kind = smoothed(turnover)
    steady: pd.Series = smoothed(correlation.to_frame())[0].iloc[:, 0]
    plot = Plot(
        lambda shape: draw_steadiness(smooth, steady, shape),
        "Turnover and rank autocorrelation",
        BESIDE,
        words.describe_steadiness(turnover, correlation),
    )
    values = {
        "turnover": turnover.mean().mean(),
        "correlation": correlation.mean(),
        "kind": kind,
        "n_quantiles": len(columns),
    }
    return Section("steadiness", "Turnover", {"turnover": plot}, values)
