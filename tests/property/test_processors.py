"""Processors on any panel: what holds whatever the data are."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rollforward.data.processor import CSRankNorm, CSZFillna, CSZScoreNorm, MinMaxNorm, RobustZScoreNorm, ZScoreNorm

values = st.one_of(st.floats(-1e6, 1e6, width=32), st.just(np.nan), st.sampled_from([0.0, 1.0]))


@st.composite
def panels(draw):
    """Rows (datetime, instrument), some absent, and two columns."""
    n_days, n_names = draw(st.integers(1, 8)), draw(st.integers(1, 6))
    cells = [(day, name) for day in range(n_days) for name in range(n_names)]
    kept = draw(st.lists(st.sampled_from(cells), min_size=1, unique=True).map(sorted))
    numbers = draw(st.lists(st.tuples(values, values), min_size=len(kept), max_size=len(kept)))
    days = pd.date_range("2020-01-01", periods=n_days)
    index = pd.MultiIndex.from_tuples([(days[day], f"S{name}") for day, name in kept], names=["datetime", "instrument"])
    columns = pd.MultiIndex.from_tuples([("feature", "x"), ("label", "y")])
    return pd.DataFrame(np.array(numbers, dtype=float), index=index, columns=columns)


@settings(deadline=None, max_examples=60)
@given(panels())
def test_ranks_are_those_of_groups(df):
    expected = (df.groupby(level="datetime").rank(pct=True) - 0.5) * 3.46
    pd.testing.assert_frame_equal(CSRankNorm()(df), expected)


@settings(deadline=None, max_examples=60)
@given(panels())
def test_zscores_of_a_time_have_mean_zero_and_deviation_one_or_zero(df):
    result = CSZScoreNorm()(df)
    np.testing.assert_array_equal(result.isna(), df.isna())
    for _, part in result.groupby(level="datetime"):
        for column in part:
            known = part[column].dropna()
            if len(known):
                assert abs(known.mean()) < 1e-6
                assert (known == 0).all() or abs(known.std() - 1) < 1e-6


@settings(deadline=None, max_examples=40)
@given(panels(), st.data())
def test_a_time_is_processed_by_itself(df, data):
    """Cross-sectional processors give a time the same values whatever other times there are."""
    day = data.draw(st.sampled_from(sorted(set(df.index.get_level_values(0)))))
    alone = df[df.index.get_level_values(0) == day]
    for processor in (CSRankNorm(), CSZScoreNorm(), CSZScoreNorm(method="robust"), CSZFillna()):
        whole = processor(df)
        pd.testing.assert_frame_equal(processor(alone), whole[whole.index.get_level_values(0) == day])


@settings(deadline=None, max_examples=60)
@given(panels(), st.integers(0, 7), st.integers(0, 7), st.sampled_from([ZScoreNorm, MinMaxNorm, RobustZScoreNorm]))
def test_rows_outside_the_fit_window_are_not_learned_from(df, first, length, cls):
    start = pd.Timestamp("2020-01-01") + pd.Timedelta(days=first)
    end = start + pd.Timedelta(days=length)
    times = df.index.get_level_values(0)
    inside = (times >= start) & (times <= end)
    assume(inside.any())
    other = df.copy()
    other[~inside] = 1234.5
    learned, relearned = cls(start, end), cls(start, end)
    learned.fit(df)
    relearned.fit(other)
    pd.testing.assert_frame_equal(learned(df), relearned(df))
    scaled = learned(df)[inside]
    if cls is MinMaxNorm:
        assert scaled.min(axis=None, skipna=True) >= -1e-9 or scaled.isna().all(axis=None)
        assert scaled.max(axis=None, skipna=True) <= 1 + 1e-9 or scaled.isna().all(axis=None)
