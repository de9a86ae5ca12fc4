"""What a task says of its data, and cannot be: segments, processors and the label."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rollforward.data.horizon import LOOKAHEAD, label_lookahead
from rollforward.data.ranges import parse_ranges
from rollforward.data.scheme import check_task_segments
from rollforward.errors import CalendarError, DataError, RollforwardError, SegmentError
from rollforward.instantiate.values import shown
from rollforward.settings.nearest import did_you_mean
from rollforward.workflow.config.misfits import misfits

if TYPE_CHECKING:
    from rollforward.workflow.config.problems import KeyPath

_KWARGS = ("task", "dataset", "kwargs")
_SEGMENTS = (*_KWARGS, "segments")
_LISTS = ("shared_processors", "infer_processors", "learn_processors")
_WINDOW = ("fit_start_time", "fit_end_time")
# Stands for a window that a handler of the user's own may give: only then is its lack no mistake.
_ANY_WINDOW = ("2000-01-03", "2000-12-29")


def wrong_segments(task: Mapping[str, Any], needed: Mapping[str, str]) -> Iterator[tuple[KeyPath, RollforwardError]]:
    """Yield the segments that cannot be, each with its path.

    Parameters
    ----------
    task
        Its references resolved.
    needed
        The segments that must be there, and who needs each.
    """
    segments = _kwargs(task.get("dataset")).get("segments")
    if segments is None:
        return
    if not isinstance(segments, Mapping):
        segments, needed = {}, {}
    malformed = list(_malformed(segments))
    yield from malformed or _missing(segments, needed)
    if malformed:
        return
    try:
        check_task_segments(task)
    except CalendarError:
        return  # the settings that bring the calendar are not in force yet
    except RollforwardError as error:
        named = next((name for name in segments if f"{name!r}" in error.given), None)
        yield (*_SEGMENTS, named) if named is not None else _SEGMENTS, error


def _malformed(segments: Mapping[str, Any]) -> Iterator[tuple[KeyPath, RollforwardError]]:
    for name, value in segments.items():
        try:
            parse_ranges(value, f"segment {name!r}")
        except RollforwardError as error:
            yield (*_SEGMENTS, name), error


def _missing(segments: Mapping[str, Any], needed: Mapping[str, str]) -> Iterator[tuple[KeyPath, RollforwardError]]:
    for name, who in needed.items():
        if name in segments:
            continue
        misspelt = next((other for other in segments if other not in needed and did_you_mean(other, [name])), None)
        error = SegmentError(
            f"there is no segment {name!r}.",
            f"the segment {name!r}, which {who} needs.",
            f"Did you mean {name!r}?" if misspelt else f"Add {name!r}.",
        )
        yield (*_SEGMENTS, misspelt) if misspelt else _SEGMENTS, error


def wrong_processors(task: Mapping[str, Any], handler: Any) -> Iterator[tuple[KeyPath, RollforwardError]]:
    """Yield the processors of a handler that cannot be built, each with its path; nothing is built but they.

    Parameters
    ----------
    task
        Its references resolved.
    handler
        The class of its handler; processors of other packages' handlers are not known here.
    """
    from rollforward.data.handler import DataHandlerLP  # noqa: PLC0415  # pandas; a good part of files ends before
    from rollforward.data.processor import build_processors  # noqa: PLC0415

    if not (inspect.isclass(handler) and issubclass(handler, DataHandlerLP)):
        return
    kwargs = _kwargs(_kwargs(task.get("dataset")).get("handler"))
    window = tuple(kwargs.get(name) for name in _WINDOW)
    is_ours = handler.__module__.startswith("rollforward.")
    if not is_ours:
        window = tuple(given or other for given, other in zip(window, _ANY_WINDOW, strict=True))
    for key in _LISTS:
        given = kwargs.get(key)
        if is_ours and given and isinstance(given, str | Mapping):
            expected, remedy = "a list of processors.", "Put it into brackets, also if it is the only one."
            yield (*_KWARGS, "handler", "kwargs", key), DataError(f"it is {shown(key, given)}.", expected, remedy)
        for i, config in enumerate(given if isinstance(given, list | tuple) else ()):
            here = (*_KWARGS, "handler", "kwargs", key, i)
            try:
                (built,) = build_processors([config], *window)
            except RollforwardError as error:
                yield here, error
            else:
                yield from misfits(type(built), _kwargs(config), (*here, "kwargs"))


def wrong_lookahead(task: Mapping[str, Any]) -> Iterator[tuple[KeyPath, RollforwardError]]:
    """Yield what makes the label of a handler impossible, with its path.

    Parameters
    ----------
    task
        Its references resolved; its handler is a configuration.
    """
    try:
        label_lookahead(task)
    except RollforwardError as error:
        if task.get(LOOKAHEAD) is not None:
            yield ("task", LOOKAHEAD), error
            return
        path = (*_KWARGS, "handler", "kwargs")
        kwargs = _kwargs(_kwargs(task.get("dataset")).get("handler"))
        named = next((name for name in kwargs if str(name) in error.given.split()), None)
        yield (*path, named) if named is not None else path, error


def _kwargs(config: Any) -> Mapping[str, Any]:
    found = config.get("kwargs") if isinstance(config, Mapping) else None
    return found if isinstance(found, Mapping) else {}
