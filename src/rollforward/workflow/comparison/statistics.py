"""What choosing the best of several attempts may have done to its result."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from rollforward.errors import DataError
from rollforward.evaluation.overfitting import (
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
    probability_of_backtest_overfitting,
    sharpe_ratios,
    variance_without_skill,
)
from rollforward.evaluation.sharpe import probabilistic_sharpe_ratio, track_record

_BLOCKS, _LEAST_IN_BLOCK = 16, 4
# Fewer do not tell how much attempts differ.
_LEAST_FOR_DEVIATION = 3
RESULTS, NOISE, GIVEN = "results", "noise", "given"


@dataclass(frozen=True, eq=False)
class Verdict:
    """Figures of candidates that were chosen among.

    Attributes
    ----------
    table
        Indexed like the candidates; columns ``sharpe`` (of one period, not annualised), ``psr`` (probability that the
        true one is above zero) and ``dsr`` (that it is above the luck of the best of all attempts).
    best
        The candidate of the highest Sharpe ratio; ``None`` if none has one.
    dsr
        Its Deflated Sharpe Ratio; NaN if it cannot be computed.
    expected_best
        The Sharpe ratio of one period that the best of all attempts would have had by luck alone.
    pbo
        Probability of backtest overfitting; ``None`` with one candidate, or with too few periods.
    n_blocks
        Parts of the time that it was computed with; 0 without it.
    n_periods
        Periods that do not overlap.
    deviation
        Standard deviation of the attempts' Sharpe ratios that luck is reckoned with.
    deviation_of
        Where it is from: ``"results"``, the candidates; ``"noise"``, attempts without skill over as many periods, where
        the candidates differ less or are fewer than three; ``"given"``, by hand.
    """

    table: pd.DataFrame
    best: str | None
    dsr: float
    expected_best: float
    pbo: float | None
    n_blocks: int
    n_periods: int
    deviation: float
    deviation_of: str


def judge(series: pd.DataFrame, n_trials: int, span: int = 1, deviation: float | None = None) -> Verdict:
    """Reckon with the attempts that the best candidate was chosen from.

    Parameters
    ----------
    series
        One row per date, without gaps, in the order of time; one column per candidate.
    n_trials
        Attempts, at least as many as there are candidates.
    span
        Dates that one value spans. All values count for mean, deviation and shape, but the track record is only as long
        as the values that do not overlap.
    deviation
        Standard deviation of the Sharpe ratios of all attempts, of one period; ``None``: that of the candidates, but
        never less than what attempts without skill differ by.
    """
    sharpe = sharpe_ratios(series)
    n_periods = max(len(series) // span, 2)
    variance, source = _variance(sharpe, n_periods) if deviation is None else (deviation**2, GIVEN)
    rows = {key: _probabilities(series[key], n_periods, n_trials, variance) for key in series}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["psr", "dsr"])
    table.insert(0, "sharpe", sharpe)
    best = None if sharpe.isna().all() else str(sharpe.idxmax())
    pbo, n_blocks = _overfitting(series, n_periods)
    return Verdict(
        table=table,
        best=best,
        dsr=float("nan") if best is None else float(table["dsr"][best]),
        expected_best=expected_maximum_sharpe(n_trials, variance),
        pbo=pbo,
        n_blocks=n_blocks,
        n_periods=n_periods,
        deviation=variance**0.5,
        deviation_of=source,
    )


def _variance(sharpe: pd.Series, n_periods: int) -> tuple[float, str]:
    """Return the variance of the attempts' Sharpe ratios, and where it is from."""
    known, least = sharpe.dropna(), variance_without_skill(n_periods)
    # Results that resemble each other say nothing of the attempts that are not compared.
    if len(known) >= _LEAST_FOR_DEVIATION and float(known.var()) > least:
        return float(known.var()), RESULTS
    return least, NOISE


def _probabilities(returns: pd.Series, n_periods: int, n_trials: int, variance: float) -> tuple[float, float]:
    try:
        record = replace(track_record(returns), n_periods=n_periods)
        return probabilistic_sharpe_ratio(record), deflated_sharpe_ratio(record, n_trials, variance)
    except DataError:
        # Returns that do not vary have no Sharpe ratio.
        return float("nan"), float("nan")


def _overfitting(series: pd.DataFrame, n_periods: int) -> tuple[float | None, int]:
    n_blocks = min(_BLOCKS, n_periods // _LEAST_IN_BLOCK // 2 * 2)
    if series.shape[1] < 2 or n_blocks < 4:  # noqa: PLR2004  # a choice needs two, and some ways to halve the time
        return None, 0
    return probability_of_backtest_overfitting(series, n_blocks).probability, n_blocks
