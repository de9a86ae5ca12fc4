"""Finding the recorders of trained tasks, and telling which fold each is."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward import workflow
from rollforward.data.ranges import ranges_of
from rollforward.data.segments import parse_segment
from rollforward.errors import LoadObjectError, TrackingError
from rollforward.workflow.as_read import as_read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rollforward.data.ranges import Ranges
    from rollforward.data.segments import Segment
    from rollforward.workflow.exp import Experiment
    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)

TEST_START, TEST_END, MODEL, TASK_HASH = "test_start", "test_end", "model", "task_hash"
TRAIN_END, MODEL_FROM, FOLD = "train_end", "model_from", "fold"
TEST_RANGES, RANGE_SEPARATOR, BETWEEN = "test_ranges", ", ", ".."
_OPEN = ("", "None")


def list_recorders(
    experiment: str | Experiment, rec_filter_func: Callable[[Recorder], bool] | None = None
) -> dict[str, Recorder]:
    """List the recorders of an experiment, newest first.

    Parameters
    ----------
    experiment
        The experiment or its name; one that does not exist is not created.
    rec_filter_func
        Keeps a recorder where it returns true; ``None`` keeps all. Tags, parameters and metrics of a run that has ended
        came with the listing, and need no request inside it.

    Returns
    -------
    dict
        Recorders by id.

    Raises
    ------
    ExperimentNotFoundError
        If there is no experiment of this name.
    """
    if isinstance(experiment, str):
        experiment = workflow.R.get_exp(experiment_name=experiment, create=False)
    found: dict[str, Recorder] = experiment.list_recorders()
    if rec_filter_func is None:
        return found
    with as_read(found.values()):
        return {key: recorder for key, recorder in found.items() if rec_filter_func(recorder)}


def is_fold(recorder: Recorder) -> bool:
    """Tell from its tags whether a recorder is a trained task with a test segment, such as a fold of a rolling job."""
    return any(TASK_HASH in tags and TEST_START in tags for tags in _tags_until_sure(recorder))


def fold_key(recorder: Recorder) -> tuple[str, Segment | Ranges] | None:
    """Name a recorder by its model and its test segment; for `RecorderCollector` with `RollingGroup` or `PathGroup`.

    The tags say both where they are there; else the artifact ``task`` is loaded.

    Returns
    -------
    tuple or None
        Name of the model's class, and the test segment (inclusive, ``None`` = open); a tuple of segments, if it has
        several ranges. ``None``, with a warning, for a recorder that has neither the tags nor a task.
    """
    for tags in _tags_until_sure(recorder):
        key = _key_in(tags)
        if key is not None:
            return key
    try:
        task = recorder.load_object("task")
    except LoadObjectError as error:
        logger.warning("Recorder %s is left out: it has no tags of a fold, and no task (%s).", recorder.id, error.given)
        return None
    ranges = ranges_of(task)["test"]
    return _class_name(task["model"]), ranges[0] if len(ranges) == 1 else ranges


def known_of(recorder: Recorder, kind: str) -> dict[str, Any]:
    """Return what was read together with a recorder; a backend that keeps nothing of it is asked.

    Parameters
    ----------
    recorder
        A recorder of a listing: its snapshot is what the store had then.
    kind
        ``"tags"``, ``"params"`` or ``"metrics"``.
    """
    kept: dict[str, Any] | None = getattr(recorder, kind, None)
    asked: dict[str, Any] = getattr(recorder, f"list_{kind}")() if kept is None else kept
    return asked


def tags_of(recorder: Recorder) -> dict[str, str]:
    """Return the tags that were read together with a recorder."""
    return known_of(recorder, "tags")


def trained_until(recorder_id: str, tags: Mapping[str, Mapping[str, str]]) -> pd.Timestamp | None:
    """Return the last day that the model of a recorder was trained on; ``None`` if that is not known.

    Parameters
    ----------
    recorder_id
        The recorder.
    tags
        By the ids of recorders: a task that was not fitted has the model, and so the end, of another recorder.
    """
    seen = set()
    while recorder_id not in seen:
        seen.add(recorder_id)
        own = tags.get(recorder_id, {})
        if MODEL_FROM not in own:
            return pd.Timestamp(own[TRAIN_END]) if own.get(TRAIN_END, "") not in _OPEN else None
        recorder_id = own[MODEL_FROM]
    return None


def segments_between(start: Any = None, end: Any = None, segment: str = "test") -> Callable[[Recorder], bool]:
    """Make a filter of recorders by a segment, for `RecorderCollector` and `list_recorders`; it sends no request.

    Parameters
    ----------
    start, end
        The whole segment must lie between them, both inclusive: dates, times or texts; an end that names a month or a
        year means its last day. ``None`` sets no bound.
    segment
        Name of the segment.

    Returns
    -------
    callable
        False for a recorder without tags of this segment, and where the bound that is asked for is open.

    Raises
    ------
    SegmentError
        If `start` is after `end`, or one of them is no time.
    """
    first, last = parse_segment((start, end), "segments_between")

    def lies_between(recorder: Recorder) -> bool:
        tags = tags_of(recorder)
        begins, ends = (_time_in(tags, f"{segment}_{side}") for side in ("start", "end"))
        if begins is None and ends is None:
            return False
        is_late = first is None or (begins is not None and begins >= first)
        return is_late and (last is None or (ends is not None and ends <= last))

    return lies_between


def tag_filter(**tags: str) -> str:
    """Spell a filter for the store, such as ``tag_filter(model="Ridge")``: only recorders that have all of these tags.

    For ``list_kwargs={"filter_string": ...}``; then the others are not even listed.

    Raises
    ------
    TrackingError
        For a text with both kinds of quotation marks, or a name with a backtick, which MLflow's filters cannot hold.
    """
    return " AND ".join(f"tags.`{_plain(name, '`')}` = {_quoted(str(value))}" for name, value in tags.items())


def _quoted(text: str) -> str:
    mark = '"' if "'" in text else "'"
    return f"{mark}{_plain(text, mark)}{mark}"


def _plain(text: str, mark: str) -> str:
    if mark in text:
        raise TrackingError(f"{text!r} cannot be part of a filter.", f"a text without {mark}.", "Filter after listing.")
    return text


def _tags_until_sure(recorder: Recorder) -> Iterator[dict[str, str]]:
    """Give the tags as they were read with the recorder, and then those that the store has."""
    yield tags_of(recorder)
    yield recorder.list_tags()


def _key_in(tags: Mapping[str, str]) -> tuple[str, Segment | Ranges] | None:
    if MODEL in tags and BETWEEN in tags.get(TEST_RANGES, ""):
        pairs = [text.split(BETWEEN) for text in tags[TEST_RANGES].split(RANGE_SEPARATOR)]
        return tags[MODEL], tuple(
            parse_segment([bound or None for bound in pair], "A test range in the tags") for pair in pairs
        )
    if MODEL in tags and TEST_START in tags and TEST_RANGES not in tags:
        bounds = [None if tags.get(tag, "") in _OPEN else tags[tag] for tag in (TEST_START, TEST_END)]
        return tags[MODEL], parse_segment(bounds, "The test segment in the tags")
    return None


def _time_in(tags: Mapping[str, str], name: str) -> pd.Timestamp | None:
    return None if tags.get(name, "") in _OPEN else pd.Timestamp(tags[name])


def _class_name(model: Any) -> str:
    if isinstance(model, Mapping):
        model = model.get("class", model.get("func"))
    if isinstance(model, str):
        return model.rpartition(".")[2]
    return model.__name__ if hasattr(model, "__name__") else type(model).__name__
