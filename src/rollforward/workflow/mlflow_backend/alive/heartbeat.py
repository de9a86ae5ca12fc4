"""A sign of life of every open run, from one daemon thread per process."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rollforward.workflow.mlflow_backend.alive.owner import this_process

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

OWNER, HEARTBEAT = "mlflow.rollforward.owner", "mlflow.rollforward.heartbeat"
_SPELLED = re.compile(r"(?P<time>\S+) every (?P<interval>[0-9.e+-]+) s")


@dataclass(frozen=True)
class Beat:
    """One sign of life, spelled ``2024-05-06T07:08:09.123+00:00 every 30 s``.

    Parameters
    ----------
    at
        When, by the clock of the owner.
    interval
        Seconds until the next.
    """

    at: datetime
    interval: float

    def __str__(self) -> str:
        return f"{self.at.isoformat(timespec='milliseconds')} every {self.interval:g} s"

    @classmethod
    def parse(cls, text: str | None) -> Beat | None:
        """Read what ``str`` wrote; ``None`` for anything else."""
        match = _SPELLED.fullmatch(text or "")
        try:
            beat = cls(datetime.fromisoformat(match["time"]), float(match["interval"])) if match else None
        except ValueError:
            return None
        return beat if beat is not None and beat.at.tzinfo is not None and beat.interval > 0 else None


def tags(interval: float) -> dict[str, str]:
    """Return the tags of a run that begins to live; none if it gives no signs of life."""
    return {OWNER: str(this_process()), HEARTBEAT: str(Beat(datetime.now(UTC), interval))} if interval > 0 else {}


@dataclass(eq=False)
class _Pulse:
    """The signs of life of one run."""

    put: Callable[[dict[str, str]], None]
    interval: float
    due: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    is_over: bool = False

    def beat(self) -> None:
        with self.lock:
            if not self.is_over:
                self.put({HEARTBEAT: str(Beat(datetime.now(UTC), self.interval))})


class Heart:
    """Beats for the runs that are added, until they are removed.

    The thread is started by the first one. In a forked process nothing beats: the runs are the
    parent's.
    """

    def __init__(self) -> None:
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._pulses: dict[int, _Pulse] = {}
        self._thread: threading.Thread | None = None

    def add(self, key: int, put: Callable[[dict[str, str]], None], interval: float) -> None:
        """Give signs of life from now on.

        Parameters
        ----------
        key
            Names the run to `remove`.
        put
            Writes tags; an error that it raises is logged and the next beat comes as usual.
        interval
            Seconds between two beats; with 0 there is none.
        """
        if interval <= 0:
            return
        if self._pid != os.getpid():
            self._start_afresh()
        with self._changed:
            self._pulses[key] = _Pulse(put, interval, time.monotonic() + interval)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="rollforward-heart", daemon=True)
                self._thread.start()
            self._changed.notify()

    def remove(self, key: int) -> None:
        """Give no sign of life any more; one that is on its way is waited for."""
        if self._pid != os.getpid():
            return
        with self._changed:
            pulse = self._pulses.pop(key, None)
            self._changed.notify()
        if pulse is not None:
            with pulse.lock:
                pulse.is_over = True

    def _work(self) -> None:
        while True:
            try:
                self._next().beat()
            except Exception as error:  # noqa: BLE001  # a sign of life that is lost is no harm to the run
                logger.debug("A sign of life could not be written: %s", error)

    def _next(self) -> _Pulse:
        """Wait for the next run that is due."""
        with self._changed:
            while True:
                pulse = min(self._pulses.values(), key=lambda item: item.due, default=None)
                wait = threading.TIMEOUT_MAX if pulse is None else pulse.due - time.monotonic()
                if pulse is not None and wait <= 0:
                    # Not due + interval: after a night asleep one beat is enough.
                    pulse.due = time.monotonic() + pulse.interval
                    return pulse
                self._changed.wait(min(wait, threading.TIMEOUT_MAX))


heart = Heart()
