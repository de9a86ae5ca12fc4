"""Credentials never reach a log, a repr or the text of an error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"

# Greedy up to the last "@": a password may hold an unescaped "/", "?" or "@", and hiding too much harms nobody.
# A file has no user, and its path may well hold an "@".
_USERINFO = re.compile(r"(?<![A-Za-z0-9+.-])((?!sqlite|file)[A-Za-z][A-Za-z0-9+.-]*://)\S*@")
SENSITIVE = r"pass(?:word|wd)?|pwd|secret|token|signature|sig|credentials?|api_?key|access_?key"
_PARAMETER = re.compile(rf"(?i)([?&;][\w-]*?(?:{SENSITIVE})(?:[_-][\w-]*)?=)[^&;\s]*")
_KEY = re.compile(rf"(?i)(?:.*[_-])?(?:{SENSITIVE})(?:[_-].*)?")


def mask_credentials(text: str) -> str:
    """Hide the user part and the secret parameters of every URL in a text.

    Examples
    --------
    >>> mask_credentials("postgresql://me:word@host/db?sslpassword=x")
    'postgresql://***@host/db?sslpassword=***'
    >>> mask_credentials("https://host/mlflow?token=x&page=1")
    'https://host/mlflow?token=***&page=1'
    """
    return _PARAMETER.sub(rf"\1{HIDDEN}", _USERINFO.sub(rf"\1{HIDDEN}@", text))


def masked(value: Any, key: object = "") -> Any:
    """Copy a nested value with every credential hidden, by URL and by the name of its key."""
    if isinstance(key, str) and _KEY.fullmatch(key) and value is not None:
        return HIDDEN
    if isinstance(value, str):
        return mask_credentials(value)
    if isinstance(value, Mapping):
        return {name: masked(item, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item) for item in value]
    return value
