"""A value is refused only if it is of another kind than the constructor says, and then before anything is called."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from typing import TYPE_CHECKING, Any, Dict, List, Literal, Optional, Tuple, Union  # noqa: UP035  # as users write

import numpy as np
import pytest

from rollforward.errors import InstantiationError
from rollforward.instantiate.values import check_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd


class Model:
    def __init__(
        self,
        number: float = 1.0,
        whole: int = 1,
        word: str = "a",
        truth: bool = False,
        loss: Literal["mse", "mae"] = "mse",
        maybe: Optional[int] = 3,  # noqa: UP045
        either: Union[int, Literal["auto"]] = "auto",  # noqa: UP007
        layers: List[int] = (),  # noqa: UP006
        columns: Sequence[str] = (),
        pair: Tuple[str, str] = (),  # noqa: UP006
        weights: Dict[str, float] = None,  # noqa: RUF013, UP006
        options: Mapping[str, Any] | None = None,
        parts: Tuple[list, dict] = (),  # noqa: UP006  # as Qlib writes "one of these"
        level: Literal[0, 1, 10] = 0,
        path: str | Path = "",
        window: int | pd.Timedelta = 1,
        spread: int = "auto",
        names: Iterable[str] = (),
        anything: Any = None,
        untold=None,
        **others: int,
    ) -> None:
        raise AssertionError("nothing is built")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("number", "lots", "a number."),
        ("number", [0.1], "a number."),
        ("number", {"a": 1}, "a number."),
        ("whole", "five", "a whole number."),
        ("word", ["a"], "a text."),
        ("word", {"a": 1}, "a text."),
        ("truth", "perhaps", "true or false."),
        ("loss", "msee", "'mse' or 'mae'."),
        ("loss", 3, "'mse' or 'mae'."),
        ("maybe", "many", "a whole number or null."),
        ("either", "atuo", "a whole number or 'auto'."),
        ("layers", ["wide"], "a list, each item a whole number."),
        ("layers", "wide", "a list, each item a whole number."),
        ("columns", {"a": 1}, "a list, each item a text."),
        ("pair", "both", "a list, each item a text."),
        ("weights", {"a": "heavy"}, "a mapping, each value a number."),
        ("weights", [1], "a mapping, each value a number."),
        ("options", "some", "a mapping or null."),
    ],
)
def test_a_value_of_another_kind_is_refused(name, value, expected):
    with pytest.raises(InstantiationError) as caught:
        check_values(Model, {name: value}, "task.model")

    assert caught.value.given == f"task.model: Model: {name!r} is {value!r}."
    assert caught.value.expected == expected
    assert caught.value.remedy


def test_a_word_near_the_right_one_is_suggested():
    with pytest.raises(InstantiationError, match="Did you mean 'auto'"):
        check_values(Model, {"either": "atuo"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", 1),
        ("number", True),
        ("number", "1e-3"),  # a variable of the environment, in quotes
        ("number", "inf"),
        ("number", ""),
        ("number", np.float64(1)),
        ("number", np.float32(1)),
        ("number", np.array([1.0])),
        ("number", None),
        ("number", "<MODEL>"),
        ("number", "<dataset.kwargs.segments.train.0>"),
        ("number", {"class": "Ridge", "module_path": "sklearn.linear_model"}),
        ("number", "file:///tmp/a.pkl"),
        ("number", dt.date(2020, 1, 1)),
        ("whole", 2.5),  # said int and means a number
        ("whole", np.int64(3)),
        ("word", 3),
        ("word", dt.date(2020, 1, 1)),
        ("truth", "yes"),
        ("truth", "0"),
        ("truth", 1),
        ("loss", "MSE"),
        ("maybe", None),
        ("either", "auto"),
        ("either", "7"),
        ("layers", [1, 2]),
        ("layers", 64),
        ("layers", ["64", None]),
        ("layers", (1, "not from a file")),
        ("columns", "close"),
        ("columns", [dt.date(2020, 1, 1), 3]),
        ("pair", ["a", "b"]),
        ("weights", {"a": 1, "b": "0.5", "c": None}),
        ("weights", "package.weights"),
        ("options", {"a": [1]}),
        ("options", False),
        ("layers", {}),
        ("parts", {"feature": ["$close"]}),
        ("parts", [["$close"], ["x"]]),
        ("level", True),
        ("level", 10.0),
        ("path", 3),
        ("window", "a week"),  # not known at run time
        ("spread", "wide"),  # its own default says that texts are taken
        ("names", "close"),
        ("anything", "lots"),
        ("untold", "lots"),
        ("others", "lots"),
        ("unknown", "lots"),
    ],
)
def test_what_may_run_is_never_refused(name, value):
    check_values(Model, {name: value})


@dataclasses.dataclass
class Rules:
    cost: float
    days: list[int] = dataclasses.field(default_factory=list)


def test_a_dataclass_and_a_function_are_read_too():
    def make(cost: float) -> None: ...

    for func in (Rules, make, type("Derived", (Rules,), {})):
        with pytest.raises(InstantiationError, match=r"'cost' is 'dear'"):
            check_values(func, {"cost": "dear"})


def _converting(init):
    @functools.wraps(init)
    def wrapped(self, **kwargs):
        init(self, **{name: float(value.removesuffix("%")) for name, value in kwargs.items()})

    return wrapped


class Wrapped:
    @_converting
    def __init__(self, cost: float) -> None: ...


class Made(type):
    def __call__(cls, **kwargs):
        return super().__call__(**dict.fromkeys(kwargs, 1.0))


class ByMeta(metaclass=Made):
    def __init__(self, cost: float) -> None: ...


class ByNew:
    def __new__(cls, **_kwargs):
        return object()

    def __init__(self, cost: float) -> None: ...


class Validated:
    __signature__ = None

    def __init__(self, cost: float) -> None: ...


class Odd:
    def __init__(self, cost) -> None: ...


Odd.__init__.__annotations__["cost"] = {"a": 1}


class Broken:
    def __init__(self, cost: "float[") -> None: ...  # noqa: F722


@pytest.mark.parametrize(
    "func", [Wrapped, ByMeta, ByNew, Validated, Odd, Broken, functools.partial(Rules, cost=1), dict, len, int]
)
def test_nothing_is_said_of_what_may_change_its_arguments(func):
    check_values(func, {"cost": "10%"})


def test_no_credential_is_in_the_message():
    def connect(*, token: int, timeout: int) -> None: ...

    for kwargs in ({"token": "s3cret"}, {"timeout": "postgresql://me:s3cret@host/x"}):
        with pytest.raises(InstantiationError) as caught:
            check_values(connect, kwargs)
        assert "s3cret" not in str(caught.value)
