"""Python's literals: dotted names of Qlib, and addresses of stores that are not opened any more."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from rollforward.migrate.changed import FILE_STORE, PUT_TOGETHER
from rollforward.migrate.dotted import IN_TEXT, judge, settle_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollforward.migrate.draft import Draft

_IMPORTERS = ("import_module", "__import__", "getLogger", "get_module_by_module_path")


def rewrite_strings(draft: Draft, tree: ast.Module) -> None:
    """Rewrite the dotted names in literals."""
    keys: dict[int, tuple[str, str | None]] = {}
    pieces: set[int] = set()
    alone: set[int] = set()
    for node in ast.walk(tree):
        for key, value, cls in _named(node):
            keys[id(value)] = (key, cls)
            if key == "uri" and _first_text(value).startswith("file:"):
                draft.note(value.lineno, draft.of(value), FILE_STORE)
        if isinstance(node, ast.Expr):
            alone.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            pieces.update(id(part) for part in ast.walk(node))
            if any(isinstance(part, ast.Constant) and IN_TEXT.search(str(part.value)) for part in node.values):
                draft.note(node.lineno, draft.of(node), PUT_TOGETHER)
    for node in ast.walk(tree):
        # Others are not looked for: where a text stands takes long to find in a table of many on one line.
        if isinstance(node, ast.Constant) and "qlib." in _text(node) and id(node) not in pieces:
            key, cls = keys.get(id(node), ("", None))
            verdict = judge(_text(node), key, cls)
            settle_text(draft, draft.span(node), node.lineno, _text(node), verdict, is_read=id(node) not in alone)


def _named(node: ast.AST) -> Iterator[tuple[str, ast.expr, str | None]]:
    """Yield what is given or set under a key, or as an argument, with the class that a configuration names."""
    pairs: list[tuple[str, ast.expr]] = []
    if isinstance(node, ast.Dict):
        pairs = [(_text(key), value) for key, value in zip(node.keys, node.values, strict=True) if key is not None]
    elif isinstance(node, ast.Call):
        pairs = [(keyword.arg or "", keyword.value) for keyword in node.keywords]
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in _IMPORTERS and node.args:
            pairs.append(("module", node.args[0]))
        if called == "set_uri" and node.args:
            pairs.append(("uri", node.args[0]))
    elif isinstance(node, ast.Assign):
        pairs = [(_text(target.slice), node.value) for target in node.targets if isinstance(target, ast.Subscript)]
    cls = next((_text(value) for key, value in pairs if key in {"class", "func"}), None)
    for key, value in pairs:
        yield key, value, cls or None


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _first_text(node: ast.expr) -> str:
    """Return how a text begins that may be put together."""
    while isinstance(node, ast.BinOp):
        node = node.left
    if isinstance(node, ast.JoinedStr) and node.values:
        node = node.values[0]
    return _text(node)
