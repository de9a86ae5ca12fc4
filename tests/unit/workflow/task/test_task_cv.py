"""Generators as cv= of scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rollforward.data.calendar import Calendar
from rollforward.errors import DataError, EmptySegmentError, SegmentError
from rollforward.workflow.task.combinatorial import CombinatorialPurgedGen
from rollforward.workflow.task.cv import as_cv
from rollforward.workflow.task.gen import RollingGen
from rollforward.workflow.task.splits import SplitterGen

DAYS = pd.bdate_range("2020-01-01", periods=24, name="datetime")
NAMES = ["A", "B", "C"]
FIRST = {"train": (DAYS[0], DAYS[7]), "test": (DAYS[8], DAYS[-1])}


@pytest.fixture
def panel():
    index = pd.MultiIndex.from_product([DAYS, NAMES], names=["datetime", "instrument"])
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(len(index), 2)), index=index, columns=["a", "b"])
    return x, pd.Series(x["a"] + 0.1 * rng.normal(size=len(index)), name="y")


@pytest.fixture
def series():
    return pd.DataFrame({"x": np.arange(24.0)}, index=DAYS)


def listed(splits):
    return [(train.tolist(), test.tolist()) for train, test in splits]


def test_rows_of_one_instrument_are_those_of_a_time_series_split(series):
    # 24 sessions in steps of 6: the first 6 to train on, three folds. TimeSeriesSplit cuts them alike.
    assert listed(as_cv(RollingGen(step=6)).split(series)) == listed(TimeSeriesSplit(3).split(series))
    sliding = listed(as_cv(RollingGen(step=6, rtype="sliding")).split(series))
    assert sliding == listed(TimeSeriesSplit(3, max_train_size=6).split(series))


def test_the_purge_leaves_the_first_fold_a_whole_step(series):
    splits = listed(as_cv(RollingGen(step=6), label_lookahead=2).split(series))
    assert splits[0] == ([*range(6)], [*range(8, 14)])
    assert splits[-1] == ([*range(18)], [*range(20, 24)])


def test_all_instruments_of_a_session_go_together(panel, series):
    x, y = panel
    by_row = listed(as_cv(RollingGen(step=6)).split(x, y))
    by_day = listed(as_cv(RollingGen(step=6)).split(series))
    assert by_row == [tuple([3 * d + i for d in part for i in range(3)] for part in fold) for fold in by_day]


def test_rows_may_be_in_any_order_and_days_may_lack_instruments(panel):
    x, _ = panel
    mixed = x.sample(frac=0.8, random_state=1)
    splits = list(as_cv(RollingGen(step=6), segments=FIRST).split(mixed))
    for (train, test), start in zip(splits, (8, 14, 20), strict=True):
        assert set(mixed.index[test].get_level_values(0)) <= set(DAYS[start : start + 6])
        assert mixed.index[train].get_level_values(0).max() < DAYS[start]
        assert (np.diff(train) > 0).all()


def test_a_calendar_counts_sessions_without_rows(series):
    gappy = series.drop(DAYS[[2, 9, 10]])
    [first, *_] = as_cv(RollingGen(step=6), Calendar(DAYS), segments=FIRST).split(gappy)
    assert list(gappy.index[first[1]]) == [DAYS[8], *DAYS[11:14]]
    assert len(first[0]) == 7


def test_the_number_of_splits(panel):
    x, y = panel
    cv = as_cv(RollingGen(step=6))
    assert cv.get_n_splits(x, y) == len(list(cv.split(x, y))) == 3
    assert as_cv(RollingGen(step=6), Calendar(DAYS), segments=FIRST).get_n_splits() == 3
    with pytest.raises(DataError, match="no X"):
        cv.get_n_splits()


def test_frequencies_need_the_first_fold(series):
    with pytest.raises(SegmentError, match="nothing says where"):
        list(as_cv(RollingGen(step="W-FRI")).split(series))
    assert len(list(as_cv(RollingGen(step="W-FRI"), segments=FIRST).split(series))) == 4


def test_cross_val_score_and_grid_search(panel):
    x, y = panel
    cv = as_cv(RollingGen(step=5), label_lookahead=1)
    scores = cross_val_score(Ridge(), x, y, cv=cv)
    expected = [
        Ridge().fit(x.iloc[train], y.iloc[train]).score(x.iloc[test], y.iloc[test]) for train, test in cv.split(x)
    ]
    np.testing.assert_allclose(scores, expected)
    search = GridSearchCV(make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": [0.1, 1e4]}, cv=cv)
    assert clone(search).fit(x, y).best_params_ == {"ridge__alpha": 0.1}
    assert "RollingGen" in repr(search)


def test_an_array_takes_the_index_of_y(panel):
    x, y = panel
    cv = as_cv(RollingGen(step=6))
    assert listed(cv.split(x.to_numpy(), y)) == listed(cv.split(x, y))
    with pytest.raises(DataError, match="without an index of times"):
        list(cv.split(x.to_numpy(), y.to_numpy()))


def test_other_generators_fit_too(series):
    splitter = TimeSeriesSplit(3, gap=1)
    assert listed(as_cv(SplitterGen(splitter)).split(series)) == listed(splitter.split(series))
    combinatorial = listed(as_cv(CombinatorialPurgedGen(4, 2), label_lookahead=1).split(series))
    assert combinatorial[1] == ([7, 8, 9, 10, *range(19, 24)], [*range(6), *range(12, 18)])
    assert len(combinatorial) == 6


def test_the_generator_stays_as_it_is(series):
    generator = RollingGen(step=6, calendar=Calendar(DAYS[:5]))
    list(as_cv(generator).split(series))
    assert len(generator.ta.calendar) == 5


def test_too_few_sessions(series):
    with pytest.raises(EmptySegmentError, match="X has 6 sessions"):
        list(as_cv(RollingGen(step=6), label_lookahead=0).split(series.iloc[:6]))


def test_a_fold_without_rows_is_refused(series):
    with pytest.raises(EmptySegmentError, match="Fold 1 has no row to test"):
        list(as_cv(RollingGen(step=6), Calendar(DAYS), segments=FIRST).split(series.drop(DAYS[14:20])))
