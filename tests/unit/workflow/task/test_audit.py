from __future__ import annotations

import pandas as pd
import pytest

from rollforward import settings
from rollforward.errors import LeakageError, SegmentError
from rollforward.testing.calendars import business_days
from rollforward.workflow.task.gen import RollingGen, audit_folds

CAL = business_days("2020-01-01", "2020-02-28")


def a_task(handler=None, **kwargs):
    segments = {"train": (CAL[1], CAL[9]), "valid": (CAL[10], CAL[14]), "test": (CAL[15], CAL[30])}
    return {"dataset": {"kwargs": {"handler": handler, "segments": segments}}, **kwargs}


def test_one_row_for_each_fold():
    generator = RollingGen(step=5, calendar=CAL, gap=1)

    table = generator.audit(generator.generate(a_task(label_lookahead=2)))

    assert table.index.name == "fold"
    assert len(table) == 4
    assert table.iloc[3].to_dict() == {
        "train_start": CAL[1],
        "train_end": CAL[24],
        "n_train": 24,
        "valid_start": CAL[25],
        "valid_end": CAL[26],
        "n_valid": 2,
        "test_start": CAL[30],
        "test_end": CAL[34],
        "n_test": 5,
        "refit": True,
        "purged": 3,
        "label_lookahead": 2,
        "label_distance": 2,
        "overlap": 0,
        "fit_start": None,
        "fit_end": None,
        "fit_overlap": 0,
    }


def test_a_leak_names_its_folds():
    generator = RollingGen(step=5, calendar=CAL, purge=0)
    tasks = generator.generate(a_task(label_lookahead=3))

    with pytest.raises(LeakageError, match=r"fold 0 \(tested from 2020-01-22.*labels of 3 training sessions.*fold 1"):
        generator.audit(tasks)
    table = generator.audit(tasks, raise_on_leak=False)
    assert table["overlap"].tolist() == [3] * 4
    assert table["label_distance"].tolist() == [-2] * 4


def test_many_leaks_are_counted():
    generator = RollingGen(step=1, calendar=CAL, purge=0)

    with pytest.raises(LeakageError, match="and 11 more folds"):
        generator.audit(generator.generate(a_task()), label_lookahead=1)


def test_an_unknown_label_is_missing_and_not_zero():
    table = audit_folds(RollingGen(step=5, calendar=CAL).generate(a_task()), CAL)

    assert table["label_lookahead"].isna().all()
    assert table["label_distance"].isna().all()
    assert (table["purged"] == 0).all()


def test_rows_that_are_tested_on_are_found_without_a_label():
    task = a_task()
    task["dataset"]["kwargs"]["segments"]["train"] = (CAL[1], CAL[17])

    assert audit_folds(task, CAL, raise_on_leak=False)["overlap"].tolist() == [3]


@pytest.mark.parametrize(
    ("kwargs", "n"),
    [
        ({"fit_start_time": CAL[1], "fit_end_time": CAL[9]}, 0),
        ({"fit_start_time": "2019-01-01", "fit_end_time": "2021-01-01"}, 16),
        ({"fit_start_time": None, "fit_end_time": CAL[16]}, 2),
        ({"fit_end_time": "<dataset.kwargs.segments.test.0>"}, 1),
        ({"fit_end_time": None}, 0),
        ({}, 0),
    ],
)
def test_processors_that_learn_from_the_test_segment(kwargs, n):
    task = a_task({"class": "H", "kwargs": kwargs})

    assert audit_folds(task, CAL, 0, raise_on_leak=False)["fit_overlap"].tolist() == [n]
    if n:
        with pytest.raises(LeakageError, match=f"holds {n} test sessions"):
            audit_folds(task, CAL, 0)


def test_a_ready_handler_has_a_fit_window_too():
    class Ready:
        label_lookahead = 2
        fit_start_time, fit_end_time = CAL[1], CAL[20]

    table = audit_folds(a_task(Ready()), CAL, raise_on_leak=False)

    assert (table["overlap"][0], table["fit_overlap"][0]) == (2, 6)


def test_training_on_both_sides_of_the_test_segment():
    task = a_task(label_lookahead=3)
    segments = task["dataset"]["kwargs"]["segments"]
    segments["train"] = [(CAL[1], CAL[5]), (CAL[26], CAL[40])]
    segments["valid"] = (CAL[6], CAL[11])
    segments["test"] = [(CAL[15], CAL[17]), (CAL[20], CAL[25])]

    table = audit_folds(task, CAL)

    assert table[["n_train", "n_test", "purged", "label_distance", "overlap"]].iloc[0].tolist() == [20, 9, 3, 1, 0]


def test_the_calendar_of_the_settings_and_other_names():
    task = a_task()
    task["dataset"]["kwargs"]["segments"]["live"] = task["dataset"]["kwargs"]["segments"].pop("test")

    with settings.override(calendar=CAL):
        assert audit_folds([task], label_lookahead=0, test_key="live")["n_live"].tolist() == [16]
        with pytest.raises(SegmentError, match="'test'"):
            audit_folds([task])


def test_no_folds():
    assert audit_folds([], CAL).empty


def test_a_bound_off_the_sessions_and_an_open_end():
    task = a_task()
    task["dataset"]["kwargs"]["segments"] = {"train": (None, "2020-01-12"), "test": ("2020-01-18", None)}

    row = audit_folds(task, CAL, 4).iloc[0]

    assert (row["n_train"], row["n_test"], row["purged"], row["label_distance"]) == (8, 30, 5, 2)
    assert pd.isna(row["train_start"])
