from __future__ import annotations

import copy
from pathlib import Path

import pandas as pd
import pytest

from rollforward.errors import TaskError
from rollforward.instantiate import init_instance_by_config
from rollforward.serialize import Serializable
from rollforward.workflow.task.utils import replace_task_handler_with_cache

BUILT = []


class CountingHandler(Serializable):
    """Counts how often it is built."""

    def __init__(self, source, fail=False):
        BUILT.append(source)
        if fail:
            raise ValueError("cannot build")
        self.prices = pd.read_csv(source)


@pytest.fixture
def source(tmp_path):
    BUILT.clear()
    path = tmp_path / "prices.csv"
    path.write_text("datetime,x\n2020-01-02,1\n")
    return path


def a_task(source, **kwargs):
    handler = {"class": CountingHandler, "kwargs": {"source": str(source), **kwargs}}
    return {"model": {}, "dataset": {"kwargs": {"handler": handler, "segments": {}}}}


def cached(task, folder):
    return replace_task_handler_with_cache(task, folder)["dataset"]["kwargs"]["handler"]


def test_built_once_and_read_from_an_absolute_path(source, tmp_path):
    first, second = cached(a_task(source), "cache"), cached(a_task(source), tmp_path / "cache")

    assert first == second
    assert first.startswith(f"file://{tmp_path}/cache/CountingHandler.")
    assert len(BUILT) == 1
    assert init_instance_by_config(first).prices.x.tolist() == [1]


def test_other_data_or_arguments_are_another_file(source, tmp_path):
    before = cached(a_task(source), tmp_path)
    with_argument = cached(a_task(source, fail=False), tmp_path)
    source.write_text("datetime,x\n2020-01-02,2\n")

    assert len({before, with_argument, cached(a_task(source), tmp_path)}) == 3


def test_the_task_stays_as_it_is(source, tmp_path):
    task = a_task(source)
    before = copy.deepcopy(task)

    cached(task, tmp_path)

    assert task == before


def test_a_failure_leaves_no_file(source, tmp_path):
    with pytest.raises(ValueError, match="cannot build"):
        cached(a_task(source, fail=True), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("handler", [None, "file:///h.pkl", object()])
def test_a_handler_that_is_no_configuration_is_left_alone(handler):
    task = {"dataset": {"kwargs": {"handler": handler}}}

    assert replace_task_handler_with_cache(task) == task
    assert not list(Path().glob("*.pkl"))


def test_a_handler_around_a_live_object_has_no_identity(source):
    with pytest.raises(TaskError):
        cached(a_task(source, fail=object()), ".")


def test_a_cached_handler_s_label_is_not_forgotten(source, tmp_path):
    task = a_task(source)
    task["dataset"]["kwargs"]["handler"]["class"] = Looking

    assert replace_task_handler_with_cache(task, tmp_path)["label_lookahead"] == 6
    assert "label_lookahead" not in replace_task_handler_with_cache(a_task(source), tmp_path)


class Looking(CountingHandler):
    label_lookahead = 6


def test_placeholders_are_resolved_before_the_handler_is_built(source, tmp_path):
    task = a_task("<files.prices>") | {"files": {"prices": str(source)}}

    assert init_instance_by_config(cached(task, tmp_path)).prices.x.tolist() == [1]
