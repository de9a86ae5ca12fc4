"""Queries in MongoDB's words: checked once, the same for both stores.

A query is a dictionary. Its keys are fields of a task (``_id``, ``status``, ``priority``, ``attempt``), dotted fields
of its definition (``filter.model.class``), or ``$and`` and ``$or`` with a list of queries. The value is what the field
equals, or a dictionary of operators. A condition on a list also asks its items, and a path leads through lists of
dictionaries, as on MongoDB.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollforward.data.identity import content_hash
from rollforward.errors import PoolQueryError
from rollforward.settings.nearest import did_you_mean
from rollforward.workflow.task.store.ids import is_id
from rollforward.workflow.task.store.plain import plain

FIELDS = ("_id", "status", "priority", "attempt", "identity", "filter")
ORDERING = ("$gt", "$gte", "$lt", "$lte")
OPERATORS = ("$eq", "$ne", *ORDERING, "$in", "$nin", "$exists", "$regex")
_GROUPS = ("$and", "$or")
_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}


@dataclass(frozen=True)
class Condition:
    """One field, one operator, one plain value; the value of ``$regex`` is a compiled pattern."""

    field: str
    operator: str
    value: Any


@dataclass(frozen=True)
class Group:
    """Conditions of which all (``$and``) or one (``$or``) must hold; all of none hold."""

    operator: str
    parts: tuple[Condition | Group, ...]


EVERYTHING = Group("$and", ())


def parse(query: Mapping[str, Any] | None) -> Group:
    """Check a query.

    Returns
    -------
    Group
        Joined by ``$and``; an id is its text, every other value is plain.

    Raises
    ------
    PoolQueryError
        If it has a field, an operator or a value that is not supported; names it.
    """
    if query is None:
        return EVERYTHING
    if not isinstance(query, Mapping):
        raise PoolQueryError(
            f"The query is of type {type(query).__name__}.", "a dictionary.", 'Ask for {"_id": ...} or {"status": ...}.'
        )
    parts: list[Condition | Group] = []
    for key, value in query.items():
        if isinstance(key, str) and key.startswith("$"):
            parts.append(_group(key, value))
        else:
            parts.extend(_conditions(_field(key), value))
    return Group("$and", tuple(parts))


def join(*groups: Group) -> Group:
    """Ask for what all of some queries ask for."""
    return Group("$and", tuple(part for group in groups for part in group.parts))


def _group(key: str, value: Any) -> Group:
    if key not in _GROUPS:
        raise _unsupported(key, "between queries", _GROUPS)
    if not isinstance(value, list | tuple) or not value:
        raise PoolQueryError(f"{key} has {value!r}.", "a list of at least one query.", "Leave it out, or fill it.")
    return Group(key, tuple(parse(part) for part in value))


def _field(key: Any) -> str:
    root = key.partition(".")[0] if isinstance(key, str) else None
    if root not in FIELDS or root not in ("filter", key) or not all(key.split(".")):
        hint = did_you_mean(key, FIELDS, otherwise=f'Parts of the definition are asked for as "filter.{key}".')
        raise PoolQueryError(f"A task has no field {key!r}.", f"one of {', '.join(FIELDS)}, filter.<part>...", hint)
    return str(key)


def _conditions(field: str, value: Any) -> list[Condition]:
    if field == "filter":
        return [_whole(value)]
    if isinstance(value, re.Pattern):
        return [_regex(field, value, "")]
    if not isinstance(value, Mapping):
        return [_condition(field, "$eq", value)]
    if not value or not all(isinstance(key, str) and key.startswith("$") for key in value):
        raise PoolQueryError(
            f"{field} is compared with a dictionary.",
            "a dictionary of operators: the order of keys would decide whether dictionaries are equal.",
            f'Compare its parts: {{"{field}.<part>": ...}}, or the whole definition: {{"filter": ...}}.',
        )
    options = value.get("$options", "")
    if "$options" in value and "$regex" not in value:
        raise PoolQueryError(f"{field} has $options without $regex.", "both, or $regex alone.")
    return [
        _regex(field, item, options) if operator == "$regex" else _condition(field, operator, item)
        for operator, item in value.items()
        if operator != "$options"
    ]


def _whole(value: Any) -> Condition:
    # The identity knows no order of keys, and has one form of every date.
    if not isinstance(value, Mapping) or any(str(key).startswith("$") for key in value):
        raise PoolQueryError(
            "filter is compared with something else than a definition.",
            "a whole definition, which then has no other parts.",
            'Ask for parts of it: {"filter.model.class": ...}.',
        )
    return Condition("identity", "$eq", content_hash(value))


def _condition(field: str, operator: str, value: Any) -> Condition:
    if operator not in OPERATORS:
        raise _unsupported(operator, f"on {field}", (*OPERATORS, "$options"))
    if operator == "$exists":
        return Condition(field, operator, bool(value))
    if operator in ("$in", "$nin"):
        if not isinstance(value, list | tuple | set | frozenset):
            raise PoolQueryError(f"{operator} on {field} has {value!r}.", "a list.", "Put it into a list.")
        return Condition(field, operator, [_value(field, operator, item) for item in value])
    return Condition(field, operator, _value(field, operator, value))


def _value(field: str, operator: str, value: Any) -> Any:
    if field == "_id":
        if not is_id(value):
            raise PoolQueryError(
                f"_id is compared with {value!r}.",
                "an id: 24 hexadecimal digits.",
                "Take it from create_task or query.",
            )
        return str(value).lower()
    if isinstance(value, Mapping | re.Pattern) or (isinstance(value, list | tuple) and _holds_dictionary(value)):
        raise PoolQueryError(
            f"{operator} on {field} is given a {type(value).__name__} that cannot be compared.",
            "a text, a number, a time, true, false, None or a list of them.",
            f"Compare its parts: filter.{'<part>'}, one by one.",
        )
    found = plain(value)
    if operator in ORDERING and (found is None or isinstance(found, list | dict)):
        raise PoolQueryError(
            f"{operator} on {field} is given {value!r}.", "a text, a number, a time, true or false.", "Use $eq or $in."
        )
    return found


def _holds_dictionary(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_holds_dictionary(item) for item in value)
    return isinstance(value, Mapping)


def _regex(field: str, value: Any, options: str) -> Condition:
    if field == "_id":
        raise _unsupported("$regex", "on _id", ("$eq", "$ne", "$in", "$nin", *ORDERING))
    flags = 0
    for letter in options:
        if letter not in _FLAGS:
            raise PoolQueryError(f"$options of {field} has {letter!r}.", f"letters of {''.join(_FLAGS)}.", "Remove it.")
        flags |= _FLAGS[letter]
    try:
        pattern = (
            value
            if isinstance(value, re.Pattern) and not flags
            else re.compile(getattr(value, "pattern", value), flags)
        )
    except (re.error, TypeError) as error:
        raise PoolQueryError(
            f"$regex of {field} is {value!r}: {error}.", "a regular expression.", "Correct the pattern."
        ) from error
    return Condition(field, "$regex", pattern)


def _unsupported(operator: str, place: str, known: tuple[str, ...]) -> PoolQueryError:
    return PoolQueryError(
        f"The operator {operator} {place} is not supported.",
        f"one of {', '.join(known)}.",
        did_you_mean(operator, known, otherwise="Ask for more, and choose from the answer in Python."),
    )


def to_mongo(part: Condition | Group, to_id: Any) -> dict[str, Any]:
    """Spell a checked query for MongoDB.

    Parameters
    ----------
    part
        From `parse`.
    to_id
        Turns the text of an id into an id of the server.
    """
    if isinstance(part, Group):
        return {part.operator: [to_mongo(item, to_id) for item in part.parts]} if part.parts else {}
    value = part.value
    if part.field == "_id" and part.operator != "$exists":
        value = [to_id(item) for item in value] if isinstance(value, list) else to_id(value)
    if part.operator == "$regex":
        letters = "".join(letter for letter, flag in _FLAGS.items() if value.flags & flag)
        return {part.field: {"$regex": value.pattern, "$options": letters}}
    return {part.field: {part.operator: value}}
