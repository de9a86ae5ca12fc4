"""A batch from end to end: what is to be run, the runs, the table."""

from __future__ import annotations

import json
import logging
import math
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollforward.errors import SettingsError
from rollforward.report.models import models_page
from rollforward.report.saving import save_page
from rollforward.settings.words import counted
from rollforward.workflow import R
from rollforward.workflow.batch import parent as stored
from rollforward.workflow.batch.discover import Selection, find_entries, select
from rollforward.workflow.batch.folders import make_folder
from rollforward.workflow.batch.jobs import BAD, Job, plan_jobs, slug
from rollforward.workflow.batch.running import Runner
from rollforward.workflow.batch.table import Table, make_table, markdown, summary_metrics
from rollforward.workflow.batch.watching import watching
from rollforward.workflow.leaving import sigterm_as_exception
from rollforward.workflow.mlflow_backend.inventory import is_there
from rollforward.workflow.reporting.gathering import BATCH, KIND
from rollforward.workflow.rolling.locking import one_at_a_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollforward.workflow.batch.environments import Environments
    from rollforward.workflow.batch.seeds import SeedMode
    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)

EXPERIMENT, OUT = "run_all", "run_all"
PAGE, TEXT, DATA = "run_all.html", "run_all.md", "run_all.json"
_NOTE, _FAILURES = "mlflow.note.content", "failures"


@dataclass(frozen=True)
class Batch:
    """What is to be run, and how.

    Attributes
    ----------
    folder
        The models.
    selection
        Which of them.
    times
        How often each workflow file is run.
    seeds
        ``"drop"``, ``"count"`` or ``"keep"``; ``None`` drops them if `times` is above 1.
    assignments
        What is changed in all workflow files, as for ``rollforward run --set``.
    experiment
        Experiment of all runs.
    name
        Name of the parent run, by which the same batch is found again; empty is the folder's.
    out
        Folder for the table and the logs.
    environments
        Where models run; ``None`` is this interpreter.
    share
        Models without requirements run in this interpreter, and not in an environment of their own.
    at_once
        Number of processes.
    timeout
        Seconds of a run; ``None`` is without end.
    fresh
        Run everything in a new parent run.
    metrics, sort, ascending
        As in `make_table`.
    """

    folder: Path
    selection: Selection = field(default_factory=Selection)
    times: int = 1
    seeds: SeedMode | None = None
    assignments: Sequence[str] = ()
    experiment: str = EXPERIMENT
    name: str = ""
    out: Path = Path(OUT)
    environments: Environments | None = None
    share: bool = True
    at_once: int = 1
    timeout: float | None = None
    fresh: bool = False
    metrics: Sequence[str] = ()
    sort: str | None = None
    ascending: bool = False

    def __post_init__(self) -> None:
        for option, value in (("--times", self.times), ("-j", self.at_once)):
            if value < 1:
                raise SettingsError(f"{option} is {value}.", "1 or more.", "Correct it.")
        if self.timeout is not None and not (math.isfinite(self.timeout) and self.timeout > 0):
            raise SettingsError(f"--timeout is {self.timeout:g}.", "seconds, more than 0.", "Correct it.")

    @property
    def title(self) -> str:
        """What the batch is called."""
        return self.name or self.folder.resolve().name

    def jobs(self) -> list[Job]:
        """Lay out the runs."""
        return plan_jobs(select(find_entries(self.folder), self.selection), self.times, self.seeds, self.assignments)

    def plan(self) -> list[Job]:
        """Lay out the runs, with what is finished already; nothing is started or stored."""
        jobs = self.jobs()
        # A look into a database file that is not there would create it.
        if not self.fresh and is_there(R.get_uri()):
            experiment = stored.find_experiment(self.experiment)
            stored.take_finished(experiment, stored.find_parent(experiment, self.title), jobs)
        return jobs


