"""A checked query as a condition of SQLite.

What leads through dictionaries to a single value is said in SQL; as soon as a list is in the way, or at the end, the
function ``pool_meets`` decides in Python.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from rollforward.workflow.task.store.matching import meets
from rollforward.workflow.task.store.query import Condition, Group

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

MEETS = "pool_meets"
FILTER = "body.filter"
_COLUMNS = {"_id": "id", "status": "status", "priority": "priority", "attempt": "attempt", "identity": "identity"}
_SIGNS = {"$eq": "=", "$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_TRUE, _FALSE = "1", "0"
_KINDS = (("'true', 'false'", (bool,)), ("'text'", (str,)), ("'integer', 'real'", (int, float)))
# SQLite's paths have no way to write a quote or a backslash, and these need none in SQL either.
_SAFE = re.compile(r"[\w .,/:+-]+")


class Clause:
    """A condition in SQL with its parameters, and the patterns and lists that it asks Python about.

    Parameters
    ----------
    query
        From `parse`.
    in_order
        Whether tasks are walked in the order of their queue, so that no condition may suggest another way.
    """

    def __init__(self, query: Group, *, in_order: bool = False) -> None:
        self._sign = "+" if in_order else ""
        self.parameters: list[Any] = []
        self.asked: list[Condition] = []
        self.sql = self._group(query)

    @property
    def needs_filter(self) -> bool:
        """Whether it looks into definitions."""
        return FILTER in self.sql

    def define(self, connection: sqlite3.Connection) -> None:
        """Make `pool_meets` answer for this condition on a connection."""
        if self.asked:
            connection.create_function(MEETS, 2, _answer(list(self.asked)))

    def _group(self, group: Group) -> str:
        if not group.parts:
            return _TRUE
        joint = " AND " if group.operator == "$and" else " OR "
        return f"({joint.join(self._part(part) for part in group.parts)})"

    def _part(self, part: Condition | Group) -> str:
        if isinstance(part, Group):
            return self._group(part)
        if part.field in _COLUMNS:
            return self._of_column(_COLUMNS[part.field], part)
        return self._of_filter(part)

    def _of_column(self, column: str, condition: Condition) -> str:
        """Ask a column, which is never null."""
        if condition.operator == "$exists":
            return _TRUE if condition.value else _FALSE
        number = column in ("priority", "attempt")
        return self._scalar(condition, f"{self._sign}task.{column}", "'integer'" if number else "'text'")

    def _of_filter(self, condition: Condition) -> str:
        self.asked.append(condition)
        odd = f"{MEETS}({FILTER}, {len(self.asked) - 1})"
        parts = condition.field.split(".")[1:]
        if not all(_SAFE.fullmatch(part) for part in parts):
            return odd
        *above, leaf = (f"'{_path(parts[: i + 1])}'" for i in range(len(parts)))
        kind = f"json_type({FILTER}, {leaf})"
        tests = [f"json_type({FILTER}, {path}) = 'array'" for path in above]
        tests.append(f"{kind} IN ('array', 'object')")
        if condition.operator == "$exists":
            plain = f"{kind} IS {'NOT ' if condition.value else ''}NULL"
        else:
            plain = self._scalar(condition, f"json_extract({FILTER}, {leaf})", kind)
        return f"CASE WHEN {' OR '.join(tests)} THEN {odd} ELSE {plain} END"

    def _scalar(self, condition: Condition, value: str, kind: str) -> str:
        name, wanted = condition.operator, condition.value
        if name in ("$ne", "$nin"):
            positive = Condition(condition.field, "$eq" if name == "$ne" else "$in", wanted)
            return f"NOT {self._scalar(positive, value, kind)}"
        if name == "$in":
            return self._among(value, kind, wanted)
        if name == "$regex":
            self.asked.append(condition)
            return f"(coalesce({kind}, '') = 'text' AND {MEETS}(json_quote({value}), {-len(self.asked)}))"
        return self._compared(value, kind, _SIGNS[name], wanted)

    def _among(self, value: str, kind: str, wanted: list[Any]) -> str:
        parts = []
        for kinds, types in _KINDS:
            chosen = [int(item) if type(item) is bool else item for item in wanted if type(item) in types]
            if chosen:
                # One list is one parameter, however long it is.
                self.parameters.append(json.dumps(chosen))
                parts.append(f"(coalesce({kind}, '') IN ({kinds}) AND {value} IN (SELECT value FROM json_each(?)))")  # noqa: S608  no value is in it
        if None in wanted:
            parts.append(self._compared(value, kind, "=", None))
        return f"({' OR '.join(parts) or _FALSE})"

    def _compared(self, value: str, kind: str, sign: str, wanted: Any) -> str:
        if wanted is None:
            return f"(coalesce({kind}, 'null') = 'null')"
        if isinstance(wanted, list):
            return _FALSE
        kinds = next(kinds for kinds, types in _KINDS if type(wanted) in types)
        self.parameters.append(int(wanted) if isinstance(wanted, bool) else wanted)
        return f"(coalesce({kind}, '') IN ({kinds}) AND {value} {sign} ?)"


def _path(parts: list[str]) -> str:
    return "$" + "".join(f'."{part}"' for part in parts)


def _answer(asked: list[Condition]) -> Callable[[str, int], bool]:
    def answer(document: str, number: int) -> bool:
        # A negative number asks about a single value, counted from one.
        condition = asked[number] if number >= 0 else asked[-number - 1]
        path = tuple(condition.field.split(".")[1:]) if number >= 0 else ()
        return meets(json.loads(document), path, condition)

    return answer
