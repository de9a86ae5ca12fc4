"""What may be unpickled while the setting ``trusted_classes`` is in force."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import io
import os
import pickle
import zoneinfo
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

from rollforward import settings
from rollforward.errors import LoadObjectError, SerializationError, UntrustedClassError
from rollforward.serialize import Serializable, classes_of, load_object, restricted_unpickler, save_object

SESSIONS = pd.date_range("2020-01-01", periods=3)
ROWS = pd.MultiIndex.from_product([SESSIONS, ["A", "B"]], names=["datetime", "instrument"])

PLAIN = [
    {"model": {"class": "Ridge", "kwargs": {"alpha": 0.1}}, "segments": (dt.date(2020, 1, 1), None), 2: {3}},
    [1, 1.5, True, None, "ü", b"\xff", bytearray(b"1"), 2j, range(3), slice(1, 2), frozenset({1})],
    [dt.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")), dt.timedelta(1), dt.time(1)],
    [decimal.Decimal("0.1"), collections.OrderedDict(a=1), collections.defaultdict(list), Path("a")],
    [np.float64(1.5), np.arange(6).reshape(2, 3), np.array(["a", None], object), np.datetime64("2020"), np.dtype("f4")],
    [pd.Timestamp("2020"), pd.Timestamp("2020", tz="Europe/Berlin"), pd.Timedelta(1), pd.NaT, pd.Period("2020-01")],
    pd.DataFrame({"score": 1.0}, index=ROWS),
    pd.DataFrame({("feature", "MOM5"): 1.0, ("label", "LABEL0"): 0.5}, index=ROWS),
    pd.Series([1.0], pd.DatetimeIndex(["2020-01-01"], tz="Europe/Berlin"), name="score"),
    pd.DataFrame({"a": ["x", None], "b": pd.Categorical(["u", "v"]), "c": pd.array([1, None], "Int64")}),
    pd.Series(pd.period_range("2020", periods=2, freq="D")),
    pd.bdate_range("2020-01-01", periods=5),
]


@pytest.mark.parametrize("obj", PLAIN, ids=lambda obj: type(obj).__name__)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_data_need_no_permission(obj, protocol, tmp_path):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(obj, protocol))
    with settings.override(trusted_classes=()):
        loaded = load_object(tmp_path / "x.pkl")
    assert repr(loaded) == repr(obj)


class Runs:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def attack(*arguments):
    pytest.fail(f"called with {arguments}")


@pytest.mark.parametrize(
    "obj",
    [
        Runs(os.system, "true"),
        Runs(eval, "1"),
        Runs(getattr, dict, "get"),
        Runs(pd.read_pickle, "x.pkl"),
        Runs(pd.eval, "1"),
        Runs(np.load, "x.npy"),
        Runs(__import__, "os"),
        Runs(attack, 1),
        [Runs(type, "T", (), {})],
        {"a": Runs(map, attack, [1])},
    ],
    ids=["system", "eval", "getattr", "read_pickle", "pd.eval", "np.load", "import", "own", "in a list", "in a dict"],
)
def test_functions_that_run_something_are_refused(obj, tmp_path):
    save_object(obj, tmp_path / "x.pkl")
    with settings.override(trusted_classes=()), pytest.raises(UntrustedClassError):
        load_object(tmp_path / "x.pkl")


def by_hand(module, name):
    """A pickle that names something by the texts given."""
    return (
        pickle.PROTO
        + b"\x04"
        + b"".join(pickle.SHORT_BINUNICODE + bytes([len(text)]) + text.encode() for text in (module, name))
        + pickle.STACK_GLOBAL
        + pickle.STOP
    )


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("pandas", "io.common.os.system"),
        ("pandas.core.frame", "DataFrame.eval"),
        ("pandasevil", "x"),
        ("numpy", "load"),
        ("builtins", "getattr.__call__"),
        ("rollforward.instantiate", "init_instance_by_config"),
        ("pandas.io.common", "os"),
    ],
)
def test_neither_a_prefix_nor_a_path_of_attributes_opens_a_door(module, name):
    for trusted in ((), ("rollforward.data.*", "pandas.io.*")):
        with pytest.raises(UntrustedClassError, match="not trusted"):
            restricted_unpickler(trusted)(io.BytesIO(by_hand(module, name))).load()


def test_getattr_is_good_for_time_zones_only():
    reads = restricted_unpickler(())(io.BytesIO(pickle.dumps(Runs(getattr, zoneinfo.ZoneInfo, "no_cache"))))
    with pytest.raises(UntrustedClassError, match="getattr"):
        reads.load()


def test_a_listed_class_is_read_and_the_error_lists_all_that_are_missing(tmp_path):
    from sklearn.linear_model import LinearRegression, Ridge

    models = {"a": Ridge(), "b": LinearRegression()}
    save_object(models, tmp_path / "params.pkl")
    with settings.override(trusted_classes=()), pytest.raises(UntrustedClassError) as caught:
        load_object(tmp_path / "params.pkl")
    assert "sklearn.linear_model._ridge.Ridge, sklearn.linear_model._base.LinearRegression" in str(caught.value)
    assert "trusted_classes" in caught.value.remedy
    assert isinstance(caught.value, LoadObjectError)
    named = caught.value.remedy.partition("trusted_classes: ")[2].rstrip(".").split(", ")
    for trusted in (named, ["sklearn.*"]):
        with settings.override(trusted_classes=trusted):
            assert [type(model) for model in load_object(tmp_path / "params.pkl").values()] == [Ridge, LinearRegression]


def test_a_package_is_what_it_defines_and_not_what_it_imports():
    from rollforward.serialize import atomic

    assert atomic.os is os
    unpickler = restricted_unpickler(("rollforward.serialize.*",))

    def find(module, name):
        return unpickler(io.BytesIO(by_hand(module, name))).load()

    assert find("rollforward.serialize.atomic", "atomic_write") is atomic.atomic_write
    for name in ("os.system", "os", "Path", "uuid.uuid4"):
        with pytest.raises(UntrustedClassError):
            find("rollforward.serialize.atomic", name)
    with pytest.raises(UntrustedClassError):
        find("rollforward.serializer", "x")


def test_nothing_of_a_refused_file_is_imported(tmp_path, monkeypatch):
    (tmp_path / "imported_by_a_pickle.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "x").write_bytes(by_hand("imported_by_a_pickle", "x"))
    with settings.override(trusted_classes=("sklearn.*",)), pytest.raises(UntrustedClassError, match="imported_by_a"):
        load_object(tmp_path / "x")


def test_without_the_setting_everything_is_read(tmp_path):
    save_object(Runs(int, "3"), tmp_path / "x.pkl")
    save_object(Path, tmp_path / "y.pkl")
    assert load_object(tmp_path / "x.pkl") == 3
    assert load_object(tmp_path / "y.pkl") is Path


def test_an_unpickler_of_the_caller_decides_itself(tmp_path):
    save_object(collections.UserDict(a=1), tmp_path / "x.pkl")
    with settings.override(trusted_classes=()):
        assert load_object(tmp_path / "x.pkl", pickle.Unpickler) == {"a": 1}


def test_joblib_files_are_refused_as_they_hide_pickles(tmp_path):
    save_object(np.arange(3), tmp_path / "x.joblib")
    joblib.dump(np.array([1, None], object), tmp_path / "y.joblib")
    assert load_object(tmp_path / "x.joblib").tolist() == [0, 1, 2]
    with settings.override(trusted_classes=("joblib.*",)):
        for name in ("x.joblib", "y.joblib"):
            with pytest.raises(UntrustedClassError, match=r"joblib.*\n.*\.pkl"):
                load_object(tmp_path / name)


@pytest.mark.parametrize("trusted", [None, ()])
def test_arrays_of_objects_are_no_way_in(trusted, tmp_path):
    np.save(tmp_path / "x.npy", np.array([Runs(int, "3")], object), allow_pickle=True)
    with settings.override(trusted_classes=trusted), pytest.raises(SerializationError):
        load_object(tmp_path / "x.npy")


class Kept(Serializable):
    def __init__(self):
        self.a = 1


def test_serializable_objects_are_objects_too(tmp_path):
    Kept().to_pickle(tmp_path / "x.pkl")
    with settings.override(trusted_classes=()), pytest.raises(UntrustedClassError, match="Kept"):
        Kept.load(tmp_path / "x.pkl")
    with settings.override(trusted_classes=(f"{Kept.__module__}.Kept",)):
        assert Kept.load(tmp_path / "x.pkl").a == 1


def test_a_damaged_pickle_is_not_called_untrusted(tmp_path):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(PLAIN[6])[:-20])
    with settings.override(trusted_classes=()), pytest.raises(SerializationError, match="cannot be read as pickle"):
        load_object(tmp_path / "x.pkl")


@pytest.mark.parametrize("protocol", range(6))
def test_the_classes_in_a_pickle_are_listed_without_running_it(protocol):
    content = pickle.dumps([Runs(attack, 1), Runs(attack, 2), decimal.Decimal(1)], protocol)
    found = classes_of(io.BytesIO(content))
    assert (__name__, "attack") in found
    assert ("decimal", "Decimal") in found
    assert len(found) == len(set(found))
    assert classes_of(io.BytesIO(content[:-3]))[0] == (__name__, "attack")
    assert classes_of(io.BytesIO(b"no pickle")) == []
