"""Rewrite a program in Python: its imports, its uses of modules, its texts; nothing else of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward.instantiate.moved import MOVED
from rollforward.migrate.changed import REGION_HOMES
from rollforward.migrate.code import Code, parse, read
from rollforward.migrate.draft import Draft
from rollforward.migrate.edits import apply
from rollforward.migrate.initcall import rewrite_arguments
from rollforward.migrate.modules import Bound, rewrite_uses, settle, sort_uses
from rollforward.migrate.statements import report_from, report_import, rewrite_from, rewrite_import, take
from rollforward.migrate.strings import rewrite_strings

if TYPE_CHECKING:
    import ast


def rewrite_python(text: str) -> Draft:
    """Say what is to be changed in a program.

    Parameters
    ----------
    text
        The program.

    Raises
    ------
    SyntaxError, ValueError
        If it is no Python.
    """
    draft = Draft(text)
    code = read(draft)
    bounds = _bounds(code)
    for bound in bounds.values():
        sort_uses(draft, code, bound)
    for plain in code.imports:
        report_import(draft, plain)
    for statement in code.from_imports:
        report_from(draft, statement)
    rewrite_strings(draft, code.tree)
    remains = any(finding.kind == "pyqlib" for finding in draft.findings)
    _rewrite_init(draft, code, bounds, remains=remains)
    for bound in bounds.values():
        bound.keeps = bound.keeps or (remains and bool(bound.regions))
        settle(bound)
        rewrite_uses(draft, bound)
    for plain in code.imports:
        rewrite_import(draft, plain, bounds)
    for statement in code.from_imports:
        local = {alias.asname or alias.name: f"{statement.module}.{alias.name}" for alias in statement.names}
        extra = {
            module
            for name, bound in bounds.items()
            if local.get(name) == bound.module and name != "qlib"
            for module in bound.extra
        }
        rewrite_from(draft, statement, take(draft, statement, bounds, remains=remains), extra)
    if draft.edits:
        parse(apply(text, draft.edits))
    return draft


def _bounds(code: Code) -> dict[str, Bound]:
    """Find the local names of Qlib's modules."""
    bounds: dict[str, Bound] = {}
    for plain in code.imports:
        for alias in plain.names:
            if alias.name.partition(".")[0] == "qlib":
                _bind(code, bounds, alias.asname or "qlib", alias.name if alias.asname else "qlib")
                bounds[alias.asname or "qlib"].rooted |= alias.name == "qlib" or alias.name not in MOVED
    for statement in code.from_imports:
        for alias in statement.names:
            module = f"{statement.module}.{alias.name}"
            if module in MOVED or module in REGION_HOMES:
                _bind(code, bounds, alias.asname or alias.name, module)
    return bounds


def _bind(code: Code, bounds: dict[str, Bound], local: str, module: str) -> None:
    if bounds.setdefault(local, Bound(local, module)).module != module:
        code.bound.add(local)


def _rewrite_init(draft: Draft, code: Code, bounds: dict[str, Bound], *, remains: bool) -> None:
    """Rewrite the arguments of each call of ``qlib.init``."""
    functions = {id(use.node) for bound in bounds.values() for use, dotted, _ in bound.moved if dotted == "qlib.init"}
    names = {
        alias.asname or alias.name
        for statement in code.from_imports
        if statement.module == "qlib"
        for alias in statement.names
        if alias.name == "init"
    }
    for call in code.calls():
        if id(call.func) in functions or _name(call.func) in names:
            rewrite_arguments(draft, call, remains=remains)


def _name(node: ast.expr) -> str:
    return str(getattr(node, "id", ""))
