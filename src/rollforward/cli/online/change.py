"""``rollforward online routine | first-train | add-strategy | simulate | adopt | rollback | promote | accept``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from rollforward.cli.online import EXIT_LOOK
from rollforward.cli.online.opened import frame_file, from_file, open_manager, say, strategy_of, write_frame
from rollforward.cli.online.shown import entry_document, entry_text, held_of, is_held
from rollforward.settings.words import counted
from rollforward.workflow.online.ledger.entry import NOT_BEGUN

if TYPE_CHECKING:
    import argparse

    from rollforward.workflow.online.ledger.entry import Entry
    from rollforward.workflow.online.manager import OnlineManager

_NOTHING = "Nothing was to be done. Recorded already:\n"


def routine(arguments: argparse.Namespace) -> int:
    """Do what is due; 3 if a session is held."""
    manager = open_manager(arguments)
    before = manager.chain.head()
    entry = cast("Entry", manager.routine(arguments.time, redo=arguments.redo))
    new = _recorded_since(manager, before)
    shown = new or [entry]
    text = "\n".join(map(entry_text, shown))
    say(arguments, [entry_document(one) for one in shown], text if new else _NOTHING + text)
    # What was held before may have been accepted.
    return EXIT_LOOK if any(map(held_of, new)) or is_held(manager.chain.head()) else 0


def first_train(arguments: argparse.Namespace) -> int:
    """Train what the strategies of a file begin with; 3 if one of them could not."""
    manager = from_file(arguments)
    before = manager.head()
    entry = manager.first_train()
    _say(arguments, entry, before)
    return _code_of_beginning(entry, before)


def add_strategy(arguments: argparse.Namespace) -> int:
    """Add the strategies of a file that the ledger does not have yet; 3 if one of them could not begin."""
    manager = from_file(arguments)
    new, manager.strategies = manager.strategies, []
    before = manager.head()
    entry = manager.add_strategy(new)
    _say(arguments, entry, before)
    return _code_of_beginning(entry, before)


def simulate(arguments: argparse.Namespace) -> int:
    """Do all sessions as if it were live."""
    out = frame_file(arguments.out) if arguments.out else None
    manager = from_file(arguments)
    signals = manager.simulate(arguments.end)
    if out is not None:
        write_frame(signals, out)
    days = signals.index.get_level_values("datetime")
    entries = manager.chain.entries()
    document: dict[str, Any] = {
        "name": manager.name,
        "entries": len(entries),
        "trained": sum(len(entry.trained) for entry in entries),
        "signals": len(signals),
        "first": str(days.min()).removesuffix(" 00:00:00") if len(days) else None,
        "last": str(days.max()).removesuffix(" 00:00:00") if len(days) else None,
    }
    text = (
        f"{manager.name}: {counted(len(entries), 'entry', 'entries')}, {counted(document['trained'], 'fold')} trained, "
        f"{counted(len(signals), 'signal')}"
    )
    say(arguments, document, text + (f" from {document['first']} to {document['last']}" if len(days) else ""))
    return 0


def adopt(arguments: argparse.Namespace) -> int:
    """Let the state of a simulation serve."""
    manager = open_manager(arguments)
    before = manager.chain.head()
    _say(arguments, manager.adopt(), before)
    return 0


def rollback(arguments: argparse.Namespace) -> int:
    """Let the models serve again that served before."""
    manager = open_manager(arguments)
    if arguments.strategy is not None:
        strategy_of(manager, arguments.strategy)
    _say(arguments, manager.rollback(arguments.strategy, arguments.reason))
    return 0


def promote(arguments: argparse.Namespace) -> int:
    """Let a strategy in shadow serve."""
    manager = open_manager(arguments)
    for name in (arguments.strategy, arguments.against):
        if name is not None:
            strategy_of(manager, name)
    _say(arguments, manager.promote(arguments.strategy, arguments.against, reason=arguments.reason))
    return 0


def accept(arguments: argparse.Namespace) -> int:
    """Let a held session stay as it is."""
    manager = open_manager(arguments)
    if arguments.strategy is not None:
        strategy_of(manager, arguments.strategy)
    _say(arguments, manager.accept(arguments.time, arguments.strategy, arguments.reason))
    return 0


def _say(arguments: argparse.Namespace, entry: Entry, before: Entry | None = None) -> None:
    text = entry_text(entry)
    say(arguments, entry_document(entry), text if _is_new(entry, before) else _NOTHING + text)


def _recorded_since(manager: OnlineManager, before: Entry | None) -> list[Entry]:
    """Read what was recorded after what was the head: sessions that were missed, and what was tried again."""
    found: list[Entry] = []
    entry = manager.chain.head()
    while entry is not None and _is_new(entry, before):
        found.insert(0, entry)
        entry = None if entry.previous is None else manager.chain.entry(entry.previous)
    return found


def _code_of_beginning(entry: Entry, before: Entry | None) -> int:
    return EXIT_LOOK if _is_new(entry, before) and NOT_BEGUN in entry.extra else 0


def _is_new(entry: Entry, before: Entry | None) -> bool:
    """Whether an entry was recorded after what was the head."""
    return before is None or entry.seq > before.seq