@dataclass(frozen=True)
class BatchResult:
    """What came of a batch.

    Attributes
    ----------
    table
        Means, deviations and failures.
    jobs
        Every run.
    recorder
        The parent run.
    out
        Folder with the table as a page, as Markdown and as JSON, and the logs.
    """

    table: Table
    jobs: list[Job]
    recorder: Recorder
    out: Path

    @property
    def failed(self) -> bool:
        """Whether any run went wrong."""
        return any(job.state in BAD for job in self.jobs)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        runs = [
            {
                "model": job.entry.label,
                "config": str(job.entry.config),
                "time": job.time,
                "state": job.state,
                "recorder_id": job.recorder_id,
                "seconds": job.seconds,
                "reason": job.reason,
                "log": str(job.log or ""),
                "metrics": {name: value if math.isfinite(value) else None for name, value in job.metrics.items()},
            }
            for job in self.jobs
        ]
        return {"recorder_id": self.recorder.id, "out": str(self.out), **self.table.to_dict(), "all_runs": runs}


def run_batch(batch: Batch, progress: bool | None = None) -> BatchResult:
    """Run the models of a folder, each several times, and summarise what they found.

    What is finished already is not run again. A run that fails is noted, and the others go on.

    Parameters
    ----------
    batch
        What is to be run.
    progress
        As in `watching`.

    Raises
    ------
    SettingsError, DataSourceError
        If the batch cannot be run as it is asked for; nothing was started then.
    """
    jobs = batch.jobs()
    _check_environments(batch, jobs)
    make_folder(batch.out, "--out")
    with one_at_a_time(R.get_uri(), batch.experiment, f"run-all {batch.title}"), sigterm_as_exception():
        before = None if batch.fresh else stored.find_parent(stored.find_experiment(batch.experiment), batch.title)
        with R.start(
            experiment_name=batch.experiment,
            recorder_id=before.id if before else None,
            recorder_name=None if before else batch.title,
            resume=before is not None,
        ) as experiment:
            parent = R.get_recorder()
            R.set_tags(**{KIND: BATCH, stored.NAME: batch.title, _NOTE: _note(batch, jobs)})
            R.flush()
            stored.end_left(experiment, parent, "the batch that it is of was started again")
            stored.take_finished(experiment, parent, jobs)
            with ExitStack() as stack:
                stack.enter_context(batch.environments.in_use() if batch.environments else nullcontext())
                watcher = stack.enter_context(watching(jobs, progress))
                Runner(
                    parent=parent,
                    experiment=experiment,
                    out=batch.out,
                    environments=batch.environments,
                    share=batch.share,
                    at_once=batch.at_once,
                    timeout=batch.timeout,
                    reuse=batch.times == 1 and not batch.fresh,
                    watcher=watcher,
                ).run(jobs)
            return _finish(batch, jobs, parent)


def _check_environments(batch: Batch, jobs: Sequence[Job]) -> None:
    """Raise what is wrong with the options of environments before anything starts."""
    if batch.environments is not None:
        for needs in {job.entry.requirements for job in jobs if job.state not in BAD}:
            if needs is not None or not batch.share:
                batch.environments.key(needs)


def _finish(batch: Batch, jobs: list[Job], parent: Recorder) -> BatchResult:
    table = make_table(jobs, batch.metrics, batch.sort, ascending=batch.ascending)
    result = BatchResult(table, jobs, parent, batch.out)
    title = f"All runs of {batch.title}"
    pages = {
        PAGE: models_page(table.to_dict(), title=title, subtitle=batch.experiment),
        TEXT: markdown(table, title),
        DATA: json.dumps(result.to_dict(), indent=2),
    }
    for name, content in pages.items():
        save_page(content, batch.out / name)
        parent.log_text(content, name)
    for job in jobs:
        if job.state in BAD and job.log is not None and job.log.is_file():
            parent.log_artifact(job.log, _FAILURES)
    parent.log_metrics(**summary_metrics(table, {row.label: slug(row.label) for row in table.rows}))
    n_bad = sum(job.state in BAD for job in jobs)
    parent.set_tags(failed=str(n_bad))
    return result


def _note(batch: Batch, jobs: Sequence[Job]) -> str:
    models = counted(len({job.entry.label for job in jobs}), "model")
    return (
        f"{models} of `{batch.folder.resolve().name}`, {counted(batch.times, 'run')} each. The runs are the children "
        f"of this run; open `{PAGE}` first."
    )
