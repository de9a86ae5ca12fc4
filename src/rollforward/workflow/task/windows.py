"""What of a handler's configuration follows a fold: the window of its data, and the one its processors learn from."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from rollforward.data.horizon import callable_of, is_qlib_handler
from rollforward.data.segments import parse_segment, raw_segments_of, segments_of
from rollforward.data.times import as_time
from rollforward.errors import CalendarError, SegmentError
from rollforward.instantiate import resolve_placeholders

if TYPE_CHECKING:
    import pandas as pd

    from rollforward.data.calendar import Calendar
    from rollforward.data.segments import Segment, Segments
    from rollforward.workflow.task.gen import RollingGen

Modify: TypeAlias = Callable[[dict[str, Any], Any], Any]

START, END, FIT_START, FIT_END = "start_time", "end_time", "fit_start_time", "fit_end_time"

_NAMES = (START, END, FIT_START, FIT_END)
_TRAIN = "train"
_TS_DATASET, _STEP_LEN = "TSDatasetH", 30


def handler_mod(task: MutableMapping[str, Any], rolling_gen: RollingGen) -> None:
    """Move the end of a handler's data on, so that they cover the test segment; never back. Nothing else follows.

    Parameters
    ----------
    task
        Its handler's ``end_time`` becomes the end of the test segment if that is open, or later by at least one
        session. A handler that is no configuration, has no ``end_time`` or a placeholder there, stays as it is.
    rolling_gen
        Knows the calendar and the name of the test segment.
    """
    handler = _handler_of(task)
    kwargs = None if handler is None else handler.get("kwargs")
    if kwargs is None or not isinstance(kwargs, Mapping):
        return  # a handler that is a file, a ready object, or not there: nothing to configure
    test_end = parse_segment(raw_segments_of(task)[rolling_gen.test_key])[1]
    if _must_move(kwargs.get(END), test_end, rolling_gen):
        _set(task, {END: test_end})


def fold_window(task: MutableMapping[str, Any], rolling_gen: RollingGen) -> None:
    """Let a handler load what its fold needs, and its processors learn from the train segment.

    ``start_time`` becomes the start of the fold's first segment (for a dataset of time-series windows ``step_len - 1``
    sessions earlier) and ``end_time`` the end of the test segment; ``fit_start_time`` and ``fit_end_time`` become the
    bounds of the train segment. An argument that is a placeholder stays as it is, and so does a fit bound that is
    ``None``; one that is not given is added if the handler's class declares it.

    Loaders are expected to look beyond the window by themselves for the history of a feature and the future of a label,
    as `PriceHandler` and Qlib's loaders do; for one that does not, `handler_mod` keeps the template's window.

    Parameters
    ----------
    task
        A handler that is no configuration stays as it is; so does all but the end of one whose class cannot be
        imported, which is treated as by `handler_mod`.
    rolling_gen
        Knows the calendar and the names of the segments.
    """
    follow = following(task, rolling_gen)
    if follow is not None:
        follow(task, segments_of(task))


def following(
    task: Mapping[str, Any], rolling_gen: RollingGen
) -> Callable[[MutableMapping[str, Any], Segments], None] | None:
    """Find out once what `fold_window` does to each fold of a task; ``None`` if that is nothing."""
    handler = _handler_of(task)
    if handler is None:
        return None
    cls = callable_of(handler)
    if cls is None and not is_qlib_handler(handler):
        return ending(task, rolling_gen)
    kwargs = _kwargs_of(handler)
    names = [name for name in _NAMES if _follows(name, kwargs) and (name in kwargs or cls is None or _takes(cls, name))]
    train_key = rolling_gen.train_key or _TRAIN
    return _Window(tuple(names), rolling_gen.test_key, train_key, rolling_gen.ta.calendar, _history(task)).follow


def ending(
    task: Mapping[str, Any], rolling_gen: RollingGen
) -> Callable[[MutableMapping[str, Any], Segments], None] | None:
    """Find out once what `handler_mod` does to each fold of a task; ``None`` if that is nothing."""
    handler = _handler_of(task)
    kwargs = None if handler is None else handler.get("kwargs")
    if not isinstance(kwargs, Mapping) or _is_placeholder(kwargs.get(END)):
        return None
    calendar, test_key = rolling_gen.ta.calendar, rolling_gen.test_key
    given = kwargs.get(END)

    @cache  # read with the first fold: where there is none, nothing is wrong with the end
    def covered() -> pd.Timestamp:
        position = calendar.position(_time(given, END))
        return calendar[position] if position < len(calendar) else calendar.last

    def end(fold: MutableMapping[str, Any], segments: Segments) -> None:
        test_end = segments[test_key][1]
        # A test segment ends on a session: one that comes after the session that the handler's end falls on is later.
        reached = None if given is None else covered()
        if test_end is None or (reached is not None and reached < test_end):
            _set(fold, {END: test_end})

    return end


@dataclass(frozen=True)
class _Window:
    """Which arguments of a handler follow a fold."""

    names: tuple[str, ...]
    test_key: str
    train_key: str
    calendar: Calendar
    n_history: int

    def follow(self, task: MutableMapping[str, Any], segments: Segments) -> None:
        """Set them in a task, whose dictionaries may be shared with others."""
        train = segments.get(self.train_key)
        changes: dict[str, Any] = {}
        for name in self.names:
            if name == END:
                changes[END] = segments[self.test_key][1]
            elif name == START:
                changes |= self._start(segments.values())
            elif train is not None:
                changes[name] = train[0] if name == FIT_START else train[1]
        if changes:
            _set(task, changes)

    def _start(self, segments: Any) -> dict[str, pd.Timestamp]:
        starts: list[Any] = [segment[0] for segment in segments]
        if None in starts:
            return {}
        first = min(starts)
        if self.n_history:
            first = self.calendar[max(0, self.calendar.position(first) - self.n_history)]
        return {START: first}


def fit_windows_of(task: Mapping[str, Any]) -> list[Segment]:
    """Read the window that a task's processors learn from, its ranges if it has holes; ``None`` where it says nothing.

    Raises
    ------
    SegmentError
        If a bound is not a time.
    InstantiationError
        If a placeholder leads nowhere.
    """
    handler = _handler_of(task)
    kwargs = _live_window(task) if handler is None else _kwargs_of(handler)
    if any(_is_placeholder(kwargs.get(name)) for name in (FIT_START, FIT_END)):
        kwargs = resolve_placeholders(task)["dataset"]["kwargs"]["handler"]["kwargs"]
    starts, ends = (_times(kwargs.get(name), name) for name in (FIT_START, FIT_END))
    return list(zip(starts, ends, strict=True))


def _handler_of(task: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Find the configuration of a task's handler; ``None`` if the handler is none."""
    dataset = task.get("dataset")
    kwargs = dataset.get("kwargs") if isinstance(dataset, Mapping) else None
    handler = kwargs.get("handler") if isinstance(kwargs, Mapping) else None
    return handler if isinstance(handler, Mapping) else None


