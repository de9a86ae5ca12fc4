"""Finding the recorders of trained tasks, and telling which fold each is."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rollforward import workflow
from rollforward.data.ranges import ranges_of
from rollforward.data.segments import parse_segment
from rollforward.errors import LoadObjectError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rollforward.data.ranges import Ranges
    from rollforward.data.segments import Segment
    from rollforward.workflow.exp import Experiment
    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)

TEST_START, TEST_END, MODEL, TASK_HASH = "test_start", "test_end", "model", "task_hash"
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
        Keeps a recorder where it returns true; ``None`` keeps all.

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
    return {key: recorder for key, recorder in found.items() if rec_filter_func is None or rec_filter_func(recorder)}


def is_fold(recorder: Recorder) -> bool:
    """Tell from its tags whether a recorder is a trained task with a test segment, such as a fold of a rolling job."""
    tags = recorder.list_tags()
    return TASK_HASH in tags and TEST_START in tags


def fold_key(recorder: Recorder) -> tuple[str, Segment | Ranges] | None:
    """Name a recorder by its model and its test segment; for `RecorderCollector` with `RollingGroup` or `PathGroup`.

    The tags say both where they are there; else the artifact ``task`` is loaded.

    Returns
    -------
    tuple or None
        Name of the model's class, and the test segment (inclusive, ``None`` = open); a tuple of segments, if it has
        several ranges. ``None``, with a warning, for a recorder that has neither the tags nor a task.
    """
    tags = recorder.list_tags()
    if MODEL in tags and BETWEEN in tags.get(TEST_RANGES, ""):
        pairs = [text.split(BETWEEN) for text in tags[TEST_RANGES].split(RANGE_SEPARATOR)]
        return tags[MODEL], tuple(
            parse_segment([bound or None for bound in pair], "A test range in the tags") for pair in pairs
        )
    if MODEL in tags and TEST_START in tags and TEST_RANGES not in tags:
        bounds = [None if tags.get(tag, "") in _OPEN else tags[tag] for tag in (TEST_START, TEST_END)]
        return tags[MODEL], parse_segment(bounds, "The test segment in the tags")
    try:
        task = recorder.load_object("task")
    except LoadObjectError as error:
        logger.warning("Recorder %s is left out: it has no tags of a fold, and no task (%s).", recorder.id, error.given)
        return None
    ranges = ranges_of(task)["test"]
    return _class_name(task["model"]), ranges[0] if len(ranges) == 1 else ranges


def _class_name(model: Any) -> str:
    if isinstance(model, Mapping):
        model = model.get("class", model.get("func"))
    if isinstance(model, str):
        return model.rpartition(".")[2]
    return model.__name__ if hasattr(model, "__name__") else type(model).__name__
