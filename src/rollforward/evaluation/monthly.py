"""A calendar of information coefficients."""

from __future__ import annotations

import pandas as pd


def monthly_ic(ic: pd.Series) -> pd.DataFrame:
    """Average daily figures over calendar months.

    Parameters
    ----------
    ic
        One value per date, as `calc_ic` returns them; NaN is skipped.

    Returns
    -------
    pd.DataFrame
        Index ``year``: every year from the first to the last that has a value; columns 1 to 12 (``month``); NaN for a
        month without a value.
    """
    ic = ic.dropna()
    dates = pd.DatetimeIndex(ic.index)
    means = ic.groupby([dates.year, dates.month]).mean()
    table = means.unstack().reindex(columns=range(1, 13)).astype(float)  # noqa: PD010  # one value per month: nothing to pivot
    if len(table):
        table = table.reindex(range(int(table.index.min()), int(table.index.max()) + 1))
    return table.rename_axis(index="year", columns="month")
