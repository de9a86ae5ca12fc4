"""Figures of a signal are those of alphalens-reloaded; `alphalens_figures.py` wrote them down."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from alphalens_figures import LONGEST, N_DATES, inputs

from rollforward.evaluation.alpha import calc_ic, quantile_returns
from rollforward.evaluation.forward import forward_returns
from rollforward.evaluation.groups import ic_by_group
from rollforward.evaluation.horizon import ic_by_horizon
from rollforward.evaluation.long_short import long_short_returns
from rollforward.evaluation.monthly import monthly_ic
from rollforward.evaluation.quantiles import quantile_spread
from rollforward.evaluation.turnover import quantile_turnover, rank_autocorrelation

HERE = Path(__file__).resolve().parent
RECORDED = json.loads((HERE / "alphalens.json").read_text(encoding="utf-8"))
PRICES, FULL, RAGGED, GROUPS = inputs()
ALPHALENS = os.environ.get("ROLLFORWARD_TEST_ALPHALENS")
NAMES = ["datetime", "instrument"]


@pytest.fixture(scope="module")
def pred():
    return RAGGED.rename_axis(NAMES)


@pytest.fixture(scope="module")
def even():
    return FULL.rename_axis(NAMES)


@pytest.fixture(scope="module")
def returns():
    """alphalens buys at the price that the signal knows."""
    return forward_returns(PRICES, (1, LONGEST), delay=0)


def assert_recorded(name, ours):
    expected = np.array(RECORDED[name], dtype=float)
    assert len(expected) > 0
    np.testing.assert_allclose(ours.dropna(how="all").to_numpy(float).reshape(expected.shape), expected, atol=1e-10)


def test_rank_ic_of_two_horizons(pred, returns):
    for column, horizon in enumerate((1, LONGEST)):
        expected = np.array(RECORDED["rank_ic"])[:, column]
        ric = calc_ic(pred, returns[horizon])[1].loc[pred.index[0][0] :].dropna()
        assert len(ric) == N_DATES
        np.testing.assert_allclose(ric, expected, atol=1e-10)
        mean = ic_by_horizon(pred, PRICES, (horizon,), delay=0).loc[horizon, "Rank IC"]
        assert mean == pytest.approx(expected.mean())


def test_rank_ic_by_group_and_month(pred, returns):
    for column, horizon in enumerate((1, LONGEST)):
        by_group = np.array(RECORDED["rank_ic_by_group"])[:, column]
        assert ic_by_group(pred, returns[horizon], GROUPS)["Rank IC"].tolist() == pytest.approx(by_group.tolist())
        by_month = np.array(RECORDED["rank_ic_by_month"])[:, column]
        months = monthly_ic(calc_ic(pred, returns[horizon])[1]).to_numpy().ravel()
        assert months[~np.isnan(months)].tolist() == pytest.approx(by_month.tolist())


def test_quantile_returns_and_spread(pred, returns):
    ours = quantile_returns(pred, returns[1])
    assert_recorded("quantile_returns", ours)
    assert_recorded("spread", quantile_spread(ours).to_frame() / 2)  # alphalens invests half on each side


@pytest.mark.parametrize("lag", [1, 3])
def test_turnover_and_rank_autocorrelation(pred, even, lag):
    assert_recorded(f"turnover_{lag}", quantile_turnover(pred, 5, lag))
    assert_recorded(f"rank_autocorrelation_{lag}", rank_autocorrelation(even, lag).to_frame())


def test_the_better_half_against_the_worse(even, returns):
    assert_recorded("halves", long_short_returns(even, returns[1], 0.5)[["gross"]])


@pytest.mark.skipif(not ALPHALENS, reason="ROLLFORWARD_TEST_ALPHALENS names no Python that has alphalens-reloaded")
def test_the_record_is_what_alphalens_says():
    done = subprocess.run([ALPHALENS, HERE / "alphalens_figures.py"], capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == RECORDED
