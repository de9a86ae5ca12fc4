"""From one task to one for each horizon of its label."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from rollforward.data.segments import raw_segments_of, with_segments
from rollforward.data.spans import segment_at, span_of
from rollforward.workflow.task.adjuster import TimeAdjuster
from rollforward.workflow.task.base import Task, TaskGen, copy_task
from rollforward.workflow.task.purge import trunc_segments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class MultiHorizonGenBase(TaskGen):
    """Make one task for each horizon of the label, with as much cut off before the test segment as it looks ahead.

    Parameters
    ----------
    horizon
        Horizons, in sessions.
    label_leak_n
        Sessions that a label looks ahead beyond its horizon: 2 for a return from the next close on.
    calendar
        Anything that `Calendar.of` takes; ``None``: the calendar of the settings.
    """

    def __init__(self, horizon: Sequence[int] = (5,), label_leak_n: int = 2, *, calendar: Any = None) -> None:
        self.horizon = list(horizon)
        self.label_leak_n = label_leak_n
        self.ta = TimeAdjuster(calendar=calendar)
        self.test_key = "test"

    @abstractmethod
    def set_horizon(self, task: Task, hr: int) -> None:
        """Change the task, in place, to one with horizon `hr`."""

    def generate(self, task: Mapping[str, Any]) -> list[Task]:
        """Make one task for each horizon, in their order.

        Raises
        ------
        EmptySegmentError
            If nothing of a segment is left.
        """
        return [self._with_horizon(copy_task(dict(task)), hr) for hr in self.horizon]

    def _with_horizon(self, task: Task, hr: int) -> Task:
        self.set_horizon(task, hr)
        calendar = self.ta.calendar
        spans = {name: span_of(calendar, pair, f"segment {name!r}") for name, pair in raw_segments_of(task).items()}
        segments = {name: segment_at(calendar, span) for name, span in spans.items()}
        trunc_segments(self.ta, segments, days=hr + self.label_leak_n, test_key=self.test_key)
        return with_segments(task, segments)
