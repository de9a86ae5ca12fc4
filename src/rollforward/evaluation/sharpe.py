"""What a Sharpe ratio proves: how sure it is, given its length and the shape of the returns.

All Sharpe ratios here are those of one period, ``mean / std`` with ``n - 1`` in the deviation: daily returns give daily
ratios, and nothing is annualised. The formulas take periods to be independent of each other: returns that overlap in
time, such as those of a label over 5 days, make every figure too sure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from rollforward.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

NORMAL = NormalDist()
CONSTANT = 1e-13  # a deviation below this part of the values is what rounding leaves of a constant

_NORMAL_KURTOSIS = 3.0


@dataclass(frozen=True)
class TrackRecord:
    """What the formulas need to know of a series of returns.

    Attributes
    ----------
    sharpe
        Mean over standard deviation, per period.
    n_periods
        Number of returns; at least 2.
    skew
        Skewness; 0 for a normal distribution.
    kurtosis
        Kurtosis, not in excess of the normal distribution, for which it is 3.
    """

    sharpe: float
    n_periods: int
    skew: float = 0.0
    kurtosis: float = _NORMAL_KURTOSIS

    def __post_init__(self) -> None:
        """Check the figures."""
        if self.n_periods < 2 or not all(map(math.isfinite, (self.sharpe, self.skew, self.kurtosis))):  # noqa: PLR2004
            raise DataError(f"{self!r}.", "finite figures of at least 2 periods.")

    @property
    def dispersion(self) -> float:
        """Variance of the estimated Sharpe ratio, times ``n - 1``.

        Raises
        ------
        DataError
            If the moments are so extreme that the formula gives no positive value.
        """
        variance = 1 - self.skew * self.sharpe + (self.kurtosis - 1) / 4 * self.sharpe**2
        if variance <= 0:
            raise DataError(
                f"The estimated Sharpe ratio of {self!r} would have the variance {variance:.3g} / (n - 1).",
                "moments for which it is positive: kurtosis is at least 1 + skew ** 2.",
                "take a longer series; too few returns have no reliable moments.",
            )
        return variance


Returns: TypeAlias = "TrackRecord | pd.Series | ArrayLike"


def track_record(returns: Returns) -> TrackRecord:
    """Measure a series of returns.

    Parameters
    ----------
    returns
        One return per period; missing ones are left out. A `TrackRecord` comes back as it is.

    Returns
    -------
    TrackRecord
        With the estimators of pandas: ``n - 1`` in the deviation, skewness and kurtosis corrected for bias from 4
        returns on, and those of the normal distribution below.

    Raises
    ------
    DataError
        If there are fewer than two returns, an infinite one, several columns of them, or if all are equal.
    """
    if isinstance(returns, TrackRecord):
        return returns
    values = pd.Series(_one_series(returns)).dropna()
    if len(values) < 2 or not np.isfinite(values).all():  # noqa: PLR2004  a deviation needs two
        raise DataError(f"There are {len(values)} returns, or infinite ones.", "at least 2 finite returns.")
    mean, deviation = float(values.mean()), float(values.std())
    if deviation <= CONSTANT * float(values.abs().max()):
        raise DataError(f"All {len(values)} returns are {mean:g}.", "returns that vary.", "check what was computed.")
    if len(values) < 4:  # noqa: PLR2004  what the corrected estimators need
        return TrackRecord(mean / deviation, len(values))
    skew: Any = values.skew()
    excess: Any = values.kurt()
    return TrackRecord(mean / deviation, len(values), float(skew), float(excess) + _NORMAL_KURTOSIS)


def _one_series(returns: Any) -> NDArray[np.float64]:
    values = np.asarray(returns, dtype=np.float64)
    if values.ndim > 1 and values.size != len(values):
        raise DataError(
            f"The returns have the shape {values.shape}.",
            "one series: one return per period.",
            "Select the column of one trial; sharpe_ratios takes all of them.",
        )
    return values.ravel()


def probabilistic_sharpe_ratio(returns: Returns, benchmark: float = 0.0) -> float:
    """Compute how likely the true Sharpe ratio is above a benchmark.

    Bailey and Lopez de Prado, The Sharpe Ratio Efficient Frontier, Journal of Risk 15(2), 2012: the normal probability
    of ``(sharpe - benchmark) * sqrt(n - 1) / sqrt(1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe ** 2)``.

    Parameters
    ----------
    returns
        One return per period, or a `TrackRecord`.
    benchmark
        Sharpe ratio of one period.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    DataError
        If the returns have no Sharpe ratio or too extreme moments.

    Examples
    --------
    >>> round(probabilistic_sharpe_ratio(TrackRecord(sharpe=0.458, n_periods=24)), 3)  # 24 months, as if normal
    0.982
    >>> round(probabilistic_sharpe_ratio(TrackRecord(0.458, 24, skew=-2.448, kurtosis=10.164)), 3)
    0.913
    """
    record = track_record(returns)
    z = (record.sharpe - benchmark) * math.sqrt((record.n_periods - 1) / record.dispersion)
    return NORMAL.cdf(z)


def minimum_track_record_length(returns: Returns, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """Count the periods after which a Sharpe ratio would be above a benchmark with the wanted confidence.

    Bailey and Lopez de Prado (2012), as for `probabilistic_sharpe_ratio`, which is solved for `n`:
    ``1 + (1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe ** 2) * (z / (sharpe - benchmark)) ** 2``.

    Parameters
    ----------
    returns
        One return per period, or a `TrackRecord`; its length plays no part but for the moments.
    benchmark
        Sharpe ratio of one period.
    confidence
        Between 1/2 and 1, both excluded.

    Returns
    -------
    float
        Periods, not rounded; infinite where the Sharpe ratio is not above the benchmark.

    Raises
    ------
    DataError
        If the confidence is out of range, or as for `probabilistic_sharpe_ratio`.
    """
    if not 0.5 < confidence < 1:  # noqa: PLR2004  even odds need no track record
        raise DataError(f"confidence={confidence!r}.", "a number between 0.5 and 1, both excluded.")
    record = track_record(returns)
    if record.sharpe <= benchmark:
        return math.inf
    return 1 + record.dispersion * (NORMAL.inv_cdf(confidence) / (record.sharpe - benchmark)) ** 2
