"""What a text format accepts, it gives back with every type; nothing else is accepted."""

from __future__ import annotations

import datetime as dt
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollforward.errors import SerializationError
from rollforward.instantiate import FLATTEN_TUPLE, flatten_dict
from rollforward.serialize.formats import FORMATS

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT)
DATES = st.dates() | st.datetimes().map(lambda at: at.replace(fold=0))
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))
FOREIGN = st.one_of(
    st.tuples(st.integers()),
    st.just(float("nan")),
    st.binary(max_size=2),
    st.sets(st.integers(), max_size=2),
    st.dictionaries(st.integers(), st.integers(), min_size=1, max_size=2),
    st.decimals(),
)


def there_and_back(suffix, obj):
    file = io.BytesIO()
    FORMATS[suffix].write(obj, file)
    file.seek(0)
    return FORMATS[suffix].read(file)


@given(JSON)
def test_json(obj):
    assert repr(there_and_back(".json", obj)) == repr(obj)


@given(st.recursive(PLAIN | DATES, lambda inner: st.lists(inner, max_size=3)))
def test_yaml_gives_back_or_refuses(obj):
    try:
        loaded = there_and_back(".yaml", obj)
    except SerializationError:
        # Only texts with unusual characters may be refused.
        assert not repr(obj).isascii() or "\\x" in repr(obj) or "\\u" in repr(obj)
    else:
        assert repr(loaded) == repr(obj)


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
@given(inner=FOREIGN, around=JSON)
def test_one_foreign_object_anywhere_is_refused(suffix, inner, around):
    with pytest.raises(SerializationError):
        there_and_back(suffix, [around, {"a": [inner]}])


@given(st.recursive(st.integers(), lambda inner: st.dictionaries(st.text(max_size=2), inner, min_size=1, max_size=3)))
def test_flat_tuples_hold_every_leaf_under_its_path(nested):
    if not isinstance(nested, dict):
        return
    flat = flatten_dict(nested, sep=FLATTEN_TUPLE)
    for path, value in flat.items():
        found = nested
        for key in path if isinstance(path, tuple) else (path,):
            found = found[key]
        assert found == value

    def count(value):
        return sum(count(item) for item in value.values()) if isinstance(value, dict) else 1

    assert len(flat) == count(nested)


def test_a_year_with_few_digits():
    assert there_and_back(".yaml", [dt.date(1, 1, 1)]) == [dt.date(1, 1, 1)]
