"""Timed blocks and loggers, under the names that Qlib users know."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

from rollforward.errors import TrackingError
from rollforward.workflow.active import open_runs
from rollforward.workflow.facade import R

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["TimeInspector", "get_module_logger", "set_global_logger_level", "set_global_logger_level_cm"]

logger = logging.getLogger(__name__)

_ROOT = "rollforward"
_FORMAT = "[%(asctime)s] %(levelname)s - %(name)s - %(message)s"
_NO_MARK = "No time mark is set: call TimeInspector.set_time_mark() first."


def get_module_logger(module_name: str, level: int | str | None = None) -> logging.Logger:
    """Return a logger below ``rollforward``.

    Parameters
    ----------
    module_name
        Its name; ``rollforward.`` is put before it where it is missing.
    level
        Level of this logger; ``None`` leaves it as it is, which is that of ``rollforward`` unless it was set.
    """
    is_ours = module_name == _ROOT or module_name.startswith(f"{_ROOT}.")
    logger = logging.getLogger(module_name if is_ours else f"{_ROOT}.{module_name}")
    if level is not None:
        logger.setLevel(level)
    return logger


def set_global_logger_level(level: int | str) -> None:
    """Set the level of everything that rollforward logs, and show it.

    Where the program has set up no logging, messages go to stderr.

    Parameters
    ----------
    level
        As in ``logging``, e.g. ``logging.INFO``.
    """
    root = logging.getLogger(_ROOT)
    root.setLevel(level)
    if not root.hasHandlers():
        handler = _ToStderr()
        handler.setFormatter(logging.Formatter(_FORMAT))
        root.addHandler(handler)


@contextmanager
def set_global_logger_level_cm(level: int | str) -> Iterator[None]:
    """Set the level of everything that rollforward logs for the length of a ``with`` block."""
    root = logging.getLogger(_ROOT)
    before, handlers = root.level, list(root.handlers)
    set_global_logger_level(level)
    try:
        yield
    finally:
        root.setLevel(before)
        for handler in set(root.handlers) - set(handlers):
            root.removeHandler(handler)


class _ToStderr(logging.Handler):
    """Writes to what stderr is at that moment: a notebook or a capture may have replaced it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(f"{self.format(record)}\n")
        except Exception:  # noqa: BLE001  # the way of logging: a message that cannot be written stops nothing
            self.handleError(record)


class _Mark(NamedTuple):
    timestamp: float  # seconds since 1970
    begin: float  # of a clock that nobody sets


_marks: ContextVar[tuple[_Mark, ...]] = ContextVar("rollforward_time_marks", default=())


class TimeInspector:
    """Times blocks of code: a stack of marks, and messages of level INFO from the logger ``rollforward.timer``.

    Every thread and every asyncio task has a stack of its own.

    Examples
    --------
    ::

        set_global_logger_level("INFO")
        with TimeInspector.logt("fit", metric="seconds_fit"):
            model.fit(dataset)
    """

    timer_logger = get_module_logger("timer")

    @classmethod
    def set_time_mark(cls) -> float:
        """Put a mark onto the stack; return the time in seconds since 1970."""
        mark = _Mark(time.time(), time.perf_counter())
        _marks.set((*_marks.get(), mark))
        return mark.timestamp

    @classmethod
    def pop_time_mark(cls) -> float:
        """Take the newest mark off the stack; return its time in seconds since 1970.

        Raises
        ------
        IndexError
            If there is none.
        """
        return cls._pop().timestamp

    @classmethod
    def get_cost_time(cls) -> float:
        """Take the newest mark off the stack; return the seconds since it was set.

        Raises
        ------
        IndexError
            If there is none.
        """
        return time.perf_counter() - cls._pop().begin

    @classmethod
    def log_cost_time(cls, info: str = "Done", *, metric: str | None = None, step: int | None = None) -> None:
        """Take the newest mark off the stack and log the seconds since it was set.

        Parameters
        ----------
        info
            What took so long.
        metric, step
            As in `logt`.

        Raises
        ------
        IndexError
            If there is no mark.
        """
        cls._report(cls.get_cost_time(), info, metric, step)

    @classmethod
    @contextmanager
    def logt(
        cls, name: str = "", show_start: bool = False, *, metric: str | None = None, step: int | None = None
    ) -> Iterator[None]:
        """Log how long a ``with`` block takes, also if it fails.

        Parameters
        ----------
        name
            What the block does.
        show_start
            Whether its begin is logged too.
        metric
            Metric of the active recorder that the seconds are logged as, unless the block fails. Without an active
            recorder it is not logged, and no run is started.
        step
            Step of the metric.
        """
        if show_start:
            cls.timer_logger.info("%s Begin", name)
        begin = time.perf_counter()
        try:
            yield
        except BaseException:
            cls._report(time.perf_counter() - begin, f"{name} Failed", None, None)
            raise
        cls._report(time.perf_counter() - begin, f"{name} Done", metric, step)

    @classmethod
    def _pop(cls) -> _Mark:
        marks = _marks.get()
        if not marks:
            raise IndexError(_NO_MARK)
        _marks.set(marks[:-1])
        return marks[-1]

    @classmethod
    def _report(cls, seconds: float, info: str, metric: str | None, step: int | None) -> None:
        cls.timer_logger.info("Time cost: %.3fs | %s", seconds, info)
        if metric is not None:
            _log_metric(metric, seconds, step)


def _log_metric(key: str, seconds: float, step: int | None) -> None:
    # With no open run at all the manager is not asked: it would be built, and MLflow imported.
    recorder = R.exp_manager.active_recorder if open_runs() else None
    if recorder is None:
        logger.debug("No active recorder for the metric %r", key)
        return
    try:
        recorder.log_metrics(step, **{key: seconds})
    except (TrackingError, TypeError) as error:
        # What was timed is done; that its time cannot be logged must not spoil it.
        logger.warning("The time of %r is not logged: %s", key, error)
