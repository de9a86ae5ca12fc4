"""What of a handler's configuration follows a fold."""

from __future__ import annotations

import pandas as pd
import pytest

from rollforward.data.handler import DataHandlerLP
from rollforward.data.segments import segments_of
from rollforward.errors import SegmentError
from rollforward.instantiate import resolve_placeholders
from rollforward.testing.calendars import business_days
from rollforward.workflow.task.gen import RollingGen, fold_window, handler_mod

CAL = business_days("2020-01-01", "2020-06-30")
SEGMENTS = {"train": (CAL[10], CAL[29]), "valid": (CAL[30], CAL[39]), "test": (CAL[40], CAL[79])}
DATES = {
    "start_time": "2019-01-01",
    "end_time": "2020-12-31",
    "fit_start_time": "2019-01-01",
    "fit_end_time": "2019-12-31",
}
TRAIN_END = "<dataset.kwargs.segments.train.1>"


class Handler(DataHandlerLP):
    """Takes all four by its base class."""

    def __init__(self, own=1, **kwargs):
        super().__init__(**kwargs)


class Windowless:
    def __init__(self, source):
        self.source = source


def build(end_time=None):
    return end_time


def a_task(handler, dataset=None, **segments):
    kwargs = {"handler": handler, "segments": {**SEGMENTS, **segments}}
    return {"dataset": {**(dataset or {"class": "DatasetH"}), "kwargs": kwargs | (dataset or {}).get("kwargs", {})}}


def rolled(task, **kwargs):
    return RollingGen(step=10, rtype="sliding", trunc_days=1, calendar=CAL, **kwargs).generate(task)


def windows(tasks):
    return [task["dataset"]["kwargs"]["handler"].get("kwargs", {}) for task in tasks]


def expected(start, train_end, test_end):
    return {
        "start_time": CAL[start],
        "end_time": CAL[test_end],
        "fit_start_time": CAL[start],
        "fit_end_time": CAL[train_end],
    }


@pytest.mark.parametrize("kwargs", [DATES, {}, {"start_time": None, "end_time": None}, {"own": 2}])
def test_the_windows_follow_the_fold(kwargs):
    found = windows(rolled(a_task({"class": Handler, "kwargs": kwargs})))

    own = {"own": 2} if "own" in kwargs else {}
    assert found == [own | expected(10 + n, 29 + n, 49 + n) for n in (0, 10, 20, 30)]


def test_kwargs_that_are_not_there_are_added():
    assert windows(rolled(a_task({"class": Handler})))[0] == expected(10, 29, 49)


def test_the_handlers_of_qlib_need_not_be_installed():
    handler = {"class": "Alpha158", "module_path": "qlib.contrib.data.handler", "kwargs": {"instruments": "csi300"}}

    assert windows(rolled(a_task(handler)))[1] == {"instruments": "csi300", **expected(20, 39, 59)}


def test_placeholders_and_fit_bounds_that_are_none_stay():
    kwargs = {**DATES, "fit_start_time": None, "fit_end_time": TRAIN_END, "end_time": TRAIN_END}

    for window in windows(rolled(a_task({"class": Handler, "kwargs": kwargs}))):
        assert {**window, "start_time": None} == {**kwargs, "start_time": None}


def test_only_what_the_class_declares_is_added():
    assert windows(rolled(a_task({"class": Windowless, "kwargs": {"source": "x"}})))[0] == {"source": "x"}
    assert windows(rolled(a_task({"func": build})))[0] == {"end_time": CAL[49]}


@pytest.mark.parametrize("handler", [None, "file:///h.pkl", Windowless("live")])
def test_what_is_no_configuration_stays(handler):
    assert all(task["dataset"]["kwargs"]["handler"] is handler for task in rolled(a_task(handler)))


@pytest.mark.parametrize(
    "kwargs", [{"handler_window": "qlib"}, {"ds_extra_mod_func": handler_mod}, {"class": "NotHere"}]
)
def test_qlib_s_windows_on_request_or_for_a_class_that_is_not_there(kwargs):
    handler = {"class": kwargs.pop("class", Handler), "kwargs": {**DATES, "end_time": CAL[55]}}

    found = windows(rolled(a_task(handler), **kwargs))

    assert found == [{**DATES, "end_time": CAL[end]} for end in (55, 59, 69, 79)]


