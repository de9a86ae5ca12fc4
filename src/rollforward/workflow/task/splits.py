"""Any splitter with scikit-learn's interface as a generator of tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rollforward.errors import SegmentError, TaskError
from rollforward.workflow.task.base import Task, copy_task
from rollforward.workflow.task.cover import cover_fold
from rollforward.workflow.task.position_gen import AUTO, Fold, PositionGen, checked_positions, refuse_common

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray


class SplitterGen(PositionGen):
    """Makes a task of each split of a scikit-learn-style splitter, such as ``TimeSeriesSplit``.

    Parameters
    ----------
    splitter
        Has ``split(X)``, which yields pairs of positions, train and test; test may be a list of groups of positions.
        scikit-learn's splitters have it, skfolio's and sktime's too. ``X`` is a frame with one row per session, indexed
        by the sessions: a splitter counts sessions, whatever the number of instruments. Splitters that need labels or
        groups do not fit.
    purge, embargo
        As of `PositionGen`: what the splitter leaves out by itself (``gap``, ``purged_size``) counts.
    valid, ds_extra_mod_func, test_key, train_key, task_copy_func, calendar
        As of `PositionGen`.

    Raises
    ------
    TaskError
        If `splitter` has no ``split``.

    Examples
    --------
    >>> from sklearn.model_selection import TimeSeriesSplit
    >>> from rollforward.data.ranges import ranges_of
    >>> segments = {"train": ("2024-01-01", None), "test": (None, "2024-01-12")}
    >>> generator = SplitterGen(TimeSeriesSplit(2, test_size=3), calendar=pd.bdate_range("2024-01-01", "2024-01-12"))
    >>> task = {"dataset": {"kwargs": {"segments": segments}}, "label_lookahead": 1}
    >>> [str(ranges_of(fold)["train"][0][1].date()) for fold in generator.generate(task)]
    ['2024-01-03', '2024-01-08']
    """

    def __init__(
        self,
        splitter: Any,
        purge: int | str | None = AUTO,
        embargo: int = 0,
        *,
        valid: int = 0,
        ds_extra_mod_func: Callable[[Task, PositionGen], Any] | None = cover_fold,
        test_key: str = "test",
        train_key: str = "train",
        task_copy_func: Callable[[Task], Task] = copy_task,
        calendar: Any = None,
    ) -> None:
        if isinstance(splitter, type) or not callable(getattr(splitter, "split", None)):
            raise TaskError(
                f"{splitter!r} is no splitter.",
                "an object with split(X), such as sklearn.model_selection.TimeSeriesSplit(5).",
            )
        self.splitter = splitter
        super().__init__(
            purge,
            embargo,
            valid=valid,
            ds_extra_mod_func=ds_extra_mod_func,
            test_key=test_key,
            train_key=train_key,
            task_copy_func=task_copy_func,
            calendar=calendar,
        )

    def __repr__(self) -> str:
        return f"SplitterGen({self.splitter!r}, purge={self.purge!r}, embargo={self.embargo})"

    def folds(self, sessions: pd.DatetimeIndex) -> Iterator[Fold]:
        """Split the sessions.

        Raises
        ------
        SegmentError
            If what the splitter yields are no positions.
        LeakageError
            If a split trains on what it tests.
        """
        frame = pd.DataFrame({"session": np.arange(len(sessions))}, index=sessions)
        for number, split in enumerate(self.splitter.split(frame)):
            label = f"split {number}"
            if not isinstance(split, tuple | list) or len(split) != 2:  # noqa: PLR2004  train and test
                raise SegmentError(f"Fold {label}: the splitter yields {split!r}.", "a pair (train, test).")
            train = checked_positions(label, "train", split[0], len(sessions))
            test = [checked_positions(label, "test", group, len(sessions)) for group in _groups(split[1])]
            if not any(len(group) for group in test):
                raise SegmentError(f"Fold {label} tests nothing.", "at least one session.")
            yield refuse_common(Fold(label, train, test))


def _groups(test: Any) -> list[NDArray[np.intp]]:
    if isinstance(test, list | tuple) and len(test) and all(np.ndim(part) == 1 for part in test):
        return list(test)
    return [test]
