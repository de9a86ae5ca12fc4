"""Features of closing prices, computed for all times and instruments at once.

Below, ``c[t]`` is the close of one instrument at session ``t``, ``r[t] = c[t] / c[t-1] - 1`` its return, ``m[t]`` the
mean return of all instruments at ``t``, and "over n" the ``n`` sessions ``t-n+1 .. t``. Every value at ``t`` uses
closes up to and including ``t`` and no others: what happens later changes not one bit of it.

==================  ===================================================================================================
name                formula
==================  ===================================================================================================
``REV<n>``          reversal: ``-(c[t] / c[t-n] - 1)``
``MOM<n>``          momentum: ``c[t] / c[t-n] - 1``
``MOM<n>_<s>``      momentum without the last ``s`` sessions: ``c[t-s] / c[t-n] - 1``
``VOL<n>``          volatility: sample standard deviation of ``r`` over n, per session (not annualised)
``VOLR<a>_<b>``     ``VOL<a> / VOL<b>``; 1 if ``VOL<b>`` is zero
``MA<n>``           distance to the moving average: ``c[t] / mean(c over n) - 1``
``MAX<n>``          distance to the highest close, the drawdown: ``c[t] / max(c over n) - 1``
``MIN<n>``          distance to the lowest close: ``c[t] / min(c over n) - 1``
``MDD<n>``          deepest drawdown: smallest ``MAX<n>`` over n
``RSI<n>``          sum of the positive ``r`` over n / sum of ``|r|`` over n; 0.5 if nothing moved
``UP<n>``           share of the sessions over n with ``r > 0``
``MAXRET<n>``       largest ``r`` over n
``SKEW<n>``         skewness of ``r`` over n (population moments); 0 if ``r`` is constant
``BETA<n>``         ``cov(r, m) / var(m)`` over n; 0 if ``m`` is constant
``IVOL<n>``         standard deviation of the residual ``r - BETA<n> * m`` over n
``RES<n>``          sum of ``r - m`` over n
``RANK_<feature>``  rank of a feature among the instruments of ``t``, divided by their number: in (0, 1]; ties share
==================  ===================================================================================================

``n``, ``s``, ``a`` and ``b`` are any numbers of sessions; ``DEFAULT_FEATURES`` is a choice. A session without a close
repeats the last one before it (a return of zero), and gives no row and takes no part in ``m`` and ``RANK``. A value
whose window begins before the first close is missing.

Sums over windows are built from sums over windows of half the length, so that each depends on the closes of its window
only, not on rounding errors of years before.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rollforward.data.selection import nearest
from rollforward.errors import ColumnError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

DEFAULT_FEATURES = (
    "REV1",
    "REV5",
    "REV10",
    "MOM20",
    "MOM60",
    "MOM120",
    "MOM252",
    "MOM120_20",
    "MOM252_20",
    "VOL10",
    "VOL20",
    "VOL60",
    "VOL120",
    "VOLR20_120",
    "MA5",
    "MA20",
    "MA60",
    "MA252",
    "MAX20",
    "MAX252",
    "MIN20",
    "MIN252",
    "MDD60",
    "RSI14",
    "UP60",
    "MAXRET20",
    "SKEW60",
    "BETA60",
    "IVOL60",
    "RES20",
    "RANK_REV5",
    "RANK_MOM20",
    "RANK_MOM252_20",
    "RANK_VOL60",
)

_NAME = re.compile(r"(?P<rank>RANK_)?(?P<family>[A-Z]+)(?P<first>[1-9]\d*)(?:_(?P<second>[1-9]\d*))?")
# A variance below this share of the mean square is what rounding leaves of returns that are all equal.
_ROUNDING = 1e-13


def compute_features(close: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
    """Compute features.

    Parameters
    ----------
    close
        Closes (times x instruments), positive, NaN where there is none.
    names
        Names of features as in the table above.

    Returns
    -------
        Array (features x times x instruments); NaN where a window is not full, or there is no close.

    Raises
    ------
    ColumnError
        If there is no such feature.
    DataError
        If a window is too short for its feature.
    """
    market = _Market(close)
    values = np.empty((len(names), *close.shape))
    for number, name in enumerate(names):
        values[number] = market.feature(name)
    values[:, ~market.present] = np.nan
    return values


def check_names(names: Sequence[str]) -> None:
    """Check that every feature exists, before anything is computed.

    Raises
    ------
    ColumnError
        If there is no such feature.
    DataError
        If a window is too short for its feature, or a feature is asked for twice.
    """
    for number, name in enumerate(names):
        _parse(name)
        if name in names[:number]:
            raise DataError(f"The feature {name!r} is asked for twice.", "each feature once.")


def shift(values: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Move rows down by ``n``: row ``t`` of the result is row ``t - n`` of the argument, NaN where there is none."""
    moved = np.full(values.shape, np.nan)
    moved[n:] = values[: max(0, len(values) - n)]
    return moved


