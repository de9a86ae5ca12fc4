"""Signs of life, given in the background."""

from __future__ import annotations

import logging
import threading
import weakref
from typing import TYPE_CHECKING, Any, Protocol, Self

from rollforward.errors import RollforwardError

if TYPE_CHECKING:
    from rollforward.workflow.task.store.base import Owner, TaskStore

logger = logging.getLogger(__name__)

_PRESENCE = 10.0


class Beating(Protocol):
    """Gives signs of life."""

    def beat(self) -> bool:
        """Give one; tell whether to go on."""


class Presence:
    """A worker on the register of its pool.

    Parameters
    ----------
    store
        Of the pool.
    owner
        The worker.
    info
        What it says about itself: plain values that may be changed at any time.
    """

    def __init__(self, store: TaskStore, owner: Owner, info: dict[str, Any] | None = None) -> None:
        self.store = store
        self.owner = owner
        self.info = {} if info is None else info

    def beat(self) -> bool:
        """Give a sign of life that holds for three intervals."""
        try:
            self.store.beat(self.owner, dict(self.info), 3 * _PRESENCE)
        except RollforwardError as error:
            logger.warning("The pool %r does not hear of this worker: %s", self.store.pool, error)
        return True

    def beating(self) -> Pulse:
        """Be on the register for the length of a ``with`` block."""
        self.beat()
        return Pulse(self, _PRESENCE, self._leave)

    def _leave(self) -> None:
        try:
            self.store.forget(self.owner)
        except RollforwardError as error:
            logger.warning("The register of the pool %r still has this worker: %s", self.store.pool, error)


class Pulse:
    """A thread that gives signs of life until it is stopped, or until nobody else holds what it beats for.

    Parameters
    ----------
    thing
        Is not kept alive by this.
    interval
        Seconds between two signs.
    at_end
        Called when it is stopped.
    """

    def __init__(self, thing: Beating, interval: float, at_end: Any = None) -> None:
        self._stop = stop = threading.Event()
        self._at_end = at_end
        ref = weakref.ref(thing, lambda _: stop.set())
        self._thread = threading.Thread(target=_beat, args=(ref, stop, interval), name="rollforward-pulse", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give no more signs."""
        self._stop.set()
        if self._at_end is not None:
            self._at_end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _beat(ref: weakref.ref[Beating], stop: threading.Event, interval: float) -> None:
    while not stop.wait(interval):
        thing = ref()
        if thing is None or not thing.beat():
            return
        del thing
