from __future__ import annotations

import logging

import pandas as pd
import pytest

from rollforward.errors import LoadObjectError
from rollforward.workflow.task.utils import fold_key, is_fold, list_recorders

START, END = pd.Timestamp("2020-01-02"), pd.Timestamp("2020-01-10")


class Run:
    def __init__(self, tags=None, task=None, name="r1"):
        self.id, self.tags, self.task = name, tags or {}, task

    def list_tags(self):
        return self.tags

    def load_object(self, name):
        if self.task is None:
            raise LoadObjectError(f"no artifact {name!r}")
        return self.task


class Exp:
    def list_recorders(self):
        return {name: Run(name=name) for name in ("b", "a")}


def a_task(model):
    return {"model": model, "dataset": {"kwargs": {"segments": {"test": ("2020-01-02", "2020-01-10")}}}}


TAGS = {"model": "Ridge", "task_hash": "abc", "test_start": "2020-01-02", "test_end": "2020-01-10"}


def test_the_key_comes_from_the_tags():
    assert fold_key(Run(TAGS)) == ("Ridge", (START, END))


@pytest.mark.parametrize("end", [{}, {"test_end": ""}, {"test_end": "None"}])
def test_an_open_end_in_the_tags(end):
    tags = {key: value for key, value in TAGS.items() if key != "test_end"} | end

    assert fold_key(Run(tags)) == ("Ridge", (START, None))


@pytest.mark.parametrize(
    "model", [{"class": "Ridge"}, {"class": "sklearn.linear_model.Ridge"}, "a.Ridge", type("Ridge", (), {})()]
)
def test_without_tags_the_key_comes_from_the_task(model):
    assert fold_key(Run(task=a_task(model))) == ("Ridge", (START, END))


def test_what_is_no_fold_has_no_key(caplog):
    with caplog.at_level(logging.WARNING):
        assert fold_key(Run()) is None
    assert "r1" in caplog.text


def test_is_fold_reads_tags_only():
    assert is_fold(Run(TAGS))
    assert not is_fold(Run({"kind": "rolling"}, a_task({"class": "Ridge"})))
    assert not is_fold(Run({"test_start": "2020-01-02"}))


def test_list_recorders_of_an_experiment():
    assert list(list_recorders(Exp())) == ["b", "a"]
    assert list(list_recorders(Exp(), lambda run: run.id == "a")) == ["a"]


def test_the_key_of_several_test_ranges_is_a_tuple_of_them():
    ranges = ((START, END), (pd.Timestamp("2020-02-03"), pd.Timestamp("2020-02-10 14:30")))
    tags = {**TAGS, "test_ranges": "2020-01-02..2020-01-10, 2020-02-03..2020-02-10T14:30:00"}
    assert fold_key(Run(tags)) == ("Ridge", ranges)


def test_where_the_tag_has_no_room_for_the_ranges_the_task_says_them():
    task = a_task({"class": "Ridge"})
    task["dataset"]["kwargs"]["segments"]["test"] = [("2020-01-02", "2020-01-10"), ("2020-02-03", "2020-02-10")]
    key = fold_key(Run({**TAGS, "test_ranges": "999 ranges"}, task))
    assert key == ("Ridge", ((START, END), (pd.Timestamp("2020-02-03"), pd.Timestamp("2020-02-10"))))
