"""What the training of a run knew, counted in sessions; and what cannot be seen from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollforward.data.handler import DataHandler, DataHandlerLP
from rollforward.data.horizon import label_lookahead, lookahead_of_handler
from rollforward.data.loader import CallableLoader, FileLoader, FrameLoader
from rollforward.data.price_handler import PriceFeatureLoader
from rollforward.data.processor import Processor
from rollforward.data.ranges import parse_all, ranges_of
from rollforward.errors import MissingArtifactError, ProofError, TaskError
from rollforward.workflow.online.proving.result import Training
from rollforward.workflow.online.update.loader import TEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from rollforward.data.calendar import Calendar
    from rollforward.data.ranges import Ranges
    from rollforward.workflow.recorder import Recorder

TASK = "task"


class Knowledge:
    """What a run was trained on.

    Parameters
    ----------
    recorder
        The run.
    dataset
        Its dataset, as it was stored.
    calendar
        The sessions.
    serves_from
        The first session that it predicts; ``None`` is the start of its test segment.

    Raises
    ------
    ProofError
        If nobody says from when it predicts.
    """

    def __init__(self, recorder: Recorder, dataset: Any, calendar: Calendar, serves_from: Any = None) -> None:
        self.recorder = recorder
        self.calendar = calendar
        self.dataset = dataset
        self.handler = getattr(dataset, "handler", None)
        self.task = _task_of(recorder)
        self._segments = _segments(self.task, dataset)
        self._lookahead = self._find_lookahead()
        self._first = calendar.index_of(self._start() if serves_from is None else serves_from, "next")

    @property
    def serves_from(self) -> pd.Timestamp:
        """The first session that the run predicts."""
        return self.calendar[self._first]

    @property
    def trained_from(self) -> int:
        """The place in the calendar of the first session that it was trained on; 0 if that is not known."""
        starts = [start for name, ranges in self._segments.items() if name != TEST for start, _ in ranges]
        known = [self.calendar.position(start) for start in starts if start is not None]
        return min(known) if known and len(known) == len(starts) else 0

    def training(self) -> Training:
        """Check it."""
        trained = self._trained_until()
        fitted = self._fitted_until()
        reach = None if trained is None or self._lookahead is None else trained + self._lookahead
        return Training(
            recorder_id=self.recorder.require_id(),
            serves_from=self._name(self._first),
            trained_until=self._name(trained),
            labels_until=self._name(reach),
            label_lookahead=self._lookahead,
            fitted_until=self._name(fitted),
            problem=self._problem(trained, reach, fitted),
        )

    def limits(self) -> list[str]:
        """Say what cannot be seen from here."""
        found = [*self._limits_of_loader(getattr(self.handler, "data_loader", None)), *self._limits_of_processors()]
        if not isinstance(self.handler, DataHandler):
            found.append(f"its handler is a {type(self.handler).__name__}, which need not know of the cut")
        if self._lookahead is None and self._trained_until() is not None:
            found.append("nobody says how far its labels look ahead: give the task label_lookahead")
        return [f"run {self.recorder.id}: {text}" for text in found]

    def _problem(self, trained: int | None, reach: int | None, fitted: int | None) -> str:
        first = self.serves_from
        if trained is not None and trained >= self._first:
            return f"it was trained on sessions up to {self._name(trained)}, and serves from {first!s}"
        if reach is not None and reach >= self._first:
            return f"its training labels know sessions up to {self._name(reach)}, and it serves from {first!s}"
        if fitted is not None and fitted >= self._first:
            return f"its processors learned from sessions up to {self._name(fitted)}, and it serves from {first!s}"
        return ""

    def _trained_until(self) -> int | None:
        ends = [
            len(self.calendar) - 1 if end is None else self.calendar.position(end, "end")
            for name, ranges in self._segments.items()
            if name != TEST
            for _, end in ranges
        ]
        return max(ends, default=None)

    def _fitted_until(self) -> int | None:
        ends = [
            len(self.calendar) - 1 if end is None else self.calendar.position(end, "end")
            for processor in self._processors()
            if hasattr(processor, "fit_end_time")
            for end in _listed(processor.fit_end_time)
        ]
        return max(ends, default=None)

    def _processors(self) -> list[Any]:
        return list(self.handler.get_all_processors()) if isinstance(self.handler, DataHandlerLP) else []

    def _limits_of_processors(self) -> Iterator[str]:
        end = getattr(self.handler, "end_time", None)
        is_early = end is not None and self.calendar.position(end, "end") < self._first
        for processor in self._processors():
            learns = getattr(type(processor), "fit", None) is not Processor.fit
            if learns and not hasattr(processor, "fit_end_time") and not is_early:
                yield f"{type(processor).__name__} learns without a fit window: from all rows, up to {end}"

    def _limits_of_loader(self, loader: Any, *, is_prices: bool = False) -> Iterator[str]:
        if loader is None:
            return
        name = type(loader).__name__
        if isinstance(loader, PriceFeatureLoader):
            yield from self._limits_of_loader(loader.source, is_prices=True)
        elif isinstance(loader, CallableLoader):
            function = getattr(loader.function, "__qualname__", repr(loader.function))
            yield f"{function} is asked for data up to a date; what it makes of later ones cannot be seen"
        elif not getattr(loader, "honours_cut", False):
            yield f"{name} does not say that it honours the cut (honours_cut): it may compute from later data"
        elif type(loader) in (FileLoader, FrameLoader) and not is_prices:
            yield f"the columns of {loader!r} were made elsewhere: each row counts as known on its date"

    def _find_lookahead(self) -> int | None:
        known = None if self.task is None else label_lookahead(self.task)
        return lookahead_of_handler(self.handler) if known is None else known

    def _start(self) -> pd.Timestamp:
        ranges = self._segments.get(TEST, ())
        if not ranges or ranges[0][0] is None:
            raise ProofError(
                f"Run {self.recorder.id} has no test segment that starts somewhere.",
                "the first session that it predicts.",
                "Give effective={run id: date}.",
            )
        return ranges[0][0]

    def _name(self, position: int | None) -> str:
        if position is None or position < 0:
            return ""
        time = self.calendar[min(position, len(self.calendar) - 1)]
        text = time.date().isoformat() if time == time.normalize() else time.isoformat()
        return text if position < len(self.calendar) else f"{text} and later"


def _segments(task: Mapping[str, Any] | None, dataset: Any) -> dict[str, Ranges]:
    if task is not None:
        try:
            return ranges_of(task)
        except TaskError:
            # A dataset of another kind.
            pass
    return parse_all(getattr(dataset, "segments", {}))


def _task_of(recorder: Recorder) -> Mapping[str, Any] | None:
    try:
        task: Mapping[str, Any] = recorder.load_object(TASK)
    except MissingArtifactError:
        return None
    return task


def _listed(end: Any) -> list[Any]:
    return list(end) if isinstance(end, list | tuple) else [end]
