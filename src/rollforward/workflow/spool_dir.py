"""Where the journals of a store lie on this machine."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

from rollforward.settings.masking import mask_credentials
from rollforward.settings.state import current

SUFFIX = ".jsonl"
_STRANGERS = re.compile(r"[^A-Za-z0-9.-]+")
_SLUG, _DIGITS = 40, 12


def store_folder(uri: str) -> Path:
    """Return the folder for what waits for a store; nothing is created.

    Two addresses that differ in their credentials only are the same store.

    Parameters
    ----------
    uri
        The store.
    """
    address = store_address(uri)
    slug = _STRANGERS.sub("-", address.partition("://")[2] or address).strip("-.")[:_SLUG]
    digest = hashlib.sha256(address.encode(errors="replace")).hexdigest()[:_DIGITS]
    return spool_dir() / f"{slug}-{digest}"


def store_address(uri: str) -> str:
    """Return the address of a store without credentials."""
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    return mask_credentials(parts._replace(netloc=host).geturl()).rstrip("/")


def spool_dir() -> Path:
    """Return the folder of all journals: the setting, or the user's folder for the state of programs."""
    chosen = current().spool_dir
    return Path(chosen).expanduser().absolute() if chosen else _state_home() / "rollforward" / "spool"


def _state_home() -> Path:
    given = os.environ.get("XDG_STATE_HOME", "")
    if Path(given).is_absolute():
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path.home() / ".local" / "state"
