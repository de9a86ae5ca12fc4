"""``rollforward online status | plan | log | signals | prove``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table

from rollforward.cli.online import EXIT_LOOK
from rollforward.cli.online.opened import frame_file, open_manager, say, strategy_of, write_frame
from rollforward.cli.online.shown import entry_document, entry_line, model_text, records
from rollforward.cli.tables import show
from rollforward.settings.words import counted
from rollforward.workflow.online.ledger.book import moment_of
from rollforward.workflow.online.ledger.entry import to_plain
from rollforward.workflow.online.proof import prove
from rollforward.workflow.online.status import status

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping

    from rollforward.workflow.online.manager import OnlineManager

_DAY = 86400


def show_status(arguments: argparse.Namespace) -> int:
    """Tell how it stands; 3 if somebody has to look."""
    found = status(open_manager(arguments), max_behind=arguments.max_behind, max_age=arguments.max_age / _DAY)
    say(arguments, found.to_dict(), str(found))
    return 0 if found.ok else EXIT_LOOK


def show_plan(arguments: argparse.Namespace) -> int:
    """List what will be done."""
    plan = open_manager(arguments).plan(arguments.time)
    say(arguments, plan.to_dict(), str(plan))
    return 0


def show_log(arguments: argparse.Namespace) -> int:
    """List what was recorded."""
    manager = open_manager(arguments)
    if arguments.strategy is not None:
        strategy_of(manager, arguments.strategy)
    if arguments.at is not None:
        return _show_online(arguments, manager)
    if arguments.switches or arguments.strategy is not None:
        return _show_switches(arguments, manager)
    entries = manager.chain.entries()
    if arguments.as_known_at is not None:
        moment = moment_of(arguments.as_known_at)
        entries = [entry for entry in entries if entry.recorded_at is not None and entry.recorded_at <= moment]
    if arguments.json:
        print(json.dumps([entry_document(entry) for entry in entries], indent=2))
    else:
        _table(map(entry_line, entries), manager.name)
    return 0


def _show_online(arguments: argparse.Namespace, manager: OnlineManager) -> int:
    found = manager.online_at(arguments.at, arguments.strategy, arguments.as_known_at)
    document = {name: [to_plain(model) for model in models] for name, models in found.items()}
    lines = [f"{name}: {', '.join(map(model_text, models)) or 'nothing'}" for name, models in found.items()]
    say(arguments, document, "\n".join(lines) or "Nothing served.")
    return 0


def _show_switches(arguments: argparse.Namespace, manager: OnlineManager) -> int:
    frame = manager.chain.book().history(arguments.as_known_at)
    if arguments.strategy is not None:
        frame = frame[frame["strategy"] == arguments.strategy]
    if arguments.json:
        print(json.dumps(records(frame), indent=2))
        return 0
    rows: list[dict[str, str]] = [
        {
            "strategy": row["strategy"],
            "effective": _date(row["effective"]),
            "until": _date(row["until"]),
            "recorded": f"{row['recorded_at']:%Y-%m-%d %H:%M:%S}",
            "kind": row["kind"],
            "reason": row["reason"] + (" (replaced)" if row["replaced"] else ""),
            "models": ", ".join(run_id[:8] for run_id in row["recorder_ids"]),
        }
        for row in frame.to_dict("records")
    ]
    _table(rows, manager.name)
    return 0


def show_signals(arguments: argparse.Namespace) -> int:
    """Print the published signals."""
    out = frame_file(arguments.out) if arguments.out else None
    found = open_manager(arguments).get_signals(arguments.start, arguments.end, arguments.as_known_at)
    if out is not None:
        write_frame(found, out)
        print(f"{counted(len(found), 'signal')}: {arguments.out}")
    elif arguments.json:
        print(json.dumps(records(found.reset_index())))
    else:
        print(found.to_csv(), end="")
    return 0


def prove_models(arguments: argparse.Namespace) -> int:
    """Prove the models that serve, and store the proof in their runs; 3 if there is none."""
    manager = open_manager(arguments)
    chosen = manager.strategies if arguments.strategy is None else [strategy_of(manager, arguments.strategy)]
    proofs: dict[str, Any] = {}
    for strategy in chosen:
        models = strategy.tool.online_models()
        proof = prove(models, sample=arguments.sample, seed=arguments.seed, retrain=arguments.retrain)
        proof.attach(models)
        proofs[strategy.name_id] = proof
    text = "\n".join(f"{name}: {proof}" for name, proof in proofs.items())
    say(arguments, {name: proof.to_dict() for name, proof in proofs.items()}, text)
    return 0 if all(proof.ok for proof in proofs.values()) else EXIT_LOOK


def _table(rows: Iterable[Mapping[str, str]], title: str) -> None:
    table: Table | None = None
    for row in rows:
        if table is None:
            table = Table(*row, title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_row(*row.values())
    if table is None:
        print(f"{title}: nothing is recorded.")
    else:
        show(table)


def _date(value: Any) -> str:
    return "" if pd.isna(value) else str(value.date())
