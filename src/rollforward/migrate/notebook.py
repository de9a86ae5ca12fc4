"""Rewrite the code cells of a notebook; its JSON stays as it is, but for the lines that change."""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from rollforward.migrate.code import parse
from rollforward.migrate.draft import Draft
from rollforward.migrate.edits import Edit, apply, outermost
from rollforward.migrate.jsonplaces import Text, places
from rollforward.migrate.python import rewrite_python

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
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
        _rewrite_cell(draft, cell, [Edit(edit.start - cell.start, edit.end - cell.start, edit.text) for edit in own])
    json.loads(apply(text, draft.edits))
    return draft


def _cells(draft: Draft) -> list[_Cell]:
    """Find the code cells that are Python."""
    cells = []
    for source in _sources(places(draft.text)):
        texts = source if isinstance(source, list) else [source]
        cell = _Cell(texts, "".join(text.value for text in texts), isinstance(source, list))
        if texts and not _CELL_MAGIC.match(cell.source) and _is_python(draft, cell):
            cells.append(cell)
            _report_magic(draft, cell)
    return cells


def _sources(book: Any) -> list[Text | list[Text]]:
    try:
        return [cell["source"] for cell in book["cells"] if cell["cell_type"].value == "code"]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("a notebook without cells, or of version 3 or before") from error


def _is_python(draft: Draft, cell: _Cell) -> bool:
    is_python = _parses(_masked(cell.source))
    if not is_python and "qlib" in cell.source:
        todo = "The cell is left as it is: it is no Python. Correct it, and migrate again."
        draft.note(draft.line_of(cell.texts[0].start), "a cell that names Qlib", todo)
    return is_python


def _parses(source: str) -> bool:
    try:
        parse(source)
    except (SyntaxError, ValueError):
        return False
    return True


def _report_magic(draft: Draft, cell: _Cell) -> None:
    """Report names of Qlib in magic commands, which are left alone."""
    position = 0
    for line, masked in zip(_LINE.findall(cell.source), _LINE.findall(_masked(cell.source)), strict=True):
        if line != masked and "qlib." in line:
            place = _place(draft, cell, position)
            draft.note(place, line.strip(), "A magic command: write the new name there.")
        position += len(line)


def _masked(source: str) -> str:
    """Hide magic commands behind expressions of the same length; a line of a program may begin as one does."""
    if _parses(source):
        return source
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


def _rewrite_cell(draft: Draft, cell: _Cell, edits: list[Edit]) -> None:
    """Change those literals of a cell in which something changes: programs differ in where they end a literal."""
    ends = list(accumulate(len(text.value) for text in cell.texts))
    groups: list[tuple[int, int, list[Edit]]] = []
    for edit in edits:
        first = min(bisect_right(ends, edit.start), len(ends) - 1)
        last = bisect_left(ends, edit.end, first) if edit.end > edit.start else first
        if groups and first <= groups[-1][1]:
            begun, before, others = groups.pop()
            groups.append((begun, max(before, last), [*others, edit]))
        else:
            groups.append((first, last, [edit]))
    for first, last, own in groups:
        _rewrite_texts(draft, cell, (first, last), own)


def _rewrite_texts(draft: Draft, cell: _Cell, group: tuple[int, int], edits: list[Edit]) -> None:
    """Change literals that follow each other."""
    first, last = group
    texts = cell.texts[first : last + 1]
    offset = sum(len(text.value) for text in cell.texts[:first])
    before = "".join(text.value for text in texts)
    after = apply(before, [Edit(edit.start - offset, edit.end - offset, edit.text) for edit in edits])
    lines = _LINE.findall(after) if cell.is_list else [after]
    if not lines and last + 1 < len(cell.texts):
        draft.put(texts[0].start, cell.texts[last + 1].start, "")
    elif not lines and first > 0:
        draft.put(cell.texts[first - 1].end, texts[-1].end, "")
    else:
        as_is = {text.value: draft.text[text.start : text.end] for text in texts}
        spelt = [as_is.get(line) or json.dumps(line, ensure_ascii=draft.text.isascii()) for line in lines]
        draft.put(texts[0].start, texts[-1].end, _between(draft, cell).join(spelt))


def _between(draft: Draft, cell: _Cell) -> str:
    """Return what stands between two literals of a cell."""
    start = cell.texts[0].start
    if len(cell.texts) > 1:
        return draft.text[cell.texts[0].end : cell.texts[1].start]
    return "," + draft.text[draft.text.rindex("[", 0, start) + 1 : start]
