"""What tells one content of an artifact from another, and where a run keeps it.

A run has a tag ``mlflow.rollforward.sha256.<artifact>`` for each object that was saved: tags come with every listing of
runs, so that a check costs no request, and MLflow's pages hide tags whose names begin with ``mlflow.``.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, NamedTuple, Protocol, Self

from rollforward.errors import StoreUnreachableError, TrackingError
from rollforward.workflow.mlflow_backend.values import check_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from mlflow.entities import Run

TAG = "mlflow.rollforward.sha256."
# Between two calls a reader may use the processor's cache: larger pieces are slower.
_PIECE = 2**18
_SHOWN = 12
_UNKNOWN = "-"
_RUNNING = "RUNNING"


class Digest(NamedTuple):
    """A content: what it hashes to, and what is checked quickly.

    CRC-32 runs at the speed of memory and finds what accidents do; SHA-256 takes longer than reading a local file, and
    finds what somebody did on purpose.
    """

    sha256: str
    crc32: str
    size: int

    @classmethod
    def of(cls, file: IO[bytes]) -> Self:
        """Read a file that is open, and go back to its beginning."""
        digest, checksum = hashlib.sha256(), 0
        while piece := file.read(_PIECE):
            digest.update(piece)
            checksum = zlib.crc32(piece, checksum)
        size = file.tell()
        file.seek(0)
        return cls(digest.hexdigest(), f"{checksum:08x}", size)

    @classmethod
    def parse(cls, text: str) -> tuple[Self, ...]:
        """Read the value of a tag: the contents that an artifact may have; empty means that any will do."""
        found = []
        for part in text.split():
            with suppress(ValueError):
                sha256, crc32, size = part.split(":")
                found.append(cls(sha256, crc32, int(size)))
        return tuple(found)

    @property
    def text(self) -> str:
        """The same as the value of a tag."""
        return f"{self.sha256}:{self.crc32}:{self.size}"

    def __str__(self) -> str:
        return f"{self.size} bytes with SHA-256 {self.sha256[:_SHOWN]}..."


def is_one_of(file: IO[bytes], expected: tuple[Digest, ...], *, thorough: bool) -> bool:
    """Whether a file that is open has an expected content; it is at its beginning afterwards.

    Parameters
    ----------
    file
        Binary, at its beginning.
    expected
        The contents that it may have; none means any.
    thorough
        Compare the SHA-256, not only size and CRC-32.
    """
    if not expected:
        return True
    size = os.fstat(file.fileno()).st_size
    if all(size != digest.size for digest in expected):
        return False
    if thorough:
        return Digest.of(file) in expected
    checksum = 0
    while piece := file.read(_PIECE):
        checksum = zlib.crc32(piece, checksum)
    file.seek(0)
    return any((size, f"{checksum:08x}") == (digest.size, digest.crc32) for digest in expected)


class PutTags(Protocol):
    """What sets tags of a run."""

    def __call__(self, tags: dict[str, str], *, wait: bool) -> None:
        """Set tags."""


class ContentTags:
    """The contents that the artifacts of a run should have.

    While an artifact is replaced its tag names both contents, so that neither a reader at that moment nor one after a
    process that died there takes either of them for damaged.

    Parameters
    ----------
    put
        Sets tags of the run; with ``wait`` it returns when they would survive this process.
    last
        Gives the run as it was last read; ``None`` if it never was.
    read
        Reads the run, after all that was logged is written.
    """

    def __init__(self, put: PutTags, last: Callable[[], Run | None], read: Callable[[], Run]) -> None:
        self._put_tags = put
        self._last = last
        self._read = read
        # What this object wrote, perhaps to a queue.
        self._own: dict[str, str] = {}

    def expected(self, name: str) -> tuple[Digest, ...]:
        """Return what is known without asking again; none means any."""
        key = _key(name)
        if key is None:
            return ()
        if key not in self._own and self._last() is None:
            self.refreshed(name)
        return self._known(key)

    def refreshed(self, name: str) -> tuple[tuple[Digest, ...], bool]:
        """Ask the store; also return whether the run goes on, so that somebody may be replacing the artifact."""
        key = _key(name)
        run = self._read()
        # What this object wrote was written before: what is there now is what counts.
        self._own.clear()
        return (() if key is None else self._known(key)), run.info.status == _RUNNING

    @contextmanager
    def replacing(self, files: Mapping[str, Path], *, put: bool = True) -> Iterator[dict[str, str]]:
        """Keep the contents of files that become artifacts in the block.

        Parameters
        ----------
        files
            Artifact to file.
        put
            Whether the tags of the new contents are set at the end of the block, or by whoever gets them.

        Yields
        ------
        dict
            These tags.
        """
        digests = {}
        for name, path in files.items():
            key = _key(name)
            if key is not None:
                with path.open("rb") as file:
                    digests[key] = Digest.of(file)
        both = {}
        for key, new in digests.items():
            old = [digest for digest in self._known(key) if digest != new]
            if old:
                # Of two that it may have now, the first is the newer one.
                both[key] = " ".join(digest.text for digest in (new, *old))
        self._put(both, wait=True)
        tags = {key: digest.text for key, digest in digests.items()}
        yield tags
        if put:
            self._put(tags)
        else:
            self._own |= tags

    def withdraw(self, names: Iterable[str]) -> None:
        """Say that artifacts are about to be replaced by something whose content is not kept."""
        keys = [key for name in names if (key := _key(name)) is not None and self._known(key)]
        self._put(dict.fromkeys(keys, _UNKNOWN), wait=True)

    def _known(self, key: str) -> tuple[Digest, ...]:
        run = self._last()
        text = self._own.get(key) or ("" if run is None else run.data.tags.get(key, ""))
        return Digest.parse(text)

    def _put(self, tags: dict[str, str], *, wait: bool = False) -> None:
        if not tags:
            return
        self._own |= tags
        with suppress(StoreUnreachableError):
            self._put_tags(tags, wait=wait)


def _key(name: str) -> str | None:
    """Return the tag of an artifact, or ``None`` for a name that no tag can have."""
    key = TAG + name
    try:
        check_keys([key], "tag")
    except TrackingError:
        return None
    return key
