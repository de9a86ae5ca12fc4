"""The three forms of a definition in one walk: text, text of the identity, and the form for queries.

They are those of `encode`, `canonical` and `plain`. What the definitions of one submission share is spelled once.
"""

from __future__ import annotations

import json
import marshal
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pandas as pd

from rollforward.data.canonical import canonical, canonical_text
from rollforward.errors import TaskError
from rollforward.workflow.task.codec import encode
from rollforward.workflow.task.store.plain import plain

if TYPE_CHECKING:
    from collections.abc import Callable

_DEPTH = 40
_INT_BITS = 63
# The bytes of what is remembered, of one part and in all; after so many others it is not looked for at a place.
_MAX_PART, _MAX_REMEMBERED, _MAX_MISSES = 100_000, 50_000_000, 16
# The version of `marshal` that spells equal values equally.
_BY_VALUE = 2

# Text, text of the identity, form for queries: the value itself, if it is its own.
_Made: TypeAlias = tuple[str, str, Any]


class NotQuickError(Exception):
    """Something that `encode`, `canonical` and `plain` are left with."""


class _Shape(NamedTuple):
    """What dictionaries of the same keys in the same order have in common.

    Attributes
    ----------
    names
        The keys as text, each with its colon.
    order
        Their places when they are sorted; ``None`` if they are.
    misses
        For each key, how often in a row its value was none of those before.
    """

    names: list[str]
    order: list[int] | None
    misses: list[int]


class FormMaker:
    """Makes the forms of texts, numbers, times, dictionaries, lists and tuples: of what most definitions are made."""

    def __init__(self) -> None:
        self._parts: dict[bytes, _Made] = {}
        self._n_bytes = 0
        self._texts: dict[str, str] = {}
        self._times: dict[tuple[type, Any, str], _Made] = {}
        self._shapes: dict[tuple[Any, ...], _Shape] = {}
        self._makers: dict[type, Callable[[Any, int], _Made]] = {
            dict: self._dictionary,
            list: self._list,
            tuple: self._tuple,
            str: self._string,
            bool: _boolean,
            type(None): _none,
            int: _integer,
            float: _float,
            pd.Timestamp: self._time,
            date: self._time,
        }

    def forms(self, definition: Any) -> _Made:
        """Give the texts of `encode` and of `canonical`, and the form of `plain`.

        Raises
        ------
        NotQuickError
            If there is something else in the definition, or something that the forms spell differently.
        """
        if type(definition) is not dict:
            raise NotQuickError
        return self._dictionary(definition, 0)

    def _any(self, value: Any, depth: int) -> _Made:
        maker = self._makers.get(type(value))
        if maker is None or depth > _DEPTH:
            raise NotQuickError
        return maker(value, depth)

    def _shared(self, value: Any, depth: int, misses: list[int], place: int) -> _Made:
        """Do what `_any` does, but once for equal values."""
        # It takes exact types only, and spells each otherwise, so that nothing is mistaken for something else.
        try:
            key = marshal.dumps(value, _BY_VALUE)
        except ValueError:
            misses[place] += 1
            return self._any(value, depth)
        found = self._parts.get(key)
        if found is not None:
            misses[place] = 0
            return found if found[2] is not None else (found[0], found[1], value)
        misses[place] += 1
        text, form, asked = made = self._any(value, depth)
        self._n_bytes += len(key)
        if len(key) <= _MAX_PART and self._n_bytes <= _MAX_REMEMBERED:
            # Not the value: the next one is as good.
            self._parts[key] = text, form, None if asked is value else asked
        return made

    def _dictionary(self, value: dict[Any, Any], depth: int) -> _Made:
        names, order, misses = self._shape(value)
        texts: list[str] = []
        # Texts that the identity spells otherwise, by place.
        others: dict[int, str] = {}
        asked = value
        for i, (key, part) in enumerate(value.items()):
            kind = type(part)
            if kind is str and part in self._texts:
                texts.append(names[i] + self._texts[part])
                continue
            if kind in _CONTAINERS and misses[i] < _MAX_MISSES:
                text, form, plainly = self._shared(part, depth + 1, misses, i)
            else:
                text, form, plainly = self._any(part, depth + 1)
            texts.append(names[i] + text)
            if form is not text:
                others[i] = names[i] + form
            if plainly is not part:
                asked = value.copy() if asked is value else asked
                asked[key] = plainly
        text = "{" + ",".join(texts) + "}"
        if order is None and not others:
            return text, text, asked
        forms = [others.get(i, text) for i, text in enumerate(texts)] if others else texts
        return text, "{" + ",".join(forms if order is None else [forms[i] for i in order]) + "}", asked

    def _shape(self, value: dict[Any, Any]) -> _Shape:
        keys = tuple(value)
        # A subclass of a text may equal a text.
        for key in keys:
            if type(key) is not str:
                raise NotQuickError
        found = self._shapes.get(keys)
        if found is None:
            if any(key[:1] == "$" or "." in key for key in keys):
                raise NotQuickError
            names = [f"{self._string(key)[0]}:" for key in keys]
            order = sorted(range(len(keys)), key=keys.__getitem__)
            is_sorted = order == list(range(len(keys)))
            found = self._shapes[keys] = _Shape(names, None if is_sorted else order, [0] * len(keys))
        return found

    def _list(self, value: list[Any], depth: int) -> _Made:
        texts, forms, asked = self._items(value, depth)
        return f"[{texts}]", f"[{forms}]", asked

    def _tuple(self, value: tuple[Any, ...], depth: int) -> _Made:
        texts, forms, asked = self._items(value, depth)
        return f'{{"$tuple":[{texts}]}}', f"[{forms}]", asked

    def _items(self, value: Any, depth: int) -> _Made:
        if not value:
            return "", "", value
        texts, forms, plainly = zip(*[self._any(part, depth + 1) for part in value], strict=True)
        is_plain = all(a is b for a, b in zip(plainly, value, strict=True))
        return ",".join(texts), ",".join(forms), value if is_plain else list(plainly)

    def _string(self, value: str, _: int = 0) -> _Made:
        text = self._texts.get(value)
        if text is None:
            if not value.isascii() or "\0" in value:
                raise NotQuickError
            text = self._texts[value] = json.dumps(value)
        return text, text, value

    def _time(self, value: Any, _: int) -> _Made:
        # Equal times of different zones have different forms.
        key = None if getattr(value, "tzinfo", None) else (type(value), value, getattr(value, "unit", ""))
        found = None if key is None else self._times.get(key)
        if found is None:
            try:
                found = encode(value), canonical_text(canonical(value)), plain(value)
            except TaskError as error:
                raise NotQuickError from error
            if key is not None:
                self._times[key] = found
        return found


_CONTAINERS = frozenset({dict, list, tuple})


def _boolean(value: bool, _: int) -> _Made:
    text = "true" if value else "false"
    return text, text, value


def _none(_value: None, _: int) -> _Made:
    return "null", "null", None


def _integer(value: int, _: int) -> _Made:
    if value.bit_length() > _INT_BITS:
        raise NotQuickError
    text = repr(value)
    return text, text, value


def _float(value: float, _: int) -> _Made:
    if value - value != 0:  # not finite
        raise NotQuickError
    text = repr(value)
    return text, text if value else "0.0", value
