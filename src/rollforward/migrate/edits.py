"""Changes of a text at exact positions; all that is between them stays as it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Span = tuple[int, int]
_COMMA = re.compile(r"(?:[^,#]|#[^\r\n]*)*?(,)")
_GAP = re.compile(r"[ \t\f]*")


@dataclass(frozen=True, order=True)
class Edit:
    """Put a text in the place of another.

    Parameters
    ----------
    start, end
        The place, in characters; if they are equal, the text is inserted.
    text
        What comes there.
    """

    start: int
    end: int
    text: str


def apply(text: str, edits: Iterable[Edit]) -> str:
    """Change a text.

    An edit inside another one's place is dropped; insertions at one place keep their order.
    """
    parts, position = [], 0
    for edit in outermost(edits):
        parts += [text[position : edit.start], edit.text]
        position = edit.end
    return "".join([*parts, text[position:]])


def outermost(edits: Iterable[Edit]) -> list[Edit]:
    """Sort edits by place and leave out those that another one covers."""
    kept: list[Edit] = []
    # Of edits that start together an insertion comes first, and then the longest.
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end > edit.start, -edit.end)):
        if not kept or edit.start >= kept[-1].end:
            kept.append(edit)
    return kept


def without(text: str, items: Sequence[Span], drop: set[int], end: int) -> list[Edit]:
    """Take items out of a list that is separated by commas.

    Comments stay. A line that is empty then goes.

    Parameters
    ----------
    text
        All of it.
    items
        Where the items are, in order.
    drop
        Which of them go, by number.
    end
        Where the list ends.
    """
    commas = [_comma(text, item[1], following) for item, following in _pairs(items, end)]
    kept = max(set(range(len(items))) - drop, default=-1)
    pieces: list[Span] = []
    for number in sorted(drop):
        pieces.append(items[number])
        comma = commas[number]
        if number > kept and commas[-1] is None:
            comma = commas[number - 1]
        if comma is not None:
            pieces.append((comma, comma + 1))
    return [Edit(start, stop, "") for start, stop in _with_blanks(text, sorted(pieces), end)]


def _pairs(items: Sequence[Span], end: int) -> list[tuple[Span, int]]:
    following = [start for start, _ in items[1:]]
    return list(zip(items, [*following, end], strict=True))


def _comma(text: str, start: int, end: int) -> int | None:
    match = _COMMA.match(text, start, end)
    return match.start(1) if match else None


def _with_blanks(text: str, pieces: list[Span], end: int) -> list[Span]:
    """Take the blanks along that would stay behind, and the lines that would be empty."""
    joined: list[Span] = []
    for start, stop in pieces:
        if joined and not text[joined[-1][1] : start].strip(" \t\f"):
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return [_wide(text, piece, end) for piece in joined]


def _wide(text: str, piece: Span, end: int) -> Span:
    start, stop = piece
    after = _end_of_blanks(text, stop)
    before = start
    while before > 0 and text[before - 1] in " \t\f":
        before -= 1
    is_first, is_last = before == 0 or text[before - 1] in "\r\n", after == len(text) or text[after] in "\r\n"
    if is_first and is_last:
        return before, _end_of_newline(text, after)
    if is_last or after >= end or text[after] == ")":
        return before, stop
    return (before, stop) if text[after] == "#" and not is_first else (start, after)


def _end_of_blanks(text: str, position: int) -> int:
    match = _GAP.match(text, position)
    return match.end() if match else position


def _end_of_newline(text: str, position: int) -> int:
    if text[position : position + 2] == "\r\n":
        return position + 2
    return min(position + 1, len(text))
