"""Identity: equal exactly when the documented rules say so."""

from __future__ import annotations

import datetime as dt
import json
import math

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from rollforward.data.identity import canonical, content_hash

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.binary(max_size=4),
    st.dates(dt.date(1700, 1, 1), dt.date(2200, 1, 1)),
    st.datetimes(pd.Timestamp(1700, 1, 1), pd.Timestamp(2200, 1, 1)),
    st.timedeltas(dt.timedelta(-9000), dt.timedelta(9000)),
)
KEYS = st.one_of(st.text(max_size=3), st.sampled_from(["$time", "$dict"]), st.integers(-3, 3), st.booleans())
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)


def rules(value):
    """Spell a value so that two are equal exactly when their identities should be; written from the rules alone."""
    if isinstance(value, dict):
        return ("dict", frozenset((rules(key), rules(item)) for key, item in value.items()))
    if isinstance(value, list | tuple):
        return ("list", tuple(rules(item) for item in value))
    if isinstance(value, float):
        return ("float", "nan" if math.isnan(value) else value)
    if isinstance(value, dt.date):
        return ("time", pd.Timestamp(value))
    return (type(value).__name__, value)


def disguised(value, draw):
    """Give an equal value another face: key order, tuples, numpy scalars, other times of the same moment."""
    if isinstance(value, dict):
        items = draw(st.permutations(list(value.items())))
        return {key: disguised(item, draw) for key, item in items}
    if isinstance(value, list):
        return draw(st.sampled_from([list, tuple]))(disguised(item, draw) for item in value)
    return draw(st.sampled_from(faces(value)))


def faces(value):
    if isinstance(value, bool):
        return [value, np.bool_(value)]
    if isinstance(value, float):
        return [value, np.float64(value)]
    if isinstance(value, int) and abs(value) < 2**63:
        return [value, np.int64(value)]
    if isinstance(value, dt.date):
        stamp = pd.Timestamp(value)
        return [value, stamp, stamp.to_pydatetime(), stamp.to_datetime64()]
    return [value]


@given(VALUES, st.data())
def test_a_value_with_another_face_is_the_same(value, data):
    assert content_hash(disguised(value, data.draw)) == content_hash(value)


@given(VALUES, VALUES)
def test_two_values_are_the_same_exactly_when_the_rules_say_so(a, b):
    assert (content_hash(a) == content_hash(b)) == (rules(a) == rules(b))


@given(SCALARS, SCALARS)
def test_two_scalars_are_the_same_exactly_when_the_rules_say_so(a, b):
    assert (content_hash([a]) == content_hash([b])) == (rules(a) == rules(b))


@given(VALUES)
def test_the_form_is_json_and_comes_back_the_same(value):
    form = canonical(value)
    assert json.loads(json.dumps(form, allow_nan=False)) == form
