"""Copy, flatten, merge and hash plain configurations."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from rollforward.errors import InstantiationError

FLATTEN_TUPLE = "_FLATTEN_TUPLE"
DROP = "__DROP__"
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


def rebuild(value: Any, change: Callable[[Any, Any], Any]) -> Any:
    """Copy one level of a dictionary, list or tuple; any other object is returned as it is.

    Parameters
    ----------
    value
        A named tuple stays of its type; any mapping becomes a dictionary.
    change
        Gets each item and its key or position, and returns what takes its place.
    """
    if isinstance(value, Mapping):
        return {key: change(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [change(item, i) for i, item in enumerate(value)]
    if isinstance(value, tuple):
        items = [change(item, i) for i, item in enumerate(value)]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return value


def deepcopy_basic_type(obj: Any) -> Any:
    """Copy nested dictionaries, lists and tuples; the objects in them are shared."""
    return rebuild(obj, lambda item, _: deepcopy_basic_type(item))


def flatten_dict(d: Mapping[Any, Any], parent_key: Any = "", sep: str = ".") -> dict[Any, Any]:
    """Flatten nested dictionaries into one level.

    Parameters
    ----------
    d
        Nested dictionaries. Empty ones leave no trace; lists are values.
    parent_key
        Put before every key.
    sep
        Between the keys of a path, which are texts then; `FLATTEN_TUPLE` keeps the keys as they are and gives the path
        as one flat tuple. A path of a single key is that key.

    Raises
    ------
    InstantiationError
        If two paths give the same key.

    Examples
    --------
    >>> flatten_dict({"a": 1, "c": {"b": {"x": 5}}})
    {'a': 1, 'c.b.x': 5}
    >>> flatten_dict({"a": 1, "c": {"b": {"x": 5}}}, sep=FLATTEN_TUPLE)
    {'a': 1, ('c', 'b', 'x'): 5}
    """
    flat: dict[Any, Any] = {}
    prefix = () if parent_key in ("", ()) else (parent_key,)
    for path, value in _leaves(d, prefix):
        key = _joined(path, sep)
        if key in flat:
            raise InstantiationError(
                f"Two values flatten to the key {key!r}.", "one value for each key.", f"Rename a key in {path!r}."
            )
        flat[key] = value
    return flat


def _leaves(d: Mapping[Any, Any], path: tuple[Any, ...]) -> list[tuple[tuple[Any, ...], Any]]:
    found = []
    for key, value in d.items():
        here = (*path, key)
        found.extend(_leaves(value, here) if isinstance(value, Mapping) else [(here, value)])
    return found


def _joined(path: tuple[Any, ...], sep: str) -> Any:
    if sep == FLATTEN_TUPLE:
        return path[0] if len(path) == 1 else path
    return sep.join(str(key) for key in path)


def update_config(base_config: Mapping[str, Any], ext_config: Mapping[str, Any] | list[Any]) -> dict[str, Any]:
    """Merge configurations; the arguments stay as they are.

    Parameters
    ----------
    base_config
        What holds where the extension says nothing.
    ext_config
        One extension, or a list of them applied in turn. Dictionaries are merged, everything else is replaced, and the
        value ``"__DROP__"`` removes its key.

    Examples
    --------
    >>> update_config({"a": {"x": 1, "y": 2}, "b": 3}, {"a": {"x": 10}, "b": "__DROP__"})
    {'a': {'x': 10, 'y': 2}}
    """
    merged: dict[str, Any] = deepcopy_basic_type(base_config)
    for extension in ext_config if isinstance(ext_config, list) else [ext_config]:
        _merge(merged, extension)
    return merged


def _merge(base: dict[str, Any], extension: Mapping[str, Any]) -> None:
    for key, value in extension.items():
        if isinstance(value, str) and value == DROP:
            base.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        elif isinstance(value, Mapping):
            base[key] = {}
            _merge(base[key], value)
        else:
            base[key] = deepcopy_basic_type(value)


def hash_args(*args: Any) -> str:
    """Return a short name for plain arguments: 32 hexadecimal digits, as Qlib's.

    Use `rollforward.data.identity.content_hash` where the identity matters: this one spells dates and paths as text.

    Raises
    ------
    InstantiationError
        If an argument holds an object whose text is another one in each process.
    """
    text = json.dumps(args, sort_keys=True, default=_spelt)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _spelt(value: Any) -> str:
    text = str(value)
    if _ADDRESS.search(text):
        raise InstantiationError(
            f"An object of type {type(value).__name__} cannot be hashed: its text holds its address.",
            "texts, numbers, dates, paths, lists and dictionaries.",
            "Describe the object by its configuration.",
        )
    return text