def _live_window(task: Mapping[str, Any]) -> dict[str, Any]:
    dataset = task.get("dataset")
    handler = _kwargs_of(dataset).get("handler") if isinstance(dataset, Mapping) else getattr(dataset, "handler", None)
    return {name: getattr(handler, name, None) for name in (FIT_START, FIT_END)}


def _kwargs_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    kwargs = config.get("kwargs")
    return kwargs if isinstance(kwargs, Mapping) else {}


def _set(task: MutableMapping[str, Any], changes: Mapping[str, Any]) -> None:
    dataset = task["dataset"]
    handler = dataset["kwargs"]["handler"]
    moved = {**handler, "kwargs": {**(handler.get("kwargs") or {}), **changes}}
    task["dataset"] = {**dataset, "kwargs": {**dataset["kwargs"], "handler": moved}}


def _follows(name: str, kwargs: Mapping[str, Any]) -> bool:
    """Tell whether an argument is to follow, as it is written; one that is no time is refused."""
    value = kwargs.get(name)
    if _is_placeholder(value):
        return False
    if value is not None:
        _time(value, name)
    return value is not None or name not in kwargs or name in {START, END}


def _takes(func: Callable[..., Any], name: str) -> bool:
    """Tell whether a function, or a class or one of its bases, names an argument."""
    owners = [vars(base).get("__init__") for base in func.__mro__] if isinstance(func, type) else [func]
    for owner in owners:
        if owner is None or owner is object.__init__:
            continue
        parameters = inspect.signature(owner).parameters
        if name in parameters:
            return True
        if not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
            return False
    return False


def _history(task: Mapping[str, Any]) -> int:
    """Count the sessions that a dataset of windows needs before its first row."""
    dataset = task["dataset"]
    step_len = _kwargs_of(dataset).get("step_len")
    if step_len is None:
        name = str(getattr(dataset.get("class"), "__name__", dataset.get("class"))).rpartition(".")[2]
        cls = callable_of(dataset)
        step_len = getattr(cls, "DEFAULT_STEP_LEN", _STEP_LEN if name == _TS_DATASET else 1)
    return max(0, step_len - 1) if isinstance(step_len, int) else 0


def _must_move(handler_end: Any, test_end: pd.Timestamp | None, rolling_gen: RollingGen) -> bool:
    """Tell whether sessions of the test segment come after the end of the handler."""
    if _is_placeholder(handler_end):  # it follows the fold by itself
        return False
    if handler_end is None:
        return test_end is None
    time = _time(handler_end, END)
    return test_end is None or (time < test_end and rolling_gen.ta.cal_interval(time, test_end) < 0)


def _is_placeholder(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("<")


def _times(value: Any, name: str) -> list[pd.Timestamp | None]:
    return [None if one is None else _time(one, name) for one in (value if isinstance(value, list) else [value])]


def _time(value: Any, name: str) -> pd.Timestamp:
    try:
        return as_time(value)
    except CalendarError as error:
        raise SegmentError(f"The handler's {name} is {value!r}.", error.expected, error.remedy) from error
