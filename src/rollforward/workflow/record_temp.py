"""Records: what is computed from a trained model and stored in its run.

A record names its artifacts (`RecordTemp.list`), the record it builds on (`RecordTemp.depend_cls`) and computes
(`RecordTemp.generate`). What is missing is an error, never a silent nothing.
"""

from __future__ import annotations

import inspect
import logging
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from rollforward.errors import DataError, LoadObjectError, MissingArtifactError, ModelError, TaskError
from rollforward.evaluation.alpha import calc_ic, calc_long_short_return, ic_summary

logger = logging.getLogger(__name__)

PRED, LABEL = "pred.pkl", "label.pkl"


class RecordTemp:
    """Base of all records.

    Parameters
    ----------
    recorder
        The run that holds the artifacts: anything with ``save_objects``, ``load_object``, ``list_artifacts`` and
        ``log_metrics``.

    Attributes
    ----------
    artifact_path
        Folder of this record's artifacts in the run; ``None`` is the root.
    depend_cls
        The record whose artifacts this one needs; ``None`` if it needs none.
    """

    artifact_path: ClassVar[str | None] = None
    depend_cls: ClassVar[type[RecordTemp] | None] = None

    def __init__(self, recorder: Any) -> None:
        self._recorder = recorder

    @property
    def recorder(self) -> Any:
        """The run.

        Raises
        ------
        TaskError
            If none was given.
        """
        if self._recorder is None:
            raise TaskError(
                f"{type(self).__name__} has no recorder.", "the run to read and write.", "Give recorder=..."
            )
        return self._recorder

    @classmethod
    def get_path(cls, path: str | None = None) -> str:
        """Join the record's folder and a name; without both it is the empty text.

        Parameters
        ----------
        path
            Name below the folder; ``None`` gives the folder itself.
        """
        return "/".join(part for part in (cls.artifact_path, path) if part is not None)

    def save(self, **kwargs: Any) -> None:
        """Store objects in the record's folder.

        Parameters
        ----------
        kwargs
            Object by file name; the suffix decides the format.
        """
        self.recorder.save_objects(artifact_path=self.artifact_path, **kwargs)

    def generate(self, **kwargs: Any) -> Any:
        """Compute this record and store it."""
        raise NotImplementedError(f"{type(self).__name__} does not define generate().")

    def list(self) -> list[str]:
        """Name the files that `generate` leaves in the record's folder."""
        return []

    def dependency(self) -> RecordTemp | None:
        """Build the record that this one depends on, on the same run; ``None`` if there is none."""
        return None if self.depend_cls is None else self.depend_cls(recorder=self._recorder)

    def load(self, name: str, parents: bool = True) -> Any:
        """Load an artifact of this record, else of the records it depends on, nearest first.

        Parameters
        ----------
        name
            File name in the record's folder.
        parents
            Look in the folders of the dependencies too.

        Raises
        ------
        LoadObjectError
            If none of them has it, or it cannot be read.
        """
        try:
            return self.recorder.load_object(self.get_path(name))
        except LoadObjectError:
            dependency = self.dependency() if parents else None
            if dependency is None:
                raise
            return dependency.load(name)

    def check(self, include_self: bool = False, parents: bool = True) -> None:
        """Make sure that artifacts are there, without loading them.

        Parameters
        ----------
        include_self
            Check this record's own files.
        parents
            Check the files of everything it depends on.

        Raises
        ------
        MissingArtifactError
            If a file is missing; names all missing ones.
        """
        missing = _missing(self) if include_self else []
        dependency = self.dependency()
        while parents and dependency is not None:
            missing += _missing(dependency)
            dependency = dependency.dependency()
        if missing:
            raise MissingArtifactError(
                f"The run {_name_of(self.recorder)} has no {', '.join(missing)}.",
                f"the artifacts that {type(self).__name__} needs.",
                _remedy(self.depend_cls) if parents else "Call generate() first.",
            )


