"""Rewrite the code cells of a notebook; its JSON stays as it is, but for the lines that change."""

from __future__ import annotations

import difflib
import json
import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import Any

from rollforward.migrate.code import parse
from rollforward.migrate.draft import Draft
from rollforward.migrate.edits import Edit, apply, outermost
from rollforward.migrate.jsonplaces import Text, places
from rollforward.migrate.python import rewrite_python

_MAGIC = re.compile(r"^([ \t]*)(?:[%!?].*|[^\s#'\"=]*\?{1,2}[ \t]*)$", re.MULTILINE)
_ASSIGNED = re.compile(r"^([ \t]*[\w.]+[ \t]*=[ \t]*)[%!].*$", re.MULTILINE)
_CELL_MAGIC = re.compile(r"\s*%%(?!time\b|timeit\b|capture\b|prun\b)")


@dataclass
class _Cell:
    texts: list[Text]
    source: str
    is_list: bool
    start: int = 0


def rewrite_notebook(text: str) -> Draft:
    """Say what is to be changed in a notebook.

    All code cells are one program: what one imports, another uses. Magic commands are left alone.

    Parameters
    ----------
    text
        The notebook's JSON.

    Raises
    ------
    ValueError
        If it is no notebook.
    """
    draft = Draft(text)
    cells = _cells(draft)
    position = 0
    for cell in cells:
        cell.start = position
        position += len(cell.source) + 1
    inner = rewrite_python("\n".join(_masked(cell.source) for cell in cells))
    for finding in inner.findings:
        draft.findings.append(replace(finding, line=_line(draft, cells, inner.starts[finding.line - 1])))
    edits = outermost(inner.edits)
    for cell in cells:
        end = cell.start + len(cell.source)
        own = [edit for edit in edits if cell.start <= edit.start and edit.end <= end]
        if own:
            shifted = [Edit(edit.start - cell.start, edit.end - cell.start, edit.text) for edit in own]
            _replace_lines(draft, cell, apply(cell.source, shifted))
    json.loads(apply(text, draft.edits))
    return draft


def _cells(draft: Draft) -> list[_Cell]:
    """Find the code cells that are Python."""
    book: Any = places(draft.text)
    listed = book.get("cells") if isinstance(book, dict) else None
    if listed is None:
        raise ValueError("a notebook without cells, or of version 3 or before")
    cells = []
    for item in listed:
        if item["cell_type"].value != "code":
            continue
        source = item["source"]
        texts = source if isinstance(source, list) else [source]
        cell = _Cell(texts, "".join(text.value for text in texts), isinstance(source, list))
        if texts and not _CELL_MAGIC.match(cell.source) and _is_python(draft, cell):
            cells.append(cell)
            _report_magic(draft, cell)
    return cells


def _is_python(draft: Draft, cell: _Cell) -> bool:
    try:
        parse(_masked(cell.source))
    except (SyntaxError, ValueError):
        if "qlib" in cell.source:
            todo = "The cell is left as it is: it is no Python. Correct it, and migrate again."
            draft.note(draft.line_of(cell.texts[0].start), "a cell that names Qlib", todo)
        return False
    return True


def _report_magic(draft: Draft, cell: _Cell) -> None:
    """Report names of Qlib in magic commands, which are left alone."""
    position = 0
    lines = cell.source.splitlines(keepends=True)
    for line, masked in zip(lines, _masked(cell.source).splitlines(keepends=True), strict=True):
        if line != masked and "qlib." in line:
            place = _place(draft, cell, position)
            draft.note(place, line.strip(), "A magic command: write the new name there.")
        position += len(line)


def _masked(source: str) -> str:
    """Hide magic commands behind expressions of the same length."""
    source = _ASSIGNED.sub(lambda match: match.group(1) + "0".ljust(len(match.group()) - len(match.group(1))), source)
    return _MAGIC.sub(_hide, source)


def _hide(match: re.Match[str]) -> str:
    line, indent = match.group(), match.group(1)
    return line if not line.strip() else indent + "0".ljust(len(line) - len(indent))


def _line(draft: Draft, cells: list[_Cell], position: int) -> int:
    """Find the line of the file where a line of the program is."""
    cell = cells[bisect_right([cell.start for cell in cells], position) - 1]
    return _place(draft, cell, position - cell.start)


def _place(draft: Draft, cell: _Cell, offset: int) -> int:
    """Find the line of the file where a character of a cell is."""
    for text in cell.texts:
        if offset < len(text.value) or text is cell.texts[-1]:
            return draft.line_of(text.start)
        offset -= len(text.value)
    return 1


def _replace_lines(draft: Draft, cell: _Cell, source: str) -> None:
    """Replace those literals of a cell whose text has changed."""
    first_text = cell.texts[0]
    if not cell.is_list:
        draft.put(first_text.start, first_text.end, _spelt(source, draft.text))
        return
    old, new = [text.value for text in cell.texts], source.splitlines(keepends=True)
    between = "," + draft.text[draft.text.rindex("[", 0, first_text.start) + 1 : first_text.start]
    if len(old) > 1:
        between = draft.text[first_text.end : cell.texts[1].start]
    for tag, first, last, begin, end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        like = cell.texts[min(first, len(old) - 1)]
        lines = [_spelt(line, draft.text) for line in new[begin:end]]
        if tag == "insert":
            draft.put(like.start, like.start, "".join(line + between for line in lines))
        elif tag == "replace":
            draft.put(like.start, cell.texts[last - 1].end, between.join(lines))
        else:
            draft.put(like.start, cell.texts[last].start if last < len(old) else cell.texts[last - 1].end, "")


def _spelt(value: str, text: str) -> str:
    """Spell a text as the notebook spells its own."""
    return json.dumps(value, ensure_ascii=text.isascii())
