from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from rollforward.errors import TrackingError
from rollforward.workflow.mlflow_backend.values import artifact_of, check_keys, checked_step, number, short_form


@pytest.mark.parametrize(
    "value",
    [
        0.5,
        np.float64(0.5),
        np.float32(0.5),
        np.float16(0.5),
        np.array(0.5),
        np.array([0.5]),
        Decimal("0.5"),
        Fraction(1, 2),
        pd.Series([0.5]),
    ],
)
def test_every_kind_of_number_is_a_metric(value):
    result = number("IC", value)
    assert type(result) is float
    assert result == 0.5


@pytest.mark.parametrize(("value", "expected"), [(True, 1.0), (np.bool_(False), 0.0), (3, 3.0), (np.int64(3), 3.0)])
def test_whole_numbers_and_truth_values_are_metrics(value, expected):
    assert number("n", value) == expected


def test_not_a_number_is_kept():
    assert np.isnan(number("IC", np.nan))
    assert np.isnan(number("IC", Decimal("nan")))


@pytest.mark.parametrize(
    "value", [None, "0.5", b"1", 1j, np.complex128(1), np.array([1.0, 2.0]), [1], {}, pd.NaT, pd.NA, object(), 10**400]
)
def test_what_is_no_number_is_refused_with_its_key_and_type(value):
    with pytest.raises(TypeError, match=f"metric 'IC'.*{type(value).__name__}"):
        number("IC", value)


@pytest.mark.parametrize(("value", "expected"), [(None, 0), (3, 3), (-1, -1), (np.int32(4), 4), (np.array(5), 5)])
def test_a_step_is_an_integer(value, expected):
    assert checked_step(value) == expected


@pytest.mark.parametrize("value", [1.5, 1.0, "1", True, np.float64(1), [1]])
def test_a_step_that_is_no_integer_is_refused(value):
    with pytest.raises(TypeError, match="step is"):
        checked_step(value)


@pytest.mark.parametrize("key", ["IC", "Rank IC", "1day.x/y", "a:b", "größe", "年", "model.kwargs.alpha", "_QLIB_X"])
def test_keys_that_mlflow_takes(key):
    check_keys([key], "metric")


@pytest.mark.parametrize(
    ("key", "says"),
    [("IC@5", "Call it 'IC_5'"), ("a=b", "'a_b'"), ("a\n", "'a_'"), ("", "not empty"), ("a//b", "part"), ("/a", "part"),
     ("a/../b", "part"), (".", "part"), ("..x", "part"), ("x" * 251, "at most 250"), (3, "Call it '3'")],
)  # fmt: skip
def test_keys_that_mlflow_does_not_take_are_named_with_what_is_allowed(key, says):
    with pytest.raises(TrackingError) as caught:
        check_keys(["fine", key], "metric")
    assert says in str(caught.value)


def test_a_long_text_is_shortened_and_says_where_it_is_whole():
    whole = artifact_of("param", "task:model")
    short = short_form("x" * 7000, 6000, whole)
    assert whole == "params/task_model.txt"
    assert short.startswith("x" * 200)
    assert "7000 characters" in short
    assert whole in short
    assert short_form("x" * 6000, 6000, whole) == "x" * 6000
