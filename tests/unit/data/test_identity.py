from __future__ import annotations

import datetime as dt
import enum
import gzip
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

import rollforward
from rollforward.data.identity import canonical, content_hash, data_fingerprint, unknown_source
from rollforward.errors import DataSourceError, TaskError


class Colour(enum.Enum):
    RED = 1


class Code(enum.IntEnum):
    ONE = 1


class Pair(NamedTuple):
    a: int
    b: int


@dataclass(frozen=True)
class Window:
    start: str
    n: int = 1


@dataclass
class Loose:
    a: int


@pytest.mark.parametrize(
    "same",
    [
        [{"a": 1, "b": 2}, {"b": 2, "a": 1}, MappingProxyType({"a": 1, "b": 2}), {np.str_("a"): 1, "b": np.int64(2)}],
        [[1, 2], (1, 2), Pair(1, 2)],
        [{1, 2, 3}, {3, 2, 1}, frozenset([1, 2, 3])],
        [1, np.int64(1), np.uint8(1)],
        [1.0, np.float64(1)],
        [0.5, np.float32(0.5)],
        [0.0, -0.0],
        [True, np.True_],
        ["a", np.str_("a")],
        [float("nan"), np.nan, np.float32("nan"), -np.nan],
        [pd.NaT, np.datetime64("NaT", "ns")],
        [
            dt.date(2020, 1, 2),
            pd.Timestamp("2020-01-02").to_pydatetime(),
            pd.Timestamp("2020-01-02"),
            pd.Timestamp("2020-01-02").as_unit("s"),
            np.datetime64("2020-01-02"),
            np.datetime64("2020-01-02T00:00", "ns"),
        ],
        [
            pd.Timestamp("2020-01-02 12:00", tz="UTC"),
            dt.datetime(2020, 1, 2, 7, tzinfo=ZoneInfo("America/New_York")),
            dt.datetime(2020, 1, 2, 13, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        ],
        [dt.timedelta(days=1), pd.Timedelta("1D"), np.timedelta64(24, "h")],
        [Path("a") / "b", PurePosixPath("a/b")],
        [np.array([1, 2]), np.array([1, 2], dtype=">i8"), np.array([[1, 9], [2, 9]])[:, 0]],
        [pd.Series([1.0], name="a"), pd.Series([1.0], name="a")],
        [2**80, 2**80],
    ],
)
def test_one_value_has_one_form(same):
    assert len({content_hash(item) for item in same}) == 1
    assert len({content_hash({"k": [item]}) for item in same}) == 1


@pytest.mark.parametrize(
    "different",
    [
        [1, 1.0, True, "1", [1], {"1": 1}, {1: 1}, {1}, None, Code.ONE, Decimal(1), b"1", 1j],
        [
            None,
            float("nan"),
            pd.NaT,
            pd.NA,
            "nan",
            "NaN",
            "NaT",
            "None",
            float("inf"),
            -float("inf"),
            0,
            0.0,
            False,
            "",
        ],
        [[1, 2], [2, 1], {1, 2}, [[1], 2], [1, [2]], [1, 2, None]],
        ["2020-01-02", pd.Timestamp("2020-01-02"), pd.Timestamp("2020-01-02", tz="UTC"), pd.Period("2020-01-02", "D")],
        [pd.Timestamp("2020-01-02"), pd.Timestamp("2020-01-02 00:00:00.000000001"), pd.Timestamp("2020-01-03")],
        [{}, [], "", None, frozenset(), b""],
        [{"$time": "2020-01-02T00:00:00"}, pd.Timestamp("2020-01-02")],
        [{"$dict": [["a", 1]]}, {"$dict": [["a", 2]]}, {"a": 1}],
        [{1: "a", "1": "b"}, {1: "b", "1": "a"}],
        ["a/b", PurePosixPath("a/b")],
        [Window("a"), Window("a", 2), {"start": "a", "n": 1}],
        [slice(1, 2), slice(1, 2, 1), [1, 2, None]],
        [int, float, Fraction, "builtins.int", len, Fraction.from_float],
        [np.array([1, 2]), np.array([1.0, 2.0]), np.array([[1, 2]]), [1, 2], np.array([1, 2], dtype=object)],
        [2**63, 2**64, float(2**64), -(2**64)],
        [pd.offsets.BDay(1), pd.offsets.BDay(2), pd.offsets.Day(1)],
        [dt.time(1), dt.timedelta(hours=1)],
    ],
)
def test_different_values_have_different_forms(different):
    assert len({content_hash(item) for item in different}) == len(different)


def test_frames_are_content_labels_and_types():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}, index=pd.Index(["x", "y"], name="i"))
    variants = [
        frame,
        frame[["b", "a"]],
        frame.rename(columns={"a": "c"}),
        frame.rename_axis("j"),
        frame.iloc[::-1],
        frame.astype({"a": "float32"}),
        frame.assign(a=[1.0, 3.0]),
        frame.rename(index={"x": "z"}),
        frame["a"],
        frame["a"].rename("b"),
        frame.index,
        frame.rename_axis("k", axis=1),
        pd.MultiIndex.from_tuples([("x", 1)], names=["a", "b"]),
        pd.MultiIndex.from_tuples([("x", 1)], names=["a", "c"]),
    ]
    assert len({content_hash(item) for item in variants}) == len(variants)
    assert content_hash(frame.copy()) == content_hash(frame)


def test_the_form_is_plain_json():
    form = canonical({"a": (1, float("nan"), pd.Timestamp("2020-01-02"), {2: {3}})})
    assert json.loads(json.dumps(form, allow_nan=False)) == form


