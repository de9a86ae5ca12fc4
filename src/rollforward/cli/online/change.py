"""``rollforward online routine | first-train | add-strategy | simulate | adopt | rollback | promote | accept``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from rollforward.cli.online import EXIT_LOOK
from rollforward.cli.online.opened import from_file, open_manager, say, strategy_of, write_frame
from rollforward.cli.online.shown import entry_document, entry_text, held_of, is_held

if TYPE_CHECKING:
    import argparse

    from rollforward.workflow.online.ledger.entry import Entry

_NOTHING = "Nothing was to be done. Recorded already:\n"


def routine(arguments: argparse.Namespace) -> int:
    """Do what is due; 3 if a session is held."""
    manager = open_manager(arguments)
    before = manager.chain.head()
    entry = cast("Entry", manager.routine(arguments.time, redo=arguments.redo))
    done = [entry]
    while before is not None and done[0].previous is not None and done[0].seq > before.seq + 1:
        done.insert(0, manager.chain.entry(done[0].previous))  # sessions that were missed
    text = "\n".join(map(entry_text, done))
    say(arguments, [entry_document(one) for one in done], text if _is_new(entry, before) else _NOTHING + text)
    new = [one for one in done if _is_new(one, before)]  # what was held before may have been accepted
    return EXIT_LOOK if any(map(held_of, new)) or is_held(manager.chain.head()) else 0


def first_train(arguments: argparse.Namespace) -> int:
    """Train what the strategies of a file begin with."""
    manager = from_file(arguments)
    before = manager.head()
    _say(arguments, manager.first_train(), before)
    return 0


def add_strategy(arguments: argparse.Namespace) -> int:
    """Add the strategies of a file that the ledger does not have yet."""
    manager = from_file(arguments)
    new, manager.strategies = manager.strategies, []
    before = manager.head()
    _say(arguments, manager.add_strategy(new), before)
    return 0


def simulate(arguments: argparse.Namespace) -> int:
    """Do all sessions as if it were live."""
    manager = from_file(arguments)
    signals = manager.simulate(arguments.end)
    if arguments.out:
        write_frame(signals, arguments.out)
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
    text = "{name}: {entries} entries, {trained} folds trained, {signals} signals from {first} to {last}"
    say(arguments, document, text.format(**document))
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


def _is_new(entry: Entry, before: Entry | None) -> bool:
    """Whether an entry was recorded after what was the head."""
    return before is None or entry.seq > before.seq
