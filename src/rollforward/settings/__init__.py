"""Where runs, tasks and sessions are found: arguments > environment > file > defaults.

Nothing is read at import. `init` is optional: the first `current` computes the same settings from the
environment, the nearest configuration file and the defaults.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rollforward.settings.masking import mask_credentials
    from rollforward.settings.state import change, current, init, install, override, register_guard, reset
    from rollforward.settings.values import Settings

__all__ = [
    "Settings",
    "change",
    "current",
    "init",
    "install",
    "mask_credentials",
    "override",
    "register_guard",
    "reset",
]

_HOMES = {"Settings": "values", "mask_credentials": "masking"}


def __getattr__(name: str) -> Any:
    """Load the module behind a public name when the name is first used."""
    if name in __all__:
        return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'state')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
