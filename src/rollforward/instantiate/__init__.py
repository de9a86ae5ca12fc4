"""From a configuration to an object: dictionaries, placeholders, moved names.

A configuration names a callable and its arguments: ``{"class": "Ridge", "module_path": "sklearn.linear_model",
"kwargs": {"alpha": 1.0}}``. Everything that can be wrong with it is found before the callable is called; what the
callable itself raises reaches the caller unchanged, with a note of where in the configuration it was built.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rollforward.instantiate.build import get_callable_kwargs, init_instance_by_config, preflight
    from rollforward.instantiate.locate import get_module_by_module_path, split_module_path
    from rollforward.instantiate.moved import MOVED
    from rollforward.instantiate.placeholders import fill_placeholder, resolve_placeholders
    from rollforward.instantiate.signatures import auto_filter_kwargs
    from rollforward.instantiate.structure import (
        FLATTEN_TUPLE,
        deepcopy_basic_type,
        flatten_dict,
        hash_args,
        update_config,
    )

_HOMES = {
    "FLATTEN_TUPLE": "structure",
    "MOVED": "moved",
    "auto_filter_kwargs": "signatures",
    "deepcopy_basic_type": "structure",
    "fill_placeholder": "placeholders",
    "flatten_dict": "structure",
    "get_callable_kwargs": "build",
    "get_module_by_module_path": "locate",
    "hash_args": "structure",
    "init_instance_by_config": "build",
    "preflight": "build",
    "resolve_placeholders": "placeholders",
    "split_module_path": "locate",
    "update_config": "structure",
}

__all__ = [
    "FLATTEN_TUPLE",
    "MOVED",
    "auto_filter_kwargs",
    "deepcopy_basic_type",
    "fill_placeholder",
    "flatten_dict",
    "get_callable_kwargs",
    "get_module_by_module_path",
    "hash_args",
    "init_instance_by_config",
    "preflight",
    "resolve_placeholders",
    "split_module_path",
    "update_config",
]


def __getattr__(name: str) -> Any:
    """Load the module behind a public name when the name is first used."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
