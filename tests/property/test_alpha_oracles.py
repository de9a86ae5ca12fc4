"""Figures of `rollforward.evaluation.alpha` against scipy and against plain pandas, on ragged frames."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rollforward.evaluation.alpha import calc_ic, calc_long_short_prec, calc_long_short_return, quantile_returns

NAMES = [f"S{i:02d}" for i in range(12)]


@st.composite
def panels(draw):
    """Prediction and label with ties, missing values, constant dates, missing rows and shuffled order."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_dates, n_levels = draw(st.integers(1, 6)), draw(st.sampled_from([1, 2, 3, 1000]))
    index = pd.MultiIndex.from_product(
        [pd.bdate_range("2024-01-02", periods=n_dates), NAMES], names=["datetime", "instrument"]
    )
    columns = []
    for _ in range(2):
        values = rng.integers(0, n_levels, len(index)) * 0.1
        values[rng.random(len(index)) < draw(st.sampled_from([0.0, 0.2, 0.9]))] = np.nan
        order = rng.permutation(len(index))[: rng.integers(1, len(index) + 1)]
        columns.append(pd.Series(values, index).iloc[order])
    return tuple(columns)


def by_date(pred, label, func):
    frame = pd.DataFrame({"pred": pred, "label": label})
    return pd.Series({date: func(part) for date, part in frame.groupby(level="datetime")}, dtype=float)


def pairwise(corr):
    def figure(part):
        part = part.dropna()
        if len(part) < 2 or (part.max() == part.min()).any():
            return np.nan
        return corr(part["pred"], part["label"]).statistic

    return figure


def assert_close(result, expected):
    assert list(result.index) == list(expected.index)
    np.testing.assert_allclose(result.to_numpy(), expected.to_numpy(), rtol=1e-9, atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(panels())
def test_ic_equals_scipy(panel):
    pred, label = panel
    ic, ric = calc_ic(pred, label)
    assert_close(ic, by_date(pred, label, pairwise(stats.pearsonr)))
    assert_close(ric, by_date(pred, label, pairwise(stats.spearmanr)))


@settings(max_examples=60, deadline=None)
@given(panels(), st.booleans())
def test_long_short_equals_sorting_each_date(panel, dropna):
    pred, label = panel

    def spread(part):
        part = part.dropna() if dropna else part
        n = int(len(part) * 0.2)
        top, bottom = part.nlargest(n, columns="pred"), part.nsmallest(n, columns="pred")
        return (top["label"].mean() - bottom["label"].mean()) / 2

    spread_r, average = calc_long_short_return(pred, label, dropna=dropna)
    expected = by_date(pred, label, spread).reindex(spread_r.index)
    assert_close(spread_r, expected)
    assert_close(
        average,
        by_date(pred, label, lambda part: (part.dropna() if dropna else part)["label"].mean()).reindex(average.index),
    )


@settings(max_examples=60, deadline=None)
@given(panels())
def test_precision_equals_counting_each_date(panel):
    pred, label = panel
    if label.index.get_level_values("instrument").nunique() <= 5:
        with pytest.raises(ValueError, match="Need more instruments"):
            calc_long_short_prec(pred, label)
        return

    def share(pick, sign):
        def figure(part):
            chosen = getattr(part, pick)(int(len(part) * 0.2), columns="pred")["label"].dropna()
            return (np.sign(chosen) == sign).mean() if len(chosen) else np.nan

        return figure

    centred = label - 0.1
    long, short = calc_long_short_prec(pred, centred)
    assert_close(long, by_date(pred, centred, share("nlargest", 1)))
    assert_close(short, by_date(pred, centred, share("nsmallest", -1)))


@settings(max_examples=60, deadline=None)
@given(panels(), st.integers(2, 6))
def test_quantiles_cover_every_pair_once(panel, n_quantiles):
    pred, label = panel
    frame = quantile_returns(pred, label, n_quantiles)
    ones = quantile_returns(pred, label * 0 + 1, n_quantiles)
    assert ones.notna().equals(frame.notna())
    pairs = pd.DataFrame({"pred": pred, "label": label}).dropna()
    assert list(frame.index[frame.notna().any(axis=1)]) == sorted(pairs.index.get_level_values(0).unique())
    for date, part in pairs.groupby(level="datetime"):
        groups = part["pred"].groupby(part["pred"]).ngroups
        assert frame.loc[date].notna().sum() <= min(groups, n_quantiles)
        assert frame.loc[date].min() >= part["label"].min() - 1e-12
        assert frame.loc[date].max() <= part["label"].max() + 1e-12


@given(panels())
@settings(max_examples=40, deadline=None)
def test_rank_ic_ignores_any_increasing_transformation(panel):
    pred, label = panel
    assert_close(calc_ic(np.exp(pred), label)[1], calc_ic(pred, label)[1])
