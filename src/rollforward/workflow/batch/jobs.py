"""The runs that a batch consists of."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollforward.data.identity import content_hash
from rollforward.errors import RollforwardError
from rollforward.workflow.batch.requirements import requirement_lines
from rollforward.workflow.batch.seeds import SeedMode, mode_for, seed_assignments
from rollforward.workflow.config import load_workflow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rollforward.workflow.batch.discover import Entry

WAITING, RUNNING, FINISHED, KEPT, FAILED, TIMED_OUT = "waiting", "running", "finished", "kept", "failed", "timed out"
GOOD, BAD = frozenset({FINISHED, KEPT}), frozenset({FAILED, TIMED_OUT})
_STRANGE = re.compile(r"[^\w.\-]+")


@dataclass
class Job:
    """One run of one model.

    Attributes
    ----------
    entry
        The model's workflow file.
    time
        Which of the runs of this file, from 0.
    assignments
        What is changed in the file for this run.
    hash
        Of the changed file and of the requirements; a finished run of the same is not run again.
    state
        ``waiting``, ``running``, ``finished``, ``kept`` (finished before), ``failed`` or ``timed out``.
    recorder_id
        The run in the store, if there is one.
    seconds
        That the process took.
    reason
        Why it is bad, in one line.
    log
        What the process printed.
    metrics
        Of the finished run.
    """

    entry: Entry
    time: int
    assignments: tuple[str, ...] = ()
    hash: str = ""
    state: str = WAITING
    recorder_id: str | None = None
    seconds: float | None = None
    reason: str = ""
    log: Path | None = None
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The model and the number of the run."""
        return f"{self.entry.label} {self.time}"

    @property
    def slug(self) -> str:
        """The label as a file name."""
        return f"{slug(self.entry.label)}-{self.time}"

    def fail(self, reason: str, state: str = FAILED) -> None:
        """Note that it went wrong."""
        self.state, self.reason = state, reason


def plan_jobs(
    entries: Sequence[Entry], times: int, seeds: SeedMode | None = None, assignments: Sequence[str] = ()
) -> list[Job]:
    """Lay out the runs: the first of each model, then the second, so that a table of all models is there early.

    A workflow file that cannot be read is a run that failed; it keeps no other one from being run.

    Parameters
    ----------
    entries
        The workflow files.
    times
        How often each is run.
    seeds
        What happens to seeds; ``None`` drops them if `times` is above 1.
    assignments
        What is changed in all files, as for ``rollforward run --set``.

    Raises
    ------
    WorkflowFileError
        If no file can be changed so: the mistake is in the assignments.
    """
    mode = mode_for(seeds, times)
    jobs = [_job(entry, time, mode, assignments) for time in range(times) for entry in entries]
    if assignments and jobs and all(job.state == FAILED for job in jobs):
        load_workflow(jobs[0].entry.config, assignments, inspect=False)
    return jobs


def slug(text: str) -> str:
    """Return a text as a file name and as part of a metric's name."""
    return _STRANGE.sub("_", text).strip("._") or "model"


def _job(entry: Entry, time: int, mode: SeedMode, given: Sequence[str]) -> Job:
    job = Job(entry, time)
    try:
        # What the task names is imported in the environment of the model, and perhaps only there.
        content = load_workflow(entry.config, given, inspect=False).content
        job.assignments = (*given, *seed_assignments(content, mode, time))
        content = load_workflow(entry.config, job.assignments, inspect=False).content
        needs = requirement_lines(entry.requirements) if entry.requirements else []
        job.hash = content_hash([entry.model, entry.config.name, content, sorted(needs)])
    except RollforwardError as error:
        job.fail(" ".join(part for part in (error.given, error.remedy) if part))
    return job
