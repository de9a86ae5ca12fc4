"""Dotted names in texts: ``module_path`` and ``class`` of configurations, and names on their own."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollforward.instantiate.moved import MOVED
from rollforward.migrate.changed import LEFT, TAKEN_AS_IT_IS
from rollforward.migrate.modules import say_changed, say_stays
from rollforward.migrate.names import find

if TYPE_CHECKING:
    from rollforward.migrate.draft import Draft

_NAME = re.compile(r"qlib(?:\.[A-Za-z_]\w*)+")
_ROOMS = ("backtest", "contrib", "data", "model", "rl", "strategy", "tests", "utils", "workflow")
_STAYS = re.compile(rf"qlib\.(?:(?:{'|'.join(_ROOMS)})\.|(?:backtest|config\.C|constant\.)).*")
IN_TEXT = re.compile(rf"\bqlib\.(?:{'|'.join(_ROOMS)})\b")
# Where a module is named; elsewhere "qlib.log" may as well be a file.
MODULE_KEYS = ("module_path", "default_module")
# What comes before a name in commands, programs and configurations that stand in a text.
_SPOKEN_TO = re.compile(r"(?:-m\s+|\bfrom\s+|\bimport\s+|\b(?:module_path|class|func)[\"']?\s*:\s*[\"']?)qlib\.\w")
_MOST_SHOWN = 80


@dataclass(frozen=True)
class Verdict:
    """What becomes of a dotted name.

    Parameters
    ----------
    new
        The name from now on; empty leaves it.
    meant
        The name of Qlib in full.
    stays
        Whether it is Qlib's own.
    """

    new: str = ""
    meant: str = ""
    stays: bool = False


def judge(value: str, key: str = "", cls: str | None = None) -> Verdict:
    """Decide what becomes of a text.

    Parameters
    ----------
    value
        The text.
    key
        The key or argument it is given for.
    cls
        For a ``module_path``, the class that is meant, if it is known.

    Examples
    --------
    >>> judge("qlib.data.dataset", "module_path", "DatasetH").new
    'rollforward.data.dataset'
    >>> judge("qlib.log").new
    ''
    """
    if not _NAME.fullmatch(value):
        return Verdict()
    if key == "module_path" and cls and "." not in cls:
        meant = f"{value}.{cls}"
        place = find(meant)
        return Verdict(place.module, meant) if place else Verdict("", meant, stays=True)
    place = find(value)
    if place is None:
        return Verdict("", value, stays=key in MODULE_KEYS or _STAYS.fullmatch(value) is not None)
    if place.name:
        return Verdict(place.dotted, value)
    # Without a class it is not known which of several modules is meant; the instantiator looks in all of them.
    if key in MODULE_KEYS:
        return Verdict(place.module if len(MOVED[value]) == 1 else "", value)
    # A short one that nothing imports may be anything: whoever knows what reads it has to decide.
    return Verdict(place.module, value) if key == "module" or value.count(".") > 1 else Verdict()


def is_for_programs(text: str) -> bool:
    """Tell whether a text in which a name of Qlib stands is one that a program reads, and no prose.

    Examples
    --------
    >>> is_for_programs("python -m qlib.workflow.task.manage")
    True
    >>> is_for_programs("see qlib.workflow for more")
    False
    """
    if IN_TEXT.search(text) is None:
        return False
    if _SPOKEN_TO.search(text) is not None:
        return True
    try:
        read = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    # "qlib.data is nice" is a comparison.
    return not isinstance(read, ast.Compare | ast.BoolOp)


def _short(text: str) -> str:
    """Show the line of a text in which the name stands."""
    line = next((line for line in text.splitlines() if IN_TEXT.search(line)), text).strip()
    return line if len(line) <= _MOST_SHOWN else f"{line[:_MOST_SHOWN]}..."


def settle_text(
    draft: Draft, span: tuple[int, int], line: int, value: str, verdict: Verdict, *, is_read: bool = True
) -> None:
    """Change the text of a literal as decided, and report.

    Parameters
    ----------
    draft
        Where.
    span
        The literal, quotes included.
    line
        Its line.
    value
        What it says.
    verdict
        What becomes of it.
    is_read
        Whether a program can read it; nothing reads the text of a docstring.
    """
    if verdict.meant in TAKEN_AS_IT_IS:
        draft.note(line, verdict.meant, TAKEN_AS_IT_IS[verdict.meant], "note")
    elif verdict.stays:
        say_stays(draft, line, verdict.meant)
    if not verdict.new or verdict.new == value:
        if is_read and not verdict.meant and is_for_programs(value):
            draft.note(line, _short(value), LEFT)
        return
    source = draft.text[slice(*span)]
    if source.count(value) != 1:
        draft.note(line, value, f"Write {verdict.new} there: it is spelt in pieces.")
        return
    start = span[0] + source.index(value)
    draft.put(start, start + len(value), verdict.new)
    say_changed(draft, line, verdict.meant)
