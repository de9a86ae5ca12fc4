from __future__ import annotations

import copy
import pickle

import pytest

from rollforward.errors import MissingDependencyError, SerializationError
from rollforward.serialize import Serializable, load_object, save_object


class Thing(Serializable):
    def __init__(self):
        self.config_text = "kept"
        self._data = "big"


class Slim(Thing):
    default_dump_all = False
    include_attr = ("_state",)
    exclude_attr = ("hidden",)

    def __init__(self):
        super().__init__()
        self._state = "small"
        self.hidden = "s"


class Box(Serializable):
    def __init__(self, *parts):
        self.first = parts[0]
        self.rest = [list(parts[1:]), {"more": parts[1:]}]
        self._cache = "c"


class Dataset(Serializable):
    """A subclass that takes more options, as datasets do."""

    def __init__(self):
        self.handler = Thing()
        self.segments = None

    def config(self, recursive=False, *, segments=None, **kwargs):
        self.segments = segments or self.segments
        super().config(recursive, **kwargs)


def stored(obj):
    return set(vars(pickle.loads(pickle.dumps(obj))))


def test_unless_told_otherwise_everything_is_kept():
    assert stored(Thing()) == {"config_text", "_data"}


def test_dump_all_false_drops_names_with_an_underscore():
    thing = Thing()
    thing.config(dump_all=False)
    assert stored(thing) == {"config_text"}
    assert thing._data == "big"


def test_include_over_exclude_over_dump_all():
    thing = Thing()
    thing.config(dump_all=False, include=["_data"], exclude=["config_text", "_data"])
    assert stored(thing) == {"_data"}
    assert (thing.dump_all, thing.include, thing.exclude) == (False, ("_data",), ("config_text", "_data"))


def test_a_class_may_choose_its_own_defaults():
    assert stored(Slim()) == {"config_text", "_state"}
    slim = Slim()
    slim.config(dump_all=True)
    assert stored(slim) == {"config_text", "_data", "_state"}


def test_a_later_config_changes_only_what_it_names():
    thing = Thing()
    thing.config(exclude=["config_text"])
    thing.config(dump_all=False)
    assert stored(thing) == set()


def test_what_was_configured_is_not_stored():
    thing = Thing()
    thing.config(dump_all=False)
    loaded = pickle.loads(pickle.dumps(thing))
    loaded._data = "again"
    assert stored(loaded) == {"config_text", "_data"}


def test_copies_keep_everything():
    slim = Slim()
    slim.config(exclude=["config_text"])
    for twin in (copy.copy(slim), copy.deepcopy(slim)):
        assert vars(twin) == vars(slim)
        assert stored(twin) == stored(slim)
    circle = Box(Thing())
    circle.rest = circle
    twin = copy.deepcopy(circle)
    assert twin.rest is twin
    assert twin.first is not circle.first


def test_recursive_reaches_attributes_lists_and_dictionaries_and_ends():
    things = [Thing() for _ in range(3)]
    box = Box(*things)
    things[0].owner = box
    box.config(recursive=True, dump_all=False)
    assert [thing.dump_all for thing in things] == [False, False, False]
    loaded = pickle.loads(pickle.dumps(box))
    assert "_data" not in vars(loaded.first)
    assert loaded.first.owner is loaded


def test_not_recursive_reaches_only_the_object():
    box = Box(Thing())
    box.config(dump_all=False)
    assert box.first.dump_all


def test_recursive_goes_through_the_config_of_a_subclass():
    dataset = Dataset()
    dataset.config(recursive=True, dump_all=False, segments={"test": 1})
    assert dataset.segments == {"test": 1}
    assert not dataset.handler.dump_all


def test_an_unknown_option_is_a_type_error():
    with pytest.raises(TypeError, match="dump_al"):
        Thing().config(dump_al=True)


def test_names_as_one_text_are_refused():
    with pytest.raises(SerializationError, match=r"\['_data'\]"):
        Thing().config(exclude="_data")


def test_to_pickle_and_load(tmp_path):
    slim = Slim()
    slim.to_pickle(tmp_path / "x")
    assert set(vars(Slim.load(tmp_path / "x"))) == {"config_text", "_state"}
    assert isinstance(Thing.load(tmp_path / "x"), Slim)


def test_options_of_to_pickle_hold_for_that_file_only(tmp_path):
    box = Box(Thing())
    box.to_pickle(tmp_path / "x", dump_all=False)
    loaded = Box.load(tmp_path / "x")
    assert not hasattr(loaded, "_cache")
    assert loaded.first._data == "big"
    box.to_pickle(tmp_path / "x", dump_all=False, recursive=True)
    assert not hasattr(Box.load(tmp_path / "x").first, "_data")
    assert stored(box) == {"first", "rest", "_cache"}


def test_load_of_another_class(tmp_path):
    save_object([1], tmp_path / "x.pkl")
    with pytest.raises(SerializationError, match=r"type list(.|\n)*type Thing"):
        Thing.load(tmp_path / "x.pkl")


def test_a_failed_to_pickle_leaves_the_old_file(tmp_path):
    thing = Thing()
    thing.to_pickle(tmp_path / "x.pkl")
    thing.function = lambda: None
    with pytest.raises(SerializationError, match="exclude"):
        thing.to_pickle(tmp_path / "x.pkl")
    thing.to_pickle(tmp_path / "y.pkl", exclude=["function"])
    assert Thing.load(tmp_path / "x.pkl").config_text == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.pkl", "y.pkl"]


def test_general_dump(tmp_path):
    Serializable.general_dump({"a": (1,)}, tmp_path / "a")
    assert load_object(tmp_path / "a") == {"a": (1,)}
    Serializable.general_dump(Slim(), tmp_path / "b")
    assert not hasattr(load_object(tmp_path / "b"), "_data")


def test_backends(tmp_path, monkeypatch):
    monkeypatch.setattr(Thing, "pickle_backend", "msgpack")
    with pytest.raises(SerializationError, match="msgpack"):
        Thing().to_pickle(tmp_path / "x")
    monkeypatch.setattr(Thing, "pickle_backend", "dill")
    monkeypatch.setitem(__import__("sys").modules, "dill", None)
    with pytest.raises(MissingDependencyError, match="dill"):
        Thing().to_pickle(tmp_path / "x")
