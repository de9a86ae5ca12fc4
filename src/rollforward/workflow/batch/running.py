"""Run the jobs that are not finished: environments first, then processes."""

from __future__ import annotations

import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rollforward.errors import ModelEnvironmentError, RollforwardError
from rollforward.workflow import R
from rollforward.workflow.batch import parent as stored
from rollforward.workflow.batch.children import CHILD_MODULE, Child, start_child
from rollforward.workflow.batch.jobs import TIMED_OUT, WAITING, Job, slug
from rollforward.workflow.batch.supervise import supervise
from rollforward.workflow.batch.table import tail_of
from rollforward.workflow.task.predecessors import end_runs
from rollforward.workflow.task.references import RecorderRef

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollforward.workflow.batch.environments import Environments
    from rollforward.workflow.batch.watching import Watcher
    from rollforward.workflow.exp import Experiment
    from rollforward.workflow.recorder import Recorder

_LOGS, _ENVIRONMENTS = "logs", "environments"


@dataclass
class Runner:
    """What the runs of one batch have in common.

    Attributes
    ----------
    parent, experiment
        In the store.
    out
        Folder for logs and for the files that are run.
    environments
        Where models run; ``None`` is in this interpreter.
    share
        Models without requirements run in this interpreter.
    at_once
        Number of processes.
    timeout
        Seconds of a run.
    reuse
        Rolling jobs go on with folds that are trained.
    watcher
        Is told what happens.
    """

    parent: Recorder
    experiment: Experiment
    out: Path
    environments: Environments | None
    share: bool
    at_once: int
    timeout: float | None
    reuse: bool
    watcher: Watcher
    child_module: str = CHILD_MODULE
    _pythons: dict[Path | None, Path] = field(default_factory=dict)
    _attempts: dict[int, str] = field(default_factory=dict)

    def run(self, jobs: Sequence[Job]) -> None:
        """Run all jobs that are waiting."""
        self._prepare([job for job in jobs if job.state == WAITING])
        waiting = [job for job in jobs if job.state == WAITING]
        supervise(waiting, self.at_once, self._start, self._end, self.watcher.tell)

    def _prepare(self, jobs: Sequence[Job]) -> None:
        """Make the environments; the runs of a model whose environment cannot be made have failed."""
        for job in jobs:
            needs = job.entry.requirements
            if needs in self._pythons:
                continue
            if self.environments is None or (needs is None and self.share):
                self._pythons[needs] = Path(sys.executable)
                continue
            log = self.out / _ENVIRONMENTS / f"{slug(job.entry.model)}.log"
            if self.environments.find(needs) is None:
                self.watcher.note(f"Making the environment of {job.entry.model} with {self.environments.tool} ...")
            try:
                self._pythons[needs] = self.environments.prepare(needs, log)
            except ModelEnvironmentError as error:
                for other in jobs:
                    if other.entry.requirements == needs:
                        other.log = log
                        other.fail(error.given)
                        self.watcher.tell(other)
                self._pythons[needs] = Path(sys.executable)

    def _start(self, job: Job) -> Child:
        attempt = self._attempts[id(job)] = uuid.uuid4().hex
        order = {
            "arguments": [
                *("run", str(job.entry.config), "--uri", R.get_uri(), "--experiment", self.experiment.name),
                *(part for assignment in job.assignments for part in ("--set", assignment)),
                # Another run of the same must not take what the first one has trained.
                *(() if self.reuse else ("--no-reuse",)),
            ],
            "name": job.label,
            "tags": stored.tags_of(job, self.parent, attempt),
        }
        job.log = self.out / _LOGS / f"{job.slug}.log"
        return start_child(self._pythons[job.entry.requirements], order, job.log, self.timeout, self.child_module)

    def _end(self, job: Job, child: Child, code: int) -> None:
        job.seconds = round(child.seconds, 1)
        try:
            recorder = stored.find_attempt(self.experiment, self._attempts[id(job)])
            if recorder is not None:
                self._settle(job, recorder, child)
        except RollforwardError as error:
            job.fail(f"The store does not say how it ended: {error.given}")
            return
        is_over = code == 0 or child.timed_out
        # The time may be up when only the process has still to end.
        if is_over and recorder is not None and recorder.status == recorder.STATUS_FI:
            stored.take(job, recorder)
        elif child.timed_out:
            job.fail(f"It took longer than {child.timeout:g} s.", TIMED_OUT)
        elif code != 0:
            job.fail(_reason(job, code))
        else:
            job.fail("Its process ended well, and the store has no finished run of it.")

    def _settle(self, job: Job, recorder: Recorder, child: Child) -> None:
        job.recorder_id = recorder.id
        stored.adopt(recorder, self.parent)
        recorder.set_tags(**{stored.SECONDS: str(job.seconds)})
        if recorder.status == recorder.STATUS_R:
            why = "it took longer than the timeout of the batch" if child.timed_out else "its process has ended"
            end_runs([RecorderRef.of(recorder)], why)


def _reason(job: Job, code: int) -> str:
    """Say why a process ended: the line that names the error, if there is one."""
    lines = [line for line in tail_of(job).splitlines() if line.strip()]
    named = [line for line in lines if "Error" in line and not line.startswith((" ", "\t"))]
    said = (named or lines or [""])[-1].strip()
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"{said.removeprefix('rollforward: ')} ({how})" if said else f"It printed nothing ({how})."
