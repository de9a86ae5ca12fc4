from __future__ import annotations

import collections
import datetime as dt
import importlib.util
import logging
import pickle
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest

from rollforward.errors import InstantiationError, SerializationError
from rollforward.instantiate import (
    FLATTEN_TUPLE,
    MOVED,
    auto_filter_kwargs,
    deepcopy_basic_type,
    flatten_dict,
    get_callable_kwargs,
    get_module_by_module_path,
    hash_args,
    init_instance_by_config,
    preflight,
    split_module_path,
    update_config,
)
from rollforward.instantiate import moved as moved_module
from rollforward.serialize import save_object

built = []


class Plain:
    def __init__(self, a, b=2):
        built.append(type(self).__name__)
        self.a, self.b = a, b


class Forwards(Plain):
    def __init__(self, c=0, **kwargs):
        super().__init__(**kwargs)
        self.c = c


class Raises:
    def __init__(self, a=1, model=None):
        built.append("Raises")
        raise TypeError("from inside the constructor")


def collect(**kwargs):
    return kwargs


@pytest.fixture
def here():
    module = ModuleType("made_for_this_test")
    for item in (Plain, Forwards, Raises, collect):
        setattr(module, item.__name__, item)
    module.number = 3
    sys.modules[module.__name__] = module
    built.clear()
    yield module
    del sys.modules[module.__name__]


def config(name, **kwargs):
    return {"class": name, "module_path": "made_for_this_test", "kwargs": kwargs}


class TestOptionalArguments:
    def test_only_those_the_signature_takes_are_passed(self, here):
        made = init_instance_by_config(config("Plain", a=1), try_kwargs={"b": 5, "model": object()})
        assert (made.a, made.b) == (1, 5)
        assert built == ["Plain"]

    def test_the_configuration_wins_over_an_optional_argument(self, here):
        assert init_instance_by_config(config("Plain", a=1, b=3), try_kwargs={"b": 5}).b == 3

    def test_a_class_that_hands_on_its_keywords_is_asked_along_its_bases(self, here):
        made = init_instance_by_config(config("Forwards", a=1), try_kwargs={"b": 7, "model": object()})
        assert (made.b, made.c) == (7, 0)

    def test_a_function_with_keywords_takes_all(self, here):
        assert init_instance_by_config({"func": "collect", "module_path": here}, try_kwargs={"x": 1}) == {"x": 1}

    def test_an_error_inside_the_constructor_is_not_tried_away(self, here):
        with pytest.raises(TypeError, match="from inside the constructor") as caught:
            init_instance_by_config(config("Raises"), try_kwargs={"model": 1}, where="record.0")
        assert built == ["Raises"]
        assert not isinstance(caught.value, InstantiationError)
        assert any("record.0" in note for note in caught.value.__notes__)


class TestMistakes:
    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            (config("Plian", a=1), "Did you mean 'Plain'"),
            (config("Plain", aa=1), r"no argument 'aa'(.|\n)*Did you mean 'a'"),
            (config("Plain"), "lacks the argument 'a'"),
            (config("Plain", a=1, recorder=2), "twice"),
            (config("number"), "object of type int"),
            ({"class": "Plain", "module_pth": "x"}, "Did you mean 'module_path'"),
            ({"class": "Plain"}, "names no module"),
            ({"kwargs": {}}, "neither class nor func"),
            ({"class": "A", "func": "B", "module_path": "x"}, "both class and func"),
            ({"class": "Plain", "module_path": "made_for_this_test", "kwargs": [1]}, "a dictionary of arguments"),
            ({"class": "Plain", "module_path": "made_for_this_test", "kwargs": {1: 1}}, "a dictionary of arguments"),
            ({"class": "X", "module_path": "no_such_package.module"}, "no module 'no_such_package'"),
            ({"class": "X", "module_path": "collections.abd"}, "Did you mean 'abc'"),
            ({"class": "X", "module_path": "no/such/file.py"}, "no file"),
            ({"class": "X", "module_path": "..relative"}, "is no module"),
            ("Plain", "names no module"),
            ("", "names no module"),
            (3, "type int"),
            (None, "type NoneType"),
        ],
    )
    def test_it_is_found_before_anything_is_built_and_names_the_place(self, bad, message, here):
        extra = {"recorder": 1} if "recorder" in str(bad) else {}
        with pytest.raises(InstantiationError, match=message) as caught:
            init_instance_by_config(bad, where="dataset.kwargs.handler", **extra)
        assert caught.value.given.startswith("dataset.kwargs.handler: ")
        assert built == []

    def test_a_caller_argument_the_class_does_not_take_is_named(self, here):
        with pytest.raises(InstantiationError, match="no argument 'recorder'"):
            init_instance_by_config(config("Plain", a=1), recorder=1)

    def test_a_module_that_lacks_one_of_its_own_imports_says_so_itself(self, tmp_path, monkeypatch):
        (tmp_path / "needs_more.py").write_text("import not_installed_here\n")
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(ModuleNotFoundError, match="not_installed_here"):
            init_instance_by_config("needs_more.X")


