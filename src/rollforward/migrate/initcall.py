"""Calls of ``qlib.init``: what they say about data stays for Qlib, or is taken out where nothing of Qlib is left."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from rollforward.migrate.changed import DATA_HANDED, DATA_TAKEN, UNPACKED
from rollforward.migrate.edits import without
from rollforward.settings.keys import KEYS

if TYPE_CHECKING:
    from rollforward.migrate.draft import Draft

Argument = ast.expr | ast.keyword


def rewrite_arguments(draft: Draft, call: ast.Call, *, remains: bool) -> None:
    """Rewrite the arguments of a call of ``qlib.init``, which becomes one of ``rollforward.init``.

    Parameters
    ----------
    draft
        Where.
    call
        The call.
    remains
        Whether other names of Qlib stay in this file, which need its data.
    """
    items: list[Argument] = sorted([*call.args, *call.keywords], key=lambda item: (item.lineno, item.col_offset))
    data = [number for number, item in enumerate(items) if not _is_ours(item)]
    if not data:
        return
    given = ", ".join(draft.of(items[number]) for number in data)
    if remains:
        draft.note(call.lineno, given, DATA_HANDED, "note")
        if call.args and not isinstance(call.args[0], ast.Starred):
            start = draft.span(call.args[0])[0]
            draft.put(start, start, "default_conf=")
    elif _unpacks(items):
        draft.note(call.lineno, given, UNPACKED)
    else:
        draft.note(call.lineno, given, DATA_TAKEN, "note")
        _take_out(draft, call, items, set(data))


def _take_out(draft: Draft, call: ast.Call, items: list[Argument], drop: set[int]) -> None:
    start, end = draft.text.index("(", draft.span(call.func)[1]) + 1, draft.span(call)[1] - 1
    spans = [draft.span(item) for item in items]
    gaps = zip([start, *(stop for _, stop in spans)], [*(begin for begin, _ in spans), end], strict=True)
    if len(drop) == len(items) and not any("#" in draft.text[slice(*gap)] for gap in gaps):
        draft.put(start, end, "")
    else:
        draft.edits += without(draft.text, spans, drop, end)


def _is_ours(item: Argument) -> bool:
    return isinstance(item, ast.keyword) and item.arg in KEYS


def _unpacks(items: list[Argument]) -> bool:
    return any(isinstance(item, ast.Starred) or (isinstance(item, ast.keyword) and item.arg is None) for item in items)
