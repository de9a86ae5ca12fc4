from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rollforward.errors import ColumnError
from rollforward.model.ens.ensemble import AverageEnsemble, RollingEnsemble
from rollforward.model.ens.group import RollingGroup
from rollforward.model.ens.origin import ORIGIN_COLUMNS, fold_label, with_origin, without_origin

DATES = pd.bdate_range("2020-01-01", periods=6)


def scores(start, stop, value=0.0, names=("A", "B")):
    index = pd.MultiIndex.from_product([DATES[start:stop], names], names=["datetime", "instrument"])
    return pd.DataFrame({"score": float(value)}, index=index)


def test_columns_come_behind_the_score_and_the_frame_stays():
    frame = scores(0, 2)

    made = with_origin(frame, cutoff="2019-12-31", recorder_id="abc", fold=3)

    assert list(frame.columns) == ["score"]
    assert list(made.columns) == ["score", *ORIGIN_COLUMNS]
    assert (made["cutoff"] == pd.Timestamp("2019-12-31")).all()
    assert made["cutoff"].dtype == "datetime64[ns]"
    assert made["recorder_id"].tolist() == ["abc"] * 4
    assert made["fold"].tolist() == [3] * 4
    assert made[["recorder_id", "fold"]].memory_usage(index=False, deep=False).max() < 8 * len(made) + 200
    pd.testing.assert_frame_equal(without_origin(made), frame)


def test_only_what_is_given_is_added_and_what_is_there_is_replaced():
    made = with_origin(scores(0, 1)["score"], fold=1)

    assert list(made.columns) == ["score", "fold"]
    assert with_origin(made, fold=2)["fold"].tolist() == [2, 2]
    assert list(with_origin(scores(0, 1)["score"].rename(None), recorder_id="r").columns) == ["score", "recorder_id"]


def test_a_series_stays_without_origin():
    series = scores(0, 1)["score"]

    assert without_origin(series) is series


def test_several_column_levels_are_refused():
    with pytest.raises(ColumnError, match="2 levels"):
        with_origin(pd.concat({"label": scores(0, 1)}, axis=1), fold=1)


@pytest.mark.parametrize(
    ("fold", "label"),
    [
        (7, 7),
        ("2020Q1", "2020Q1"),
        ((DATES[0], DATES[2]), "2020-01-01..2020-01-03"),
        (("2020-01-01", None), "2020-01-01.."),
        (((DATES[0], DATES[1]), (DATES[3], DATES[4])), "2020-01-01..2020-01-02, 2020-01-06..2020-01-07"),
        ((DATES[0] + pd.Timedelta(hours=9), None), "2020-01-01 09:00:00.."),
    ],
)
def test_labels_of_folds(fold, label):
    assert fold_label(fold) == label


def test_the_join_keeps_the_origin_of_the_row_that_won():
    first = with_origin(scores(0, 4), cutoff="2019-12-30", recorder_id="one", fold=0)
    second = with_origin(scores(2, 6), cutoff="2020-01-02", recorder_id="two", fold=1)

    joined = RollingEnsemble()({"b": second, "a": first})

    assert list(joined.columns) == ["score", *ORIGIN_COLUMNS]
    by_day = joined.groupby("datetime").first()
    assert by_day["recorder_id"].tolist() == ["one"] * 2 + ["two"] * 4
    assert by_day["fold"].tolist() == [0] * 2 + [1] * 4
    assert (joined["cutoff"] < joined.index.get_level_values("datetime")).all()
    assert joined["recorder_id"].dtype == "category"


def test_what_has_no_origin_is_unknown_in_the_join():
    joined = RollingEnsemble()({0: scores(0, 2), 1: with_origin(scores(2, 4), cutoff="2020-01-01", recorder_id="x")})

    assert joined["recorder_id"].isna().tolist() == [True] * 4 + [False] * 4
    assert joined["cutoff"].isna().tolist() == [True] * 4 + [False] * 4


def test_the_join_of_a_series_and_a_frame_that_has_an_origin():
    joined = RollingEnsemble()({0: scores(0, 1, 1)["score"], 1: with_origin(scores(1, 2, 2), fold=1)})

    assert joined["score"].tolist() == [1, 1, 2, 2]


def test_keys_become_folds_where_there_are_none():
    segment = (DATES[0], DATES[3])
    ensemble = RollingEnsemble(with_origin=True)

    joined = ensemble({segment: scores(0, 4)["score"], "named": with_origin(scores(4, 6), fold="own")})

    assert joined["fold"].unique().tolist() == ["2020-01-01..2020-01-06", "own"]
    assert joined["fold"].isna().sum() == 0


def test_in_a_rolling_group():
    group = RollingGroup(RollingEnsemble(with_origin=True))

    joined = group({("Ridge", 0): scores(0, 2), ("Ridge", 1): scores(1, 3)})["Ridge",]

    assert joined["fold"].tolist() == [0, 0, 1, 1, 1, 1]


def test_the_join_itself_has_an_origin_that_can_be_joined():
    half = RollingEnsemble()({k: with_origin(scores(k, k + 2), fold=k, recorder_id=str(k)) for k in range(2)})
    other = RollingEnsemble()({k: with_origin(scores(k, k + 2), fold=k, recorder_id=str(k)) for k in (1, 3)})

    joined = RollingEnsemble()({"x": half, "y": other})

    assert joined["fold"].astype(int).groupby("datetime").first().tolist() == [0, 1, 1, 3, 3]
    assert joined["fold"].cat.categories.tolist() == [0, 1, 3]


def test_averages_leave_the_origin_aside():
    rng = np.random.default_rng(0)
    frames = {k: scores(0, 4).assign(score=rng.normal(size=8)) for k in range(2)}
    carried = {k: with_origin(frame, cutoff="2019-12-30", recorder_id="r", fold=k) for k, frame in frames.items()}

    pd.testing.assert_series_equal(AverageEnsemble()(carried), AverageEnsemble()(frames))
