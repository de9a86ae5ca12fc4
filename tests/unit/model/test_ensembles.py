from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

from rollforward.errors import ColumnError, DataError
from rollforward.model.ens.blend import RankEnsemble
from rollforward.model.ens.ensemble import AverageEnsemble, RollingEnsemble
from rollforward.model.ens.group import Group

DATES = pd.bdate_range("2020-01-01", periods=60)
LEVELS = ["datetime", "instrument"]


def plain_join(*frames):
    joined = pd.concat(frames)
    return joined[~joined.index.duplicated(keep="last")].sort_index()


def predictions(values, dates=DATES[:1], names=("A", "B", "C")):
    index = pd.MultiIndex.from_product([dates, names], names=LEVELS)
    return pd.Series(np.resize(np.asarray(values, dtype=float), len(index)), index=index, name="score")


def test_join_where_the_levels_are_stored_out_of_order():
    index = pd.MultiIndex(levels=[DATES[:2][::-1], ["B", "A"]], codes=[[1, 1, 0, 0], [1, 0, 0, 1]], names=LEVELS)
    frame = pd.DataFrame({"score": [1, 2, 3, 4]}, index=index)

    joined = RollingEnsemble()({"only": frame})

    pd.testing.assert_frame_equal(joined, frame.sort_index())
    assert joined["score"].tolist() == [1, 2, 4, 3]


def test_join_where_every_date_has_its_own_instrument():
    names = [f"S{i:02d}" for i in range(len(DATES))]
    index = pd.MultiIndex.from_arrays([DATES, names], names=LEVELS)
    early = pd.DataFrame({"score": 1.0}, index=index).sample(frac=1, random_state=0)
    late = pd.DataFrame({"score": 2.0}, index=index[30:]).sample(frac=1, random_state=1)

    pd.testing.assert_frame_equal(RollingEnsemble()({"b": late, "a": early}), plain_join(early, late))


def test_join_with_a_missing_date():
    with_gap = predictions([1, 2, 3, 4], names=["A"], dates=[DATES[0], pd.NaT, DATES[1], DATES[2]])

    assert RollingEnsemble()({"a": with_gap, "b": predictions([5], dates=DATES[3:4])}).tolist()[:3] == [1, 3, 4]


def test_join_series_by_time_alone():
    early = pd.Series(1.0, index=DATES[:4].rename("datetime"))
    late = pd.Series(2.0, index=DATES[2:6].rename("datetime"))

    assert RollingEnsemble()({"late": late, "early": early}).tolist() == [1, 1, 2, 2, 2, 2]


def test_join_leaves_empty_frames_aside():
    filled = predictions([1, 2, 3]).to_frame()

    pd.testing.assert_frame_equal(RollingEnsemble()({"a": filled.iloc[:0], "b": filled}), filled)
    assert RollingEnsemble()({"a": filled.iloc[:0]}).empty


def test_join_gives_a_frame_of_its_own():
    frame = predictions([1, 2, 3]).to_frame()

    joined = RollingEnsemble()({"only": frame})
    joined.iloc[0, 0] = 99

    assert frame.iloc[0, 0] == 1


@pytest.mark.parametrize("ensemble", [RollingEnsemble(), AverageEnsemble()])
def test_what_cannot_be_merged(ensemble):
    with pytest.raises(ColumnError, match="'day'"):
        ensemble({"a": predictions([1, 2, 3]).rename_axis(["day", "instrument"])})
    with pytest.raises(DataError, match="list"):
        ensemble({"a": [1, 2, 3]})
    with pytest.raises(DataError, match="nothing to"):
        ensemble({"a": {}})


@pytest.mark.parametrize("constant", [0.1, 0.0, 1e6 / 3, -7.7])
def test_average_does_not_know_a_constant(constant):
    """0.1 + 0.1 + 0.1 is not 0.3: the plain formula makes signals of what rounding leaves."""
    varied = predictions([1, 2, 6])

    assert AverageEnsemble()({"a": predictions([constant])}).isna().all()
    pd.testing.assert_series_equal(
        AverageEnsemble()({"a": predictions([constant]), "b": varied}), AverageEnsemble()({"b": varied})
    )


def test_average_of_what_is_partly_missing():
    first = predictions([1, 2, np.nan])
    second = predictions([3, 1, 2])

    a, b, c = AverageEnsemble()({"a": first, "b": second})

    half = 0.5**0.5
    assert (a, b, c) == pytest.approx(((-half + 1) / 2, (half - 1) / 2, 0.0))


def test_average_counts_every_column():
    both = predictions([1, 2, 6]).to_frame("x").assign(y=[3.0, 1.0, 2.0])

    pd.testing.assert_series_equal(AverageEnsemble()({"a": both}), AverageEnsemble()({"x": both.x, "y": both.y}))


@pytest.mark.parametrize("ensemble", [AverageEnsemble(), RankEnsemble(), RollingEnsemble()])
def test_levels_are_matched_by_name(ensemble):
    first, second = predictions([1.0, 2, 4], DATES[:1]), predictions([5.0, 3, 1], DATES[1:2])
    turned = second.swaplevel().sort_index()
    expected = ensemble({"a": first, "b": second})
    found = ensemble({"a": first, "b": turned})
    assert list(found.index.names) == ["datetime", "instrument"]
    assert found.equals(expected)
    swapped = ensemble({"a": first.swaplevel(), "b": turned})
    assert list(swapped.index.names) == ["instrument", "datetime"]
    assert swapped.swaplevel().sort_index().equals(expected)


def test_a_wide_frame_is_no_prediction():
    rows = predictions([1.0, 2, 4])
    wide = pd.DataFrame({"A": [1.0], "B": [2.0]}, index=DATES[:1].rename("datetime"))
    for ensemble in (AverageEnsemble(), RankEnsemble()):
        with pytest.raises(ColumnError, match=r"\.stack\(\)"):
            ensemble({"a": wide})
    with pytest.raises(ColumnError, match="another one"):
        RollingEnsemble()({"a": wide, "b": rows})


def test_average_refuses_rows_that_are_there_twice():
    twice = pd.concat([predictions([1, 2, 3]), predictions([1, 2, 3])])

    with pytest.raises(DataError, match="there twice"):
        AverageEnsemble()({"a": twice})


def test_group_says_what_it_merges(caplog):
    with caplog.at_level(logging.INFO):
        Group(lambda values: values, sum)({"x": [1, 2]}, verbose=1)

    assert "x" in caplog.text
