"""What holds for every joined or averaged prediction."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from rollforward.model.ens.blend import RankEnsemble, WeightedEnsemble
from rollforward.model.ens.ensemble import AverageEnsemble, RollingEnsemble
from rollforward.model.ens.origin import with_origin

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

    pd.testing.assert_frame_equal(RollingEnsemble()(frames), plain, check_exact=True)


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


@settings(max_examples=40)
@given(folds())
def test_the_origin_goes_with_its_row(frames):
    """A column of plain objects, joined the plain way, says the same as the categories."""
    made = {k: with_origin(frame, cutoff=DATES[0], recorder_id=f"run {k}") for k, frame in frames.items()}

    joined = RollingEnsemble(with_origin=True)(made)

    assert joined["fold"].astype(float).tolist() == joined["score"].tolist()
    assert joined["recorder_id"].tolist() == [f"run {value:.0f}" for value in joined["score"]]
    pd.testing.assert_frame_equal(joined[["score"]], RollingEnsemble()(frames), check_exact=True)


@st.composite
def signals(draw):
    """Scores of several models, some of them rounded so that there are ties; rows missing, shuffled or unknown."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    made = draw(folds())
    for number, frame in made.items():
        values = rng.normal(size=len(frame)).round(draw(st.integers(0, 3)))
        values[rng.random(len(frame)) < draw(st.sampled_from([0.0, 0.2]))] = np.nan
        made[number] = frame.assign(score=values)
    return made


def by_the_formula(frames, scale, weights):
    """Weighted averages with plain pandas."""
    table = pd.concat(list(frames.values()), axis=1, keys=list(frames)).droplevel(1, axis=1).sort_index()
    by_date = table.groupby("datetime")
    varies = by_date.transform("nunique") > 1
    if scale == "zscore":
        table = (table - by_date.transform("mean")) / by_date.transform("std")
    else:
        table = (by_date.rank() - 0.5) / by_date.transform("count")
    table = table.where(varies)
    weight = table.notna() * pd.Series(weights)
    return (table * weight).sum(axis=1) / weight.sum(axis=1)


@settings(max_examples=40)
@given(signals(), st.sampled_from(["zscore", "rank"]), st.lists(st.floats(0.1, 10), min_size=5, max_size=5))
def test_weights_equal_the_plain_way(frames, scale, numbers):
    weights = dict(zip(frames, numbers, strict=False))

    made = WeightedEnsemble(weights, scale=scale)(frames)

    expected = by_the_formula(frames, scale, weights)
    pd.testing.assert_series_equal(made, expected, rtol=1e-9, atol=1e-9, check_names=False)


@settings(max_examples=40)
@given(signals())
def test_equal_weights_are_the_average(frames):
    made = WeightedEnsemble(dict.fromkeys(frames, 0.25))(frames)

    pd.testing.assert_series_equal(made, AverageEnsemble()(frames), rtol=1e-12, atol=1e-12)


@settings(max_examples=40)
@given(signals())
def test_ranks_ignore_every_monotone_change(frames):
    changed = {k: np.exp(frame) for k, frame in frames.items()}

    ranks = RankEnsemble()(frames)

    pd.testing.assert_series_equal(RankEnsemble()(changed), ranks)
    assert ranks.dropna().between(0, 1, inclusive="neither").all()


@settings(max_examples=40)
@given(signals(), st.randoms())
def test_the_order_of_models_and_rows_does_not_matter(frames, dice):
    keys = list(frames)
    dice.shuffle(keys)
    shuffled = {k: frames[k].sample(frac=1, random_state=dice.randrange(100)) for k in keys}
    weights = {k: 1 + k for k in frames}

    for ensemble in (AverageEnsemble(), RankEnsemble(), WeightedEnsemble(weights)):
        pd.testing.assert_series_equal(ensemble(shuffled), ensemble(frames), rtol=1e-9, atol=1e-9)
