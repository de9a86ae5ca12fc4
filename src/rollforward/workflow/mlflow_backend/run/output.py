"""The end of what a process prints, kept while its outermost run is open.

The method ``write`` of the streams is replaced, not the streams: whoever holds ``sys.stderr`` since before the run (a
handler of `logging`) is heard too, and nothing that asks a stream for its encoding, buffer or terminal notices. What
subprocesses and compiled code write to the file descriptors is not seen.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from rollforward.workflow.mlflow_backend.provenance.secrets import mask_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

LIMIT = 64 * 1024
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)|[@-Z\\-_])")


class Tail:
    """The last characters of a text that grows.

    A progress bar redraws its line after a carriage return: only its last state is kept.

    Parameters
    ----------
    limit
        Characters to keep, and the most bytes of `text`.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        # Reentrant: a signal handler may print in the middle of a print.
        self._lock = threading.RLock()
        self._chunks: deque[str] = deque()
        self._size = 0
        self._given = 0

    def add(self, text: str) -> None:
        """Take the next part."""
        with self._lock:
            self._given += len(text)
            if "\r" in text:
                text = self._redraw(text)
            text = text[-self._limit :]
            self._chunks.append(text)
            self._size += len(text)
            while self._size - len(self._chunks[0]) >= self._limit:
                self._size -= len(self._chunks.popleft())

    def text(self) -> str:
        """Return what is kept, in at most `limit` bytes of UTF-8; empty if nothing was given."""
        with self._lock:
            whole, given = "".join(self._chunks), self._given
        lines = _ESCAPES.sub("", whole).split("\n")
        shown = mask_secrets("\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines))
        data = shown.encode(errors="replace")
        if len(whole) < self._limit and len(data) <= self._limit:
            return data.decode()
        head = f"[the end of {given} characters]\n"
        data = data[len(head) - self._limit :]
        # From the start of a line, if one is near.
        start = data.find(b"\n", 0, self._limit // 8) + 1
        return head + data[start:].decode(errors="ignore")

    def _redraw(self, text: str) -> str:
        first, *others = text.split("\n")
        if "\r" in first.rstrip("\r") or (first.endswith("\r") and not others):
            self._drop_line()
        kept = [first, *others]
        return "\n".join(line.rstrip("\r").rpartition("\r")[2] + "\r" * line.endswith("\r") for line in kept)

    def _drop_line(self) -> None:
        """Forget the line that is not ended yet."""
        while self._chunks:
            chunk = self._chunks.pop()
            self._size -= len(chunk)
            end = chunk.rfind("\n") + 1
            if end:
                self._chunks.append(chunk[:end])
                self._size += end
                return


class Capture:
    """Listens to ``sys.stdout`` and ``sys.stderr`` until it is stopped."""

    def __init__(self) -> None:
        self.tail = Tail()
        self._undo: list[Callable[[], None]] = []
        self._is_stopped = False
        for stream in {id(item): item for item in (sys.stdout, sys.stderr)}.values():
            self._listen(stream)

    def stop(self) -> str:
        """Leave the streams as they were; return what was heard."""
        self._is_stopped = True
        for undo in self._undo:
            undo()
        return self.tail.text()

    def _listen(self, stream: Any) -> None:
        if stream is None:  # a program without a console
            return
        attributes = getattr(stream, "__dict__", {})
        before, write = attributes.get("write"), stream.write

        def heard(text: str, /) -> Any:
            result = write(text)
            if not self._is_stopped:
                self.tail.add(text)
            return result

        def undo() -> None:
            # Somebody who replaced it later calls ours, which only passes on by now.
            if attributes.get("write") is not heard:
                return
            if before is None:
                del stream.write
            else:
                stream.write = before

        try:
            stream.write = heard
        except (AttributeError, TypeError) as error:
            logger.debug("The output of %r is not kept: %s", stream, error)
            return
        self._undo.append(undo)


class _Outermost:
    """Who listens; one at a time in a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid = 0
        self._capture: Capture | None = None

    def claim(self) -> Capture | None:
        """Begin to listen, unless somebody does."""
        if self._pid != os.getpid():
            # Forked: the lock may be held, and the capture is the parent's.
            self._lock, self._pid, self._capture = threading.Lock(), os.getpid(), None
        with self._lock:
            if self._capture is not None:
                return None
            self._capture = Capture()
            return self._capture

    def release(self, capture: Capture) -> str:
        """Stop listening; return what was heard."""
        with self._lock:
            if self._capture is capture:
                self._capture = None
        return capture.stop()


_outermost = _Outermost()
claim = _outermost.claim
release = _outermost.release
