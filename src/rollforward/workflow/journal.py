"""A file beside a run, in which each call is kept until the store has it.

The file belongs to one process, which holds a lock on it for as long as it lives: whoever gets the lock knows that the
owner is dead. A line is written in one go before the call returns, so that it outlives the process (not the machine:
nothing is synced). The first line says whose it is and how much of the file the store has taken; when it has taken
everything, the file is cut to that line.

    {"sent":213                 ,"format":1,"store":"http://...","run":"...", ...}
    ["m",1700000000000,0,{"loss":0.5}]      metrics: time in ms, step, values
    ["p",{"alpha":"1"}]                     params
    ["t",{"kind":"fold"}]                   tags
    ["d",["old"]]                           deleted tags
    ["n","name"]                            name of the run
    ["i",{"dataset":{"name":"prices",...},"tags":{}}]   what data the run works on
    ["f","3"]                               files to upload, from folder 3 of <file>.files
    ["e","FINISHED",1700000000000]          end: status, time in ms

A forked process neither writes to the file nor unlocks it. Nothing here knows MLflow.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import threading
import time
import weakref
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from rollforward.errors import SpoolError
from rollforward.workflow.descriptors import is_still, lock, read_at, write_all
from rollforward.workflow.spool_dir import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FORMAT = 1
METRICS, PARAMS, TAGS, UNTAG, NAME, INPUT, FILES, END = "m", "p", "t", "d", "n", "i", "f", "e"
CHUNK = 256 * 1024
# A journal that is never empty is copied to a shorter one when so much of it is sent, and so little is not.
_LONG, _SHORT = 8 * 1024 * 1024, 1024 * 1024
_START, _DIGITS = b'{"sent":', 20
_HOUR = 3600.0
_FLAGS = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)

encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class Journal:
    """One journal that this process has locked; see `create` and `take_over`.

    Positions count the bytes that were ever in the file, so that they stay what they are when it gets shorter.

    Parameters
    ----------
    path
        The file.
    writing, reading
        Two descriptors of it; the first appends, and holds the lock.

    Attributes
    ----------
    header
        The first line as a dictionary.
    sent
        Position up to which the store has taken it.
    """

    def __init__(self, path: Path, writing: int, reading: int) -> None:
        self.path = path
        self._writing, self._reading = writing, reading
        # Reentrant: a signal handler may log while this thread is inside.
        self._lock = threading.RLock()
        self._base = 0
        self._first, self.header = _first_line(reading)
        self.sent = max(len(self._first), int(self.header.get("sent", 0)))
        _journals.add(self)
        _fork.ensure()

    @classmethod
    def create(cls, folder: Path, run_id: str, header: Mapping[str, Any]) -> Journal:
        """Begin a journal in a folder, which is created too.

        Raises
        ------
        SpoolError
            If it cannot be written.
        """
        path = folder / f"{run_id}.{secrets.token_hex(4)}{SUFFIX}"
        with _clear(path):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            writing = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            try:
                lock(writing, wait=True)
                first = _START + b"0".ljust(_DIGITS) + b"," + encode({"format": FORMAT, **header}).encode()[1:] + b"\n"
                write_all(writing, first)
                return cls(path, writing, os.open(path, _FLAGS))
            except BaseException:
                os.close(writing)
                path.unlink(missing_ok=True)
                raise

    @classmethod
    def take_over(cls, path: Path) -> Journal | None:
        """Lock the journal of a dead process.

        Returns
        -------
        Journal or None
            ``None`` if its owner lives, if it is gone, or if there is no whole line in it.

        Raises
        ------
        SpoolError
            If it cannot be read, or is of a newer version.
        """
        with _clear(path):
            try:
                writing = os.open(path, _FLAGS | os.O_APPEND)
            except FileNotFoundError:
                return None
            if not lock(writing, wait=False) or not is_still(path, writing):
                os.close(writing)
                return None
            reading = os.open(path, _FLAGS)
            line, header = _first_line(reading)
        if line and header.get("format") == FORMAT:
            return cls(path, writing, reading)
        is_old = time.time() - os.fstat(writing).st_mtime > _HOUR
        os.close(writing)
        os.close(reading)
        if line:
            raise SpoolError(
                f"{path} is a journal of format {header.get('format')!r}.",
                f"format {FORMAT}.",
                "It was written by another version of rollforward: upload it with that one.",
            )
        if is_old:
            # Nothing was ever kept in it.
            path.unlink(missing_ok=True)
        return None

    @property
    def files(self) -> Path:
        """The folder beside it, for files that are to be uploaded."""
        return self.path.with_name(f"{self.path.name}.files")

    @property
    def end(self) -> int:
        """The position behind the last line."""
        with self._lock:
            return self.sent if self._writing < 0 else self._base + os.fstat(self._writing).st_size

    @property
    def changed_at(self) -> float:
        """Seconds since 1970 of the last change."""
        return os.fstat(self._writing).st_mtime

    def append(self, lines: bytes) -> None:
        """Write whole lines, all or nothing.

        Raises
        ------
        SpoolError
            If there is no room for them.
        """
        with self._lock:
            try:
                written = os.write(self._writing, lines)
            except OSError as error:
                raise _cannot(self.path, error) from error
            if written != len(lines):
                self._complete(lines, written)

    def _complete(self, lines: bytes, written: int) -> None:
        """Write the rest, or find out why it does not fit and take back what was written."""
        before = os.fstat(self._writing).st_size - written
        try:
            write_all(self._writing, lines[written:])
        except OSError as error:
            os.ftruncate(self._writing, before)
            raise _cannot(self.path, error) from error

    def read(self, position: int, size: int = CHUNK) -> bytes:
        """Read whole lines from a position on; a last line that was cut by the end of its process is left out."""
        with self._lock:
            data = read_at(self._reading, position - self._base, size)
        whole = data.rfind(b"\n") + 1
        if not whole and len(data) == size:
            return self.read(position, 4 * size)
        return data[:whole]

    def acknowledge(self, position: int) -> None:
        """Take note that the store has everything up to a position."""
        with self._lock:
            self.sent = position
            self._note(position - self._base)
            rest = self.end - position
            try:
                if rest == 0:
                    self._cut()
                elif position - self._base > _LONG and rest < _SHORT:
                    self._shorten()
            except OSError:
                # It stays as long as it is: that costs room, and nothing else.
                return

    def remove(self) -> None:
        """Delete the file, and give it up."""
        with suppress(OSError):
            if sys.platform != "win32":  # there, only what is closed can be deleted
                self.path.unlink(missing_ok=True)
        self.close()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        shutil.rmtree(self.files, ignore_errors=True)

    def close(self) -> None:
        """Give the file up as it is: the next one who wants it gets the lock."""
        with self._lock:
            descriptors, self._writing, self._reading = (self._writing, self._reading), -1, -1
            for descriptor in descriptors:
                if descriptor >= 0:
                    os.close(descriptor)

    def start_afresh(self) -> None:
        """After a fork: the file is the parent's, and so is the lock."""
        self._lock = threading.RLock()
        self.close()

    def _note(self, sent: int) -> None:
        os.lseek(self._reading, len(_START), os.SEEK_SET)
        os.write(self._reading, str(sent).encode().ljust(_DIGITS))

    def _cut(self) -> None:
        """Cut to the first line. If that is interrupted, the file ends before what is noted as sent: all of it is."""
        first = len(self._first)
        size = os.fstat(self._writing).st_size
        os.ftruncate(self._writing, first)
        self._base += size - first
        self._note(first)

    def _shorten(self) -> None:
        """Put a file in its place that has only what is not sent: at any moment one or the other is there, locked."""
        sent = self.sent - self._base
        rest = read_at(self._reading, sent, _SHORT)
        path = self.path.with_name(f"{self.path.name}.new")
        path.unlink(missing_ok=True)
        writing = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            lock(writing, wait=True)
            first = _START + str(len(self._first)).encode().ljust(_DIGITS) + self._first[len(_START) + _DIGITS :]
            write_all(writing, first + rest)
            reading = os.open(path, _FLAGS)
            path.replace(self.path)
        except BaseException:
            os.close(writing)
            path.unlink(missing_ok=True)
            raise
        self.close()
        self._writing, self._reading = writing, reading
        self._base += sent - len(first)


def _first_line(descriptor: int) -> tuple[bytes, dict[str, Any]]:
    data = read_at(descriptor, 0, CHUNK)
    end = data.find(b"\n") + 1
    if not end or not data.startswith(_START):
        return b"", {}
    try:
        header = json.loads(data[:end])
    except ValueError:
        return b"", {}
    return data[:end], header


@contextmanager
def _clear(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _cannot(path, error) from error


def _cannot(path: Path, error: OSError) -> SpoolError:
    return SpoolError(
        f"The journal {path} cannot be written: {error.strerror or error}.",
        "a folder on this machine that can be written, with room.",
        "Make room, choose another folder with init(spool_dir=...), or do without a journal: init(spool='off').",
    )


class _Fork:
    """Closes in a child what belongs to its parent, so that no child keeps a journal locked after its owner's death."""

    def __init__(self) -> None:
        self._is_registered = False

    def ensure(self) -> None:
        if not self._is_registered and hasattr(os, "register_at_fork"):
            self._is_registered = True
            os.register_at_fork(after_in_child=self._close_all)

    def _close_all(self) -> None:
        for journal in list(_journals):
            journal.start_afresh()


_journals: weakref.WeakSet[Journal] = weakref.WeakSet()
_fork = _Fork()
