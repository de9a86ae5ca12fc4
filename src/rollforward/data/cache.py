"""A small bounded cache for what every fold of a rolling job would otherwise read or compute again."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Value = TypeVar("Value")


class BoundedCache(Generic[Value]):
    """Keep the values that were used last, up to a number of entries.

    The values are shared by all callers: what is put in must not be changed, and whoever hands one on to a user
    hands on a copy. Safe for threads; two threads that miss at the same time may both build, and one value stays.

    Parameters
    ----------
    n_entries
        How many values are kept; the one unused for longest goes first.
    """

    def __init__(self, n_entries: int) -> None:
        self._n_entries = n_entries
        self._entries: OrderedDict[Hashable, Value] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get_or_build(self, key: Hashable, build: Callable[[], Value]) -> Value:
        """Return the value stored under a key, building and storing it if it is not there.

        Parameters
        ----------
        key
            Must change whenever the value would.
        build
            Called without arguments, outside the lock; what it raises is passed on and nothing is stored.
        """
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key]
        value = build()
        with self._lock:
            self._entries[key] = value
            self._entries.move_to_end(key)
            while len(self._entries) > self._n_entries:
                self._entries.popitem(last=False)
        return value

    def clear(self) -> None:
        """Forget every value."""
        with self._lock:
            self._entries.clear()
