"""Read JSON and remember where each text stands."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

_BLANK = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_OTHER = re.compile(r"[^\s,\]}]+")


@dataclass(frozen=True)
class Text:
    """A text of a JSON document.

    Parameters
    ----------
    value
        What it says.
    start, end
        Where it stands, quotes included.
    """

    value: str
    start: int
    end: int


def places(text: str) -> Any:
    """Parse a document into dictionaries, lists and `Text`; numbers and words are `Text` too.

    Raises
    ------
    ValueError
        If it is no JSON.
    """
    json.loads(text)
    return _value(text, _skip(text, 0))[0]


def _skip(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return match.end() if match else position


def _value(text: str, position: int) -> tuple[Any, int]:
    if text[position] == '"':
        string = _STRING.match(text, position)
        if string is None:
            raise ValueError(f"an open text at character {position}")
        return Text(json.loads(string.group(), strict=False), position, string.end()), string.end()
    if text[position] in "[{":
        return _collection(text, position)
    match = _OTHER.match(text, position)
    if match is None:
        raise ValueError(f"no JSON at character {position}")
    return Text(match.group(), position, match.end()), match.end()


def _collection(text: str, position: int) -> tuple[Any, int]:
    is_list = text[position] == "["
    items: list[Any] = []
    keys: list[str] = []
    position = _skip(text, position + 1)
    while text[position] not in "]}":
        if not is_list:
            key, position = _value(text, position)
            keys.append(key.value)
            position = _skip(text, _skip(text, position) + 1)
        item, position = _value(text, position)
        items.append(item)
        position = _skip(text, position)
        if text[position] == ",":
            position = _skip(text, position + 1)
    return (items if is_list else dict(zip(keys, items, strict=True))), position + 1
