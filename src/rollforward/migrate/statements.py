"""Import statements: ``import qlib.workflow as w`` and ``from qlib.workflow import R``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollforward.instantiate.moved import MOVED
from rollforward.migrate.changed import REGIONS, STAR
from rollforward.migrate.edits import without
from rollforward.migrate.modules import Bound, say_changed, say_stays
from rollforward.migrate.names import find, whereabouts

if TYPE_CHECKING:
    import ast

    from rollforward.migrate.draft import Draft

_COMMENT = re.compile(r"#[^\r\n]*")
_MODULE = re.compile(r"from[ \t\f\\\r\n]+(qlib[\w.]*)")


@dataclass(frozen=True)
class Taken:
    """One name of a ``from`` import, and where it comes from now.

    Parameters
    ----------
    module
        The module; empty if the name becomes a text.
    text
        What is imported from it, or the statement that takes its place.
    """

    module: str
    text: str


def report_import(draft: Draft, statement: ast.Import) -> None:
    """Report the modules of an ``import`` statement that are not here."""
    for alias in statement.names:
        if alias.name.startswith("qlib.") and alias.name not in MOVED:
            say_stays(draft, alias.lineno, alias.name)


def rewrite_import(draft: Draft, statement: ast.Import, bounds: dict[str, Bound]) -> None:
    """Rewrite an ``import`` statement as its modules were settled."""
    for alias in statement.names:
        if alias.name != "qlib" and not alias.name.startswith("qlib."):
            continue
        bound = bounds[alias.asname or "qlib"]
        modules = _modules_of(alias, bound)
        start, end = draft.span(alias)
        if alias.asname and bound.target:
            if draft.of(alias).startswith(alias.name):
                draft.put(start, start + len(alias.name), bound.target)
            else:
                draft.put(start, end, f"{bound.target} as {alias.asname}")
            draft.before(draft.span(statement)[0], [f"import {module}" for module in sorted(bound.extra)])
        elif modules != [alias.name]:
            alone = len(statement.names) == 1
            own = draft.of(alias) if alias.name in modules else None
            texts = [own if module == alias.name and own else module for module in modules]
            if alone and texts:
                draft.before(draft.span(statement)[0], [f"import {text}" for text in texts[:-1]])
                draft.put(start, end, texts[-1])
            else:
                draft.put(start, end, ", ".join(texts))


def _modules_of(alias: ast.alias, bound: Bound) -> list[str]:
    """List what is imported in the place of one module."""
    if alias.asname:
        return [*sorted(bound.extra), alias.name]
    own = {place.module for _, dotted, place in bound.moved if _within(dotted, alias.name)}
    # `import qlib` brings what no other statement does; it may as well bring all.
    if _keeps(alias.name, bound):
        return [*sorted(own), alias.name]
    return sorted(own) or [MOVED[alias.name][0]]


def _keeps(module: str, bound: Bound) -> bool:
    """Whether ``import module`` of a dotted module of Qlib is needed by what stays."""
    if module not in MOVED or not bound.keeps:
        return module not in MOVED
    # What stays needs the module it is in; if that is imported nowhere by name, any import of Qlib may be the one.
    return module == "qlib" or not bound.rooted or any(name == "" or _within(name, module) for name in bound.stays)


def _within(dotted: str, module: str) -> bool:
    return dotted == module or dotted.startswith(f"{module}.")


def take(draft: Draft, statement: ast.ImportFrom, bounds: dict[str, Bound], *, remains: bool) -> list[Taken]:
    """Decide where each name of a ``from`` import comes from."""
    return [_take_one(draft, statement.module or "", alias, bounds, remains=remains) for alias in statement.names]


def _take_one(draft: Draft, module: str, alias: ast.alias, bounds: dict[str, Bound], *, remains: bool) -> Taken:
    dotted, local = f"{module}.{alias.name}", alias.asname or alias.name
    stays = Taken(module, draft.of(alias))
    if dotted in REGIONS:
        return stays if remains else Taken("", f'{local} = "{REGIONS[dotted]}"')
    bound = bounds.get(local)
    if bound is not None and bound.module == dotted:
        if bound.keeps:
            return stays
        package, _, leaf = bound.target.rpartition(".")
        return Taken(package, leaf if leaf == local else f"{leaf} as {local}")
    place = find(dotted)
    if place is None:
        return stays
    say_changed(draft, alias.lineno, dotted)
    return Taken(place.module, draft.of(alias))


def report_from(draft: Draft, statement: ast.ImportFrom) -> None:
    """Report the names of a ``from`` import that are not here."""
    module = statement.module or ""
    for alias in statement.names:
        dotted = f"{module}.{alias.name}"
        if alias.name == "*":
            draft.note(alias.lineno, f"from {module} import *", STAR)
        elif dotted not in REGIONS and find(dotted) is None:
            home = whereabouts(alias.name) if module in MOVED else None
            if home is None:
                say_stays(draft, alias.lineno, dotted)
            else:
                draft.note(alias.lineno, dotted, f"Import {alias.name} from {home}.", "pyqlib")


def rewrite_from(draft: Draft, statement: ast.ImportFrom, taken: list[Taken], extra: set[str]) -> None:
    """Rewrite a ``from`` import: in place if all its names come from one module, else as several."""
    module = statement.module or ""
    start, end = draft.span(statement)
    draft.before(start, [f"import {name}" for name in sorted(extra)])
    groups: dict[str, list[str]] = {}
    for one in taken:
        groups.setdefault(one.module, []).append(one.text)
    stay = module if module in groups else max(groups, key=lambda name: (name != "", len(groups[name])))
    match = _MODULE.match(draft.text, start, end)
    others = [_statement(name, texts) for name, texts in groups.items() if name != stay]
    if stay == "" or match is None or match.group(1) != module or (others and "\\" in draft.text[start:end]):
        draft.before(start, [*_comments(draft, start, end), *others])
        draft.put(start, end, _statement(stay, groups[stay]))
        return
    draft.before(start, others)
    if stay != module:
        draft.put(match.start(1), match.end(1), stay)
    for alias, one in zip(statement.names, taken, strict=True):
        if one.module == stay and one.text != draft.of(alias):
            draft.put(*draft.span(alias), one.text)
    drop = {number for number, one in enumerate(taken) if one.module != stay}
    if drop:
        draft.edits += without(draft.text, [draft.span(alias) for alias in statement.names], drop, end)


def _comments(draft: Draft, start: int, end: int) -> list[str]:
    """Return the comments of an import that is written anew, for lines before it, if it begins its line."""
    begun = draft.text[draft.starts[draft.line_of(start) - 1] : start]
    return [] if begun.strip() else _COMMENT.findall(draft.text, start, end)


def _statement(module: str, texts: list[str]) -> str:
    return f"from {module} import {', '.join(texts)}" if module else "; ".join(texts)
