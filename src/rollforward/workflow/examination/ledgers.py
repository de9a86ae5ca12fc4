"""Ledgers of models that serve: which of them nobody keeps up to date any more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rollforward.workflow.mlflow_backend.doctor.finding import Finding, note, ok
from rollforward.workflow.mlflow_backend.inventory import find_runs, list_all
from rollforward.workflow.online.ledger.draft import SESSION
from rollforward.workflow.online.ledger.links import HEAD, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

# A week of sessions may be a holiday; more is forgotten.
_DAYS = 7


def online_ledgers(uri: str) -> Iterator[Finding]:
    """Look when each ledger was brought up to date, by the newest entry that its experiment names."""
    for experiment in list_all(uri):
        if ROOT not in experiment.tags:
            continue
        head = experiment.tags.get(HEAD, "")
        entry = next(find_runs(uri, [experiment.id], filter_string=f"attributes.run_id = '{head}'", limit=1), None)
        session = None if entry is None else entry.tags.get(SESSION)
        if entry is None or session is None:
            says = f"The ledger {experiment.name!r} has no entry yet."
            yield note("online", says, f"rollforward online status {experiment.name}")
            continue
        days = (datetime.now(UTC).date() - datetime.fromisoformat(session).date()).days
        says = f"The ledger {experiment.name!r} is done up to {session[:10]}"
        if days > _DAYS:
            remedy = f"rollforward online status {experiment.name} tells what is due; a simulation may stay as it is."
            yield note("online", f"{says}, {days} days ago.", remedy)
        else:
            yield ok("online", f"{says}.")
