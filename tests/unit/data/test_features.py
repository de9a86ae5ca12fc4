"""Features against their formulas, computed naively, window by window, with plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rollforward.data.features import DEFAULT_FEATURES, check_names, compute_features
from rollforward.errors import ColumnError, DataError

N_TIMES, N_NAMES = 40, 5
SMALL = (
    "REV3",
    "MOM7",
    "MOM7_2",
    "VOL6",
    "VOLR3_9",
    "MA4",
    "MAX5",
    "MIN5",
    "MDD5",
    "RSI6",
    "UP7",
    "MAXRET5",
    "SKEW8",
    "BETA9",
    "IVOL9",
    "RES5",
    "RANK_MOM7",
)


@pytest.fixture
def close():
    rng = np.random.default_rng(0)
    return 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (N_TIMES, N_NAMES)), axis=0))


def returns_of(close):
    returns = np.full(close.shape, np.nan)
    returns[1:] = close[1:] / close[:-1] - 1
    return returns


def reference(name, close, t, j):
    """One value, from the definition."""
    returns = returns_of(close)
    market = returns.mean(axis=1)
    c, r, m = close[:, j], returns[:, j], market
    rank = name.startswith("RANK_")
    if rank:
        values = [reference(name.removeprefix("RANK_"), close, t, k) for k in range(close.shape[1])]
        return stats.rankdata(values)[j] / len(values)
    family = name.rstrip("0123456789_")
    windows = [int(part) for part in name.removeprefix(family).split("_")]
    n = windows[0]
    rn, mn, cn = r[t - n + 1 : t + 1], m[t - n + 1 : t + 1], c[t - n + 1 : t + 1]
    high = lambda s: c[s] / c[s - n + 1 : s + 1].max() - 1  # noqa: E731
    return {
        "REV": lambda: -(c[t] / c[t - n] - 1),
        "MOM": lambda: c[t - (windows[1] if len(windows) > 1 else 0)] / c[t - n] - 1,
        "VOL": lambda: np.std(rn, ddof=1),
        "VOLR": lambda: np.std(rn, ddof=1) / np.std(r[t - windows[-1] + 1 : t + 1], ddof=1),
        "MA": lambda: c[t] / cn.mean() - 1,
        "MAX": lambda: cn[-1] / cn.max() - 1,
        "MIN": lambda: c[t] / cn.min() - 1,
        "MDD": lambda: min(high(s) for s in range(t - n + 1, t + 1)),
        "RSI": lambda: rn[rn > 0].sum() / np.abs(rn).sum(),
        "UP": lambda: np.count_nonzero(rn > 0) / n,
        "MAXRET": lambda: max(rn),
        "SKEW": lambda: stats.skew(rn),
        "BETA": lambda: np.cov(rn, mn)[0, 1] / np.var(mn, ddof=1),
        "IVOL": lambda: np.std(rn - np.cov(rn, mn)[0, 1] / np.var(mn, ddof=1) * mn, ddof=1),
        "RES": lambda: np.sum(rn - mn),
    }[family]()


@pytest.mark.parametrize("name", SMALL)
def test_feature_is_its_formula(close, name):
    values = compute_features(close, [name])[0]
    for t in (20, 31, N_TIMES - 1):
        for j in range(N_NAMES):
            assert values[t, j] == pytest.approx(reference(name, close, t, j), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("REV3", 3),
        ("MOM7_2", 7),
        ("VOL6", 6),
        ("MA4", 3),
        ("MAX5", 4),
        ("MDD5", 8),
        ("RSI6", 6),
        ("BETA9", 9),
        ("RANK_MOM7", 7),
    ],
)
def test_first_value_needs_a_full_window(close, name, first):
    values = compute_features(close, [name])[0]
    assert np.isnan(values[:first]).all()
    assert np.isfinite(values[first:]).all()


def test_listing_later_and_missing_sessions(close):
    close[:10, 1] = np.nan
    close[20:22, 2] = np.nan
    close[30:, 3] = np.nan
    mom, vol, res, rank = compute_features(close, ["MOM3", "VOL3", "RES1", "RANK_MOM3"])
    # An instrument begins with its own first close.
    assert np.isnan(mom[:13, 1]).all()
    assert np.isfinite(mom[13:, 1]).all()
    # A session without a close has no row; around it the last close stands in.
    assert np.isnan(mom[20:22, 2]).all()
    assert mom[22, 2] == close[22, 2] / close[19, 2] - 1
    assert mom[24, 2] == close[24, 2] / close[19, 2] - 1
    assert vol[23, 2] == pytest.approx(
        np.std([0, close[22, 2] / close[19, 2] - 1, close[23, 2] / close[22, 2] - 1], ddof=1)
    )
    # The mean over instruments and the ranks are of those that have a close.
    present = [0, 1, 2, 4]
    assert np.nanmax(rank[35]) == 1.0
    assert set(rank[35, present]) == {0.25, 0.5, 0.75, 1.0}
    r = returns_of(close)[35]
    assert res[35, 0] == pytest.approx(r[0] - r[present].mean())


def test_price_that_does_not_move_gives_neutral_values():
    names = ["MOM5", "VOL5", "VOLR5_9", "MA5", "MAX5", "MDD5", "RSI5", "UP5", "SKEW5", "BETA5", "IVOL5", "RES5"]
    values = compute_features(np.full((30, 2), 0.1), names)[:, -1, 0]
    assert dict(zip(names, values, strict=True)) == {**dict.fromkeys(names, 0.0), "VOLR5_9": 1.0, "RSI5": 0.5}


@pytest.mark.parametrize("growth", [2.0, 1.01, 0.997])
def test_steady_growth_has_no_volatility(close, growth):
    """Returns that differ by rounding only do not differ."""
    close[:, 0] = 3 * growth ** np.arange(N_TIMES)
    vol, skew = compute_features(close, ["VOL6", "SKEW6"])
    assert (vol[6:, 0] == 0).all()
    assert (skew[6:, 0] == 0).all()


def test_value_depends_on_its_window_only(close):
    """A crash years before leaves no trace in the sums, not even of rounding."""
    wild = close.copy()
    wild[:15] *= np.random.default_rng(1).lognormal(0, 5, (15, N_NAMES))
    names = ["MA4", "VOL6", "SKEW8", "BETA9", "IVOL9", "RSI6"]
    np.testing.assert_array_equal(compute_features(wild, names)[:, 25:], compute_features(close, names)[:, 25:])


@pytest.mark.parametrize("name", DEFAULT_FEATURES)
def test_default_feature_is_its_formula(name):
    rng = np.random.default_rng(4)
    long = 50 * np.exp(np.cumsum(rng.standard_t(4, (300, 3)) / 60, axis=0))
    values = compute_features(long, [name])[0]
    for t in (260, 299):
        assert values[t, 1] == pytest.approx(reference(name, long, t, 1), rel=1e-9, abs=1e-12)


def test_defaults_are_about_thirty_and_all_known(close):
    check_names(DEFAULT_FEATURES)
    assert 30 <= len(DEFAULT_FEATURES) <= 40
    assert compute_features(close, DEFAULT_FEATURES).shape == (len(DEFAULT_FEATURES), N_TIMES, N_NAMES)


@pytest.mark.parametrize("name", ["MOMENTUM20", "MOM", "mom20", "MOM20_5_1", "RANK_", "VOL20_5", "MOM020", "MOM0", ""])
def test_unknown_feature(name):
    with pytest.raises(ColumnError, match="no feature"):
        check_names([name])


def test_near_miss_is_named():
    with pytest.raises(ColumnError, match="Did you mean 'VOL20'"):
        check_names(["VOLA20"])


@pytest.mark.parametrize("name", ["VOL1", "MOM5_5", "MOM5_6", "SKEW2", "VOLR1_5"])
def test_windows_that_make_no_sense(name):
    with pytest.raises(DataError, match="do not fit"):
        check_names([name])


def test_feature_asked_twice():
    with pytest.raises(DataError, match="twice"):
        check_names(["MOM5", "VOL5", "MOM5"])