class SignalRecord(RecordTemp):
    """Predictions of the segment ``test``, and the label they will be judged by.

    Stores ``pred.pkl`` (a frame, column ``score``, indexed ``(datetime, instrument)``) and ``label.pkl`` (the raw label
    of the same rows).

    Parameters
    ----------
    model
        Predicts.
    dataset
        What it predicts.
    recorder
        The run.
    """

    def __init__(self, model: Any = None, dataset: Any = None, recorder: Any = None) -> None:
        super().__init__(recorder=recorder)
        self.model = model
        self.dataset = dataset

    @staticmethod
    def generate_label(dataset: Any) -> pd.DataFrame | None:
        """Take the raw label of the segment ``test``.

        Parameters
        ----------
        dataset
            Anything; the label is asked for with ``prepare(segments="test", col_set="label", data_key="raw")``, or with
            ``prepare_rows`` of a dataset that prepares something else than rows.

        Returns
        -------
        pd.DataFrame or None
            ``None``, with a warning, if the dataset has no ``prepare``, no label or has dropped its raw data.
        """
        prepare = getattr(dataset, "prepare_rows", getattr(dataset, "prepare", None))
        if prepare is None:
            logger.warning("%s has no prepare(): no label is stored", type(dataset).__name__)
            return None
        raw = {"data_key": "raw"} if _takes(prepare, "data_key") else {}
        try:
            label = prepare(segments="test", col_set="label", **raw)
        except (AttributeError, DataError) as error:
            logger.warning("The dataset gives no raw label, so none is stored: %s", error)
            return None
        return label.to_frame() if isinstance(label, pd.Series) else label

    def generate(self, **kwargs: Any) -> None:
        """Predict, and store prediction and label.

        Parameters
        ----------
        kwargs
            Passed on to ``model.predict``.

        Raises
        ------
        TaskError
            If there is no model or no dataset.
        ModelError
            If the model predicts anything but a Series or a frame.
        """
        if self.model is None or self.dataset is None:
            lack = "model" if self.model is None else "dataset"
            raise TaskError(
                f"SignalRecord has no {lack}.",
                "a model and a dataset.",
                f'Give {lack}=..., in a task as "<{lack.upper()}>".',
            )
        pred = _as_frame(self.model.predict(self.dataset, **kwargs), self.model)
        self.save(**{PRED: pred})
        label = self.generate_label(self.dataset)
        if label is not None:
            self.save(**{LABEL: label})
        logger.info("Stored %d predictions%s", len(pred), "" if label is None else " and their label")

    def list(self) -> list[str]:
        """Name the files: prediction and label."""
        return [PRED, LABEL]


def _as_frame(pred: Any, model: Any) -> pd.DataFrame:
    if isinstance(pred, pd.DataFrame):
        return pred
    if isinstance(pred, pd.Series):
        return pred.to_frame("score")
    raise ModelError(
        f"{type(model).__name__}.predict returned an object of type {type(pred).__name__}.",
        "a Series or a frame indexed (datetime, instrument).",
        "Give the scores the index of what was predicted, for example that of dataset.prepare(segment).",
    )


