"""Runs that nobody will end, and runs that wait on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward.workflow.mlflow_backend.alive.dead import dead_runs, mark_dead
from rollforward.workflow.mlflow_backend.doctor.finding import Finding, note, ok, problem
from rollforward.workflow.mlflow_backend.offline.leftovers import has_leftovers, upload_leftovers
from rollforward.workflow.mlflow_backend.spool.replay import journals_of
from rollforward.workflow.mlflow_backend.store.reach import is_reachable
from rollforward.workflow.spool_dir import store_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN = 5


def dead(uri: str, *, fix: bool) -> Iterator[Finding]:
    """Look for runs that are RUNNING and whose process is gone."""
    found = dead_runs(uri)
    if not found:
        yield ok("runs", "No run is left RUNNING by a process that is gone.")
        return
    names = ", ".join(f"{run.name} ({run.run_id})" for run in found[:_SHOWN])
    names += f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    if fix:
        marked = mark_dead(uri, runs=found)
        yield ok("runs", f"{len(marked)} runs whose process is gone are KILLED now: {names}")
    else:
        says = f"{len(found)} runs are RUNNING and their process is gone: {names}. {found[0].reason}"
        yield problem("runs", says, "rollforward doctor --fix marks them KILLED.", can_fix=True)


def leftovers(uri: str, *, fix: bool) -> Iterator[Finding]:
    """Look for what waits on this machine until the store is back."""
    if fix and has_leftovers(uri) and is_reachable(uri):
        upload_leftovers(uri)
    if not has_leftovers(uri):
        yield ok("spool", "Nothing waits on this machine for the store.")
        return
    count = len(journals_of(uri))
    says = f"{store_folder(uri)} has {count} journals" if count else f"{store_folder(uri)} has runs"
    remedy = "rollforward sync uploads what dead processes left; living ones upload it themselves."
    yield note("spool", f"{says} that wait for the store.", remedy, can_fix=True)
