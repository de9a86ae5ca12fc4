"""Artifacts from elsewhere of which a copy is on this machine.

Only an artifact of which one content is expected has a copy: of one that is being replaced it is not known which
content is the one.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from rollforward.serialize import read_object
from rollforward.serialize.trust import trusted
from rollforward.workflow.mlflow_backend.artifacts.content import is_one_of

if TYPE_CHECKING:
    from rollforward.workflow.file_cache import FileCache
    from rollforward.workflow.mlflow_backend.artifacts.content import Digest


def load_copy(cache: FileCache | None, expected: tuple[Digest, ...], name: str, unpickler: Any) -> tuple[Any] | None:
    """Read an object from a copy, checked as a file of this machine is; ``None`` if there is no whole one."""
    if cache is None or len(expected) != 1:
        return None
    copy = cache.open(expected[0].sha256)
    if copy is None:
        return None
    with copy:
        if is_one_of(copy, expected, thorough=trusted() is not None):
            return (read_object(copy, name, unpickler),)
    cache.drop(expected[0].sha256)
    return None


def keep_copy(cache: FileCache | None, expected: tuple[Digest, ...], file: IO[bytes]) -> None:
    """Keep a copy of an artifact whose SHA-256 has been compared with the one that is expected."""
    if cache is not None and len(expected) == 1:
        cache.keep(expected[0].sha256, file)