def test_an_open_fold_opens_the_window_until_the_calendar_goes_on():
    longer = business_days("2020-01-01", "2020-12-31")
    tasks = rolled(a_task({"class": Handler, "kwargs": DATES}, test=(CAL[41], None)))
    assert windows(tasks)[-1]["end_time"] is None

    (later, *_) = RollingGen(step=10, calendar=longer).gen_following_tasks(tasks[-1], None)

    assert windows([later])[0]["end_time"] == segments_of(later)["test"][1] is not None


def test_an_open_train_segment_leaves_the_start_alone():
    handler = {"class": Handler, "kwargs": DATES}

    (first, *_) = windows(rolled(a_task(handler, train=(None, CAL[29]))))

    assert (first["start_time"], first["fit_start_time"], first["fit_end_time"]) == ("2019-01-01", None, CAL[29])


@pytest.mark.parametrize(
    ("dataset", "start"),
    [
        ({"class": "TSDatasetH", "module_path": "rollforward.data.dataset", "kwargs": {"step_len": 5}}, 6),
        ({"class": "TSDatasetH", "module_path": "rollforward.data.dataset"}, 0),
        ({"class": "rollforward.data.dataset.TSDatasetH", "kwargs": {"step_len": 11}}, 0),
        ({"class": "DatasetH", "module_path": "rollforward.data.dataset"}, 10),
    ],
)
def test_windows_of_rows_need_the_sessions_before(dataset, start):
    (first, *_) = windows(rolled(a_task({"class": Handler, "kwargs": DATES}, dataset)))

    assert first["start_time"] == CAL[start]
    assert first["fit_start_time"] == CAL[10]


def test_the_fit_window_stays_with_the_model_that_is_shared():
    tasks = rolled(a_task({"class": Handler, "kwargs": DATES}), refit=2)

    assert [window["fit_end_time"] for window in windows(tasks)] == [CAL[i] for i in (29, 29, 49, 49)]
    assert [window["end_time"] for window in windows(tasks)] == [CAL[i] for i in (49, 59, 69, 79)]


def test_it_can_be_called_by_an_own_modification():
    def modify(task, generator):
        fold_window(task, generator)
        task["dataset"]["kwargs"]["handler"]["kwargs"]["own"] = 3

    found = windows(rolled(a_task({"class": Handler, "kwargs": DATES}), ds_extra_mod_func=modify))

    assert found[1] == {"own": 3, **expected(20, 39, 59)}


@pytest.mark.parametrize("name", list(DATES))
def test_a_bound_that_is_no_time(name):
    with pytest.raises(SegmentError, match=f"{name} is 'soon'"):
        rolled(a_task({"class": Handler, "kwargs": {**DATES, name: "soon"}}))


def test_the_template_stays():
    task = a_task({"class": Handler, "kwargs": dict(DATES)})

    rolled(task, task_copy_func=lambda given: given)

    assert task["dataset"]["kwargs"]["handler"]["kwargs"] == DATES
    assert isinstance(pd.Timestamp(task["dataset"]["kwargs"]["handler"]["kwargs"]["end_time"]), pd.Timestamp)


def test_placeholders_give_the_same_windows_as_following():
    """The demo is written with placeholders; they are resolved fold by fold when the fold is trained."""
    train, test = "<dataset.kwargs.segments.train.{}>", "<dataset.kwargs.segments.test.1>"
    kwargs = {
        "start_time": train.format(0),
        "end_time": test,
        "fit_start_time": train.format(0),
        "fit_end_time": train.format(1),
    }

    tasks = rolled(a_task({"class": Handler, "kwargs": kwargs}))

    assert windows(tasks) == [kwargs] * 4
    assert windows([resolve_placeholders(task) for task in tasks]) == windows(rolled(a_task({"class": Handler})))
