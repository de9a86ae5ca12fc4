"""The proof that no fold trains on what it is tested on: a table that counts it out, one row for each fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd

from rollforward.data.calendar_in_use import resolve
from rollforward.data.horizon import label_lookahead as lookahead_of
from rollforward.data.ranges import hull, parse_all, parts_of
from rollforward.data.segments import raw_segments_of
from rollforward.data.spans import span_of
from rollforward.errors import LeakageError
from rollforward.workflow.task.purge import test_of
from rollforward.workflow.task.walk import REFIT
from rollforward.workflow.task.windows import fit_windows_of

if TYPE_CHECKING:
    from rollforward.data.calendar import Calendar

_Range: TypeAlias = tuple[int, int]

_COUNTS = ("label_lookahead", "label_distance", "purged")
_N_NAMED = 5


def audit_folds(
    tasks: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    calendar: Any = None,
    label_lookahead: int | None = None,
    *,
    test_key: str = "test",
    raise_on_leak: bool = True,
) -> pd.DataFrame:
    """Count out for each fold how far its training stays away from its test segment.

    Parameters
    ----------
    tasks
        Folds. Every segment but the test segment counts as training: a model is fitted or chosen by it.
    calendar
        Anything that `Calendar.of` takes; ``None``: the calendar of the settings.
    label_lookahead
        Sessions that labels look ahead; ``None``: what each task says (`rollforward.data.horizon.label_lookahead`).
    test_key
        Name of the test segment.
    raise_on_leak
        Whether a leak is an error, or only in the table.

    Returns
    -------
    pd.DataFrame
        One row per fold, indexed ``fold`` from 0:

        * ``<segment>_start``, ``<segment>_end`` (inclusive, missing = open) and ``n_<segment>`` (sessions);
        * ``refit``: whether the fold trains a model of its own;
        * ``purged``: sessions left free between the end of training and the start of testing;
        * ``label_lookahead``, and ``label_distance``: sessions from the last one that a training label knows to the
          start of testing, 1 if it is the session before; both missing if the look-ahead is unknown;
        * ``overlap``: training sessions that are tested on, or whose label knows a session that is tested on;
        * ``fit_start``, ``fit_end`` (of the handler, missing if it has none), and ``fit_overlap``: test sessions that
          its processors learn from.

    Raises
    ------
    LeakageError
        If ``overlap`` or ``fit_overlap`` is not 0; names the folds.
    """
    sessions = resolve(calendar)
    batch = [tasks] if isinstance(tasks, Mapping) else list(tasks)
    rows = [_row(task, sessions, label_lookahead, test_key) for task in batch]
    table = pd.DataFrame(rows, index=pd.RangeIndex(len(rows), name="fold"))
    table = table.astype({name: "Int64" for name in _COUNTS if name in table})
    if raise_on_leak and rows:
        _refuse(table, test_key)
    return table


def _row(task: Mapping[str, Any], calendar: Calendar, lookahead: int | None, test_key: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    counted: dict[str, list[_Range]] = {}
    written = raw_segments_of(task)
    for name, ranges in parse_all(written).items():
        row[f"{name}_start"], row[f"{name}_end"] = ranges[0][0], ranges[-1][1]
        counted[name] = [_closed(calendar, part, f"segment {name!r}") for part in parts_of(written[name])]
        row[f"n_{name}"] = sum(last - first + 1 for first, last in counted[name])
    test = test_of(counted, test_key)
    training = [part for name, parts in counted.items() if name != test_key for part in parts]
    known = lookahead_of(task) if lookahead is None else lookahead
    free = _distance(training, test)
    fitted = fit_windows_of(task)
    fit_start, fit_end = hull(fitted)
    return {
        **row,
        "refit": task.get(REFIT) is not False,
        "purged": None if free is None else max(0, free - 1),
        "label_lookahead": known,
        "label_distance": None if known is None or free is None else free - known,
        "overlap": len(_touching(training, test, known or 0)),
        "fit_start": fit_start,
        "fit_end": fit_end,
        "fit_overlap": 0 if fit_end is None else len(_touching(test, [_fit(calendar, *one) for one in fitted], 0)),
    }


def _closed(calendar: Calendar, segment: Any, name: str) -> _Range:
    first, last = span_of(calendar, segment, name)
    return first or 0, len(calendar) - 1 if last is None else last


def _fit(calendar: Calendar, start: pd.Timestamp | None, end: pd.Timestamp | None) -> _Range:
    return (
        0 if start is None else calendar.position(start),
        len(calendar) - 1 if end is None else calendar.position(end, "end"),
    )


def _distance(training: list[_Range], test: list[_Range]) -> int | None:
    """Count the sessions from the end of training to the start of testing, where that is least."""
    return min(
        (start - min(last, end) for start, end in test for first, last in training if first <= end), default=None
    )


def _touching(training: list[_Range], test: list[_Range], lookahead: int) -> set[int]:
    """Find the training sessions t for which one of t ... t + lookahead is tested on."""
    return {
        session
        for start, end in test
        for first, last in training
        for session in range(max(first, start - lookahead), min(last, end) + 1)
    }


def _refuse(table: pd.DataFrame, test_key: str) -> None:
    leaking = table[(table["overlap"] > 0) | (table["fit_overlap"] > 0)]
    if leaking.empty:
        return
    said = [
        f"fold {fold} (tested from {row[f'{test_key}_start']!s}): {_leak_of(row)}"
        for fold, row in leaking.head(_N_NAMED).iterrows()
    ]
    more = f"; and {len(leaking) - _N_NAMED} more folds" if len(leaking) > _N_NAMED else ""
    raise LeakageError(
        f"Training knows what it is tested on: {'; '.join(said)}{more}.",
        "training whose labels and fit window end before the test segment starts.",
        'purge="auto" or a purge of the label\'s look-ahead plus one; handler_window="follow" for the fit window.',
    )


def _leak_of(row: pd.Series) -> str:
    parts = []
    if row["overlap"] > 0:
        parts.append(f"the labels of {row['overlap']} training sessions reach into the test segment")
    if row["fit_overlap"] > 0:
        parts.append(f"the fit window up to {row['fit_end']!s} holds {row['fit_overlap']} test sessions")
    return " and ".join(parts)
