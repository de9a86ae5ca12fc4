"""Definitions on their way into a pool: text, identity and the form for queries."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from rollforward.data.canonical import canonical_text
from rollforward.data.identity import content_hash
from rollforward.errors import TaskError
from rollforward.workflow.task.codec import encode
from rollforward.workflow.task.store.base import WAITING, NewTask
from rollforward.workflow.task.store.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_DEFINITION = 4_000_000
_SHALLOW = 40
_ATOMS = frozenset({str, bool, float, type(None)})
_INT_BITS = 63
# In the text of a definition: what one of the three forms spells otherwise. What is found needlessly, such as a
# backslash, only takes the longer way.
_ODD = ('"$', "\\", "-0.0")


def new_task(definition: Mapping[str, Any], priority: int = 0, name: str = "task", status: str = WAITING, /) -> NewTask:
    """Prepare a definition for a store.

    Parameters
    ----------
    definition
        Must not change before it is stored.
    priority, status
        Of the task.
    name
        What the definition is, for the message.

    Raises
    ------
    TaskError
        If it cannot be stored; names the place.
    """
    try:
        identity, text, asked = _quick(definition)
    except (_NotQuickError, ValueError):
        text = encode(definition, name)
        identity, asked = content_hash(definition), plain(definition)
    if len(text) > MAX_DEFINITION:
        raise TaskError(
            f"{name}: the definition has {len(text):,} characters.",
            f"at most {MAX_DEFINITION:,}.",
            "Name the files that hold the data.",
        )
    return NewTask(identity, text, asked, priority, status)


class _NotQuickError(Exception):
    """Something that has different forms."""


def _quick(definition: Any) -> tuple[str, str, Mapping[str, Any]]:
    """Give the same as `content_hash`, `encode` and `plain` for texts, numbers, dictionaries, lists and tuples.

    Most definitions are made of nothing else. Tuples are the one thing in them that JSON does not say by itself.
    """
    if type(definition) is not dict:
        raise _NotQuickError
    tagged = _tagged(definition, 0)
    canonical = canonical_text(definition)
    if any(odd in canonical for odd in _ODD):
        raise _NotQuickError
    text = json.dumps(tagged, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest(), text, definition


def _tagged(value: Any, depth: int) -> Any:
    """Give the form of `encode`; the value itself, if there is no tuple in it."""
    kind = type(value)
    if kind is int and value.bit_length() <= _INT_BITS:
        return value
    if depth > _SHALLOW:
        raise _NotQuickError
    if kind is tuple:
        return {"$tuple": [part if type(part) in _ATOMS else _tagged(part, depth + 1) for part in value]}
    if kind is dict:
        for key in value:
            if type(key) is not str or "." in key:
                raise _NotQuickError
        return _with_tagged(value, value.items(), depth)
    if kind is list:
        return _with_tagged(value, enumerate(value), depth)
    raise _NotQuickError


def _with_tagged(value: Any, items: Iterable[tuple[Any, Any]], depth: int) -> Any:
    found = value
    for key, part in items:
        if type(part) not in _ATOMS:
            form = _tagged(part, depth + 1)
            if form is not part:
                if found is value:
                    found = value.copy()
                found[key] = form
    return found
