"""Figures of `rollforward.evaluation.alpha` against scipy and against plain pandas, on ragged frames."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ragged import assert_close, by_date, pairwise, panels
from scipy import stats

from rollforward.evaluation.alpha import calc_ic, calc_long_short_prec, calc_long_short_return, quantile_returns


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
