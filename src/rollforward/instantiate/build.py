"""Turn a configuration into an object, or check that it could be."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote

from rollforward.errors import InstantiationError
from rollforward.instantiate.locate import at, locate, split_module_path
from rollforward.instantiate.signatures import check_arguments, name_of, takes
from rollforward.settings.nearest import did_you_mean

_KEYS = ("class", "func", "kwargs", "module_path")
_FILE = "file://"


def init_instance_by_config(
    config: Any,
    default_module: Any = None,
    accept_types: type | tuple[type, ...] = (),
    try_kwargs: Mapping[str, Any] | None = None,
    *,
    where: str = "",
    **kwargs: Any,
) -> Any:
    """Build the object that a configuration describes.

    Parameters
    ----------
    config
        One of: an instance of `accept_types`, returned as it is; a dictionary with ``class`` or ``func`` (a name, a
        dotted name, or the callable itself), ``module_path`` (a dotted name, or the path of a ``.py`` file) and
        ``kwargs``; the text ``"package.module.Class"``; a path, or the text ``"file://..."``, of a stored object.
        A dotted class name wins over ``module_path``.
    default_module
        Module, or its name, for a configuration that names none.
    accept_types
        Types whose instances need no building.
    try_kwargs
        Arguments that are passed only if the signature takes them and the configuration does not set them. A class that
        takes ``**kwargs`` is expected to hand them to its base class, whose signature then decides.
    where
        Place of the configuration in a larger one, such as ``"dataset.kwargs.handler"``; it starts every message.
    **kwargs
        Further arguments of the callable; the configuration may not set them.

    Raises
    ------
    InstantiationError
        If the configuration is malformed, names something that does not exist, or its arguments do not fit the
        signature. What the callable itself raises reaches the caller as it is, with a note of the place.
    SerializationError
        If a stored object cannot be read.
    """
    if accept_types and isinstance(config, accept_types):
        return config
    path = _stored(config)
    if path is not None:
        from rollforward.serialize import load_object  # noqa: PLC0415  # few need it, and it loads all formats

        return load_object(path)
    func, given = get_callable_kwargs(config, default_module, where=where)
    check_arguments(func, given, where, supplied=kwargs, whole=False)
    offered = {name: value for name, value in (try_kwargs or {}).items() if name not in given and name not in kwargs}
    arguments = {**given, **kwargs, **{name: value for name, value in offered.items() if takes(func, name)}}
    check_arguments(func, arguments, where)
    try:
        return func(**arguments)
    except Exception as error:
        error.add_note(f"while building {name_of(func)}{f' at {where}' if where else ''} from its configuration")
        raise


def get_callable_kwargs(
    config: Any, default_module: Any = None, *, where: str = ""
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Find the callable of a configuration and its keyword arguments, without calling.

    Parameters
    ----------
    config
        A dictionary or a dotted name, as in `init_instance_by_config`.
    default_module
        Module, or its name, for a configuration that names none.
    where
        Place in the configuration, for the message.

    Raises
    ------
    InstantiationError
        If the configuration is malformed or names something that does not exist.
    """
    if isinstance(config, str):
        return _callable(config, default_module, where), {}
    if not isinstance(config, Mapping):
        raise InstantiationError(
            f"{at(where)}a configuration of type {type(config).__name__}.",
            'a dictionary {"class": ..., "module_path": ..., "kwargs": {...}}, a dotted name, or a path.',
            "Describe the object, or pass one of a type that is accepted here.",
        )
    target, kwargs = _parts(config, where)
    if isinstance(target, str):
        return _callable(target, config.get("module_path") or default_module, where), kwargs
    return _require_callable(target, where), kwargs


