"""What is to be changed in one text, and what a person has to look at."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from rollforward.migrate.edits import Edit

if TYPE_CHECKING:
    import ast

Kind = Literal["pyqlib", "person", "note", "unread"]
_NEWLINE = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Finding:
    """A place that a person has to know of.

    Parameters
    ----------
    line
        Counted from 1; in a notebook, the line of its file.
    what
        What is there.
    todo
        What to do.
    kind
        ``pyqlib``: it stays and needs Qlib installed, or a person; ``person``: it does not work as it stands;
        ``note``: it works, and behaves differently; ``unread``: the file was left as it is.
    """

    line: int
    what: str
    todo: str
    kind: Kind = "person"


@dataclass
class Draft:
    """A text with what is to be done to it.

    Parameters
    ----------
    text
        As it is.
    edits
        What is to be changed.
    findings
        What a person has to know of.
    """

    text: str
    edits: list[Edit] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Find the lines."""
        self.starts = [0, *(match.end() for match in _NEWLINE.finditer(self.text))]

    def at(self, line: int, column: int) -> int:
        """Convert a line from 1 and a column in bytes of UTF-8, as `ast` counts, to a position."""
        start = self.starts[line - 1]
        end = self.starts[line] if line < len(self.starts) else len(self.text)
        return start + len(self.text[start:end].encode()[:column].decode())

    def span(self, node: ast.expr | ast.stmt | ast.alias | ast.keyword) -> tuple[int, int]:
        """Return where a node begins and ends."""
        line, column = node.end_lineno, node.end_col_offset
        if line is None or column is None:
            raise ValueError("a node that was not parsed has no place")
        return self.at(node.lineno, node.col_offset), self.at(line, column)

    def of(self, node: ast.expr | ast.stmt | ast.alias | ast.keyword) -> str:
        """Return the text of a node."""
        start, end = self.span(node)
        return self.text[start:end]

    def line_of(self, position: int) -> int:
        """Return the number of the line of a position."""
        return bisect_right(self.starts, position)

    def put(self, start: int, end: int, text: str) -> None:
        """Note a change."""
        self.edits.append(Edit(start, end, text))

    def note(self, line: int, what: str, todo: str, kind: Kind = "person") -> None:
        """Note a finding, once for each place, and for each file if it is about behaviour."""
        finding = Finding(line, what, todo, kind)
        alike = [other for other in self.findings if (other.what, other.todo) == (what, todo)]
        if finding not in alike and not (kind == "note" and alike):
            self.findings.append(finding)

    def before(self, position: int, statements: list[str]) -> None:
        """Insert statements before the one at a position: on lines of their own, if it begins its line."""
        if not statements:
            return
        start = max((self.text.rfind(mark, 0, position) for mark in "\r\n"), default=-1) + 1
        indent = self.text[start:position]
        match = _NEWLINE.search(self.text, position) or _NEWLINE.search(self.text)
        newline = match.group() if match else "\n"
        between = "; " if indent.strip() else f"{newline}{indent}"
        self.put(position, position, "".join(f"{statement}{between}" for statement in statements))
