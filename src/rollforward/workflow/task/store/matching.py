"""Whether a plain definition meets a condition, as MongoDB sees it; for what SQL cannot say."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rollforward.workflow.task.store.query import Condition

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_NEGATED = {"$ne": "$eq", "$nin": "$in"}
_MISSING = object()


def meets(document: Any, path: tuple[str, ...], condition: Condition) -> bool:
    """Decide one condition.

    Parameters
    ----------
    document
        A plain definition.
    path
        The parts of the field below it.
    condition
        Its field is not looked at.
    """
    found = list(_reach(document, path))
    if condition.operator == "$exists":
        return any(value is not _MISSING for value in found) is condition.value
    positive = _NEGATED.get(condition.operator)
    if positive is not None:
        return not any(_holds(value, positive, condition.value) for value in found)
    return any(_holds(value, condition.operator, condition.value) for value in found)


def _reach(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """Yield what a path leads to; nothing where it leads into a list without dictionaries."""
    if not path:
        yield value
    elif isinstance(value, dict):
        yield from _reach(value[path[0]], path[1:]) if path[0] in value else (_MISSING,)
    elif isinstance(value, list):
        index = int(path[0]) if path[0].isdecimal() and (path[0] == "0" or path[0][0] != "0") else None
        if index is not None and index < len(value):
            yield from _reach(value[index], path[1:])
        for item in value:
            if isinstance(item, dict):
                yield from _reach(item, path)
    else:
        yield _MISSING


def _holds(value: Any, name: str, wanted: Any) -> bool:
    if name == "$in":
        return any(_holds(value, "$eq", item) for item in wanted)
    if isinstance(value, list):
        if name == "$eq" and isinstance(wanted, list) and _same(value, wanted):
            return True
        return any(_compare(item, name, wanted) for item in value)
    return _compare(value, name, wanted)


def _compare(value: Any, name: str, wanted: Any) -> bool:
    if name == "$regex":
        return isinstance(value, str) and wanted.search(value) is not None
    if name == "$eq":
        return _same(value, wanted)
    # Only values of one kind have an order: numbers, texts, booleans.
    return _kind(value) == _kind(wanted) and _ORDER[name](value, wanted)


def _same(value: Any, wanted: Any) -> bool:
    if value is _MISSING:
        return wanted is None
    if isinstance(value, list) and isinstance(wanted, list):
        return len(value) == len(wanted) and all(_same(a, b) for a, b in zip(value, wanted, strict=True))
    return _kind(value) == _kind(wanted) and bool(value == wanted)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else type(value).__name__
