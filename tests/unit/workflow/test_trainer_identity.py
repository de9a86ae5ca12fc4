"""What a task's code hash sees and what it passes over; which tasks have the same model."""

from __future__ import annotations

import copy
import importlib
import sys

import pytest

from rollforward.data.handler import DataHandlerLP
from rollforward.errors import TaskError
from rollforward.workflow.trainer.check import check_task
from rollforward.workflow.trainer.identity import code_hash

NONE = code_hash({})


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of the user's: a base module, a model on it, a helper that is not named."""
    folder = tmp_path / "users_lib"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "base.py").write_text(
        "from rollforward.model.base import Model\n\nclass Base(Model):\n"
        "    def fit(self, dataset, reweighter=None): ...\n    def predict(self, dataset, segment='test'): ...\n"
    )
    (folder / "mine.py").write_text(
        "from users_lib.base import Base\n\nclass Mine(Base):\n    def __init__(self, inner=None): ...\n\n"
        "def half(x):\n    return x / 2\n"
    )
    (folder / "other.py").write_text("def other(): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "users_lib"]:
        del sys.modules[name]


def changes(task, file):
    before = code_hash(task)
    file.write_text(file.read_text() + "# edited\n")
    return code_hash(task) != before


MINE = {"class": "Mine", "module_path": "users_lib.mine"}


@pytest.mark.parametrize(
    "task",
    [
        {"model": MINE},
        {"model": {"class": "users_lib.mine.Mine"}},
        {"model": {"class": "A", "kwargs": {"inner": "users_lib.mine.Mine"}}},
        {"record": [{"deep": [("users_lib.mine", 1)]}]},
    ],
)
def test_a_module_that_is_named_counts(package, task):
    assert changes(task, package / "mine.py")


def test_live_objects_classes_and_functions_count(package):
    mine = importlib.import_module("users_lib.mine")
    for value in (mine.Mine, mine.Mine(), mine.half):
        assert changes({"x": value}, package / "mine.py")


def test_the_module_of_a_base_counts_and_one_that_is_not_named_does_not(package):
    assert changes({"model": MINE}, package / "base.py")
    assert not changes({"model": MINE}, package / "other.py")


def test_a_file_of_python_counts(package):
    config = {"class": "Mine", "module_path": str(package / "mine.py")}
    assert changes({"model": config}, package / "mine.py")


def test_naming_does_not_import(package):
    assert code_hash({"x": "users_lib.other.other"}) != NONE
    assert "users_lib.other" not in sys.modules


@pytest.mark.parametrize(
    "value",
    [
        "sklearn.linear_model.Ridge",
        {"class": "Ridge", "module_path": "sklearn.linear_model"},
        "rollforward.model.sklearn.SklearnModel",
        {"class": "SignalRecord"},
        "close.csv",
        "json.decoder.JSONDecoder",
        "bundled:sp500_close",
        "Ref($close, -2)",
        "2020-01-02",
        len,
        dict,
        3.5,
    ],
)
def test_what_is_installed_or_no_code_at_all_does_not_count(value):
    assert code_hash({"x": value}) == NONE


def test_code_that_can_be_read_nowhere_has_no_hash():
    assert code_hash({"model": type("Typed", (), {"__module__": "typed_in"})}) is None


@pytest.fixture
def task(package):
    handler = {"class": "PriceHandler", "module_path": "rollforward.data.price_handler"}
    handler["kwargs"] = {"source": "bundled:sp500_close", "end_time": "<dataset.kwargs.segments.test.1>"}
    segments = {"train": ("2000-01-03", "2003-12-31"), "test": ("2005-01-03", "2005-06-30")}
    dataset = {"class": "DatasetH", "module_path": "rollforward.data.dataset"}
    return {"model": MINE, "dataset": {**dataset, "kwargs": {"handler": handler, "segments": segments}}}


def edited(task, path, value):
    task = copy.deepcopy(task)
    *parents, last = path.split(".")
    node = task
    for key in parents:
        node = node[key]
    node[last] = value
    return task


@pytest.mark.parametrize(
    ("path", "value", "same"),
    [
        ("dataset.kwargs.segments.test", ("2005-07-01", "2005-12-30"), True),
        ("dataset.kwargs.handler.kwargs.end_time", "2010-12-31", True),
        ("record", ["SignalRecord"], True),
        ("refit", False, True),
        ("dataset.kwargs.segments.train", ("2000-01-04", "2003-12-31"), False),
        ("dataset.kwargs.handler.kwargs.start_time", "2000-01-04", False),
        ("dataset.kwargs.handler.kwargs.horizon", 3, False),
        ("model.kwargs", {"inner": 1}, False),
        ("reweighter", {"class": "Reweighter", "module_path": "rollforward.model.base"}, False),
    ],
)
def test_the_model_is_the_same_where_only_the_test_differs(task, path, value, same):
    assert (check_task(edited(task, path, value)).model_hash == check_task(task).model_hash) is same


def test_the_model_follows_the_code(task, package):
    before = check_task(task).model_hash
    (package / "mine.py").write_text((package / "mine.py").read_text() + "# edited\n")
    assert check_task(task).model_hash != before


def test_a_live_handler_has_no_identity_and_says_why(task):
    checked = check_task(edited(task, "dataset.kwargs.handler", DataHandlerLP.__new__(DataHandlerLP)))
    assert checked.task_hash is checked.model_hash is None
    assert not checked.can_be_found
    assert "DataHandlerLP" in checked.reason


def test_refit_is_true_or_false(task):
    assert check_task({**task, "refit": True}).task_hash == check_task(task).task_hash
    assert check_task({**task, "refit": False}).task_hash != check_task(task).task_hash
    assert not check_task({**task, "refit": False}).refit
    with pytest.raises(TaskError, match="refit"):
        check_task({**task, "refit": 4})
