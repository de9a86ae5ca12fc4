"""A mistake of a workflow file: where it is, what was given, what was expected, what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from rollforward.errors import RollforwardError, WorkflowFileError
from rollforward.settings.masking import mask_credentials

KeyPath: TypeAlias = tuple[Any, ...]

_MOST_SHOWN = 10
_ESCAPED = re.compile(r"[\\.=]")


@dataclass(frozen=True, order=True)
class Place:
    """A line of a file; line 0 is none in particular, as of an option on the command line."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


Places: TypeAlias = dict[KeyPath, Place]


@dataclass(frozen=True)
class Problem:
    """One mistake.

    Attributes
    ----------
    place
        File and line.
    path
        Keys and positions that lead there; empty for the whole file.
    given, expected, remedy
        As in `RollforwardError`.
    """

    place: Place
    path: KeyPath
    given: str
    expected: str = ""
    remedy: str = ""

    @classmethod
    def of(cls, error: RollforwardError, place: Place, path: KeyPath) -> Problem:
        """Make a problem of an error."""
        return cls(place, path, error.given, error.expected, error.remedy)

    @property
    def sentence(self) -> str:
        """The first of the three parts, with file, line and key before it."""
        key = f"{spell_path(self.path)}: " if self.path else ""
        return mask_credentials(f"{self.place}: {key}{self.given}")

    def __str__(self) -> str:
        return str(RollforwardError(self.sentence, mask_credentials(self.expected), mask_credentials(self.remedy)))

    def as_dict(self) -> dict[str, Any]:
        """Return the problem as plain values, for a program."""
        return {
            "file": self.place.file,
            "line": self.place.line or None,
            "key": spell_path(self.path),
            "given": mask_credentials(self.given),
            "expected": mask_credentials(self.expected),
            "remedy": mask_credentials(self.remedy),
        }


def refuse(problems: Iterable[Problem], cause: Exception | None = None) -> None:
    """Raise all problems as one error; none is no error.

    Parameters
    ----------
    problems
        Those that are equal count once.
    cause
        What the problem was made of.

    Raises
    ------
    WorkflowFileError
        With the problems in its attribute ``problems``, and at most ten of them in its text.
    """
    found = tuple(dict.fromkeys(problems))
    if not found:
        return
    if len(found) == 1:
        (one,) = found
        raise WorkflowFileError(
            one.sentence, mask_credentials(one.expected), mask_credentials(one.remedy), problems=found
        ) from cause
    shown = [str(problem) for problem in found[:_MOST_SHOWN]]
    more = [f"... and {len(found) - _MOST_SHOWN} more."] if len(found) > _MOST_SHOWN else []
    raise WorkflowFileError("\n".join([f"{len(found)} mistakes.", *shown, *more]), problems=found) from cause


def spell_path(path: KeyPath) -> str:
    r"""Spell a path as ``--set`` takes it: dots between the keys, and a backslash before a dot inside one.

    Examples
    --------
    >>> spell_path(("task", "record", 0, "a.b"))
    'task.record.0.a\\.b'
    """
    return ".".join(_ESCAPED.sub(lambda match: f"\\{match[0]}", str(key)) for key in path)


def parse_path(text: str) -> tuple[str, ...]:
    r"""Take a path apart; the inverse of `spell_path`, but that every part is a text.

    Examples
    --------
    >>> parse_path("task.record.0.a\\.b")
    ('task', 'record', '0', 'a.b')
    """
    parts, current, escaped = [], "", False
    for character in text:
        if escaped:
            current, escaped = current + character, False
        elif character == "\\":
            escaped = True
        elif character == ".":
            parts.append(current)
            current = ""
        else:
            current += character
    return (*parts, current + ("\\" if escaped else ""))


def place_of(places: Mapping[KeyPath, Place], path: KeyPath, otherwise: Place) -> Place:
    """Find the line of a path; of something that is missing, that of the nearest key around it."""
    for length in range(len(path), 0, -1):
        if path[:length] in places:
            return places[path[:length]]
    return otherwise


def locate_error(
    error: RollforwardError, content: Any, places: Mapping[KeyPath, Place], root: KeyPath, otherwise: Place
) -> Problem:
    """Make a problem of an error that starts with its place, such as ``dataset.kwargs.handler: ...``.

    Parameters
    ----------
    error
        Raised about a part of the file.
    content, places
        The file.
    root
        The part, such as ``("task",)``.
    otherwise
        The place if nothing fits.
    """
    spelt, colon, rest = error.given.partition(": ")
    path = _existing(content, root, parse_path(spelt)) if colon and " " not in spelt else None
    if path is None:
        return Problem.of(error, place_of(places, root, otherwise), root)
    return Problem(place_of(places, path, otherwise), path, rest, error.expected, error.remedy)


def _existing(content: Any, root: KeyPath, parts: tuple[str, ...]) -> KeyPath | None:
    """Follow a spelt path as far as it exists; ``None`` if not even its first key does."""
    node = content
    for key in root:
        node = node[key]
    path = root
    for part in parts:
        found = step(node, part)
        if found is None:
            break
        key, node = found
        path = (*path, key)
    return path if len(path) > len(root) else None


def step(node: Any, part: str) -> tuple[Any, Any] | None:
    """Go one step down: the key or position that a part of a path names, and what is there."""
    if isinstance(node, Mapping):
        key = part if part in node else next((key for key in node if str(key) == part), None)
        return None if key is None else (key, node[key])
    if isinstance(node, list | tuple) and part.isdecimal() and int(part) < len(node):
        return int(part), node[int(part)]
    return None
