"""What an examination found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    check
        What was looked at, in a word or two.
    level
        `Level.OK`, `Level.NOTE` (works, and could be better) or `Level.PROBLEM`.
    says
        What was found.
    remedy
        What to do; empty if nothing.
    can_fix
        Whether ``--fix`` would do it.
    """

    check: str
    level: Level
    says: str
    remedy: str = ""
    can_fix: bool = False

    def as_dict(self) -> dict[str, str | bool]:
        """Return the fields, as ``--json`` prints them."""
        return asdict(self)


def ok(check: str, says: str) -> Finding:
    """Make a finding that needs nothing."""
    return Finding(check, Level.OK, says)


def note(check: str, says: str, remedy: str = "", *, can_fix: bool = False) -> Finding:
    """Make a finding of something that works and could be better."""
    return Finding(check, Level.NOTE, says, remedy, can_fix)


def problem(check: str, says: str, remedy: str, *, can_fix: bool = False) -> Finding:
    """Make a finding of something that does not work."""
    return Finding(check, Level.PROBLEM, says, remedy, can_fix)
