"""What holds for every joined or averaged prediction."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from rollforward.model.ens.ensemble import AverageEnsemble, RollingEnsemble

DATES = pd.bdate_range("2020-01-01", periods=20)
NAMES = ["A", "B", "C", "D"]


@st.composite
def folds(draw):
    """Frames whose values say which fold they are of; rows shuffled, missing and overlapping."""
    made = {}
    for number in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(DATES) - 1))
        stop = draw(st.integers(start + 1, len(DATES)))
        names = draw(st.permutations(NAMES))[: draw(st.integers(1, len(NAMES)))]
        levels = [DATES[start:stop], names]
        order = draw(st.sampled_from([["datetime", "instrument"], ["instrument", "datetime"]]))
        index = pd.MultiIndex.from_product(levels, names=["datetime", "instrument"])
        frame = pd.DataFrame({"score": float(number)}, index=index)
        seed = draw(st.integers(0, 5))
        frame = frame.sample(frac=draw(st.sampled_from([0.4, 1.0])), random_state=seed) if seed else frame
        made[number] = frame, order
    order = made[0][1]
    return {number: frame.reorder_levels(order) for number, (frame, _) in made.items()}


@given(folds())
def test_the_last_model_wins_in_a_sorted_unique_index(frames):
    joined = RollingEnsemble()(frames)

    assert joined.index.is_unique
    assert joined.index.is_monotonic_increasing
    starts = {k: f.index.get_level_values("datetime").min() for k, f in frames.items() if len(f)}
    in_time = sorted(starts, key=lambda number: starts[number])
    for row, value in joined["score"].items():
        assert value == max((number for number in in_time if row in frames[number].index), key=in_time.index)
    assert set(joined.index) == set().union(*(set(frame.index) for frame in frames.values()))


@given(folds())
def test_joining_equals_the_plain_way(frames):
    filled = sorted(
        (frame for frame in frames.values() if len(frame)),
        key=lambda frame: frame.index.get_level_values("datetime").min(),
    )
    plain = pd.concat(filled or list(frames.values()))
    plain = plain[~plain.index.duplicated(keep="last")].sort_index()

    pd.testing.assert_frame_equal(RollingEnsemble()(frames), plain)


@given(folds(), st.integers(0, 9))
def test_the_average_is_standardised_and_ignores_scale(frames, seed):
    rng = np.random.default_rng(seed)
    frames = {k: frame.assign(score=rng.normal(size=len(frame))) for k, frame in frames.items()}
    scaled = {k: 3 + 10 * frame for k, frame in frames.items()}

    average = AverageEnsemble()(frames)

    pd.testing.assert_series_equal(AverageEnsemble()(scaled), average, rtol=1e-9, atol=1e-9)
    assert average.index.is_monotonic_increasing
    if len(frames) == 1:
        by_date = average.dropna().groupby("datetime")
        np.testing.assert_allclose(by_date.mean(), 0, atol=1e-9)
        np.testing.assert_allclose(by_date.std(), 1, rtol=1e-9)
