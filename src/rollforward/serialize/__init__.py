"""What is written how: objects to files and back, by the file's suffix.

A file appears whole or not at all: it is written beside its place and moved there at the end. Reading a pickle runs
code that its writer chose: read only files from where you would run a program, or set ``trusted_classes``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rollforward.serialize.atomic import atomic_write
    from rollforward.serialize.files import load_object, read_object, save_object, write_object
    from rollforward.serialize.serializable import Serializable
    from rollforward.serialize.trust import classes_of, restricted_unpickler

_HOMES = {
    "Serializable": "serializable",
    "atomic_write": "atomic",
    "classes_of": "trust",
    "load_object": "files",
    "read_object": "files",
    "restricted_unpickler": "trust",
    "save_object": "files",
    "write_object": "files",
}

__all__ = [
    "Serializable",
    "atomic_write",
    "classes_of",
    "load_object",
    "read_object",
    "restricted_unpickler",
    "save_object",
    "write_object",
]


def __getattr__(name: str) -> Any:
    """Load the module behind a public name when the name is first used."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
