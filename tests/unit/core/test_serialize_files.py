from __future__ import annotations

import datetime as dt
import enum
import gzip
import os
import pickle
import stat
import threading

import numpy as np
import pandas as pd
import pytest

from rollforward.errors import SerializationError
from rollforward.serialize import atomic_write, load_object, save_object
from rollforward.serialize.formats import FORMATS


def names_in(folder):
    return [path.name for path in folder.iterdir()]


def rows():
    index = pd.MultiIndex.from_product(
        [pd.to_datetime(["2020-01-02", "2020-01-03"]), ["A", "B"]], names=["datetime", "instrument"]
    )
    return pd.DataFrame({"score": [0.1, 1 / 3, np.nan, 4.0]}, index=index)


def grouped():
    frame = rows()
    frame.columns = pd.MultiIndex.from_tuples([("feature", "MOM5")], names=["group", "name"])
    return frame


class Figure:
    def savefig(self, file, format):  # noqa: A002  # matplotlib's word
        assert format == "png"
        file.write(b"\x89PNG\r\n\x1a\nrest")


@pytest.mark.parametrize(
    ("name", "obj"),
    [
        ("task", {"a": (1, dt.date(2020, 1, 1)), 2: {3}}),
        ("params.pkl", {"x": np.float64(1.5)}),
        ("my.model", [1, (2,)]),
        (".json", {"a hidden file without a suffix": (1,)}),
        ("x.joblib", {"a": (1, 2)}),
        ("x.json", {"a": [1, 1.5, True, None, "ü\n\ud800", {"b": []}], "": 1e300, "big": 2**80}),
        ("x.yaml", {"a": [1, 1.5, True, None, "yes", "1e3", "012", "ü"], "when": dt.date(2020, 1, 2)}),
        (
            "X.YML",
            {
                "at": pd.Timestamp("2020-01-02 03:04:05.000006").to_pydatetime(),
                "zone": dt.datetime(2020, 1, 2, tzinfo=dt.UTC),
            },
        ),
        ("x.txt", "zwei\r\nZeilen ü"),
        ("x.html", "<b>ü</b>"),
        ("x.png", b"\x89PNG\r\n\x1a\nrest"),
    ],
)
def test_what_is_written_is_read_back_the_same(name, obj, tmp_path):
    if name == "x.json":
        obj["a"][4] = "ü\n"
    assert save_object(obj, tmp_path / name) == tmp_path / name
    loaded = load_object(str(tmp_path / name))
    assert loaded == obj
    assert repr(loaded) == repr(obj)
    assert names_in(tmp_path) == [name]


