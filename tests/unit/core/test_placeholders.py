from __future__ import annotations

import copy

import pytest

from rollforward.errors import InstantiationError
from rollforward.instantiate import fill_placeholder, resolve_placeholders


def test_a_reference_reaches_into_the_dataset_before_it_is_built():
    task = {
        "model": {"class": "M"},
        "dataset": {
            "kwargs": {
                "handler": {"kwargs": {"fit_start_time": "<dataset.kwargs.segments.train.0>"}},
                "segments": {"train": ["2008-01-01", "2014-12-31"]},
            }
        },
    }
    before = copy.deepcopy(task)
    resolved = resolve_placeholders(task)
    assert resolved["dataset"]["kwargs"]["handler"]["kwargs"]["fit_start_time"] == "2008-01-01"
    assert task == before
    assert resolved["dataset"]["kwargs"]["segments"]["train"] is not task["dataset"]["kwargs"]["segments"]["train"]


def test_live_objects_are_shared_and_named_ones_put_in():
    live, model = object(), object()
    resolved = resolve_placeholders({"a": [live, ("<MODEL>", "<PRED>")], "b": "<a.0>"}, {"<MODEL>": model})
    assert resolved == {"a": [live, (model, "<PRED>")], "b": live}


def test_a_reference_to_a_reference_and_through_one():
    task = {"segments": {"train": ("a", "b")}, "alias": "<segments>", "x": "<alias.train.1>", "y": "<x>"}
    assert resolve_placeholders(task) == {
        "segments": {"train": ("a", "b")},
        "alias": {"train": ("a", "b")},
        "x": "b",
        "y": "b",
    }


def test_what_a_reference_gives_is_a_copy_of_its_own():
    resolved = resolve_placeholders({"a": [1], "b": "<a>", "c": "<a>"})
    resolved["b"].append(2)
    assert resolved == {"a": [1], "b": [1, 2], "c": [1]}


def test_numbers_as_keys_and_positions_from_the_end():
    assert resolve_placeholders({"a": {5: "x"}, "l": [1, 2], "b": "<a.5>", "c": "<l.-1>"})["b"] == "x"
    assert resolve_placeholders({"l": [1, 2], "c": "<l.-1>"})["c"] == 2


@pytest.mark.parametrize(
    "text", ["<MODEL>", "<b>bold</b>", "<unknown.a.b>", "a <dataset.x>", "<dataset.x> b", "<>", "<<dataset.x>>", "<p>"]
)
def test_other_brackets_are_left(text):
    assert resolve_placeholders({"dataset": {"x": 1}, "t": text})["t"] == text


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"a": {"b": 1}, "x": {"y": "<a.c>"}}, r"x\.y: <a\.c> leads nowhere: 'a' has no 'c'"),
        ({"a": {"train": 1}, "x": "<a.trian>"}, "Did you mean 'train'"),
        ({"a": [1], "x": "<a.1>"}, "leads nowhere"),
        ({"a": [1], "x": "<a.first>"}, "leads nowhere"),
        ({"a": 1, "x": "<a.b>"}, "leads nowhere"),
        ({"dataset": {"x": 1}, "t": "<datset.x>"}, "Did you mean 'dataset'"),
        ({"a": "<b>", "b": "<a>"}, r"refers to itself: <b> -> <a> -> <b>"),
        ({"a": {"b": "<a>"}}, "refers to itself"),
        ({"a": "<a.b>"}, "refers to itself"),
    ],
)
def test_a_reference_that_leads_nowhere_names_its_place(task, message):
    with pytest.raises(InstantiationError, match=message):
        resolve_placeholders(task)


def test_a_key_of_extra_must_be_a_placeholder():
    with pytest.raises(InstantiationError, match="Write '<MODEL>'"):
        resolve_placeholders({}, {"MODEL": 1})
    with pytest.raises(InstantiationError, match="type list"):
        resolve_placeholders([])


def test_qlibs_name_does_the_same_and_leaves_its_argument():
    config = {"m": "<MODEL>"}
    assert fill_placeholder(config, {"<MODEL>": 3}) == {"m": 3}
    assert config == {"m": "<MODEL>"}
