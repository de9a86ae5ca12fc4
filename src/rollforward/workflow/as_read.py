"""Runs that were listed a moment ago: what came with the listing need not be asked for once more.

A listing brings the tags, parameters and last metrics of every run. A function that looks at thousands of listed runs
one by one would otherwise send a request, or two, for each.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Of objects, not of runs: another object of the same run may have been read long ago.
_listed: ContextVar[frozenset[int]] = ContextVar("rollforward_as_read", default=frozenset())


@contextmanager
def as_read(recorders: Iterable[object]) -> Iterator[None]:
    """Take recorders, if their runs had ended when they were read, for what the store has now.

    Inside, in this thread or task and in copies of its context, ``list_tags``, ``list_params`` and ``list_metrics`` of
    these objects need no request, and ``load_object`` of a remote artifact may use a copy that is kept on this machine.

    Parameters
    ----------
    recorders
        Read just now.
    """
    objects = list(recorders)
    token = _listed.set(_listed.get() | frozenset(map(id, objects)))
    try:
        yield
    finally:
        _listed.reset(token)


def is_as_read(recorder: object) -> bool:
    """Whether a recorder was named to an `as_read` that is in force here."""
    return id(recorder) in _listed.get()
