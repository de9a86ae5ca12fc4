"""What a difference on purpose is, and the tools that the tables are made with."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from against_qlib.plain import TIME

VALUE = "a value"


@dataclass(frozen=True)
class Case:
    """A case with the calendar that it is about."""

    kind: str
    args: dict
    sessions: list = field(repr=False)
    n_current: int

    def index(self, time, side="start"):
        return (bisect_left if side == "start" else bisect_right)(self.sessions, pd.Timestamp(time)) - (side == "end")

    def is_session(self, time):
        return pd.Timestamp(time) in self.sessions

    def is_outside(self, time):
        return time not in (None, -1) and not self.sessions[0] <= pd.Timestamp(time) <= self.sessions[-1]


@dataclass(frozen=True)
class Difference:
    """One kind of case that Qlib and rollforward answer differently, with the reason.

    `qlib` and `ours` are what each answers: a value, or the name of an error's class. `when` looks at the case and both
    answers as closely as it can: what it lets pass is not compared.
    """

    name: str
    kinds: tuple[str, ...]
    qlib: str
    ours: str
    reason: str
    when: Callable[[Case, Any, Any], bool] = lambda *_: True

    def covers(self, case, theirs, ours):
        if case.kind not in self.kinds or not is_answer(theirs, self.qlib) or not is_answer(ours, self.ours):
            return False
        try:
            return bool(self.when(case, theirs.get("value", theirs), ours.get("value", ours)))
        except (AttributeError, LookupError, TypeError, ValueError):  # answers of a form that the entry is not about
            return False


def is_answer(answer, expected):
    return "value" in answer if expected == VALUE else expected in answer.get("error", ())


def segments_of(case):
    """The segments in a case's arguments: name -> pair."""
    args = case.args
    if "args" in args:
        given = args["args"][0]
        return given if isinstance(given, dict) else {"segment": given}
    if "segments" in args:
        return args["segments"]
    tasks = args["tasks"] if "tasks" in args else args["task"]
    merged = {}
    for at, task in enumerate(tasks if isinstance(tasks, list) else [tasks]):
        merged |= {(at, name): pair for name, pair in task["dataset"]["kwargs"]["segments"].items()}
    return merged if len(merged) != len({name for _, name in merged}) else {name: p for (_, name), p in merged.items()}


def bounds_of(case):
    return [time for pair in segments_of(case).values() for time in pair]


def some_segment_is_empty(case, *_):
    """A segment starts after its end, or holds no session."""
    return any(
        None not in pair and pair[1] != -1 and case.index(pair[0]) > case.index(pair[1], "end")
        for pair in segments_of(case).values()
    )


def some_bound_is_outside(case, *_):
    return any(case.is_outside(time) for time in bounds_of(case))


def some_bound_is_open(case, *_):
    return None in bounds_of(case)


def times_of(task):
    """The segments of a task that was answered, as texts."""
    segments = task["dataset"]["kwargs"]["segments"]
    return {name: tuple(bound and bound[TIME] for bound in pair) for name, pair in segments.items()}
