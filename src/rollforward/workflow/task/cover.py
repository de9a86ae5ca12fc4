"""The data of a fold that may train behind its test segment: what its handler loads, what its processors learn from."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from rollforward.data.dataset import TSDatasetH
from rollforward.data.handler import DataHandlerLP
from rollforward.data.horizon import callable_of
from rollforward.data.ranges import hulls, ranges_of
from rollforward.instantiate.signatures import takes
from rollforward.workflow.task.windows import END, FIT_END, FIT_START, START, fold_window

if TYPE_CHECKING:
    from rollforward.data.calendar import Calendar
    from rollforward.data.ranges import Ranges
    from rollforward.workflow.task.position_gen import PositionGen


def cover_fold(task: MutableMapping[str, Any], generator: PositionGen) -> None:
    """Let the handler of a fold load what its segments need, and its processors learn from its train segment only.

    A fold that trains on one range before its test segment is treated by `fold_window`. Else ``start_time`` becomes the
    first start of all segments, as much earlier as the windows of a time-series dataset are long, and ``end_time`` the
    last end of all. ``fit_start_time`` and ``fit_end_time`` become the bounds of the train segment; if it has holes,
    the list of the starts and that of the ends of its ranges, or, for a handler that is no `DataHandlerLP`, the bounds
    of the longest range: from the first start to the last end, the processors would learn from the test segment.
    References to bounds of segments are replaced, because there is more than one bound now. An end of the fit window
    that is ``None`` stays: there is none then.

    Parameters
    ----------
    task
        A handler that is no configuration stays as it is.
    generator
        Knows the calendar and the names of the segments.
    """
    segments = ranges_of(task)
    if _is_walk_forward(segments, generator.test_key):
        fold_window(task, generator)  # type: ignore[arg-type]  # what it asks a generator, this one has too
        return
    dataset: Any = task.get("dataset")
    kwargs = dataset.get("kwargs") if isinstance(dataset, Mapping) else None
    handler = kwargs.get("handler") if isinstance(kwargs, Mapping) else None
    if not isinstance(kwargs, Mapping) or not isinstance(handler, Mapping):
        return
    given, cls = handler.get("kwargs") or {}, callable_of(handler)
    wanted = _bounds(segments, generator.ta.calendar, _n_history(dataset))
    changes = {name: value for name, value in wanted.items() if name in given or _declares(cls, name)}
    if given[FIT_END] is not None if FIT_END in given else _declares(cls, FIT_END):
        # Both or none: an open start would reach into the test segment.
        changes |= _fit_window(cls, segments[generator.train_key])
    moved = {**handler, "kwargs": {**given, **changes}}
    task["dataset"] = {**dataset, "kwargs": {**kwargs, "handler": moved}}


def _is_walk_forward(segments: Mapping[str, Ranges], test_key: str) -> bool:
    start = segments[test_key][0][0]
    ends = [ranges[-1][1] for name, ranges in segments.items() if name != test_key]
    is_one_each = all(len(ranges) == 1 for ranges in segments.values())
    return is_one_each and all(end is not None and start is not None and end < start for end in ends)


def _bounds(segments: Mapping[str, Ranges], calendar: Calendar, n_history: int) -> dict[str, Any]:
    starts, ends = zip(*hulls(segments).values(), strict=True)
    return {START: calendar[max(0, calendar.position(min(starts)) - n_history)], END: max(ends)}


def _fit_window(cls: Any, train: Ranges) -> dict[str, Any]:
    if len(train) > 1 and isinstance(cls, type) and issubclass(cls, DataHandlerLP):
        return {FIT_START: [start for start, _ in train], FIT_END: [end for _, end in train]}
    start, end = max(train, key=_length)
    return {FIT_START: start, FIT_END: end}


def _length(segment: Any) -> Any:
    return segment[1] - segment[0]


def _declares(cls: Any, name: str) -> bool:
    return cls is not None and takes(cls, name)


def _n_history(dataset: Mapping[str, Any]) -> int:
    """Count the sessions that a dataset of windows needs before its first row."""
    cls = callable_of(dataset)
    if not (isinstance(cls, type) and issubclass(cls, TSDatasetH)):
        return 0
    return int(dataset["kwargs"].get("step_len", cls.DEFAULT_STEP_LEN)) - 1
