"""What a page was made with."""

from __future__ import annotations

import platform
from importlib.metadata import version

from rollforward._version import __version__

_LIBRARIES = ("pandas", "numpy", "matplotlib")


def versions() -> dict[str, str]:
    """Name the program, the language and the libraries, with their versions."""
    return {
        "rollforward": __version__,
        "Python": platform.python_version(),
        **{library: version(library) for library in _LIBRARIES},
    }
