"""What goes into the pool comes out with the same types, and equal tasks have one identity."""

import datetime as dt
import http
import json
import math
import pathlib
import zoneinfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollforward.data.identity import content_hash
from rollforward.errors import TaskError
from rollforward.model.sklearn import SklearnModel
from rollforward.workflow.task.codec import decode, encode
from rollforward.workflow.task.references import RecorderRef
from rollforward.workflow.task.store.plain import plain
from rollforward.workflow.task.submitting import new_task, new_tasks

ZONES = st.sampled_from([dt.UTC, zoneinfo.ZoneInfo("America/New_York"), dt.timezone(dt.timedelta(hours=5, minutes=30))])
# Without a zone, as most tasks have them.
YEARS = (dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1))  # noqa: DTZ001
MOMENTS = st.datetimes(*YEARS)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.decimals(),
    st.complex_numbers(),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    MOMENTS,
    st.datetimes(*YEARS, timezones=ZONES),
    MOMENTS.map(pd.Timestamp),
    st.tuples(MOMENTS, st.sampled_from(["UTC", "Europe/Berlin", "Asia/Tokyo"])).map(
        lambda pair: pd.Timestamp(pair[0], tz="UTC").tz_convert(pair[1])
    ),
    st.timedeltas(dt.timedelta(-100), dt.timedelta(100)).map(pd.Timedelta),
    st.integers(-(2**31), 2**31 - 1).map(np.int32),
    st.floats(width=32).map(np.float32),
    st.floats().map(np.float64),
    st.booleans().map(np.bool_),
    MOMENTS.map(lambda moment: np.datetime64(moment, "ns")),
    st.integers(-5, 5).map(lambda number: np.timedelta64(number, "D")),
    st.text("ab/.", max_size=5).map(pathlib.Path),
    st.sampled_from([pd.NaT, pd.NA, int, SklearnModel, math.sqrt, np.mean, slice(1, None), pd.offsets.BDay(2)]),
    st.lists(st.floats(), max_size=3).map(np.array),
    st.builds(RecorderRef, st.sampled_from(["1", "2"]), st.sampled_from(["r", "s"]), st.just("sqlite:///x.db")),
)
KEYS = st.one_of(st.text(max_size=3), st.sampled_from(["$set", "a.b", "", "$a.b"]), st.integers(), st.booleans())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.sets(st.one_of(st.integers(), st.text(max_size=2)), max_size=3),
        st.frozensets(st.integers(), max_size=2),
        st.dictionaries(KEYS, inner, max_size=3),
    ),
    max_leaves=12,
)


