"""Modules of Qlib that a program imports and uses by attributes: ``import qlib.workflow as w``, ``w.R``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollforward.instantiate.moved import MOVED, advice
from rollforward.migrate.changed import AMBIGUOUS, CHANGED, IN_PIECES, REGIONS
from rollforward.migrate.names import Place, find

if TYPE_CHECKING:
    from rollforward.migrate.code import Code, Use
    from rollforward.migrate.draft import Draft


@dataclass
class Bound:
    """A local name of a module of Qlib, with what is made of it.

    Parameters
    ----------
    local
        The name.
    module
        The module of Qlib.
    keeps
        Whether the import of Qlib stays.
    rooted
        Whether an import binds the name that stays whatever becomes of the others.
    target
        The module here that takes the place, if the name goes on.
    extra
        Modules here that have to be imported besides.
    """

    local: str
    module: str
    keeps: bool = False
    rooted: bool = False
    target: str = ""
    extra: set[str] = field(default_factory=set)
    moved: list[tuple[Use, str, Place]] = field(default_factory=list)
    regions: list[tuple[Use, str]] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)


def sort_uses(draft: Draft, code: Code, bound: Bound) -> None:
    """Find out for each use of a module whether what it names is here, and report what is not."""
    uses = code.chains.get(bound.local, [])
    if bound.local in code.bound:
        bound.keeps = True
        bound.stays.append("")
        line = uses[0].node.lineno if uses else 1
        draft.note(line, f"{bound.local} is a module of Qlib and something else too", AMBIGUOUS)
        return
    for use in uses:
        dotted = ".".join((bound.module, *use.parts))
        place, is_plain = find(dotted), _is_plain(draft, bound, use)
        if not is_plain and (place or dotted in REGIONS):
            bound.keeps = True
            bound.stays.append(dotted)
            new = place.dotted if place else repr(REGIONS[dotted])
            draft.note(use.node.lineno, dotted, IN_PIECES.format(new))
        elif dotted in REGIONS:
            bound.regions.append((use, REGIONS[dotted]))
        elif place is None or dotted == "qlib":
            bound.keeps = True
            bound.stays.append(dotted)
            if bound.module in MOVED:
                say_stays(draft, use.node.lineno, dotted)
        else:
            bound.moved.append((use, dotted, place))
    bound.keeps = bound.keeps or bound.module not in MOVED


def _is_plain(draft: Draft, bound: Bound, use: Use) -> bool:
    """Whether a use stands in the text as one dotted name; before Python 3.12 nobody knows where in an f-string."""
    try:
        return draft.of(use.node) == ".".join((bound.local, *use.parts))
    except (IndexError, UnicodeDecodeError):
        return False


def settle(bound: Bound) -> None:
    """Decide which modules a name stands for from now on."""
    if not bound.keeps and bound.local != "qlib":
        home = MOVED.get(bound.module, ("",))[0]
        direct = {place.module for use, _, place in bound.moved if _is_direct(use, place)}
        bound.target = home if home in direct or not direct else min(direct)
    bound.extra = {place.module for use, _, place in bound.moved if not _goes_on(bound, use, place)}


def _is_direct(use: Use, place: Place) -> bool:
    """Whether a use names the module itself or what is in it, and not another module below it."""
    return use.parts[:1] == ((place.name,) if place.name else ())


def _goes_on(bound: Bound, use: Use, place: Place) -> bool:
    """Whether a use is right as it stands once the name is that of the module here."""
    return place.module == bound.target and _is_direct(use, place)


def rewrite_uses(draft: Draft, bound: Bound) -> None:
    """Rewrite the uses whose module is not imported under the old name any more."""
    for use, dotted, place in bound.moved:
        if not _goes_on(bound, use, place):
            draft.put(*draft.span(use.node), place.dotted)
        say_changed(draft, use.node.lineno, dotted)
    if not bound.keeps:
        for use, region in bound.regions:
            draft.put(*draft.span(use.node), f'"{region}"')


def say_stays(draft: Draft, line: int, dotted: str) -> None:
    """Report a name that is Qlib's own."""
    draft.note(line, dotted, advice(dotted), "pyqlib")


def say_changed(draft: Draft, line: int, dotted: str) -> None:
    """Report a name that is here and behaves differently."""
    if (note := CHANGED.get(dotted.rpartition(".")[2])) is not None:
        draft.note(line, dotted, note, "note")
