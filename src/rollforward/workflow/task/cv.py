"""A generator of tasks as a cross-validation splitter: what ``cv=`` of scikit-learn takes."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rollforward.data.calendar import Calendar
from rollforward.data.calendar_sources import as_datetime_index
from rollforward.data.horizon import LOOKAHEAD
from rollforward.data.ranges import ranges_of
from rollforward.errors import DataError, EmptySegmentError, SegmentError
from rollforward.workflow.task.adjuster import TimeAdjuster
from rollforward.workflow.task.gen import RollingGen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from rollforward.data.ranges import Ranges
    from rollforward.workflow.task.base import TaskGen

_DATETIME = "datetime"


def as_cv(
    rolling_gen: TaskGen,
    calendar: Any = None,
    *,
    segments: Mapping[str, Any] | None = None,
    label_lookahead: int | None = None,
) -> TaskGenCV:
    """Make a scikit-learn splitter of a generator, for ``cross_val_score``, ``GridSearchCV`` and the like.

    Parameters
    ----------
    rolling_gen
        A `RollingGen`, `SplitterGen` or `CombinatorialPurgedGen`. Its own calendar plays no part.
    calendar
        The sessions that steps and purges are counted in, anything that `Calendar.of` takes; ``None``: those that ``X``
        has.
    segments
        Train and test segment of the first fold, as in a task; the test segment ends where the last fold may start.
        ``None``: the first test segment starts as early as leaves the first fold as many sessions to train on as one
        step (TimeSeriesSplit's rule), and all sessions of ``X`` behind it are tested.
    label_lookahead
        Sessions that ``y`` looks ahead, which the purge of the generator follows.

    Examples
    --------
    >>> from rollforward.workflow.task.gen import RollingGen
    >>> X = pd.DataFrame({"x": range(9)}, index=pd.bdate_range("2024-01-01", periods=9))
    >>> [(len(train), test.tolist()) for train, test in as_cv(RollingGen(step=3)).split(X)]
    [(3, [3, 4, 5]), (6, [6, 7, 8])]
    """
    return TaskGenCV(rolling_gen, calendar, segments, label_lookahead)


class TaskGenCV:
    """A scikit-learn splitter over what a generator makes of the sessions of ``X``; see `as_cv`."""

    def __init__(
        self,
        generator: TaskGen,
        calendar: Any = None,
        segments: Mapping[str, Any] | None = None,
        label_lookahead: int | None = None,
    ) -> None:
        self.generator = generator
        self.calendar = calendar
        self.segments = None if segments is None else dict(segments)
        self.label_lookahead = label_lookahead

    def __repr__(self) -> str:
        return f"as_cv({self.generator!r})"

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:  # noqa: ARG002, N803  scikit-learn's
        """Count the splits.

        Parameters
        ----------
        X, y, groups
            As of `split`. `X` is not needed where the calendar and the segments were given.
        """
        return len(self._plan(None if X is None and y is None else _sessions_of_rows(X, y)))

    def split(
        self,
        X: Any,  # noqa: N803  scikit-learn's name
        y: Any = None,
        groups: Any = None,  # noqa: ARG002  scikit-learn's signature
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Split rows.

        Parameters
        ----------
        X
            A frame or series indexed by ``(datetime, instrument)`` or by time, in any order of rows.
        y
            Asked for its index if `X` is an array.
        groups
            Not used.

        Yields
        ------
        train, test
            Positions of rows, in increasing order. Train is the train segment only, without ``valid``.

        Raises
        ------
        DataError
            If there is no index of times.
        EmptySegmentError
            If there are no rows for a fold, or too few sessions.
        RollforwardError
            What the generator raises.
        """
        times = _sessions_of_rows(X, y)
        for number, segments in enumerate(self._plan(times)):
            parts = [_rows_in(times, segments.get(name, ())) for name in (self._train_key, self._test_key)]
            for name, rows in zip(("train", "test"), parts, strict=True):
                if not len(rows):
                    raise EmptySegmentError(f"Fold {number} has no row to {name}.", "sessions that X has rows for.")
            yield parts[0], parts[1]

    @property
    def _train_key(self) -> str:
        return getattr(self.generator, "train_key", None) or "train"

    @property
    def _test_key(self) -> str:
        return getattr(self.generator, "test_key", "test")

    def _plan(self, times: pd.DatetimeIndex | None) -> list[dict[str, Ranges]]:
        """Generate tasks that consist of their segments, over the sessions of some rows."""
        if self.calendar is not None:
            calendar = Calendar.of(self.calendar)
        else:
            calendar = Calendar(_known(times).unique().sort_values())
        generator: Any = copy.copy(self.generator)
        generator.ta = TimeAdjuster(calendar=calendar)
        generator.ds_extra_mod_func = None
        task: dict[str, Any] = {}
        if self.label_lookahead is not None:
            task[LOOKAHEAD] = self.label_lookahead
        segments = self._first_segments(calendar, _known(times), task) if self.segments is None else self.segments
        return [ranges_of(fold) for fold in generator.generate({**task, "dataset": {"kwargs": {"segments": segments}}})]

    def _first_segments(self, calendar: Calendar, times: pd.DatetimeIndex, task: Mapping[str, Any]) -> dict[str, Any]:
        """Lay out the first fold of a `RollingGen`; what others make of a task depends on its outer bounds only."""
        first, last = calendar.position(times.min()), calendar.position(times.max(), "end")
        n_train: Any = 1
        distance = 1
        if isinstance(self.generator, RollingGen):
            n_train, distance = self.generator.step, self.generator.purging.distance(task) or 1
        if not isinstance(n_train, int):
            raise SegmentError(
                f"With step={n_train!r}, nothing says where the first fold starts to test.",
                "train and test segment of the first fold.",
                "as_cv(..., segments={'train': (start, end), 'test': (start, end)}).",
            )
        start = first + n_train - 1 + max(distance, 1)
        if start > last:
            raise EmptySegmentError(
                f"X has {last - first + 1} sessions.",
                f"at least {start - first + 1}: {n_train} to train on, and one to test {distance} sessions later.",
                "give more rows, or a smaller step.",
            )
        return {
            self._train_key: (calendar[first], calendar[first + n_train - 1]),
            self._test_key: (calendar[start], calendar[last]),
        }


def _known(times: pd.DatetimeIndex | None) -> pd.DatetimeIndex:
    if times is None:
        raise DataError("There is no X.", "X; without it, the calendar and the segments of the first fold.")
    return times


def _sessions_of_rows(X: Any, y: Any) -> pd.DatetimeIndex:  # noqa: N803  scikit-learn's name
    for data in (X, y):
        index = getattr(data, "index", None)
        if isinstance(index, pd.MultiIndex):
            return as_datetime_index(index.get_level_values(_DATETIME if _DATETIME in index.names else 0))
        if isinstance(index, pd.DatetimeIndex):
            return as_datetime_index(index)
    raise DataError(
        f"X is a {type(X).__name__} without an index of times.",
        "a frame or series indexed by (datetime, instrument), or by time.",
        "give X, or y, as a pandas object; a pipeline may turn it into an array, but not before the split.",
    )


def _rows_in(times: pd.DatetimeIndex, ranges: Ranges | tuple[()]) -> NDArray[np.intp]:
    chosen = np.zeros(len(times), dtype=bool)
    for start, end in ranges:
        after = True if start is None else times >= start
        chosen |= after & (True if end is None else times <= end)
    return np.flatnonzero(chosen)
