"""Standard output for a program: only documents; what models and libraries print goes to standard error."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_stream: ContextVar[TextIO | None] = ContextVar("rollforward_documents", default=None)
_OUT, _ERR = 1, 2


def print_document(facts: Any) -> None:
    """Print a document in JSON, also inside `documents_only`."""
    print(json.dumps(facts, indent=2), file=_stream.get(), flush=True)


@contextmanager
def documents_only(*, active: bool) -> Iterator[None]:
    """Keep standard output for `print_document`, also from code in C and from processes that are started.

    Parameters
    ----------
    active
        If not, nothing is done.
    """
    if not active:
        yield
        return
    sys.stdout.flush()
    kept = _apart() if _is_descriptor(sys.stdout) else sys.stdout
    token = _stream.set(kept)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _stream.reset(token)
        if kept is not sys.stdout:
            os.dup2(kept.fileno(), _OUT)
            kept.close()


def _apart() -> TextIO:
    """Open standard output once more, and let its number mean standard error."""
    kept = os.fdopen(os.dup(_OUT), "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)
    os.dup2(_ERR, _OUT)
    return kept


def _is_descriptor(stream: TextIO) -> bool:
    try:
        return stream.fileno() == _OUT and sys.stderr.fileno() == _ERR
    except (OSError, ValueError):  # replaced by an object of Python
        return False
