"""The rolling job as one parent run; every fold is a child run of it.

Running the same job again finds the parent and its finished folds by the hashes in their tags, trains only what is
missing and rewrites the parent's artifacts, so that a second run of the same thing adds no duplicate.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd

from rollforward.data.horizon import label_lookahead
from rollforward.data.identity import content_hash
from rollforward.data.segments import check_segments, segments_of
from rollforward.errors import TaskError, TaskFailedError
from rollforward.evaluation.alpha import ic_summary
from rollforward.instantiate import flatten_dict, init_instance_by_config, resolve_placeholders
from rollforward.workflow import R
from rollforward.workflow.record_temp.sources import LABEL_HORIZON
from rollforward.workflow.reporting.children import ARTIFACTS
from rollforward.workflow.reporting.gathering import KIND, ROLLING
from rollforward.workflow.reporting.material import Material
from rollforward.workflow.reporting.page import store_report
from rollforward.workflow.rolling.evaluating import evaluate
from rollforward.workflow.rolling.folds import (
    PREDICTED,
    REUSED,
    TRAINED,
    dated_predictions,
    fold_status,
    fold_table,
    merge_folds,
)
from rollforward.workflow.rolling.locking import one_at_a_time
from rollforward.workflow.rolling.planning import layout, plan
from rollforward.workflow.rolling.result import RollingResult
from rollforward.workflow.task.gen import RollingGen
from rollforward.workflow.trainer import Trainer, TrainerR
from rollforward.workflow.trainer.check import as_list, check_task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollforward.report import SignalReport
    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)

Refit: TypeAlias = int | Callable[[int, Any], bool]

AUDIT = "audit.csv"
_JOB_HASH, _NOTE = "job_hash", "mlflow.note.content"
_AUTO = "auto"


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
    step, rtype, purge, gap, handler_window, max_train, last, refit, calendar
        As in `RollingGen`.
    trunc_days
        As in `RollingGen`: a number takes the place of `purge`. ``"auto"`` is the same as ``None``.
    trainer
        Trains the folds, in the experiment of the job; ``None`` is a `TrainerR`. What trains them changes nothing in
        what they predict.
    """

    task: Mapping[str, Any]
    experiment_name: str
    name: str = "rolling"
    step: int | str | Sequence[Any] = 40
    rtype: str = RollingGen.ROLL_EX
    trunc_days: int | str | None = None
    calendar: Any = field(default=None, repr=False)
    purge: int | str | None = field(default=_AUTO, kw_only=True)
    gap: int = field(default=0, kw_only=True)
    handler_window: str = field(default="follow", kw_only=True)
    max_train: int | None = field(default=None, kw_only=True)
    last: str = field(default="whole", kw_only=True)
    refit: Refit | None = field(default=None, kw_only=True)
    trainer: Trainer | None = field(default=None, kw_only=True, repr=False, compare=False)

    @cached_property
    def generator(self) -> RollingGen:
        """What makes the folds."""
        options: dict[str, Any] = dict(self._options)
        trunc_days = options.pop("trunc_days")
        if isinstance(trunc_days, str) and trunc_days != _AUTO:
            raise TaskError(
                f"trunc_days is {trunc_days!r}.", "a number of sessions, None, or 'auto'.", "Correct trunc_days."
            )
        options["trunc_days"] = None if trunc_days == _AUTO else trunc_days
        if self.purge == _AUTO and label_lookahead(self.task) is None and self._lookahead is not None:
            options["purge"] = self._lookahead + 1
        return RollingGen(**options, calendar=self.calendar)

    @cached_property
    def tasks(self) -> list[dict[str, Any]]:
        """The folds' tasks, in time order."""
        # Purging would hide an overlap of the template; it is a mistake all the same.
        check_segments(segments_of(self.task))
        return self.generator.generate(dict(self.task))

    def plan(self, *, reuse: bool = True) -> pd.DataFrame:
        """Lay the folds out as a table, with what is there already and how long the rest may take.

        Parameters
        ----------
        reuse
            As in `run`.

        Returns
        -------
        pd.DataFrame
            See `plan`.

        Raises
        ------
        LeakageError
            If a fold trains on what it is tested on.
        """
        self.audit()
        return plan(self.tasks, self.experiment_name, calendar=self.calendar, reuse=reuse)

    def audit(self) -> pd.DataFrame:
        """Prove that no fold trains on what it is tested on.

        Returns
        -------
        pd.DataFrame
            One row per fold; see `RollingGen.audit`.

        Raises
        ------
        LeakageError
            If one does; names it.
        """
        return self.generator.audit(self.tasks, label_lookahead=self._lookahead)

    def run(self, *, reuse: bool = True, progress: bool | None = None) -> RollingResult:
        """Train every fold, merge the predictions, evaluate them and write the report.

        Parameters
        ----------
        reuse
            Take a finished fold of the same task, data, code and version instead of training it again, also from
            another experiment, and continue the parent run of the same job. ``False`` trains everything into new runs.
        progress
            As in `TrainerR`.

        Raises
        ------
        LeakageError
            If a fold trains on what it is tested on; nothing has been started then.
        RollforwardError
            What any part raises; the parent run is then FAILED and the folds that finished stay usable.
        """
        self.audit()
        _refuse_without_records(self.task)
        job_hash = self._hash()
        with one_at_a_time(R.get_uri(), self.experiment_name, job_hash):
            return self._run(job_hash, reuse=reuse, progress=progress)

    def _run(self, job_hash: str | None, *, reuse: bool, progress: bool | None) -> RollingResult:
        earlier = self._find(job_hash) if reuse and job_hash is not None else None
        options = {"experiment_name": self.experiment_name, "reuse": reuse, "progress": progress}
        trainer = (self.trainer or TrainerR()).with_options(**options)
        with R.start(
            experiment_name=self.experiment_name,
            recorder_id=earlier,
            recorder_name=None if earlier else self.name,
            resume=earlier is not None,
        ):
            parent = R.get_recorder()
            self._describe(job_hash)
            parent.save_objects(**{AUDIT: self.audit()})
            recorders = trainer(self.tasks)
            self._refuse_holes(recorders)
            return self._finish(parent, recorders, trainer.reused, resumed=earlier is not None)

    def _refuse_holes(self, recorders: Sequence[Recorder]) -> None:
        if len(recorders) < len(self.tasks):
            raise TaskFailedError(
                f"{len(self.tasks) - len(recorders)} of {len(self.tasks)} folds failed.",
                "a prediction of each fold.",
                "Look at the failed runs of the experiment, or at the pool; the same job goes on with what is trained.",
            )

    def _finish(
        self, parent: Recorder, recorders: list[Recorder], reused: Sequence[str], *, resumed: bool
    ) -> RollingResult:
        """Merge, evaluate and report what the folds predict."""
        status = fold_status(self.tasks, recorders, reused)
        counts = Counter(status)
        merged = merge_folds(recorders)
        parent.save_objects(**{ARTIFACTS[key]: frame for key, frame in merged.items()})
        ages = partial(_ages, recorders, self.calendar)
        found = evaluate(parent, self.task, ages)
        report = self._report(merged, fold_table(self._layout, recorders, status, R.get_uri()), found)
        store_report(parent, report)
        parent.set_tags(**{_NOTE: self._note(counts)})
        return RollingResult(
            recorder=parent,
            recorders=recorders,
            pred=merged["pred"],
            label=merged["label"],
            report=report,
            n_trained=counts[TRAINED],
            n_reused=counts[REUSED],
            n_predicted=counts[PREDICTED],
            resumed=resumed,
            metrics=ic_summary(found["ic.pkl"], found["ric.pkl"]),
        )

    @cached_property
    def _layout(self) -> pd.DataFrame:
        return layout(self.tasks, calendar=self.calendar)

    @cached_property
    def _lookahead(self) -> int | None:
        """Sessions that the label looks ahead; ``None`` if nobody knows.

        A handler that says so only when it is built is built once, for the template; that also shows a wrong column or
        an empty range before any run exists.
        """
        known = label_lookahead(self.task)
        if known is not None or self.purge != _AUTO or isinstance(self.trunc_days, int):
            return known
        dataset = init_instance_by_config(resolve_placeholders(dict(self.task))["dataset"], where="dataset")
        built = getattr(getattr(dataset, "handler", None), "label_lookahead", None)
        return None if built is None else int(built)

    @property
    def _options(self) -> dict[str, Any]:
        """How the job rolls, without the task and the calendar."""
        names = ("step", "rtype", "trunc_days", "purge", "gap", "handler_window", "max_train", "last", "refit")
        return {name: getattr(self, name) for name in names}

    def _spelt_options(self) -> dict[str, str]:
        """Spell the options as they are stored: a function by its name, which is the same in each process."""
        options = self._options
        named = {name: value if hasattr(value, "__qualname__") else type(value) for name, value in options.items()}
        return {
            name: f"{named[name].__module__}.{named[name].__qualname__}" if callable(value) else str(value)
            for name, value in options.items()
        }

    def _hash(self) -> str | None:
        """Identify the job; ``None`` if it holds live objects, or code that can be read nowhere."""
        checked = check_task(self.task)
        try:
            tasks = content_hash(self.tasks)
        except TaskError as error:
            logger.info("The job cannot be found again later: %s", error.given)
            return None
        if not checked.can_be_found:
            logger.info("The job cannot be found again later: %s", checked.reason)
            return None
        return content_hash([tasks, checked.data_hash, checked.code_hash, self.name, self._spelt_options()])

    def _find(self, job_hash: str) -> str | None:
        experiment = R.list_experiments().get(self.experiment_name)
        if experiment is None:
            return None
        filter_string = f"tags.{KIND} = '{ROLLING}' AND tags.{_JOB_HASH} = '{job_hash}'"
        found = experiment.list_recorders(rtype="list", max_results=1, filter_string=filter_string)
        return found[0].id if found else None

    def _describe(self, job_hash: str | None) -> None:
        known = {} if job_hash is None else {_JOB_HASH: job_hash}
        known |= {} if self._horizon is None else {LABEL_HORIZON: str(self._horizon)}
        R.set_tags(**{KIND: ROLLING, _NOTE: self._note(Counter())}, **known)
        R.log_params(**flatten_dict({"task": dict(self.task)}), **self._spelt_options(), n_folds=len(self.tasks))

    def _note(self, counts: Counter[str]) -> str:
        """Describe the job in a sentence or two; MLflow's pages show it on top of the run."""
        first, last = self._layout.iloc[0], self._layout.iloc[-1]
        done = ", ".join(f"{n} {status}" for status, n in sorted(counts.items())) or "not finished"
        return (
            f"Walk-forward job, {self.rtype}: {len(self.tasks)} folds, tested {_day(first['test_start'])} to "
            f"{_day(last['test_end'])}. Folds: {done}. The folds are the children of this run, and the rows of "
            "`folds.csv`; open `report.html` first."
        )

    def _report(self, merged: dict[str, pd.DataFrame], folds: pd.DataFrame, found: Mapping[str, Any]) -> SignalReport:
        return Material(
            pred=merged["pred"],
            label=merged["label"],
            folds=folds,
            horizons=found.get("ic_by_horizon.csv"),
            ages=found.get("ic_by_age.csv"),
            portfolio=next((found[name] for name in sorted(found) if name.startswith("report_normal_")), None),
            horizon=self._horizon,
            title=self.name,
            subtitle=self.experiment_name,
        ).report()

    @property
    def _horizon(self) -> int | None:
        """Sessions that one label spans; it starts a session after its date."""
        return None if self._lookahead is None else max(self._lookahead - 1, 1)


def _refuse_without_records(task: Mapping[str, Any]) -> None:
    if not as_list(task.get("record")):
        raise TaskError(
            "The task has no 'record', so its folds would store no prediction to merge.",
            "a record that stores pred.pkl and label.pkl.",
            'Add it: "record": ["SignalRecord", "SigAnaRecord"].',
        )


def _ages(recorders: Sequence[Recorder], calendar: Any) -> dict[str, Any]:
    """Options of the analysis of the models' age."""
    known = {} if calendar is None else {"calendar": calendar}
    return {"preds": dated_predictions(recorders), **known}


def _day(time: pd.Timestamp | None) -> str:
    return "now" if pd.isna(time) else str(time).removesuffix(" 00:00:00")
