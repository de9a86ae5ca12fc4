"""Qlib's module of helpers for tasks: the names, and where each lives."""

from rollforward.workflow.task.adjuster import TimeAdjuster, get_date_by_shift, transform_end_date
from rollforward.workflow.task.handler_cache import replace_task_handler_with_cache
from rollforward.workflow.task.recorders import fold_key, is_fold, list_recorders, segments_between, tag_filter

__all__ = [
    "TimeAdjuster",
    "fold_key",
    "get_date_by_shift",
    "is_fold",
    "list_recorders",
    "replace_task_handler_with_cache",
    "segments_between",
    "tag_filter",
    "transform_end_date",
]
