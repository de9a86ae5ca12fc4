"""Whether the values of a configuration can be what a constructor says it takes, read from its plain annotations.

An annotation is no promise that nothing else works, and a file that would run must not be refused. So only a value of
another kind is a mistake: a word where a number is wanted, a list where a text is. A number passes for any number, a
text that reads as a number for one, one item for a list of such items, and ``null``, a date, a placeholder, a
configuration or a live object for anything. What is annotated with other types, or contradicted by its own default,
is not judged, nor is a constructor that is wrapped or made by a metaclass, which may change what it is given.
"""

from __future__ import annotations

import inspect
import reprlib
import types
from collections import abc
from collections.abc import Callable, Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from rollforward.errors import InstantiationError
from rollforward.instantiate.locate import at
from rollforward.settings.masking import masked
from rollforward.settings.nearest import did_you_mean

_PLAIN = (str, bool, int, float, list, Mapping)
_UNIONS = (Union, types.UnionType)
_LISTS = (list, tuple, set, frozenset, abc.Sequence, abc.MutableSequence, abc.Set)
_MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)
_TRUTHS = frozenset({"true", "false", "yes", "no", "on", "off"})
_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", type(None): "null"}
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def check_values(func: Callable[..., Any], kwargs: Mapping[str, Any], where: str = "") -> None:
    """Refuse a value that is of another kind than the annotation of its argument.

    Parameters
    ----------
    func
        The callable; nothing is called.
    kwargs
        Arguments from a configuration; names that it does not take are passed over.
    where
        Place in the configuration, for the message.

    Raises
    ------
    InstantiationError
        For the first value that does not fit.
    """
    constructor = _constructor(func)
    if constructor is None:
        return
    for name, value in kwargs.items():
        wanted = _wanted(constructor, name)
        if not _fits(value, wanted):
            raise InstantiationError(
                f"{at(where)}{func.__name__}: {name!r} is {shown(name, value)}.",
                f"{_spell(wanted)}.",
                did_you_mean(value, _choices(wanted), otherwise="Correct the value."),
            )


def is_open(value: Any) -> bool:
    """Tell whether a value will only later be what it stands for: a placeholder, a stored object, a configuration."""
    if isinstance(value, Mapping):
        return "class" in value or "func" in value
    return isinstance(value, str) and ((value.startswith("<") and value.endswith(">")) or value.startswith("file://"))


def shown(name: str, value: Any) -> str:
    """Spell the value of an argument for a message: short, and without credentials."""
    return reprlib.repr(masked(value, name))


def _constructor(func: Any) -> types.FunctionType | None:
    """Find the function that gets the arguments as they are given; ``None`` if that is not certain."""
    init = func
    if inspect.isclass(func):
        is_plain = type(func).__call__ is type.__call__ and func.__new__ is object.__new__
        init = inspect.getattr_static(func, "__init__") if is_plain else None
    is_changed = hasattr(init, "__wrapped__") or hasattr(func, "__signature__")
    return init if isinstance(init, types.FunctionType) and not is_changed else None


def _wanted(func: types.FunctionType, name: str) -> Any:
    """Evaluate the annotation of an argument; ``Any`` if it is none, or says nothing."""
    try:
        parameter = inspect.signature(func).parameters.get(name)
        if parameter is None or parameter.kind not in _BY_NAME or parameter.annotation is parameter.empty:
            return Any

        def alone() -> None:
            """Have this annotation only: the names of another one may exist for type checkers alone."""

        alone.__annotations__ = {name: parameter.annotation}
        # Sequence and its like are often imported for type checkers alone.
        wanted = get_type_hints(alone, globalns=vars(abc) | func.__globals__)[name]
        hash(wanted)  # what cannot be looked up is no type
    except Exception:  # noqa: BLE001  # whatever the evaluation of an annotation raises: nothing is known then
        return Any
    is_contradicted = parameter.default is not parameter.empty and not _fits(parameter.default, wanted)
    return Any if is_contradicted else wanted


def _fits(value: Any, wanted: Any) -> bool:
    if not isinstance(value, _PLAIN) or is_open(value):
        return True
    kind, parts = get_origin(wanted) or wanted, get_args(wanted)
    if kind in _UNIONS:
        return any(_fits(value, part) for part in parts)
    if kind in _WORDS:
        return _fits_scalar(value, kind)
    judge = _JUDGES.get(kind)
    return judge is None or judge(value, parts)


def _fits_choice(value: Any, choices: tuple[Any, ...]) -> bool:
    # A member of an enumeration may be written in more than one way.
    return any(
        type(one) not in _WORDS or one == value or str(one).casefold() == str(value).casefold() for one in choices
    )


def _fits_scalar(value: Any, kind: type) -> bool:
    if isinstance(value, list | Mapping) or kind is type(None):
        return False
    if kind is str or not isinstance(value, str) or not value:
        return True
    return _is_number(value) or (kind is bool and value.casefold() in _TRUTHS)


def _fits_list(value: Any, items: tuple[Any, ...]) -> bool:
    if isinstance(value, Mapping):
        # tuple[list, dict] is often meant as either; an empty mapping stands for nothing, as an empty list does.
        return not value or any((get_origin(item) or item) in _MAPPINGS and _fits(value, item) for item in items)
    if not isinstance(value, list) and len(items) > 1 and ... not in items:
        return False  # a pair
    given = value if isinstance(value, list) else [value]
    # Of a pair such as tuple[int, str], each may be either.
    return not items or all(any(_fits(one, item) for item in items if item is not ...) for one in given)


def _fits_mapping(value: Any, items: tuple[Any, ...]) -> bool:
    if not value:  # whatever is empty or false switches an option off
        return True
    if isinstance(value, Mapping):
        return not items or all(_fits(one, items[-1]) for one in value.values())
    # A name or a path may be of one.
    return isinstance(value, str) and ("." in value or "/" in value)


_JUDGES: dict[Any, Callable[[Any, tuple[Any, ...]], bool]] = {
    Literal: _fits_choice,
    **dict.fromkeys(_LISTS, _fits_list),
    **dict.fromkeys(_MAPPINGS, _fits_mapping),
}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _choices(wanted: Any) -> list[str]:
    if get_origin(wanted) is Literal:
        return [str(one) for one in get_args(wanted)]
    return [choice for one in get_args(wanted) for choice in _choices(one)]


def _spell(wanted: Any) -> str:
    kind, parts = get_origin(wanted) or wanted, get_args(wanted)
    if kind in _UNIONS:
        return " or ".join(dict.fromkeys(_spell(one) for one in parts))
    if kind is Literal:
        return " or ".join(map(repr, parts))
    if kind in _LISTS:
        items = [_spell(one) for one in parts if one is not ...]
        return f"a list, each item {' or '.join(dict.fromkeys(items))}" if items else "a list"
    if kind in _MAPPINGS:
        return f"a mapping, each value {_spell(parts[-1])}" if parts and parts[-1] is not Any else "a mapping"
    return _WORDS.get(kind, str(wanted))