class TestFilesOfPython:
    def test_a_class_from_a_file_is_executed_once_and_its_objects_pickle(self, tmp_path, monkeypatch):
        (tmp_path / "my model.py").write_text("class M:\n    def __init__(self, a):\n        self.a = a\n")
        monkeypatch.chdir(tmp_path)
        first = init_instance_by_config({"class": "M", "module_path": "my model.py", "kwargs": {"a": 1}})
        second = init_instance_by_config(
            {"class": "M", "module_path": str(tmp_path / "my model.py"), "kwargs": {"a": 2}}
        )
        assert type(first) is type(second)
        assert pickle.loads(pickle.dumps(second)).a == 2

    def test_a_file_that_changed_is_executed_again(self, tmp_path):
        file = tmp_path / "module.py"
        file.write_text("value = 1")
        assert get_module_by_module_path(str(file)).value == 1
        file.write_text("value = 1000")
        assert get_module_by_module_path(str(file)).value == 1000

    def test_a_file_that_raises_leaves_no_module_behind(self, tmp_path):
        file = tmp_path / "broken.py"
        file.write_text("raise ZeroDivisionError")
        before = set(sys.modules)
        with pytest.raises(ZeroDivisionError):
            get_module_by_module_path(str(file))
        assert set(sys.modules) == before


class TestMoved:
    def test_a_ported_name_comes_from_here(self):
        serializable = init_instance_by_config({"func": "Serializable", "module_path": "qlib.utils.serial"})
        assert type(serializable).__module__.startswith("rollforward.serialize")
        assert get_module_by_module_path("qlib.utils.serial").__name__ == "rollforward.serialize"

    def test_a_name_behind_the_second_module_of_an_entry(self, monkeypatch):
        monkeypatch.setitem(moved_module.MOVED, "qlib.made_up", ("rollforward.errors", "rollforward.serialize"))
        assert get_callable_kwargs("qlib.made_up.Serializable")[0].__name__ == "Serializable"

    @pytest.mark.skipif(importlib.util.find_spec("qlib") is not None, reason="Qlib is installed")
    @pytest.mark.parametrize(
        ("name", "instead"),
        [
            ("qlib.contrib.model.gbdt.LGBModel", "SklearnModel"),
            ("qlib.contrib.data.handler.Alpha158", "PriceHandler"),
            ("qlib.backtest.backtest", "MOVED"),
            ("qlib.utils.serial.NoSuchName", "MOVED"),
        ],
    )
    def test_a_name_that_is_not_ported_says_what_to_use(self, name, instead):
        with pytest.raises(InstantiationError, match=instead):
            init_instance_by_config(name)

    def test_a_name_that_is_not_ported_comes_from_qlib_where_that_is_installed(self, tmp_path, monkeypatch):
        for folder in ("qlib", "qlib/utils", "qlib/contrib"):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / "__init__.py").touch()
        (tmp_path / "qlib" / "utils" / "serial.py").write_text("class Serializable: ...\nclass Other: ...\n")
        (tmp_path / "qlib" / "contrib" / "thing.py").write_text("class Thing: ...\n")
        monkeypatch.syspath_prepend(tmp_path)
        for name in [name for name in sys.modules if name.split(".")[0] == "qlib"]:
            monkeypatch.delitem(sys.modules, name)
        try:
            assert get_callable_kwargs("qlib.utils.serial.Serializable")[0].__module__.startswith("rollforward.")
            assert get_callable_kwargs("qlib.utils.serial.Other")[0].__module__ == "qlib.utils.serial"
            assert get_callable_kwargs("qlib.contrib.thing.Thing")[0].__module__ == "qlib.contrib.thing"
        finally:
            for name in [name for name in sys.modules if name.split(".")[0] == "qlib"]:
                del sys.modules[name]

    @pytest.mark.parametrize("target", sorted({target for targets in MOVED.values() for target in targets}))
    def test_every_target_exists(self, target):
        assert importlib.util.find_spec(target) is not None