class ACRecordTemp(RecordTemp):
    """A record that checks, before it computes, whether its input is there and its output too.

    Parameters
    ----------
    recorder
        The run.
    skip_existing
        Do nothing if all files are there already.
    """

    def __init__(self, recorder: Any, skip_existing: bool = False) -> None:
        super().__init__(recorder=recorder)
        self.skip_existing = skip_existing

    def generate(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """Compute and store.

        Parameters
        ----------
        args, kwargs
            Passed on to the record's own computation.

        Returns
        -------
        dict or None
            The stored objects by file name; ``None`` if they were there already and ``skip_existing`` is set.

        Raises
        ------
        MissingArtifactError
            If an artifact that the record needs is missing.
        """
        if self.skip_existing and not _missing(self):
            logger.info("%s: all files exist, nothing to do", type(self).__name__)
            return None
        self.check()
        artifacts = self._generate(*args, **kwargs)
        self.save(**artifacts)
        return artifacts

    def _generate(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Compute; return the objects to store by file name."""
        raise NotImplementedError(f"{type(self).__name__} does not define _generate().")


class SigAnaRecord(ACRecordTemp):
    """How good the signal is: daily IC and Rank IC, and their summary as metrics.

    Stores ``sig_analysis/ic.pkl`` and ``ric.pkl``, with ``ana_long_short`` also ``long_short_r.pkl`` and
    ``long_avg_r.pkl`` (Series indexed by date). Logs ``IC``, ``ICIR``, ``Rank IC``, ``Rank ICIR``, with
    ``ana_long_short`` also ``Long-Short Ann Return``, ``Long-Short Ann Sharpe``, ``Long-Avg Ann Return`` and
    ``Long-Avg Ann Sharpe``.

    Parameters
    ----------
    recorder
        The run; holds ``pred.pkl`` and ``label.pkl``.
    ana_long_short
        Analyse the long-short return too; the label must be a return.
    ann_scaler
        Periods per year, to annualise with.
    label_col
        Position of the label's column.
    skip_existing
        Do nothing if all files are there already.
    """

    artifact_path = "sig_analysis"
    depend_cls = SignalRecord

    def __init__(
        self,
        recorder: Any,
        ana_long_short: bool = False,
        ann_scaler: int = 252,
        label_col: int = 0,
        skip_existing: bool = False,
    ) -> None:
        super().__init__(recorder=recorder, skip_existing=skip_existing)
        self.ana_long_short = ana_long_short
        self.ann_scaler = ann_scaler
        self.label_col = label_col

    def _generate(self, label: pd.DataFrame | None = None) -> dict[str, Any]:
        """Judge the stored prediction.

        Parameters
        ----------
        label
            Judge by this label instead of the stored one.
        """
        pred = self.load(PRED)
        label = self.load(LABEL) if label is None else label
        target = self._target(label)
        score = pred.iloc[:, 0] if isinstance(pred, pd.DataFrame) else pred
        ic, ric = calc_ic(score, target)
        if ic.isna().all():
            logger.warning("No date has an IC: %d predictions, %d labels", score.count(), target.count())
        metrics, artifacts = ic_summary(ic, ric), {"ic.pkl": ic, "ric.pkl": ric}
        if self.ana_long_short:
            spread, average = calc_long_short_return(score, target)
            metrics |= self._annualised("Long-Short", spread) | self._annualised("Long-Avg", average)
            artifacts |= {"long_short_r.pkl": spread, "long_avg_r.pkl": average}
        self.recorder.log_metrics(**metrics)
        logger.info("Signal: %s", ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
        return artifacts

    def list(self) -> list[str]:
        """Name the files."""
        return ["ic.pkl", "ric.pkl", *(["long_short_r.pkl", "long_avg_r.pkl"] if self.ana_long_short else [])]

    def _target(self, label: Any) -> pd.Series:
        label = label.to_frame() if isinstance(label, pd.Series) else label
        if not isinstance(label, pd.DataFrame) or label.empty:
            raise DataError(
                f"SigAnaRecord: the label of the run {_name_of(self.recorder)} is empty.",
                "one label per prediction.",
                "Keep the handler's raw data (drop_raw=False), or store a label.pkl.",
            )
        if not -label.shape[1] <= self.label_col < label.shape[1]:
            raise DataError(
                f"SigAnaRecord: label_col is {self.label_col}, and the label has {label.shape[1]} columns.",
                "the position of one of its columns, from 0.",
                "Correct label_col.",
            )
        return label.iloc[:, self.label_col]

    def _annualised(self, name: str, returns: pd.Series) -> dict[str, float]:
        mean, deviation = float(returns.mean()), float(returns.std(ddof=1))
        sharpe = mean / deviation * float(np.sqrt(self.ann_scaler)) if deviation > 0 else float("nan")
        return {f"{name} Ann Return": mean * self.ann_scaler, f"{name} Ann Sharpe": sharpe}


def _missing(record: RecordTemp) -> list[str]:
    """Name the files of a record that its run does not have."""
    paths = [record.get_path(name) for name in record.list()]
    there: set[str] = set()
    for folder in sorted({path.rpartition("/")[0] for path in paths}):
        there.update(record.recorder.list_artifacts(folder or None))
    return [path for path in paths if path not in there]


def _takes(function: Any, name: str) -> bool:
    parameters = inspect.signature(function).parameters
    return name in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())


def _name_of(recorder: Any) -> str:
    return str(getattr(recorder, "id", None) or recorder)


def _remedy(depend_cls: type[RecordTemp] | None) -> str:
    if depend_cls is None:
        return "Call generate() first."
    return (
        f"List {depend_cls.__name__} before it in the task's record. The label is stored when the dataset still has "
        "its raw data (drop_raw=False)."
    )
