"""Entries of a ledger as text and as JSON values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rollforward.settings.words import counted
from rollforward.workflow.online.ledger.entry import ACCEPTS, NOT_BEGUN, PROMOTE, REVISES, ROUTINE
from rollforward.workflow.online.marks import held_in

if TYPE_CHECKING:
    import pandas as pd

    from rollforward.workflow.online.ledger.entry import Entry
    from rollforward.workflow.online.ledger.parts import ModelRef, Publication

_DEFINITION = "definition"


def entry_document(entry: Entry) -> dict[str, Any]:
    """Give an entry as JSON values, without what is needed only to go on from it."""
    whole: dict[str, Any] = json.loads(entry.to_json())
    for state in whole.get("states", ()):
        state.pop(_DEFINITION, None)
    return {**whole, "run_id": entry.run_id, "held": held_of(entry)}


def held_of(entry: Entry) -> dict[str, str]:
    """Tell what an entry holds back, of strategies in the shadow too: session to reason."""
    held = held_in(entry) if entry.kind == ROUTINE else {}
    return {entry.session.isoformat(): "; ".join(f"{name}: {why}" for name, why in held.items())} if held else {}


def is_held(entry: Entry | None) -> bool:
    """Whether a strategy is held on any session, and nobody has looked after it yet."""
    return entry is not None and any(state.held for state in entry.states)


def entry_line(entry: Entry) -> dict[str, str]:
    """Give what a line of a table says of an entry."""
    merged = _merged(entry)
    notes = ["done again"] if REVISES in entry.extra else []
    notes += [f"held: {why}" for why in held_of(entry).values()]
    notes += ["partial"] if merged is not None and merged.partial and not held_of(entry) else []
    notes += [f"{name} goes to {role}" for name, role in entry.extra.get("promotions", {}).get("roles", {}).items()]
    notes += [f"{_session(entry.extra[ACCEPTS])} stays as it is"] if ACCEPTS in entry.extra else []
    notes += [f"{name} could not begin: {why}" for name, why in entry.extra.get(NOT_BEGUN, {}).items()]
    notes += [str(entry.extra["reason"])] if "reason" in entry.extra else []
    notes += [switch.reason for switch in entry.switches if entry.kind != ROUTINE or not notes]
    return {
        "seq": str(entry.seq),
        "recorded": "" if entry.recorded_at is None else f"{entry.recorded_at.astimezone():%Y-%m-%d %H:%M:%S}",
        "kind": entry.kind,
        "session": str(entry.session.date()),
        "trained": str(len(entry.trained) or ""),
        "switches": str(len(entry.switches) or ""),
        "signals": "" if merged is None else str(merged.n_rows),
        "notes": "; ".join(dict.fromkeys(note for note in notes if note)),
    }


def entry_text(entry: Entry) -> str:
    """Say in some lines what was done."""
    line = entry_line(entry)
    merged = _merged(entry)
    parts = [f"{counted(len(entry.trained), 'fold')} trained", counted(len(entry.switches), "switch", "switches")]
    parts += [] if merged is None else [counted(merged.n_rows, "signal")]
    lines = [f"{entry.kind} {line['session']}: {', '.join(parts)} ({entry.run_id})"]
    lines += [
        f"  {switch.strategy}: {', '.join(map(model_text, switch.models)) or 'nothing'} from "
        f"{switch.effective.date()} ({switch.reason})"
        for switch in entry.switches
    ]
    if ACCEPTS in entry.extra:
        lines += [f"  {_session(entry.extra[ACCEPTS])} stays as it is: {entry.extra['reason']}"]
    if entry.kind == PROMOTE:
        lines += [f"  {state.name_id}: {state.role}" for state in entry.states]
    decided = entry.extra.get("promotions", {})
    lines += [f"  {name} goes to {role}" for name, role in decided.get("roles", {}).items()]
    lines += [f"  judged {name}: {reason}" for name, reason in decided.get("decisions", {}).items()]
    lines += [f"  NOT BEGUN {name}: {why}" for name, why in entry.extra.get(NOT_BEGUN, {}).items()]
    lines += [f"  HELD {_session(session)}: {why}" for session, why in held_of(entry).items()]
    return "\n".join(lines)


def _merged(entry: Entry) -> Publication | None:
    return next((one for one in entry.publications if not one.strategy), None)


def _session(mark: str) -> str:
    return mark.removesuffix("T00:00:00")


def model_text(model: ModelRef) -> str:
    """Name a model."""
    start = model.test[0]
    return f"{model.model or model.experiment}{'' if start is None else f' {start.date()}'} [{model.recorder_id[:8]}]"


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Give the rows of a frame as JSON values."""
    found: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", date_format="iso", default_handler=str))
    return found