class TestPreflight:
    def test_it_builds_nothing(self, here):
        preflight(config("Plain", a=1), "model")
        preflight(config("Plain", b=1), "record.0", supplied=["a"])
        preflight(config("Plain", b=1), "record.0", offered=["a", "model"])
        preflight(object(), "a live object")
        assert built == []

    @pytest.mark.parametrize(
        ("bad", "options", "message"),
        [
            (config("Plain"), {}, "lacks the argument 'a'"),
            (config("Plain", a=1), {"supplied": ["a"]}, "twice"),
            (config("Plain", a=1), {"supplied": ["recorder"]}, "no argument 'recorder'"),
            (config("Plain", a=config("Plain", aa=1)), {}, r"^model\.kwargs\.a: .*no argument 'aa'"),
            (config("Plain", a=[{"x": config("Nope")}]), {}, r"^model\.kwargs\.a\.0\.x: .*no 'Nope'"),
            (config("Plain", a="file:///no/such/handler.pkl"), {}, r"^model\.kwargs\.a: .*no file"),
            (Path("/no/such/dataset.pkl"), {}, "no file"),
            ("Nope", {"default_module": "made_for_this_test"}, "no 'Nope'"),
        ],
    )
    def test_it_finds(self, bad, options, message, here):
        with pytest.raises(InstantiationError, match=message):
            preflight(bad, "model", **options)
        assert built == []

    def test_arguments_that_an_owner_adds_to_an_inner_configuration_are_not_missed(self, here):
        preflight(config("Plain", a=config("Plain", b=1)), "model")

    def test_a_dictionary_that_only_looks_like_a_configuration_is_left(self, here):
        preflight(config("Plain", a={"class": "btn", "kwargs": {}}, b={"class": "a", "style": "b"}), "model")


class TestStructure:
    def test_flat_tuples(self):
        nested = {"a": 1, "c": {"b": {"x": 5}, ("A", "B"): 6}, "empty": {}}
        assert flatten_dict(nested, sep=FLATTEN_TUPLE) == {"a": 1, ("c", "b", "x"): 5, ("c", ("A", "B")): 6}

    def test_texts(self):
        assert flatten_dict({"a": {1: 2, "b": [{"c": 3}]}}, "task") == {"task.a.1": 2, "task.a.b": [{"c": 3}]}
        assert flatten_dict({"a": {"b": 1}}, sep="/") == {"a/b": 1}

    def test_two_paths_with_one_name_are_refused(self):
        with pytest.raises(InstantiationError, match=r"'a\.b'"):
            flatten_dict({"a.b": 1, "a": {"b": 2}})

    def test_update_config_leaves_its_arguments(self):
        base, ext = {"a": {"x": 1}, "l": [1, 2]}, {"a": {"y": [3]}, "l": [9], "n": {"drop": "__DROP__", "keep": 1}}
        merged = update_config(base, [ext, {"a": {"x": "__DROP__"}, "never": "__DROP__"}])
        assert merged == {"a": {"y": [3]}, "l": [9], "n": {"keep": 1}}
        merged["a"]["y"].append(4)
        assert base == {"a": {"x": 1}, "l": [1, 2]}
        assert ext["a"] == {"y": [3]}

    def test_copies_share_live_objects(self):
        live = object()
        pair = collections.namedtuple("Pair", "a b")  # noqa: PYI024
        original = {"a": [live, (1, [2])], "p": pair(1, [2])}
        copied = deepcopy_basic_type(original)
        assert copied == original
        assert copied["a"][0] is live
        assert copied["a"][1][1] is not original["a"][1][1]
        assert isinstance(copied["p"], pair)

    def test_hash_args_is_short_and_independent_of_key_order(self):
        assert hash_args({"a": 1, "b": 2}, "x") == hash_args({"b": 2, "a": 1}, "x") != hash_args("x")
        assert hash_args("a", 1) == "98cf274ae82c4fc344335e164b924d70"  # md5 of '["a", 1]'
        assert hash_args(dt.date(2020, 1, 1)) == hash_args("2020-01-01") != hash_args(Decimal(1))

    @pytest.mark.parametrize("live", [object(), lambda: None, [object()], {"a": iter([])}])
    def test_hash_args_refuses_what_has_another_text_in_each_process(self, live):
        with pytest.raises(InstantiationError, match="address"):
            hash_args(live)


def test_auto_filter_kwargs_drops_what_is_not_taken_and_says_so(caplog):
    def fit(dataset, *, evals=None):
        return dataset, evals

    with caplog.at_level(logging.WARNING):
        assert auto_filter_kwargs(fit)(1, evals=2, reweighter=3) == (1, 2)
    assert "reweighter" in caplog.text
    caplog.clear()
    assert auto_filter_kwargs(fit, warning=False)(1, reweighter=3) == (1, None)
    assert auto_filter_kwargs(collect)(x=1) == {"x": 1}
    assert auto_filter_kwargs(dict)(x=1) == {"x": 1}
    assert caplog.text == ""


def test_split_module_path():
    assert split_module_path("a.b.C") == ("a.b", "C")
    assert split_module_path("C") == ("", "C")


def test_a_stored_object_that_is_not_there_is_a_serialization_error(tmp_path):
    with pytest.raises(SerializationError, match=r"none\.pkl"):
        init_instance_by_config(f"file://{tmp_path}/none.pkl")


def test_a_path_with_an_escaped_blank(tmp_path):
    save_object({"a": 1}, tmp_path / "my file.pkl")
    assert init_instance_by_config(f"file://{tmp_path}/my%20file.pkl") == {"a": 1}
    assert init_instance_by_config(f"file://{tmp_path}/my file.pkl") == {"a": 1}
