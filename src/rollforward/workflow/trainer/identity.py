"""Which code a task runs, and which model: the two identities that the text of a task does not hold."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import logging
import re
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from rollforward.data.identity import content_hash
from rollforward.errors import InstantiationError, TaskError
from rollforward.instantiate import get_callable_kwargs

logger = logging.getLogger(__name__)

_OURS = "rollforward"
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_DOTTED = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+")
_TEST = "test"


class _UnknownSourceError(Exception):
    """Code that was typed into an interpreter and can be read nowhere."""


def code_hash(task: Mapping[str, Any]) -> str | None:
    """Hash the source of all of the user's own modules that a task names: 64 hexadecimal digits.

    A module counts if one of its classes or functions is named, as a class or as a text, or is a base of a class that
    is; what it imports in turn does not. The standard library, rollforward and what is installed in ``site-packages``
    have versions and are passed over. A module that moves keeps its part.

    Parameters
    ----------
    task
        With its references resolved, and checked: what it names has been imported.

    Returns
    -------
    str or None
        ``None`` if some of the code can be read nowhere, because it was typed into an interpreter.
    """
    try:
        return content_hash(sorted(set(_sources(task))))
    except _UnknownSourceError as error:
        logger.debug("The code of the task has no hash: %s", error)
        return None


def model_hash(
    task: Mapping[str, Any], segments: Mapping[str, Any], data_hash: str, code: str | None
) -> tuple[str | None, str]:
    """Hash all that decides what model a task fits: everything but what it is tested on.

    Parameters
    ----------
    task
        With its references resolved. Its test segment and its handler's ``end_time`` are left out.
    segments
        The ranges of each segment.
    data_hash, code
        Identities of its data and of its code.

    Returns
    -------
    hash, reason
        ``None`` and why, if something in the task has no identity.
    """
    if code is None:
        return None, "its code can be read nowhere"
    parts = {
        "model": task["model"],
        "dataset": _without_test(task["dataset"]),
        "segments": {name: segment for name, segment in segments.items() if name != _TEST},
        "reweighter": task.get("reweighter"),
        "data": data_hash,
        "code": code,
    }
    try:
        return content_hash(parts), ""
    except TaskError as error:
        return None, error.given


def _without_test(dataset: Any) -> Any:
    if not isinstance(dataset, Mapping) or not isinstance(dataset.get("kwargs"), Mapping):
        return dataset
    kwargs = {key: value for key, value in dataset["kwargs"].items() if key != "segments"}
    handler = kwargs.get("handler")
    if isinstance(handler, Mapping) and isinstance(handler.get("kwargs"), Mapping):
        kept = {key: value for key, value in handler["kwargs"].items() if key != "end_time"}
        kwargs["handler"] = {**handler, "kwargs": kept}
    return {**dataset, "kwargs": kwargs}


def _sources(value: Any) -> Iterator[tuple[str, str]]:
    """Yield name and hash of each of the user's modules below a place of a task."""
    if isinstance(value, Mapping):
        named = _named(value)
        if named is not None:
            yield from _sources_of_object(named)
        for item in value.values():
            yield from _sources(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _sources(item)
    elif isinstance(value, str):
        yield from _sources_of_text(value)
    elif callable(value):
        yield from _sources_of_object(value)
    elif type(value).__module__ != "builtins":
        yield from _sources_of_object(type(value))


def _named(config: Mapping[Any, Any]) -> Any:
    """Return what a configuration names together with its module; ``None`` if it is none."""
    target = config.get("class", config.get("func"))
    if not isinstance(target, str) or not isinstance(config.get("module_path"), str):
        return None
    try:
        return get_callable_kwargs({"class": target, "module_path": config["module_path"]})[0]
    except InstantiationError:
        # A dictionary of the user's that only looks like a configuration.
        return None


def _sources_of_text(text: str) -> Iterator[tuple[str, str]]:
    if _DOTTED.fullmatch(text) is None:
        return
    module_path, _, name = text.rpartition(".")
    module = sys.modules.get(module_path)
    if module is not None:
        found = getattr(module, name, None)
        if callable(found):
            yield from _sources_of_object(found)
            return
    for path in (text, module_path):
        file = _file_of(path)
        if file is not None:
            yield path, _digest_of(file)
            return


def _sources_of_object(found: Any) -> Iterator[tuple[str, str]]:
    """Yield the modules of a class and its bases, or of a function and what it wraps."""
    found = getattr(found, "func", found)  # a partial
    for owner in found.__mro__ if isinstance(found, type) else (inspect.unwrap(found),):
        name = str(getattr(owner, "__module__", None) or type(owner).__module__)
        if name.partition(".")[0] in {_OURS, *sys.builtin_module_names}:
            continue
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is None:
            yield from _source_of_typed(owner, name)
        elif _is_own(file):
            yield name, _digest_of(Path(file))


def _source_of_typed(owner: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield the source of what has no file; a notebook keeps it all the same."""
    if name.partition(".")[0] in sys.stdlib_module_names - {"__main__"}:
        return
    try:
        source = inspect.getsource(owner)
    except (OSError, TypeError) as error:
        raise _UnknownSourceError(f"{name}.{getattr(owner, '__qualname__', owner)}: {error}") from error
    yield f"{name}.{owner.__qualname__}", hashlib.sha256(source.encode()).hexdigest()


def _file_of(module_path: str) -> Path | None:
    """Find the file of a module of the user's without importing anything."""
    top, *inner = module_path.split(".")
    if top == _OURS or top in sys.stdlib_module_names:
        return None
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not _is_own(spec.origin):
        return None
    if not inner:
        return Path(spec.origin)
    folders = [Path(folder).joinpath(*inner) for folder in spec.submodule_search_locations or ()]
    files = [file for folder in folders for file in (folder.with_name(f"{folder.name}.py"), folder / "__init__.py")]
    return next((file for file in files if file.is_file()), None)


@cache
def _is_own(file: str) -> bool:
    """Tell whether a file is neither installed nor part of Python."""
    path = Path(file)
    if _INSTALLED & set(path.parts) or not path.is_file():
        return False
    return not any(path.is_relative_to(sysconfig.get_path(key)) for key in ("stdlib", "platstdlib"))


def _digest_of(file: Path) -> str:
    stat = file.stat()
    return _digest(str(file), stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1024)
def _digest(file: str, *_state: int) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()