def preflight(
    config: Any,
    where: str = "",
    *,
    default_module: Any = None,
    supplied: Collection[str] = (),
    offered: Collection[str] = (),
) -> None:
    """Check all that can be checked before building: names are imported, arguments bound, nothing is called.

    Configurations inside the arguments are checked too where they name their module; arguments that their owner may
    still add are not missed there.

    Parameters
    ----------
    config
        As in `init_instance_by_config`; a live object is accepted.
    where
        Place in the configuration, for the message.
    default_module
        Module, or its name, for a configuration that names none.
    supplied
        Names of the arguments that the program itself will pass.
    offered
        Names of the arguments that it will pass if they are wanted (``try_kwargs``).

    Raises
    ------
    InstantiationError
        As `init_instance_by_config`, and if a stored object is not there.
    """
    path = _stored(config)
    if path is not None:
        _require_file(path, where)
    elif isinstance(config, str | Mapping):
        func, kwargs = get_callable_kwargs(config, default_module, where=where)
        wanted = [name for name in offered if name not in kwargs and name not in supplied and takes(func, name)]
        check_arguments(func, kwargs, where, supplied=[*supplied, *wanted])
        _preflight_inside(kwargs, f"{where}.kwargs" if where else "kwargs")


def _preflight_inside(value: Any, where: str) -> None:
    if isinstance(value, str) and value.startswith(_FILE):
        _require_file(cast(Path, _stored(value)), where)
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            _preflight_inside(item, f"{where}.{i}")
    elif isinstance(value, Mapping):
        if _names_its_module(value):
            func, kwargs = get_callable_kwargs(value, where=where)
            check_arguments(func, kwargs, where, whole=False)
        for key, item in value.items():
            _preflight_inside(item, f"{where}.{key}")


def _names_its_module(value: Mapping[Any, Any]) -> bool:
    if not set(value) <= set(_KEYS):
        return False
    target = value.get("class", value.get("func"))
    return isinstance(target, str) and (isinstance(value.get("module_path"), str) or "." in target)


def _parts(config: Mapping[str, Any], where: str) -> tuple[Any, dict[str, Any]]:
    for key in config:
        if key not in _KEYS:
            raise InstantiationError(
                f"{at(where)}a configuration has the key {key!r}.",
                f"keys {', '.join(_KEYS)}.",
                did_you_mean(key, _KEYS, otherwise=f"Move {key!r} into kwargs, or remove it."),
            )
    targets = [key for key in ("class", "func") if config.get(key) is not None]
    if len(targets) != 1:
        raise InstantiationError(
            f"{at(where)}a configuration with {'both class and func' if targets else 'neither class nor func'}.",
            'a dictionary {"class": ..., "module_path": ..., "kwargs": {...}}.',
            "Remove one of them." if targets else 'Add "class".',
        )
    kwargs = {} if config.get("kwargs") is None else config["kwargs"]
    if not isinstance(kwargs, Mapping) or not all(isinstance(key, str) for key in kwargs):
        raise InstantiationError(
            f"{at(where)}kwargs is {kwargs!r}.", "a dictionary of arguments by name.", "Correct kwargs."
        )
    return config[targets[0]], dict(kwargs)


def _callable(name: str, module: Any, where: str) -> Callable[..., Any]:
    own_module, attribute = split_module_path(name)
    home = own_module or module
    if not home or not attribute:
        raise InstantiationError(
            f"{at(where)}{name!r} names no module.",
            "a module_path beside the class, or a dotted name like package.module.Class.",
            f'Add "module_path" for {name!r}.',
        )
    return _require_callable(locate(home, attribute, where), where)


def _require_callable(target: Any, where: str) -> Callable[..., Any]:
    if callable(target):
        return cast(Callable[..., Any], target)
    raise InstantiationError(
        f"{at(where)}the class is an object of type {type(target).__name__}.",
        "a class or a function, or its name.",
        "Give the class itself, or pass the object in place of the whole configuration.",
    )


def _stored(config: Any) -> Path | None:
    """Return the path if the configuration is a stored object."""
    if isinstance(config, os.PathLike):
        return Path(config)
    if not isinstance(config, str) or not config.startswith(_FILE):
        return None
    raw = config.removeprefix(_FILE)
    # file:///C:/x names a drive; the slash before it belongs to the URL.
    raw = raw[1:] if re.match(r"/[A-Za-z]:", raw) else raw
    literal = Path(raw)
    return literal if literal.exists() else Path(unquote(raw))


def _require_file(path: Path, where: str) -> None:
    if not path.is_file():
        raise InstantiationError(
            f"{at(where)}there is no file {path}.", "the path of a stored object.", "Correct the path, or store it."
        )