@pytest.mark.parametrize("frame", [rows(), grouped(), pd.DataFrame({1: [1, 2]})], ids=["rows", "grouped", "numbers"])
def test_parquet_keeps_index_columns_and_types(frame, tmp_path):
    save_object(frame, tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(load_object(tmp_path / "x.parquet"), frame)


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
def test_csv_makes_the_index_columns(name, tmp_path):
    save_object(rows(), tmp_path / name)
    loaded = load_object(tmp_path / name)
    assert list(loaded.columns) == ["datetime", "instrument", "score"]
    assert loaded["score"].tolist()[:2] == pytest.approx([0.1, 1 / 3], rel=1e-15)
    assert loaded["datetime"].tolist()[0] == "2020-01-02"


def test_csv_of_rows_without_a_name_and_of_a_series(tmp_path):
    save_object(pd.DataFrame({"a": [1]}), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().splitlines() == ["a", "1"]
    save_object(pd.DataFrame({"a": [1]}).rename_axis("fold"), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().splitlines() == ["fold,a", "0,1"]
    save_object(pd.Series([1.5], index=["x"], name="ic"), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().splitlines() == ["index,ic", "x,1.5"]
    save_object(pd.Series([1.5]), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().splitlines() == ["value", "1.5"]


def test_a_packed_csv_is_the_same_bytes_each_time(tmp_path):
    save_object(rows(), tmp_path / "a.csv.gz")
    save_object(rows(), tmp_path / "b.csv.gz")
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.csv.gz").read_bytes()).startswith(b"datetime,instrument,score")


def test_arrays(tmp_path):
    array = np.arange(6.0).reshape(2, 3)
    save_object(array, tmp_path / "x.npy")
    np.testing.assert_array_equal(load_object(tmp_path / "x.npy"), array)
    save_object({"a": array, "b": np.array(["x"])}, tmp_path / "x.npz")
    loaded = load_object(tmp_path / "x.npz")
    assert list(loaded) == ["a", "b"]
    np.testing.assert_array_equal(loaded["a"], array)


def test_a_figure_becomes_the_bytes_of_its_picture(tmp_path):
    save_object(Figure(), tmp_path / "x.png")
    assert load_object(tmp_path / "x.png") == b"\x89PNG\r\n\x1a\nrest"


class Number(enum.IntEnum):
    ONE = 1


CIRCLE: list = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    ("name", "obj", "message"),
    [
        ("x.json", {"a": {"b": (1, 2)}}, r"'a\.b' is of type tuple(.|\n)*list"),
        ("x.json", {"a": [np.int64(1)]}, r"'a\.0' is of type int64"),
        ("x.json", {1: 2}, "the object has the key 1"),
        ("x.json", float("nan"), "the object is nan"),
        ("x.json", [float("inf")], "'0' is inf"),
        ("x.json", Number.ONE, "type Number"),
        ("x.json", {"a": dt.date(2020, 1, 1)}, r"isoformat\(\)"),
        ("x.json", object(), r"\.pkl"),
        ("x.json", CIRCLE, "contains itself"),
        ("x.json", "\ud800", "cannot be written"),
        ("x.yaml", {"a": {1}}, r"sorted\("),
        ("x.yaml", pd.Timestamp("2020-01-01"), "type Timestamp"),
        ("x.yaml", "\x85", "as it is"),
        ("x.parquet", pd.Series([1]), r"to_frame"),
        ("x.parquet", pd.DataFrame({"a": [object()]}), "parquet"),
        ("x.csv", grouped(), r"2 levels(.|\n)*\.parquet"),
        ("x.csv", [1], r"type list"),
        ("x.npy", [1], "asarray"),
        ("x.npy", np.array([object()]), "npy"),
        ("x.npz", np.array([1]), "dictionary"),
        ("x.npz", {"a": [1]}, "'a'"),
        ("x.npz", {"a": np.array([object()])}, "'a'"),
        ("x.npz", {1: np.array([1])}, "text keys"),
        ("x.txt", b"bytes", "type bytes"),
        ("x.html", None, "type NoneType"),
        ("x.png", b"JPEG", "no PNG"),
        ("x.png", "x", "figure"),
        ("x.pkl", lambda: None, "lambdas"),
        ("x.joblib", threading.Lock(), "joblib"),
    ],
)
def test_what_a_format_does_not_take_is_refused_and_the_old_file_stays(name, obj, message, tmp_path):
    (tmp_path / name).write_bytes(b"old")
    with pytest.raises(SerializationError, match=message) as caught:
        save_object(obj, tmp_path / name)
    assert str(tmp_path / name) in caught.value.given
    assert caught.value.expected
    assert caught.value.remedy
    assert (tmp_path / name).read_bytes() == b"old"
    assert names_in(tmp_path) == [name]


@pytest.mark.parametrize("suffix", [*FORMATS, ".pkl", ""])
def test_a_damaged_an_empty_and_a_missing_file(suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    with pytest.raises(SerializationError, match="No such file"):
        load_object(path)
    path.write_bytes(b"")
    if suffix not in (".txt", ".html", ".png", ".yaml", ".yml"):
        with pytest.raises(SerializationError, match="is empty"):
            load_object(path)
        path.write_bytes(b"\x00\xff{nonsense")
    if suffix in (".txt", ".html", ".yaml", ".yml"):
        path.write_bytes(b"\xff")
    if suffix not in (".png", ".csv"):
        with pytest.raises(SerializationError, match="cannot be read as"):
            load_object(path)


def test_a_pickle_under_another_name_says_how_to_read_it(tmp_path):
    (tmp_path / "x.json").write_bytes(pickle.dumps({"a": (1,)}))
    with pytest.raises(SerializationError, match=r"unpickler=pickle\.Unpickler"):
        load_object(tmp_path / "x.json")
    assert load_object(tmp_path / "x.json", unpickler=pickle.Unpickler) == {"a": (1,)}


def test_an_unpickler_may_refuse(tmp_path):
    class Nothing(pickle.Unpickler):
        def find_class(self, module, name):
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")

    save_object(dt.date(2020, 1, 1), tmp_path / "x.pkl")
    with pytest.raises(SerializationError, match=r"datetime\.date is not allowed"):
        load_object(tmp_path / "x.pkl", unpickler=Nothing)


def test_a_class_that_is_gone(tmp_path):
    (tmp_path / "x.pkl").write_bytes(b"cno_such_module_here\nThing\n.")
    with pytest.raises(SerializationError, match=r"no_such_module_here(.|\n)*Install"):
        load_object(tmp_path / "x.pkl")


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(SerializationError, match="Make the folder"):
        save_object(1, tmp_path / "no" / "x.json")


class TestAtomicWrite:
    def test_a_block_that_raises_leaves_the_old_file_and_nothing_else(self, tmp_path):
        path = tmp_path / "x"
        path.write_text("old")

        def interrupted():
            with atomic_write(path) as file:
                file.write(b"half")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert path.read_text() == "old"
        assert names_in(tmp_path) == ["x"]

    def test_the_file_is_there_only_at_the_end(self, tmp_path):
        path = tmp_path / "x"
        with atomic_write(path) as file:
            file.write(b"all")
            assert not path.exists()
        assert path.read_text() == "all"

    @pytest.mark.skipif(os.name == "nt", reason="POSIX rights")
    def test_it_has_the_rights_that_open_would_give_and_follows_a_link(self, tmp_path):
        (tmp_path / "plain").touch()
        (tmp_path / "target").touch()
        (tmp_path / "link").symlink_to("target")
        with atomic_write(tmp_path / "link") as file:
            file.write(b"new")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "target").read_text() == "new"
        rights = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "target")]
        assert rights[0] == rights[1]

    def test_a_very_long_name(self, tmp_path):
        name = "x" * 250
        with atomic_write(tmp_path / name) as file:
            file.write(b"")
        assert names_in(tmp_path) == [name]
