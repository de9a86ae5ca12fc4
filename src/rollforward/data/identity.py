"""When two configurations are the same, and whether the data behind them are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from rollforward.adapters.qlib import HANDLERS, LOADERS, data_digest, is_address, is_loaded, is_theirs
from rollforward.data.canonical import canonical, canonical_text
from rollforward.data.loader import BUNDLED_PREFIX, FILE_SUFFIXES, resolve_source
from rollforward.errors import DataSourceError, InstantiationError
from rollforward.instantiate import get_callable_kwargs

__all__ = ["canonical", "content_hash", "data_fingerprint", "unknown_source"]

_FILE = "file://"
# Arguments that take a function which returns data: of PriceHandler, DataHandler and CallableLoader.
_SOURCES = frozenset({"source", "data_loader", "function"})
_SUFFIXES = (
    *FILE_SUFFIXES,
    ".arrow",
    ".csv.bz2",
    ".csv.xz",
    ".csv.zip",
    ".csv.zst",
    ".feather",
    ".h5",
    ".hdf5",
    ".npy",
    ".npz",
    ".pickle",
    ".pkl",
)


def content_hash(obj: Any) -> str:
    """Hash an object by content: 64 hexadecimal digits, the SHA-256 of its canonical form.

    Parameters
    ----------
    obj
        As in `rollforward.data.canonical.canonical`, which states what equals what.

    Raises
    ------
    TaskError
        If something in it has no identity that another process would know; names the place.
    """
    return hashlib.sha256(canonical_text(canonical(obj)).encode()).hexdigest()


def data_fingerprint(config: Any) -> str:
    """Hash the content of all data that a configuration names: 64 hexadecimal digits.

    A file that is moved or renamed keeps its part; a file whose content changes does not, even if its size and name
    stay. A configuration without data has a fingerprint too.

    Parameters
    ----------
    config
        Nested dictionaries and lists. A text that ends like a data file and names one, an address ``"bundled:NAME"``, a
        path, and a frame or an array count as data, and so does every file below a folder of that name. Addresses of
        other machines (``scheme://...``) are not read; other objects are passed over. A handler or loader of Qlib's
        counts as all of Qlib's data.

    Raises
    ------
    DataSourceError
        If a text ends in .csv, .csv.gz or .parquet and there is no such file, or a file cannot be read.
    TaskError
        If a frame holds objects that cannot be hashed.
    """
    found = sorted(_digests(config, ""))
    if is_loaded() and _reads_qlib(config):
        found.append(("qlib", data_digest() or ""))
    return content_hash([[where, digest] for where, digest in found])


def unknown_source(config: Any, where: str = "") -> str | None:
    """Find a function among the sources of data that a configuration names.

    What it returns has no part in `data_fingerprint`, so two equal configurations may stand for different data.

    Parameters
    ----------
    config
        Of a dataset, a handler or a loader.
    where
        Its own place, for the result.

    Returns
    -------
    str or None
        The place of the first one, such as ``"dataset.kwargs.handler.kwargs.source"``; ``None`` if there is none, or if
        each has a `version` that names the state of its data.
    """
    if isinstance(config, Mapping):
        items = [(f"{where}.{key}" if where else str(key), item) for key, item in config.items()]
        if config.get("version") is None:
            asked = [(place, item) for place, item in items if place.rpartition(".")[2] in _SOURCES]
            found = next((place for place, item in asked if callable(item) and not isinstance(item, type)), None)
            if found is not None:
                return found
    elif isinstance(config, list | tuple):
        items = [(f"{where}.{i}", item) for i, item in enumerate(config)]
    else:
        return None
    return next((found for place, item in items if (found := unknown_source(item, place)) is not None), None)


def _reads_qlib(value: Any) -> bool:
    """Tell whether a configuration names a handler or loader that is one of Qlib's, or is derived from one."""
    if isinstance(value, list | tuple):
        return any(_reads_qlib(item) for item in value)
    if not isinstance(value, Mapping):
        return is_address(value) or is_theirs(value, HANDLERS) or is_theirs(value, LOADERS) or _reads_by_parts(value)
    if "class" in value:
        try:
            named = get_callable_kwargs({key: item for key, item in value.items() if key != "kwargs"})[0]
        except InstantiationError:
            named = None  # a dictionary that only looks like a configuration, or leaves its module to its owner
        if isinstance(named, type) and (is_theirs(named, HANDLERS) or is_theirs(named, LOADERS)):
            return True
    return any(_reads_qlib(item) for item in value.values())


def _reads_by_parts(value: Any) -> bool:
    """Look into a live dataset, or a live handler, for a loader of Qlib's."""
    parts = [getattr(value, name, None) for name in ("handler", "data_loader")]
    return any(part is not None and _reads_qlib(part) for part in parts)


def _digests(value: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str | Path):
        path = _data_path(value, where)
        if path is not None:
            yield from ((f"{where}{inner}", digest) for inner, digest in _read(path, where))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _digests(item, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _digests(item, f"{where}.{i}" if where else str(i))
    elif isinstance(value, pd.DataFrame | pd.Series):
        yield where, content_hash(value)


def _data_path(value: str | Path, where: str) -> Path | None:
    text = str(value)
    if text.startswith(BUNDLED_PREFIX):
        return resolve_source(text)
    text = text.removeprefix(_FILE)
    if "://" in text or not text.lower().endswith(_SUFFIXES):
        return None
    path = Path(text).expanduser()
    if _exists(path):
        return path
    if text.lower().endswith(FILE_SUFFIXES):
        raise DataSourceError(
            f"{where}: there is no file {text}." if where else f"There is no file {text}.",
            f"the path of a data file, absolute or relative to {Path.cwd()}.",
            "Correct the path, or start where it is.",
        )
    return None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        # Too long, or with a NUL in it: no path at all.
        return False


def _read(path: Path, where: str) -> Iterator[tuple[str, str]]:
    files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
    for file in files:
        try:
            stat = file.stat()
            digest = _digest(str(file.resolve()), stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
        except OSError as error:
            raise DataSourceError(
                f"{where}: {file} cannot be read: {error.strerror}.", "a file that may be read.", "Correct its rights."
            ) from error
        yield ("" if file == path else f"/{file.relative_to(path).as_posix()}"), digest


@lru_cache(maxsize=1024)
def _digest(path: str, *_state: int) -> str:
    """Hash a file; its state (times, size, number) is part of the key, so a file that changed is read again."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
