"""What a reader has to know about a run before its results."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rollforward.settings.words import counted
from rollforward.workflow.recorder import Recorder
from rollforward.workflow.reporting.pulse import about_running, lost_because

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ERROR, _LOGGING = "error", "logging_errors"


def run_notes(recorder: Recorder, tags: Mapping[str, str]) -> list[str]:
    """Say whether a run has ended well, and what the store refused of it."""
    notes = []
    if recorder.status != Recorder.STATUS_FI and not recorder.is_open:
        known = tags.get(_ERROR) or about_running(recorder.status, tags)
        notes.append(f"This run is {recorder.status}, not FINISHED" + (f": {known.rstrip('.')}." if known else "."))
    if tags.get(_LOGGING):
        notes.append(f"Not everything that was logged is in the store: {tags[_LOGGING]}")
    return notes


def _state(child: Recorder) -> str:
    is_lost = lost_because(child.status, child.list_tags()) is not None
    return f"{child.status} in a process that is gone" if is_lost else str(child.status)


def job_notes(job: Recorder, children: Sequence[Recorder], lost: Mapping[str, str]) -> list[str]:
    """Say which folds of a job that has not finished are judged here."""
    planned = job.list_params().get("n_folds", "")
    states = Counter(_state(child) for child in children)
    done = states.pop(Recorder.STATUS_FI, 0) - len(lost)
    total = f" of {planned}" if planned.isdigit() else ""
    others = "".join(f", {number} {status}" for status, number in sorted(states.items()))
    judged = f"{counted(done, 'fold')}{total} that finished below it{others}"
    first = f"The job has no merged prediction yet. This page judges {judged}; folds of other runs are not among them."
    return [first] + [f"The prediction of run {run} cannot be read: {reason}" for run, reason in lost.items()]