def same(a, b):  # noqa: PLR0911
    """Whether two values have the same types and content, NaN included, and dictionaries the same order."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(x, y) for x, y in zip(a.values(), b.values(), strict=True))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, pd.Timestamp):
        return a == b and a.unit == b.unit and a.utcoffset() == b.utcoffset()
    if isinstance(a, dt.datetime | dt.time) and a is not pd.NaT:
        # Where clocks are turned back, an hour comes twice.
        return a == b and a.fold == b.fold and a.utcoffset() == b.utcoffset()
    if isinstance(a, set | frozenset):
        return a == b
    return a is b or repr(a) == repr(b)


@given(VALUES)
@settings(max_examples=400, deadline=None)
def test_a_value_comes_back_as_it_was(value):
    text = encode(value)

    assert text.isascii()
    assert same(decode(text), value)


@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=4), st.randoms())
@settings(max_examples=150, deadline=None)
def test_what_is_read_back_has_the_same_identity(definition, random):
    definition = without_references(definition)
    shuffled = list(definition.items())
    random.shuffle(shuffled)

    assert content_hash(decode(encode(dict(shuffled)))) == content_hash(definition)


@given(VALUES)
@settings(max_examples=200, deadline=None)
def test_the_plain_form_can_be_stored_anywhere(value):
    import json

    form = plain(value)

    assert json.loads(json.dumps(form, allow_nan=False)) == form
    json.dumps(form, ensure_ascii=False).encode()
    assert keys_are_plain(form)


def without_references(value):
    if isinstance(value, RecorderRef):
        return None
    if isinstance(value, dict):
        return {key: without_references(item) for key, item in value.items()}
    return type(value)(map(without_references, value)) if type(value) in (list, tuple) else value


def keys_are_plain(form):
    if isinstance(form, dict):
        return all("." not in key and key[:1] != "$" and keys_are_plain(item) for key, item in form.items())
    return all(map(keys_are_plain, form)) if isinstance(form, list) else True


def test_times_in_queries_sort_as_times():
    texts = [
        plain(moment) for moment in (dt.date(2024, 1, 1), pd.Timestamp("2024-01-01 00:00:00.5"), dt.date(2024, 1, 2))
    ]
    assert texts == sorted(texts)
    assert plain(pd.Timestamp("2024-01-01")) == plain(dt.date(2024, 1, 1)) == plain(np.datetime64("2024-01-01"))


def test_names_come_back():
    for value in (http.HTTPStatus.NOT_FOUND, http.HTTPStatus, pathlib.Path, pd.Timestamp.now):
        assert decode(encode(value)) == value


def recursive():
    value = {}
    value["self"] = [value]
    return value


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"a": [1, object()]}, r"result\.a\.1: .*object"),
        ({"f": lambda: 1}, r"result\.f: (.|\n)*top of a module"),
        ({"a": pd.DataFrame({"x": [1]})}, r"result\.a: .*DataFrame"),
        ({"a": np.zeros(1_000_000)}, r"result\.a: (.|\n)*8,000,000 bytes"),
        ({"a": np.longdouble(1)}, r"result\.a"),
        ({object(): 1}, r"result\.key"),
        (recursive(), "contains itself"),
        (SklearnModel("sklearn.linear_model.Ridge"), "SklearnModel"),
    ],
)
def test_what_has_no_form_is_refused_with_its_place(value, named):
    with pytest.raises(TaskError, match=named):
        encode(value, "result")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "cannot be read"),
        ('{"$no": 1}', r"\$no"),
        ('{"$name": ["no_such_module", "x"]}', "no_such_module.x"),
        ('{"$name": ["__main__", "gone"]}', "out of the script"),
        ('{"$set": [[1]]}', "cannot be read"),
        ("[" * 5000, "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_said(text, named):
    with pytest.raises(TaskError, match=named):
        decode(text)


def test_reading_calls_nothing():
    """A name is looked up, and nothing that it names is called."""
    import os

    assert decode('{"$name": ["os", "system"]}') is os.system
    with pytest.raises(TaskError):
        decode('{"$reduce": ["os", "system", ["true"]]}')


SIMPLE = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.sampled_from(["$x", "a.b", "\\"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text("abé.$\0", max_size=3), st.sampled_from(["kwargs"])), inner, max_size=3),
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["model", "dataset", "a.b"]), st.one_of(SIMPLE, VALUES), max_size=3))
@settings(max_examples=300)
def test_the_short_way_into_the_pool_stores_what_the_long_one_does(definition):
    try:
        text = encode(definition)
    except TaskError:
        with pytest.raises(TaskError):
            new_task(definition)
        return
    new = new_task(definition)
    assert (new.identity, new.definition) == (content_hash(definition), text)
    assert json.dumps(new.filter, allow_nan=False) == json.dumps(plain(definition), allow_nan=False)


TIMES = st.sampled_from(
    [
        pd.Timestamp("2020-01-01"),
        pd.Timestamp("2020-01-01").as_unit("s"),
        pd.Timestamp("2020-01-01", tz="UTC"),
        pd.Timestamp("2020-01-01", tz="Asia/Tokyo"),
        dt.date(2020, 1, 1),
        dt.datetime(2020, 1, 1),  # noqa: DTZ001
    ]
)


class Text(str):
    """Equals a text, and has no form."""

    __slots__ = ()


# Few different values, so that definitions share parts, and parts that are almost the same meet.
ALIKE = st.recursive(
    st.one_of(
        st.sampled_from([0, 1, True, False, None, 0.0, -0.0, 1.0, "a", "1", "", np.float64(1), b"a", "é"]), TIMES
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.lists(inner, max_size=2).map(tuple),
        st.dictionaries(st.sampled_from(["a", "b", Text("a"), 1, True, "c.d"]), inner, max_size=3),
    ),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(st.sampled_from(["model", "dataset", "z"]), ALIKE, max_size=3), max_size=30))
@settings(max_examples=150, deadline=None)
def test_what_definitions_share_changes_none_of_them(definitions):
    try:
        texts = [encode(definition) for definition in definitions]
    except TaskError:
        with pytest.raises(TaskError):
            new_tasks(definitions)
        return
    found = new_tasks(definitions, 3)
    assert [task.definition for task in found] == texts
    for task, definition in zip(found, definitions, strict=True):
        assert task.identity == content_hash(definition)
        assert json.dumps(task.filter, allow_nan=False) == json.dumps(plain(definition), allow_nan=False)
        assert task.priority == 3


def test_a_definition_that_cannot_be_stored_is_named_by_its_place():
    with pytest.raises(TaskError, match=r"task 2\.a\.1"):
        new_tasks([{"a": [1, 2]}, {"a": [1, (2,)]}, {"a": [1, object()]}])
