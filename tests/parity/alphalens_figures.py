"""Figures of alphalens-reloaded on a signal of the bundled prices, for `test_alphalens.py`.

Run in an environment of its own, which has alphalens-reloaded 0.5.1 and not rollforward::

    python tests/parity/alphalens_figures.py > tests/parity/alphalens.json
"""

import json
import sys
import warnings
from contextlib import redirect_stdout
from math import isnan
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
N_DATES, LONGEST = 60, 5


def inputs():
    """Prices, a signal of every instrument, the same with gaps, and a group for each instrument."""
    path = ROOT / "src" / "rollforward" / "data" / "bundled" / "sp500_close.csv.gz"
    prices = pd.read_csv(path, index_col=0, parse_dates=True).loc["2018-11":]
    prices = prices.iloc[: 20 + N_DATES + LONGEST]
    full = prices.pct_change(20, fill_method=None).iloc[20 : 20 + N_DATES]
    gaps = [[(7 * row + 3 * column) % 11 == 0 for column in range(full.shape[1])] for row in range(len(full))]
    groups = {name: "uvw"[number % 3] for number, name in enumerate(prices.columns)}
    return prices, long(full), long(full.round(4).mask(pd.DataFrame(gaps, full.index, full.columns))), groups


def long(table):
    return table.rename_axis(index="date", columns="asset").stack().dropna().rename("factor")


def figures():
    from alphalens import performance, utils

    prices, full, ragged, groups = inputs()
    options = {"quantiles": 5, "periods": (1, LONGEST), "filter_zscore": None, "max_loss": 1.0}
    data = utils.get_clean_factor_and_forward_returns(ragged, prices, groupby=groups, **options)
    even = utils.get_clean_factor_and_forward_returns(full, prices, **options)
    by_date, error = performance.mean_return_by_quantile(data, by_date=True, demeaned=False)
    spread, _ = performance.compute_mean_returns_spread(by_date, 5, 1, std_err=error)
    yield "rank_ic", performance.factor_information_coefficient(data)
    yield "rank_ic_by_group", performance.mean_information_coefficient(data, by_group=True)
    yield "rank_ic_by_month", performance.mean_information_coefficient(data, by_time="ME")
    yield "quantile_returns", by_date["1D"].reset_index().pivot_table("1D", "date", "factor_quantile")
    yield "spread", spread[["1D"]]
    for lag in (1, 3):
        parts = {k: performance.quantile_turnover(data["factor_quantile"], k, lag) for k in range(1, 6)}
        yield f"turnover_{lag}", pd.DataFrame(parts)
        yield f"rank_autocorrelation_{lag}", performance.factor_rank_autocorrelation(even, lag).to_frame()
    yield "halves", performance.factor_returns(even, equal_weight=True)[["1D"]]


def plain(frame):
    """Rows without their labels: dates or groups in ascending order, missing ones left out."""
    rows = frame.dropna(how="all").sort_index().to_numpy(float)
    return [[None if isnan(value) else round(value, 12) for value in row] for row in rows.tolist()]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with redirect_stdout(sys.stderr):  # alphalens talks
        lines = [f"{json.dumps(name)}: {json.dumps(plain(frame))}" for name, frame in figures()]
    sys.stdout.write("{" + ",\n".join(lines) + "}\n")
