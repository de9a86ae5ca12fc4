"""Backtest paths: which prediction goes where, and what is refused because a path would have a hole."""

from __future__ import annotations

from itertools import combinations
from math import comb

import pandas as pd
import pytest

from rollforward.errors import ColumnError, DataError
from rollforward.model.ens.paths import PathGroup

DAYS = pd.bdate_range("2020-01-01", periods=12)
NAMES = ["A", "B"]


def groups(n):
    size = len(DAYS) // n
    return [(DAYS[i * size], DAYS[(i + 1) * size - 1]) for i in range(n)]


def predictions(n, k, model="m"):
    """The prediction of split i is i everywhere."""
    made = {}
    for number, chosen in enumerate(combinations(range(n), k)):
        days = [day for one in chosen for day in DAYS if groups(n)[one][0] <= day <= groups(n)[one][1]]
        index = pd.MultiIndex.from_product([days, NAMES], names=["datetime", "instrument"])
        ranges = tuple(groups(n)[one] for one in chosen)
        made[model, ranges if k > 1 else ranges[0]] = pd.DataFrame({"score": float(number)}, index=index)
    return made


# Worked out by hand for 6 groups, 2 of them tested; splits in the order 01 02 03 04 05 12 13 14 15 23 24 25 34 35 45.
# Row: group; column: path; the number of the split that predicts the group on the path.
SIX_BY_TWO = [
    [0, 1, 2, 3, 4],
    [0, 5, 6, 7, 8],
    [1, 5, 9, 10, 11],
    [2, 6, 9, 12, 13],
    [3, 7, 10, 12, 14],
    [4, 8, 11, 13, 14],
]


def test_six_groups_two_tested_make_five_paths():
    paths = PathGroup()(predictions(6, 2))
    assert list(paths) == [("m", path) for path in range(5)]
    for path in range(5):
        by_group = paths["m", path]["score"].groupby(level="datetime").first().to_numpy().reshape(6, -1)
        assert by_group[:, 0].tolist() == [row[path] for row in SIX_BY_TWO]
        assert (by_group == by_group[:, :1]).all()


@pytest.mark.parametrize(("n", "k"), [(2, 1), (3, 2), (4, 1), (4, 3), (6, 3)])
def test_every_path_has_every_row_once_and_every_prediction_is_used_once(n, k):
    made = predictions(n, k)
    paths = PathGroup(n_groups=n)(made)
    assert len(paths) == comb(n, k) * k // n
    for frame in paths.values():
        assert frame.index.is_unique
        assert frame.index.equals(
            pd.MultiIndex.from_product([DAYS[: len(DAYS) // n * n], NAMES], names=frame.index.names)
        )
    assert sum(map(len, paths.values())) == sum(map(len, made.values()))
    rows = pd.concat([frame.reset_index() for frame in paths.values()])
    assert not rows.duplicated(["datetime", "instrument", "score"]).any()


def test_the_order_of_the_splits_plays_no_part():
    made = predictions(4, 2)
    backwards = dict(reversed(made.items()))
    for key, frame in PathGroup()(made).items():
        pd.testing.assert_frame_equal(PathGroup()(backwards)[key], frame)


def test_models_stay_apart():
    paths = PathGroup()(predictions(4, 2, "a") | predictions(4, 2, "b"))
    assert set(paths) == {(model, path) for model in "ab" for path in range(3)}


def test_another_ensemble_gets_the_pieces_by_range():
    pieces = PathGroup(ens=dict)(predictions(4, 2))
    assert list(pieces["m", 0]) == groups(4)


@pytest.mark.parametrize("lost", range(15))
def test_a_missing_split_is_refused(lost):
    made = predictions(6, 2)
    del made[list(made)[lost]]
    with pytest.raises(DataError, match="14 splits"):
        PathGroup()(made)


def test_a_group_that_nobody_predicts_is_noticed_if_the_number_is_known():
    made = dict(list(predictions(3, 2).items())[:1])
    assert len(PathGroup()(made)) == 1
    with pytest.raises(DataError, match="3 splits"):
        PathGroup(n_groups=3)(made)


def test_a_prediction_with_a_hole_is_refused():
    made = predictions(4, 2)
    key = next(iter(made))
    made[key] = made[key].loc[: groups(4)[0][1]]
    with pytest.raises(DataError, match="predicts nothing from"):
        PathGroup()(made)


@pytest.mark.parametrize("key", ["m", ("m",), ("m", "x"), ("m", (DAYS[0], None)), ("m", ((DAYS[0],),))])
def test_keys_that_are_no_ranges_are_refused(key):
    with pytest.raises(DataError, match="test ranges"):
        PathGroup()({key: pd.DataFrame()})


def test_a_value_without_time_is_refused():
    with pytest.raises(ColumnError, match="datetime"):
        PathGroup()(dict.fromkeys(predictions(4, 2), pd.DataFrame({"score": [1.0]})))
