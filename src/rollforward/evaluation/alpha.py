"""How good a signal is: information coefficients, quantile returns, long-short returns.

All functions take a prediction and a label indexed ``(datetime, instrument)``, match them by index, and give one value
per date. Nothing is annualised: an information ratio is the mean of the daily values over their standard deviation
(``ddof=1``), as in Qlib.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rollforward.errors import DataError
from rollforward.evaluation.bydate import Panel, correlation, excess, panel_of, ranks
from rollforward.evaluation.quantiles import check_n_quantiles, quantile_groups
from rollforward.evaluation.sides import first_rows, side_size

if TYPE_CHECKING:
    from rollforward.evaluation.bydate import Floats

IC, ICIR, RANK_IC, RANK_ICIR = "IC", "ICIR", "Rank IC", "Rank ICIR"
ALL_YEARS = "all"
ROUNDING = 1e-12  # a deviation that is a smaller share of the mean comes from rounding: all values are equal


def calc_ic(
    pred: pd.Series | pd.DataFrame, label: pd.Series | pd.DataFrame, date_col: str = "datetime", dropna: bool = False
) -> tuple[pd.Series, pd.Series]:
    """Correlate prediction and label across instruments, date by date.

    Pairs with a missing side are left out. The rank correlation gives ties the average of their ranks.

    Parameters
    ----------
    pred, label
        One column each, indexed ``(datetime, instrument)``; the order of rows does not matter.
    date_col
        Index level with the dates.
    dropna
        Leave dates without a value out of the result.

    Returns
    -------
    ic, ric
        Pearson (IC) and Spearman (Rank IC) correlation, indexed by date; NaN for a date with fewer than two pairs, or
        where a side is constant.

    Raises
    ------
    ColumnError
        If an index has no level ``date_col``.
    DataError
        If there is not exactly one column on each side, or an index has duplicates.

    Examples
    --------
    >>> import pandas as pd
    >>> day = pd.to_datetime(["2024-01-02"])
    >>> rows = pd.MultiIndex.from_product([day, ["A", "B", "C"]], names=["datetime", "instrument"])
    >>> ic, ric = calc_ic(pd.Series([1.0, 2.0, 9.0], rows), pd.Series([0.1, 0.2, 0.3], rows))
    >>> round(float(ic.iloc[0]), 4), round(float(ric.iloc[0]), 4)
    (0.9177, 1.0)
    """
    ic, ric, _ = daily_ic(panel_of(pred, label, date_col))
    return (ic.dropna(), ric.dropna()) if dropna else (ic, ric)


def ic_summary(ic: pd.Series, ric: pd.Series) -> dict[str, float]:
    """Condense daily ICs into the four figures that `SigAnaRecord` logs.

    Parameters
    ----------
    ic, ric
        As `calc_ic` returns them; NaN is skipped.

    Returns
    -------
    dict
        ``IC`` and ``Rank IC`` are means, ``ICIR`` and ``Rank ICIR`` mean / standard deviation (``ddof=1``), not
        annualised; NaN where the deviation is zero or unknown.
    """
    return {IC: _mean(ic), ICIR: _ratio(ic), RANK_IC: _mean(ric), RANK_ICIR: _ratio(ric)}


def ic_table_by_year(
    pred: pd.Series | pd.DataFrame, label: pd.Series | pd.DataFrame, date_col: str = "datetime"
) -> pd.DataFrame:
    """Condense the ICs of each calendar year, and of all dates together.

    Parameters
    ----------
    pred, label, date_col
        As for `calc_ic`.

    Returns
    -------
    pd.DataFrame
        Index ``year``: the years as integers, ascending, then ``"all"``. Columns ``IC``, ``ICIR``, ``Rank IC`` and
        ``Rank ICIR`` as in `ic_summary`, ``n_dates`` (dates that have an IC) and ``n_obs`` (pairs on these dates).
        A year in which no date has an IC is left out.
    """
    ic, ric, n_obs = daily_ic(panel_of(pred, label, date_col), dropna=True)
    year = pd.DatetimeIndex(ic.index).year.to_numpy()
    parts = {int(one): year == one for one in np.unique(year)} | {ALL_YEARS: np.ones(len(year), dtype=bool)}
    rows = [ic_row(ic[part], ric[part], n_obs[part]) for part in parts.values()]
    return pd.DataFrame(rows, index=pd.Index(list(parts), name="year", dtype=object))


def quantile_returns(
    pred: pd.Series | pd.DataFrame,
    label: pd.Series | pd.DataFrame,
    n_quantiles: int = 5,
    date_col: str = "datetime",
) -> pd.DataFrame:
    """Average the label in each quantile of the prediction, date by date.

    The groups are those of ``pandas.qcut`` on the pairs of the date: group ``k`` ends at the linearly interpolated
    ``k / n_quantiles`` quantile, inclusive. Equal predictions share a group, which may leave another one empty.

    Parameters
    ----------
    pred, label, date_col
        As for `calc_ic`.
    n_quantiles
        Number of groups; at least 2.

    Returns
    -------
    pd.DataFrame
        Indexed by date; columns 1 (lowest predictions) to ``n_quantiles``; NaN for an empty group. Its ``mean()`` is
        the average over dates.

    Raises
    ------
    DataError
        If ``n_quantiles`` is below 2.
    """
    check_n_quantiles(n_quantiles)
    panel = panel_of(pred, label, date_col).pairs()
    group = quantile_groups(panel, n_quantiles)
    columns = {k: panel.mean(np.where(group == k, panel.label, np.nan)) for k in range(1, n_quantiles + 1)}
    return pd.DataFrame(columns, index=panel.dates).rename_axis(columns="quantile")


def calc_long_short_return(
    pred: pd.Series | pd.DataFrame,
    label: pd.Series | pd.DataFrame,
    date_col: str = "datetime",
    quantile: float = 0.2,
    dropna: bool = False,
) -> tuple[pd.Series, pd.Series]:
    """Return of holding the best predicted instruments and shorting the worst, date by date.

    Parameters
    ----------
    pred, label, date_col
        As for `calc_ic`; the label is the return that the position earns.
    quantile
        Share of a date's rows on each side; ``int(n_rows * quantile)`` instruments. Ties go to the first rows.
    dropna
        Drop incomplete pairs first; otherwise they count as rows, and a missing label is skipped in the averages.

    Returns
    -------
    long_short_r, long_avg_r
        ``(mean of the top - mean of the bottom) / 2`` and the mean of all labels, indexed by date; NaN for a date with
        too few rows for one instrument on a side.
    """
    panel = _ranked_panel(pred, label, date_col, dropna=dropna)
    size = side_size(panel, quantile)
    top = panel.mean(np.where(first_rows(panel, -panel.pred, size), panel.label, np.nan))
    bottom = panel.mean(np.where(first_rows(panel, panel.pred, size), panel.label, np.nan))
    return panel.series((top - bottom) / 2, "long_short_return"), panel.series(
        panel.mean(panel.label), "average_return"
    )


def calc_long_short_prec(  # Qlib's signature
    pred: pd.Series | pd.DataFrame,
    label: pd.Series | pd.DataFrame,
    date_col: str = "datetime",
    quantile: float = 0.2,
    dropna: bool = False,
    is_alpha: bool = False,
) -> tuple[pd.Series, pd.Series]:
    """Share of the instruments picked on each side whose label has the hoped-for sign, date by date.

    Parameters
    ----------
    pred, label, date_col, quantile, dropna
        As for `calc_long_short_return`.
    is_alpha
        Compare labels with the mean of their date instead of with zero.

    Returns
    -------
    long_precision, short_precision
        Share of positive labels at the top and of negative ones at the bottom, indexed by date; NaN without labels.

    Raises
    ------
    DataError
        If there are at most ``int(1 / quantile)`` instruments.
    """
    panel = _ranked_panel(pred, label, date_col, dropna=False)
    others = [level for level, name in enumerate(label.index.names) if name != date_col]
    n_instruments = label.index.get_level_values(others[0]).nunique() if others else 1
    if int(1 / quantile) >= n_instruments:
        raise DataError(
            f"There are {n_instruments} instruments; a side of {quantile:.0%} cannot be judged on them.",
            f"Need more instruments: at least {int(1 / quantile) + 1}.",
            "Use a larger quantile or more instruments.",
        )
    target = excess(panel, panel.label) if is_alpha else panel.label
    panel = replace(panel, label=target)
    panel = panel.pairs() if dropna else panel
    size = side_size(panel, quantile)
    long = _share(panel, first_rows(panel, -panel.pred, size), panel.label > 0)
    short = _share(panel, first_rows(panel, panel.pred, size), panel.label < 0)
    return panel.series(long, "long_precision"), panel.series(short, "short_precision")


def daily_ic(panel: Panel, *, dropna: bool = False) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Correlate the two columns of a panel date by date.

    Parameters
    ----------
    panel
        Rows as `panel_of` aligns them; pairs with a missing side are left out.
    dropna
        Leave out the dates without an IC.

    Returns
    -------
    ic, ric, n_obs
        As `calc_ic`, and the number of pairs, indexed by date.
    """
    panel = panel.pairs()
    ic = panel.series(correlation(panel, panel.pred, panel.label), IC)
    ric = panel.series(correlation(panel, ranks(panel, panel.pred), ranks(panel, panel.label)), RANK_IC)
    n_obs = pd.Series(panel.count(), index=panel.dates, name="n_obs")
    known = ic.notna() if dropna else slice(None)
    return ic[known], ric[known], n_obs[known]


def ic_row(ic: pd.Series, ric: pd.Series, n_obs: pd.Series) -> dict[str, float]:
    """Condense daily ICs into a row of a table: `ic_summary`, ``n_dates`` (with an IC), ``n_obs`` (their pairs)."""
    known = ic.notna()
    return ic_summary(ic, ric) | {"n_dates": int(known.sum()), "n_obs": int(n_obs[known].sum())}


def _mean(values: pd.Series) -> float:
    return float(values.mean())


def _ratio(values: pd.Series) -> float:
    mean, deviation = float(values.mean()), float(values.std(ddof=1))
    return mean / deviation if deviation > ROUNDING * abs(mean) else float("nan")


def _ranked_panel(
    pred: pd.Series | pd.DataFrame, label: pd.Series | pd.DataFrame, date_col: str, *, dropna: bool
) -> Panel:
    panel = panel_of(pred, label, date_col)
    return panel.pairs() if dropna else panel


def _share(panel: Panel, picked: np.ndarray, hit: np.ndarray) -> Floats:
    known = picked & ~np.isnan(panel.label)
    with np.errstate(invalid="ignore", divide="ignore"):
        share: Floats = panel.count(known & hit) / panel.count(known)
    return share
