"""The rolling job: plan the folds of one task, train each, merge what they predict, evaluate, report.

One job is one parent run; every fold is a child run of it. Running the same job again finds the parent and its
finished folds by the hashes in their tags, trains only what is missing and rewrites the parent's artifacts, so that a
second run of the same thing adds no duplicate.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.data.identity import content_hash, data_fingerprint
from rollforward.data.segments import check_segments, segments_of
from rollforward.errors import TaskError
from rollforward.instantiate import flatten_dict, init_instance_by_config, resolve_placeholders
from rollforward.model.ens.ensemble import RollingEnsemble
from rollforward.report import SignalReport, signal_report
from rollforward.workflow import R
from rollforward.workflow.record_temp import SigAnaRecord
from rollforward.workflow.task.collect import RecorderCollector
from rollforward.workflow.task.gen import RollingGen
from rollforward.workflow.task.utils import fold_key
from rollforward.workflow.trainer import TrainerR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)

_KIND, _JOB_HASH = "kind", "job_hash"
_ARTIFACTS = {"pred": "pred.pkl", "label": "label.pkl"}


@dataclass(frozen=True)
class RollingResult:
    """What a rolling job leaves behind.

    Attributes
    ----------
    recorder
        The parent run; holds the merged ``pred.pkl`` and ``label.pkl``, ``sig_analysis/``, ``folds.csv``,
        ``report.html`` and the plots.
    recorders
        The folds' runs, in the order of the tasks.
    pred, label
        Merged out-of-sample frames indexed ``(datetime, instrument)``; each date comes from one fold.
    report
        The report, also stored in the parent run.
    n_trained, n_reused
        How many folds were trained now, and how many were found finished.
    resumed
        Whether the parent run existed before.
    """

    recorder: Recorder
    recorders: list[Recorder]
    pred: pd.DataFrame
    label: pd.DataFrame
    report: SignalReport
    n_trained: int
    n_reused: int
    resumed: bool


@dataclass(frozen=True)
class RollingJob:
    """A task template rolled over time as one job.

    Parameters
    ----------
    task
        A task dictionary; its test segment is what is tiled by the folds.
    experiment_name
        Experiment of the parent run and of the folds.
    name
        Name of the parent run.
    step
        Sessions by which each fold moves on; the length of its test segment.
    rtype
        ``"expanding"`` or ``"sliding"``.
    trunc_days
        Sessions between the last row that a model trains on and the start of its test segment, as in `RollingGen`.
        ``"auto"`` takes the label's look-ahead plus one, so that no training label knows a price of the test range.
    calendar
        Sessions to count in; ``None`` takes the settings' calendar.
    """

    task: Mapping[str, Any]
    experiment_name: str
    name: str = "rolling"
    step: int = 40
    rtype: str = RollingGen.ROLL_EX
    trunc_days: int | str | None = "auto"
    calendar: Any = field(default=None, repr=False)

    @cached_property
    def tasks(self) -> list[dict[str, Any]]:
        """The folds' tasks, in time order."""
        # Truncation would hide an overlap of the template; it is a mistake all the same.
        check_segments(segments_of(self.task))
        generator = RollingGen(step=self.step, rtype=self.rtype, trunc_days=self._purge(), calendar=self.calendar)
        return generator.generate(dict(self.task))

    def plan(self) -> pd.DataFrame:
        """Lay the folds out as a table.

        Returns
        -------
        pd.DataFrame
            One row per fold; columns ``<segment>_start`` and ``<segment>_end`` (inclusive sessions, ``None`` = open).
        """
        rows = []
        for task in self.tasks:
            row: dict[str, Any] = {}
            for segment, (start, end) in segments_of(task).items():
                row[f"{segment}_start"], row[f"{segment}_end"] = start, end
            rows.append(row)
        return pd.DataFrame(rows).rename_axis("fold")

    def run(self, *, reuse: bool = True, progress: bool | None = None) -> RollingResult:
        """Train every fold, merge the predictions, evaluate them and write the report.

        Parameters
        ----------
        reuse
            Take a finished fold of the same task, data and version instead of training it again, and continue the
            parent run of the same job. ``False`` trains everything into new runs.
        progress
            As in `TrainerR`.

        Raises
        ------
        RollforwardError
            What any part raises; the parent run is then FAILED and the folds that finished stay usable.
        """
        tasks = self.tasks
        job_hash = self._hash()
        earlier = self._find(job_hash) if reuse else None
        trainer = TrainerR(self.experiment_name, reuse=reuse, progress=progress)
        with R.start(
            experiment_name=self.experiment_name,
            recorder_id=earlier,
            recorder_name=None if earlier else self.name,
            resume=earlier is not None,
        ):
            parent = R.get_recorder()
            self._describe(job_hash)
            recorders = trainer(tasks)
            merged = self._merge(recorders)
            parent.save_objects(**{_ARTIFACTS[key]: frame for key, frame in merged.items()})
            SigAnaRecord(parent).generate()
            report = self._report(merged, recorders, trainer.reused)
            _store_report(parent, report)
        reused = len(trainer.reused)
        return RollingResult(
            recorder=parent,
            recorders=recorders,
            pred=merged["pred"],
            label=merged["label"],
            report=report,
            n_trained=len(tasks) - reused,
            n_reused=reused,
            resumed=earlier is not None,
        )

    @cached_property
    def _dataset_lookahead(self) -> int | None:
        """Sessions that the label looks ahead; ``None`` if the handler does not know.

        Building the template's dataset once also shows a wrong column or an empty range before any run exists.
        """
        dataset = init_instance_by_config(resolve_placeholders(dict(self.task))["dataset"], where="dataset")
        lookahead = getattr(getattr(dataset, "handler", None), "label_lookahead", None)
        return None if lookahead is None else int(lookahead)

    def _purge(self) -> int | None:
        if self.trunc_days is None or isinstance(self.trunc_days, int):
            return self.trunc_days
        if self.trunc_days != "auto":
            raise TaskError(
                f"trunc_days is {self.trunc_days!r}.", "a number of sessions, None, or 'auto'.", "Correct trunc_days."
            )
        if self._dataset_lookahead is None:
            raise TaskError(
                "trunc_days is 'auto', and the task's handler does not know how far its label looks ahead.",
                "a handler with an attribute label_lookahead (sessions).",
                "Give trunc_days as a number: the sessions that the label looks ahead, plus one.",
            )
        return self._dataset_lookahead + 1

    def _hash(self) -> str:
        return content_hash(
            {"tasks": self.tasks, "data": data_fingerprint(self.task.get("dataset")), "job": [self.name, self.rtype]}
        )

    def _find(self, job_hash: str) -> str | None:
        experiment = R.list_experiments().get(self.experiment_name)
        if experiment is None:
            return None
        filter_string = f"tags.{_KIND} = 'rolling' AND tags.{_JOB_HASH} = '{job_hash}'"
        found = experiment.list_recorders(rtype="list", max_results=1, filter_string=filter_string)
        return found[0].id if found else None

    def _describe(self, job_hash: str) -> None:
        R.set_tags(**{_KIND: "rolling", _JOB_HASH: job_hash})
        template = {"task": dict(self.task), "step": self.step, "rtype": self.rtype, "trunc_days": self.trunc_days}
        R.log_params(**flatten_dict(template), n_folds=len(self.tasks))

    def _merge(self, recorders: list[Recorder]) -> dict[str, pd.DataFrame]:
        collector = RecorderCollector(
            lambda: recorders,
            process_list=RollingEnsemble(),
            rec_key_func=fold_key,
            artifacts_path=dict(_ARTIFACTS),
        )
        merged: dict[str, pd.DataFrame] = collector()
        return merged

    def _report(self, merged: dict[str, pd.DataFrame], recorders: list[Recorder], reused: list[str]) -> SignalReport:
        folds = self.plan()
        folds["recorder_id"] = [recorder.id for recorder in recorders]
        folds["status"] = ["reused" if recorder.id in reused else "trained" for recorder in recorders]
        folds["seconds"] = [_seconds(recorder) for recorder in recorders]
        lookahead = self._dataset_lookahead
        return signal_report(
            merged["pred"],
            merged["label"],
            folds=folds,
            title=self.name,
            subtitle=self.experiment_name,
            horizon=None if lookahead is None else lookahead - 1,
        )


def _store_report(parent: Recorder, report: SignalReport) -> None:
    plots = {f"plots/{name}.png": png for name, png in report.figures.items()}
    tables = {f"{name}.csv": report.tables[name] for name in ("ic_by_year", "folds")}
    parent.save_objects(**{"report.html": report.html}, **tables, **plots)


def _seconds(recorder: Recorder) -> float | None:
    if recorder.started_at is None or recorder.ended_at is None:
        return None
    return (recorder.ended_at - recorder.started_at).total_seconds()