def test_a_known_hash_stays():
    expected = "05d3e48ab7087840e047f6f1c72185faa95df27586db6cca1d20f34439c6d0b4"
    assert content_hash({"b": [1, 2.0], "a": None}) == expected  # sha256 of {"a":null,"b":[1,2.0]}


def test_another_process_gives_the_same_hash():
    code = "from rollforward.data.identity import content_hash; print(content_hash({'a': {'x', 'y', 'z'}, 'f': len}))"
    env = os.environ | {"PYTHONPATH": str(Path(rollforward.__file__).parents[1]), "PYTHONHASHSEED": "77"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == content_hash({"a": {"z", "y", "x"}, "f": len})


@pytest.mark.parametrize(
    "live",
    [
        object(),
        lambda: None,
        Loose(1),
        Window("a").__repr__,
        iter([]),
        type("Local", (), {}),
        pd.DataFrame({"a": [[]]}),
    ],
)
def test_a_live_object_is_refused_with_its_place(live):
    with pytest.raises(TaskError, match=r"^model\.kwargs\.0: ") as caught:
        content_hash({"model": {"kwargs": [live]}})
    assert caught.value.remedy


def test_a_circle_is_refused():
    circle = {"a": []}
    circle["a"].append(circle)
    with pytest.raises(TaskError, match=r"a\.0: it contains itself"):
        content_hash(circle)
    shared = [1]
    assert content_hash([shared, shared]) == content_hash([[1], [1]])


class TestFingerprint:
    def config(self, path):
        return {"handler": {"kwargs": {"source": path, "n": 3}}, "module_path": "model.py"}

    def test_it_follows_the_content_and_not_the_name(self, tmp_path):
        (tmp_path / "a.csv").write_text("x\n1\n")
        (tmp_path / "b.csv").write_text("x\n1\n")
        first = data_fingerprint(self.config(str(tmp_path / "a.csv")))
        assert first == data_fingerprint(self.config(tmp_path / "b.csv"))
        (tmp_path / "a.csv").write_text("x\n2\n")
        assert first != data_fingerprint(self.config(str(tmp_path / "a.csv")))

    def test_the_same_size_and_time_do_not_hide_a_replaced_file(self, tmp_path):
        path = tmp_path / "a.csv"
        path.write_text("1")
        before = data_fingerprint([str(path)])
        times = path.stat()
        (tmp_path / "new").write_text("2")
        (tmp_path / "new").replace(path)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert data_fingerprint([str(path)]) != before

    def test_two_files_exchanged_are_noticed(self, tmp_path):
        for name in ("a.csv", "b.csv"):
            (tmp_path / name).write_text(name)
        a, b = str(tmp_path / "a.csv"), str(tmp_path / "b.csv")
        assert data_fingerprint({"x": a, "y": b}) != data_fingerprint({"x": b, "y": a})

    def test_bundled_data_relative_paths_and_file_addresses(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        none = data_fingerprint({})
        assert data_fingerprint({"a": "bundled:sp500_close"}) != none
        Path("h.pkl").write_bytes(b"x")
        assert data_fingerprint({"a": "h.pkl"}) == data_fingerprint({"a": f"file://{tmp_path}/h.pkl"}) != none

    def test_a_folder_counts_with_all_its_files(self, tmp_path):
        folder = tmp_path / "part.parquet"
        folder.mkdir()
        (folder / "0.parquet").write_bytes(b"0")
        before = data_fingerprint([str(folder)])
        (folder / "1.parquet").write_bytes(b"1")
        assert data_fingerprint([str(folder)]) != before

    def test_frames_in_the_configuration_count(self):
        frame = pd.DataFrame({"a": [1]})
        assert data_fingerprint({"x": frame}) == data_fingerprint({"x": frame.copy()})
        assert data_fingerprint({"x": frame}) != data_fingerprint({"x": frame + 1})

    @pytest.mark.parametrize("name", ["none.csv", "none.CSV.GZ", "none.parquet", "bundled:none"])
    def test_data_that_are_not_there_are_an_error(self, name):
        with pytest.raises(DataSourceError):
            data_fingerprint({"handler": {"source": name}})

    def test_what_is_no_file_is_passed_over(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("README").touch()
        rest = [
            "README",
            "none.pkl",
            "s3://bucket/x.csv",
            "a\nb",
            "x" * 9000,
            "<MODEL>",
            3,
            None,
            object(),
            {1: "\0.pkl"},
            "x" * 9000 + ".npy",
        ]
        assert data_fingerprint(rest) == data_fingerprint([])

    def test_a_file_is_read_once(self, tmp_path, monkeypatch):
        path = tmp_path / "a.csv.gz"
        path.write_bytes(gzip.compress(b"x"))
        first = data_fingerprint([str(path)])
        monkeypatch.setattr("hashlib.file_digest", None)
        assert data_fingerprint([str(path)]) == first


def test_a_function_is_a_source_of_unknown_state():
    def prices():
        """Stand for a function that loads."""

    assert unknown_source({"kwargs": {"source": prices}}, "handler") == "handler.kwargs.source"
    assert unknown_source([{"data_loader": {"function": prices}}], "parts") == "parts.0.data_loader.function"
    assert unknown_source({"source": "wide.csv", "label": prices, "data_loader": dict}) is None
    assert unknown_source({"function": prices, "version": "1"}) is None
    assert unknown_source({"function": prices, "version": None}) == "function"
