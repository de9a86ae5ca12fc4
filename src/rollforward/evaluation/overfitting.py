"""What is left of the best of many trials: how good chance alone would look, and how well the choice holds elsewhere.

Sharpe ratios are those of one period and nothing is annualised, as in `rollforward.evaluation.sharpe`. Every figure is
as honest as the count of trials: those that were looked at and thrown away count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rollforward.errors import DataError
from rollforward.evaluation.halves import choose, halves, scored_by, sharpe_of_blocks
from rollforward.evaluation.sharpe import CONSTANT, NORMAL, Returns, probabilistic_sharpe_ratio, track_record

if TYPE_CHECKING:
    from rollforward.evaluation.halves import Floats, Metric

IN_SAMPLE, OUT_OF_SAMPLE, CHOSEN = "in_sample", "out_of_sample", "chosen"


def sharpe_ratios(trials: pd.DataFrame) -> pd.Series:
    """Compute the Sharpe ratio of each column, per period.

    Parameters
    ----------
    trials
        One return per period (rows) and trial (columns); missing ones are left out.

    Returns
    -------
    pd.Series
        By trial; NaN where the returns do not vary. Of all trials, its ``var()`` is the variance that
        `deflated_sharpe_ratio` takes.
    """
    deviation = trials.std()
    return (trials.mean() / deviation.where(deviation > CONSTANT * trials.abs().max())).rename("sharpe")


def variance_without_skill(n_periods: int) -> float:
    """Return the variance that estimated Sharpe ratios have where the true ones are all zero: ``1 / (n - 1)``.

    Trials differ at least so much, for they are estimated over so many periods. A handful of trials that resemble each
    other shows less, and says nothing of those that are not at hand.

    Parameters
    ----------
    n_periods
        Returns that do not overlap; at least 2.
    """
    if n_periods < 2:  # noqa: PLR2004  as for any variance
        raise DataError(f"n_periods={n_periods!r}.", "at least 2 periods.")
    return 1 / (n_periods - 1)


def expected_maximum_sharpe(n_trials: float, variance: float) -> float:
    """Compute the highest Sharpe ratio to expect of trials without any skill.

    Bailey and Lopez de Prado, The Deflated Sharpe Ratio, Journal of Portfolio Management 40(5), 2014:
    ``sqrt(variance) * ((1 - g) * z(1 - 1 / n) + g * z(1 - 1 / (n * e)))`` with Euler's constant g = 0.5772 and the
    normal quantile z. It is an approximation for many trials, 0 for one.

    Parameters
    ----------
    n_trials
        Number of independent trials, at least 1; need not be whole.
    variance
        Variance of the Sharpe ratios of the trials, per period: that of annual ratios divided by the periods of a year.

    Returns
    -------
    float
        Sharpe ratio of one period.

    Raises
    ------
    DataError
        If there is less than one trial, or the variance is negative or not finite.

    Examples
    --------
    >>> round(expected_maximum_sharpe(n_trials=100, variance=0.5 / 250), 4)
    0.1132
    """
    if not (math.isfinite(n_trials) and n_trials >= 1):
        raise DataError(f"n_trials={n_trials!r}.", "a number of at least 1.")
    if not (math.isfinite(variance) and variance >= 0):
        raise DataError(
            f"variance={variance!r}.",
            "a finite number that is not negative.",
            "it needs at least two trials that vary.",
        )
    if n_trials == 1:
        return 0.0
    quantiles = NORMAL.inv_cdf(1 - 1 / n_trials), NORMAL.inv_cdf(1 - 1 / (n_trials * math.e))
    expected = (1 - np.euler_gamma) * quantiles[0] + np.euler_gamma * quantiles[1]
    return math.sqrt(variance) * max(float(expected), 0.0)


def deflated_sharpe_ratio(returns: Returns, n_trials: float, variance: float | None = None) -> float:
    """Compute how likely the true Sharpe ratio of the best of many trials is above what chance alone gives.

    Bailey and Lopez de Prado (2014), as for `expected_maximum_sharpe`: `probabilistic_sharpe_ratio` against that.

    Parameters
    ----------
    returns
        Of the trial that was chosen: one return per period, or a `TrackRecord`.
    n_trials, variance
        As for `expected_maximum_sharpe`; all trials that were made count, not only those that were kept. ``None`` is
        `variance_without_skill`. That of a few trials that resemble each other is too small, and hardly deflates.

    Returns
    -------
    float
        Between 0 and 1; with one trial, `probabilistic_sharpe_ratio` against 0.

    Raises
    ------
    DataError
        As for `expected_maximum_sharpe` and `probabilistic_sharpe_ratio`.

    Examples
    --------
    >>> from rollforward.evaluation.sharpe import TrackRecord
    >>> best = TrackRecord(sharpe=2.5 / 250**0.5, n_periods=1250, skew=-3, kurtosis=10)
    >>> round(deflated_sharpe_ratio(best, n_trials=100, variance=0.5 / 250), 3)
    0.9
    """
    record = track_record(returns)
    spread = variance_without_skill(record.n_periods) if variance is None else variance
    return probabilistic_sharpe_ratio(record, expected_maximum_sharpe(n_trials, spread))


def effective_number_of_trials(trials: pd.DataFrame, n_trials: float | None = None) -> float:
    """Estimate how many independent trials many similar ones amount to.

    Bailey and Lopez de Prado (2014), appendix: ``rho + (1 - rho) * n`` with the average correlation rho between trials.

    Parameters
    ----------
    trials
        One return per period (rows) and trial (columns); at least two columns. Columns that do not vary are left out of
        the average, and missing returns out of the correlations.
    n_trials
        Number of all trials, of which the columns are a sample; by default the number of columns.

    Returns
    -------
    float
        From 1, all the same, to `n_trials`, all independent; a negative average correlation counts as 0.

    Raises
    ------
    DataError
        If no two columns have a correlation.
    """
    correlation = trials.corr().to_numpy(dtype=np.float64)
    pairs = correlation[np.triu_indices_from(correlation, k=1)]
    if not np.isfinite(pairs).any():
        raise DataError(f"{trials.shape[1]} trials have no correlations.", "at least two trials that vary together.")
    rho = float(np.clip(np.nanmean(pairs), 0.0, 1.0))
    return rho + (1 - rho) * (trials.shape[1] if n_trials is None else n_trials)


@dataclass(frozen=True, eq=False)
class BacktestOverfitting:
    """How the trial that is best in one half of the time does in the other half, over many ways to halve it.

    Attributes
    ----------
    probability
        Probability of backtest overfitting: the share of splits in which the chosen trial is below the median of all
        trials out of sample. About 1/2 where the choice is worth nothing.
    logits
        ``log(w / (1 - w))`` of each split, where w = rank / (number of trials + 1) is the place of the chosen trial out
        of sample; negative below the median.
    performance
        One row per split: metric of the chosen trial ``in_sample`` and ``out_of_sample``, and which was ``chosen``.
    """

    probability: float
    logits: Floats
    performance: pd.DataFrame

    @property
    def n_splits(self) -> int:
        """Number of ways to halve the time."""
        return len(self.logits)

    @property
    def probability_of_loss(self) -> float:
        """Share of splits in which the chosen trial has a negative metric out of sample."""
        return float((self.performance[OUT_OF_SAMPLE] < 0).mean())

    @property
    def slope(self) -> float:
        """Slope of the out-of-sample metric on the in-sample one; negative where the better choice does worse."""
        inside, outside = (self.performance[name] for name in (IN_SAMPLE, OUT_OF_SAMPLE))
        variance = float(inside.var())
        return float(inside.cov(outside)) / variance if variance > 0 else math.nan


def probability_of_backtest_overfitting(
    trials: pd.DataFrame, n_blocks: int = 16, metric: Metric | None = None
) -> BacktestOverfitting:
    """Estimate how often the best of many trials is a bad choice, by combinatorially symmetric cross-validation.

    Bailey, Borwein, Lopez de Prado and Zhu, The Probability of Backtest Overfitting, Journal of Computational Finance
    20(4), 2017: time is cut into blocks; each choice of half of them, in their order, is once the sample in which the
    best trial is chosen, and the other half the one in which it is ranked.

    Parameters
    ----------
    trials
        One return per period (rows, in the order of time) and trial (columns), without gaps.
    n_blocks
        Blocks of equal length, give or take a row; an even number. 16 give 12,870 splits.
    metric
        Takes an array of returns, periods by trials, and gives a number for each trial, high = good; by default the
        Sharpe ratio, where a trial that does not vary counts 0.

    Returns
    -------
    BacktestOverfitting

    Raises
    ------
    DataError
        If there are fewer than two trials, fewer than two rows in a block, an odd number of blocks, or a missing or
        infinite value.
    """
    values = _checked(trials, n_blocks)
    blocks = np.array_split(np.arange(len(values)), n_blocks)
    score = sharpe_of_blocks(values, blocks) if metric is None else scored_by(metric, values, blocks)
    parts = [choose(*score(inside)) for inside in halves(n_blocks)]
    rank, chosen, inside, outside = (np.concatenate(part) for part in zip(*parts, strict=True))
    share = rank / (values.shape[1] + 1)
    table = {IN_SAMPLE: inside, OUT_OF_SAMPLE: outside, CHOSEN: trials.columns.take(chosen)}
    below = 2 * rank < values.shape[1] + 1
    return BacktestOverfitting(float(below.mean()), np.log(share / (1 - share)), pd.DataFrame(table))


def _checked(trials: pd.DataFrame, n_blocks: int) -> Floats:
    if n_blocks < 2 or n_blocks % 2:  # noqa: PLR2004  two halves
        raise DataError(f"n_blocks={n_blocks!r}.", "an even number of at least 2.")
    values = trials.to_numpy(dtype=np.float64)
    if values.shape[1] < 2 or len(values) < 2 * n_blocks:  # noqa: PLR2004  a choice needs two
        raise DataError(
            f"{values.shape[1]} trials over {len(values)} periods in {n_blocks} blocks.",
            "at least 2 trials, and 2 periods in each block.",
        )
    n_gaps = int((~np.isfinite(values)).sum())
    if n_gaps:
        raise DataError(
            f"{n_gaps} of {values.size} returns are missing or infinite.",
            "the same periods of all trials.",
            "trials.dropna() keeps the periods that all of them have.",
        )
    return values
