"""Runs that nobody will end, and runs that wait on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward.settings.words import counted
from rollforward.workflow.mlflow_backend.alive.dead import dead_runs, mark_dead
from rollforward.workflow.mlflow_backend.doctor.finding import Finding, note, ok, problem
from rollforward.workflow.mlflow_backend.offline.leftovers import upload_leftovers
from rollforward.workflow.mlflow_backend.offline.waiting import waiting_for
from rollforward.workflow.mlflow_backend.store.address import OFFLINE_ID
from rollforward.workflow.mlflow_backend.store.client import client_for, mapped
from rollforward.workflow.mlflow_backend.store.reach import is_reachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rollforward.workflow.mlflow_backend.alive.dead import DeadRun
    from rollforward.workflow.mlflow_backend.offline.waiting import Waiting

_SHOWN = 5
_UPLOAD = "rollforward sync uploads what dead processes left; living ones upload it themselves."


def awaited(uri: str) -> list[DeadRun]:
    """List the runs that are RUNNING, and whose end waits on this machine."""
    return _apart(uri, dead_runs(uri))[0]


def dead(uri: str, *, fix: bool, before: Sequence[DeadRun] = ()) -> Iterator[Finding]:
    """Look for runs that are RUNNING and whose process is gone.

    A run of which something waits on this machine is not judged: what waits says how it ended. A repair therefore
    uploads first.

    Parameters
    ----------
    uri
        The store.
    fix
        Whether to mark those that nobody will end.
    before
        What was `awaited` before the upload.
    """
    waiting, lost = _apart(uri, dead_runs(uri))
    open_still = {run.run_id for run in (*waiting, *lost)}
    ended = [run for run in before if run.run_id not in open_still]
    if ended:
        shown = _names([f"{run.name} ({run.run_id}) is {_status(uri, run)}" for run in ended])
        yield ok("runs", f"What waited on this machine was uploaded and says how runs ended: {shown}")
    if waiting:
        says = f"{counted(len(waiting), 'run')} ended while the store was away, or died: {_named(waiting)}."
        yield note("runs", f"{says} How is in what waits on this machine.", "rollforward sync ends them.", can_fix=True)
    if lost and fix:
        marked = mark_dead(uri, runs=lost)
        if marked:
            yield ok("runs", f"KILLED now, because the process is gone: {_named(marked)}")
        if alive := len(lost) - len(marked):
            yield ok("runs", f"{counted(alive, 'run')} showed signs of life or ended meanwhile: left alone.")
    elif lost:
        says = f"RUNNING, and the process is gone: {counted(len(lost), 'run')}, {_named(lost)}. {lost[0].reason}"
        yield problem("runs", says, "rollforward doctor --fix marks what nobody will end as KILLED.", can_fix=True)
    elif not waiting and not ended:
        yield ok("runs", "No run is left RUNNING by a process that is gone.")


def leftovers(uri: str, *, fix: bool) -> Iterator[Finding]:
    """Look for what waits on this machine until the store is back."""
    before = waiting_for(uri)
    if fix and not before.is_nothing and is_reachable(uri):
        for path, why in upload_leftovers(uri).replayed.left.items():
            yield note("spool", f"{path} is still there: {why}", "rollforward sync tries it again.")
    waiting = waiting_for(uri)
    if waiting.is_nothing:
        said = f"Uploaded: {before}." if not before.is_nothing else "Nothing waits on this machine for the store."
        yield ok("spool", said)
        return
    yield note("spool", f"The store is waited for by {waiting}.", _UPLOAD, can_fix=True)


def _apart(uri: str, found: Sequence[DeadRun]) -> tuple[list[DeadRun], list[DeadRun]]:
    """Part the runs of which something waits on this machine from those that nobody will end."""
    waiting = waiting_for(uri) if found else None
    if waiting is None or waiting.is_nothing:
        return [], list(found)
    kept = [run for run in found if _waits(uri, run, waiting)]
    return kept, [run for run in found if run not in kept]


def _waits(uri: str, run: DeadRun, waiting: Waiting) -> bool:
    if run.run_id in waiting.journal_runs:
        return True
    if not waiting.stand_in_runs:
        return False
    with mapped(f"read run {run.run_id}"):
        return client_for(uri).get_run(run.run_id).data.tags.get(OFFLINE_ID) in waiting.stand_in_runs


def _status(uri: str, run: DeadRun) -> str:
    with mapped(f"read run {run.run_id}"):
        return str(client_for(uri).get_run(run.run_id).info.status)


def _named(runs: Sequence[DeadRun]) -> str:
    return _names([f"{run.name} ({run.run_id})" for run in runs])


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
