"""Qlib's `Rolling`: the task of a configuration file, rolled, and its merged prediction evaluated."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml

from rollforward.errors import DataSourceError, ExperimentNotFoundError, TaskError
from rollforward.instantiate import (
    deepcopy_basic_type,
    resolve_placeholders,
    update_config,
)
from rollforward.workflow import R
from rollforward.workflow.reporting.children import ARTIFACTS
from rollforward.workflow.rolling.evaluating import TemplateDataset, generate_records
from rollforward.workflow.rolling.folds import merge_folds
from rollforward.workflow.rolling.job import AUDIT
from rollforward.workflow.task.gen import RollingGen
from rollforward.workflow.task.utils import replace_task_handler_with_cache
from rollforward.workflow.trainer import TrainerR
from rollforward.workflow.trainer.check import RECORDS_MODULE, as_list, check_task

if TYPE_CHECKING:
    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)

# Qlib's label of horizon h is the return from the next close to the close h sessions later.
_ENTRY_LAG = 1


class Rolling:
    """The task of a configuration file, rolled through time.

    The folds expand, and are trained into an experiment of their own, without reuse. Their merged prediction becomes a
    run in another experiment, on which the records of the configuration work. `RollingJob` does more; this class is for
    code that is written for Qlib's.

    Parameters
    ----------
    conf_path
        A YAML file with a section ``task``; its other sections are not read.
    exp_name
        Experiment of the run with the merged prediction; ``None`` is the default one.
    horizon
        ``h`` of the label ``close[t + h + 1] / close[t + 1] - 1``, in sessions; takes the place of the configuration's
        label. With `h_path` it has to be that of the stored handler.
    step
        Sessions by which each fold moves on; the length of its test segment.
    h_path
        File of a stored handler to use instead of the configuration's.
    train_start, test_end
        Instead of those of the configuration.
    task_ext_conf
        Merged into the task last.
    rolling_exp
        Experiment of the folds. One of this name is deleted before the folds are trained. ``None`` makes a new one,
        named after the time.

    Raises
    ------
    TaskError
        If `horizon` is no positive number of sessions.
    """

    def __init__(
        self,
        conf_path: str | Path,
        exp_name: str | None = None,
        horizon: int | None = 20,
        step: int = 20,
        h_path: str | None = None,
        train_start: str | None = None,
        test_end: str | None = None,
        task_ext_conf: dict[str, Any] | None = None,
        rolling_exp: str | None = None,
    ) -> None:
        if not isinstance(horizon, int) or isinstance(horizon, bool) or horizon < 1:
            raise TaskError(
                f"horizon is {horizon!r}.",
                "the number of sessions that a label spans, 1 or more.",
                "Give the horizon; it cannot be read off the dataset.",
            )
        self.conf_path = Path(conf_path)
        self.exp_name = exp_name
        self.horizon = horizon
        self.step = step
        self.h_path = h_path
        self.train_start = train_start
        self.test_end = test_end
        self.task_ext_conf = task_ext_conf
        self.rolling_exp = rolling_exp or f"rolling_models_{datetime.now().astimezone():%Y%m%d%H%M%S}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.conf_path)!r}, horizon={self.horizon}, step={self.step})"

    def basic_task(self, enable_handler_cache: bool | None = True) -> dict[str, Any]:
        """Make the task that is rolled; a subclass may change it.

        Parameters
        ----------
        enable_handler_cache
            Build the handler once and let all folds read it from a file beside the configuration. Its fit window is
            that of the template then, for all folds.

        Raises
        ------
        DataSourceError, TaskError
            If there is no such file, or it has no task.
        """
        task = self._with_label(self._conf_task())
        kwargs = task["dataset"]["kwargs"]
        segments = kwargs["segments"]
        if self.train_start is not None:
            segments["train"] = pd.Timestamp(self.train_start), segments["train"][1]
        if self.test_end is not None:
            segments["test"] = segments["test"][0], pd.Timestamp(self.test_end)
        if self.h_path is not None:
            kwargs["handler"] = f"file://{Path(self.h_path)}"
        elif enable_handler_cache:
            # References in the handler are to the template; a stored handler is the same for all folds.
            cached = replace_task_handler_with_cache(resolve_placeholders(task), self.conf_path.parent)
            kwargs["handler"] = cached["dataset"]["kwargs"].get("handler")
        return task if self.task_ext_conf is None else update_config(task, self.task_ext_conf)

    def get_task_list(self) -> list[dict[str, Any]]:
        """Make the tasks of the folds; each only predicts, because the merged prediction is what is evaluated."""
        tasks = self._generator().generate(self.basic_task())
        return [{**task, "record": [f"{RECORDS_MODULE}.SignalRecord"]} for task in tasks]

    def run(self) -> Recorder:
        """Train the folds, merge what they predict, and evaluate it.

        Returns
        -------
        Recorder
            The run in `exp_name`: param ``exp_name`` (the experiment of the folds), artifacts ``pred.pkl``,
            ``label.pkl``, ``audit.csv`` and those of the configured records.

        Raises
        ------
        LeakageError
            If a fold trains on what it is tested on. Nothing has been deleted or started then, nor after any other
            error in the tasks.
        """
        tasks = self.get_task_list()
        audit = self._generator().audit(tasks, label_lookahead=self._lookahead)
        records = as_list(self._conf_task().get("record"))
        for task in tasks:
            check_task(task)
        self._delete_earlier()
        recorders = TrainerR(self.rolling_exp)(tasks)
        merged = merge_folds(recorders)
        with R.start(experiment_name=self.exp_name):
            recorder = R.get_recorder()
            R.log_params(exp_name=self.rolling_exp)
            R.save_objects(**{ARTIFACTS[key]: frame for key, frame in merged.items()}, **{AUDIT: audit})
            generate_records(recorder, records, TemplateDataset(lambda: self.basic_task()["dataset"]))
        return recorder

    def run_basic_task(self) -> Recorder:
        """Train the task once, without rolling, in `exp_name`."""
        return TrainerR(self.exp_name)(self.basic_task())[0]

    @property
    def _lookahead(self) -> int:
        return self.horizon + _ENTRY_LAG

    def _generator(self) -> RollingGen:
        return RollingGen(step=self.step, trunc_days=self._lookahead + 1)

    def _delete_earlier(self) -> None:
        try:
            R.delete_exp(experiment_name=self.rolling_exp)
        except ExperimentNotFoundError:
            logger.info("There is no earlier experiment %r.", self.rolling_exp)
        else:
            logger.info("The earlier experiment %r was deleted.", self.rolling_exp)

    def _with_label(self, task: dict[str, Any]) -> dict[str, Any]:
        handler = task["dataset"]["kwargs"].get("handler")
        if self.h_path is not None:
            logger.info("The label is that of the stored handler %s.", self.h_path)
        elif isinstance(handler, Mapping):
            label = f"Ref($close, -{self._lookahead}) / Ref($close, -{_ENTRY_LAG}) - 1"
            kwargs = {**(handler.get("kwargs") or {}), "label": [label]}
            task["dataset"]["kwargs"]["handler"] = {**handler, "kwargs": kwargs}
        else:
            logger.warning("The handler is no configuration: its label stays, whatever the horizon.")
        return task

    def _conf_task(self) -> dict[str, Any]:
        try:
            content = yaml.safe_load(self.conf_path.read_text(encoding="utf-8"))
        except OSError as error:
            raise DataSourceError(
                f"{self.conf_path} cannot be read: {error.strerror}.", "the path of a YAML file.", "Correct the path."
            ) from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise TaskError(f"{self.conf_path} is not YAML: {error}", "a YAML file with a section 'task'.") from error
        task = content.get("task") if isinstance(content, Mapping) else None
        try:
            segments = task["dataset"]["kwargs"]["segments"]  # type: ignore[index]  # checked by trying
            names = {"train", "test"} <= set(segments)
        except (KeyError, TypeError):
            names = False
        if not names:
            raise TaskError(
                f"{self.conf_path} has no task that can be rolled.",
                "a section 'task' with dataset.kwargs.segments, train and test among them.",
                "Add it.",
            )
        copied: dict[str, Any] = deepcopy_basic_type(task)
        return copied