def rolling_sum(values: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Sum rows ``t-n+1 .. t``; NaN where one is missing. Takes about 2 log2(n) additions of the whole matrix."""
    total: NDArray[np.float64] | None = None
    block, length, done = values, 1, 0
    while True:
        if n & length:
            total = block if total is None else total + shift(block, done)
            done += length
        if done == n:
            return total if total is not None else block
        block, length = block + shift(block, length), 2 * length


def rolling_extreme(
    values: NDArray[np.float64], n: int, choose: Callable[[Any, Any], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Choose (``np.maximum`` or ``np.minimum``) among rows ``t-n+1 .. t``; NaN where one is missing."""
    block, length = values, 1
    while 2 * length <= n:
        block, length = choose(block, shift(block, length)), 2 * length
    return block if length == n else choose(block, shift(block, n - length))


def rank_rows(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank each row: ranks from 1 divided by the number of values, ties share their mean, NaN stays."""
    ranks: NDArray[np.float64] = pd.DataFrame(values).rank(axis=1, pct=True).to_numpy()
    return ranks


class _Market:
    """Closes of all instruments and what several features are made of, each computed once."""

    def __init__(self, close: NDArray[np.float64]) -> None:
        self.present = ~np.isnan(close)
        self.close = close if self.present.all() else _fill_forward(close, self.present)
        self.returns = self.close / shift(self.close, 1) - 1
        self.mean_return = self._mean_over_instruments(self.returns)
        self._memo: dict[Any, NDArray[np.float64]] = {}

    def feature(self, name: str) -> NDArray[np.float64]:
        """Compute a feature by its name."""
        if name not in self._memo:
            is_rank, family, windows = _parse(name)
            if is_rank:
                values = self.feature(name.removeprefix("RANK_"))
                self._memo[name] = rank_rows(np.where(self.present, values, np.nan))
            else:
                self._memo[name] = _FAMILIES[family][0](self, *windows)
        return self._memo[name]

    def _mean_over_instruments(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        known = self.present & ~np.isnan(values)
        # Summed instrument by instrument, so that the result for a time does not depend on how many times there are.
        total, count = np.zeros(len(values)), np.zeros(len(values))
        for number in range(values.shape[1]):
            total += np.where(known[:, number], values[:, number], 0.0)
            count += known[:, number]
        mean = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
        return np.ascontiguousarray(np.broadcast_to(mean[:, None], values.shape))

    def _sum(self, key: str, n: int) -> NDArray[np.float64]:
        """Sum over n the product of r and m that a key such as ``"rrm"`` spells."""
        if (key, n) not in self._memo:
            factors = {"r": self.returns, "m": self.mean_return}
            series = factors[key[0]]
            for letter in key[1:]:
                series = series * factors[letter]
            self._memo[key, n] = rolling_sum(series, n)
        return self._memo[key, n]

    def _second_moment(self, a: str, b: str, n: int) -> NDArray[np.float64]:
        """Sum (a - mean)(b - mean) over n; exactly zero where it is rounding only."""
        square = self._sum("".join(sorted(a + b, reverse=True)), n)
        moment = square - self._sum(a, n) * self._sum(b, n) / n
        if a == b:
            moment[moment <= _ROUNDING * square] = 0.0
        return moment

    def momentum(self, n: int, skip: int = 0) -> NDArray[np.float64]:
        return (shift(self.close, skip) if skip else self.close) / shift(self.close, n) - 1

    def reversal(self, n: int) -> NDArray[np.float64]:
        return -self.momentum(n)

    def volatility(self, n: int) -> NDArray[np.float64]:
        return np.sqrt(self._second_moment("r", "r", n) / (n - 1))

    def volatility_ratio(self, short: int, long: int) -> NDArray[np.float64]:
        return _ratio(self.volatility(short), self.volatility(long), 1.0)

    def distance_to_mean(self, n: int) -> NDArray[np.float64]:
        return self.close / (rolling_sum(self.close, n) / n) - 1

    def drawdown(self, n: int) -> NDArray[np.float64]:
        return self.close / rolling_extreme(self.close, n, np.maximum) - 1

    def distance_to_low(self, n: int) -> NDArray[np.float64]:
        return self.close / rolling_extreme(self.close, n, np.minimum) - 1

    def deepest_drawdown(self, n: int) -> NDArray[np.float64]:
        return rolling_extreme(self.drawdown(n), n, np.minimum)

    def relative_strength(self, n: int) -> NDArray[np.float64]:
        gains = rolling_sum(np.maximum(self.returns, 0.0), n)
        return _ratio(gains, rolling_sum(np.abs(self.returns), n), 0.5)

    def share_up(self, n: int) -> NDArray[np.float64]:
        up = np.where(np.isnan(self.returns), np.nan, self.returns > 0)
        return rolling_sum(up, n) / n

    def largest_return(self, n: int) -> NDArray[np.float64]:
        return rolling_extreme(self.returns, n, np.maximum)

    def skewness(self, n: int) -> NDArray[np.float64]:
        mean = self._sum("r", n) / n
        second = self._second_moment("r", "r", n) / n
        third = self._sum("rrr", n) / n - 3 * mean * (self._sum("rr", n) / n) + 2 * mean * mean * mean
        return _ratio(third, second * np.sqrt(second), 0.0)

    def beta(self, n: int) -> NDArray[np.float64]:
        return _ratio(self._second_moment("r", "m", n), self._second_moment("m", "m", n), 0.0)

    def residual_volatility(self, n: int) -> NDArray[np.float64]:
        residual = self._second_moment("r", "r", n) - self.beta(n) * self._second_moment("r", "m", n)
        return np.sqrt(np.maximum(residual, 0.0) / (n - 1))

    def excess_return(self, n: int) -> NDArray[np.float64]:
        return rolling_sum(self.returns - self.mean_return, n)


# Family: how it is computed, the numbers of windows it can have, the shortest window that makes sense.
_FAMILIES: dict[str, tuple[Callable[..., NDArray[np.float64]], tuple[int, ...], int]] = {
    "REV": (_Market.reversal, (1,), 1),
    "MOM": (_Market.momentum, (1, 2), 1),
    "VOL": (_Market.volatility, (1,), 2),
    "VOLR": (_Market.volatility_ratio, (2,), 2),
    "MA": (_Market.distance_to_mean, (1,), 2),
    "MAX": (_Market.drawdown, (1,), 2),
    "MIN": (_Market.distance_to_low, (1,), 2),
    "MDD": (_Market.deepest_drawdown, (1,), 2),
    "RSI": (_Market.relative_strength, (1,), 1),
    "UP": (_Market.share_up, (1,), 1),
    "MAXRET": (_Market.largest_return, (1,), 1),
    "SKEW": (_Market.skewness, (1,), 3),
    "BETA": (_Market.beta, (1,), 2),
    "IVOL": (_Market.residual_volatility, (1,), 3),
    "RES": (_Market.excess_return, (1,), 1),
}


def _parse(name: str) -> tuple[bool, str, tuple[int, ...]]:
    match = _NAME.fullmatch(name)
    windows = tuple(int(match[part]) for part in ("first", "second") if match[part]) if match else ()
    if match is None or match["family"] not in _FAMILIES or len(windows) not in _FAMILIES[match["family"]][1]:
        raise ColumnError(
            f"There is no feature {name!r}.",
            nearest(name, DEFAULT_FEATURES),
            "Other windows are possible, e.g. MOM40; rollforward.data.features has the table.",
        )
    shortest = _FAMILIES[match["family"]][2]
    is_skip_too_long = match["family"] == "MOM" and len(windows) > 1 and windows[1] >= windows[0]
    if (match["family"] != "MOM" and min(windows) < shortest) or is_skip_too_long:
        raise DataError(
            f"The windows of {name!r} do not fit.",
            "a skip shorter than the window." if is_skip_too_long else f"at least {shortest} sessions.",
        )
    return match["rank"] is not None, match["family"], windows


def _ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64], neutral: float) -> NDArray[np.float64]:
    """Divide; ``neutral`` where both are known and the denominator is zero."""
    known = ~(np.isnan(numerator) | np.isnan(denominator))
    values = np.where(known, neutral, np.nan)
    return np.divide(numerator, denominator, out=values, where=known & (denominator != 0))


def _fill_forward(values: NDArray[np.float64], present: NDArray[np.bool_]) -> NDArray[np.float64]:
    rows = np.where(present, np.arange(len(values))[:, None], 0)
    return np.take_along_axis(values, np.maximum.accumulate(rows, axis=0), axis=0)
