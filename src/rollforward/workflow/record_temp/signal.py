"""The signal: what the model predicts, and the label it will be judged by."""

from __future__ import annotations

import inspect
import logging
from typing import Any

import pandas as pd

from rollforward.data.calendar_in_use import resolve
from rollforward.data.ranges import hull, parse_ranges
from rollforward.errors import CalendarError, DataError, EmptySegmentError, ModelError, TaskError
from rollforward.workflow.record_temp.base import LABEL, PRED, RecordTemp

logger = logging.getLogger(__name__)


class SignalRecord(RecordTemp):
    """Predictions of the segment ``test``, and the label they will be judged by.

    Stores ``pred.pkl`` (a frame, column ``score``, indexed ``(datetime, instrument)``) and ``label.pkl`` (the raw label
    of the same rows). A model that is trained before its test segment begins, with a session of the settings'
    calendar that is to come, has nothing to predict yet: both are stored without rows then, with a warning, and an
    updater adds them day by day. Records that judge have nothing to judge then: they warn, and store nothing.

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
        if not hasattr(dataset, "prepare"):
            logger.warning("%s has no prepare(): no label is stored", type(dataset).__name__)
            return None
        try:
            return raw_label(dataset, "test")
        except (AttributeError, DataError) as error:
            logger.warning("The dataset gives no raw label, so none is stored: %s", error)
            return None

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
        EmptySegmentError
            If the test segment has no row of the data, and does not begin after them.
        """
        if self.model is None or self.dataset is None:
            lack = "model" if self.model is None else "dataset"
            raise TaskError(
                f"SignalRecord has no {lack}.",
                "a model and a dataset.",
                f'Give {lack}=..., in a task as "<{lack.upper()}>".',
            )
        try:
            pred = as_frame(self.model.predict(self.dataset, **kwargs), self.model)
        except EmptySegmentError:
            label = _label_to_come(self.dataset)
            if label is None:
                raise
            pred = pd.DataFrame({"score": 0.0}, index=label.index)
        else:
            label = self.generate_label(self.dataset)
        self.save(**{PRED: pred})
        if label is not None:
            self.save(**{LABEL: label})
        logger.info("Stored %d predictions%s", len(pred), "" if label is None else " and their label")

    def list(self) -> list[str]:
        """Name the files: prediction and label."""
        return [PRED, LABEL]


def as_frame(pred: Any, model: Any) -> pd.DataFrame:
    """Give a prediction the form in which it is stored: a frame, whose only column is ``score`` if it was a Series.

    Raises
    ------
    ModelError
        If it is neither; names the model.
    """
    if isinstance(pred, pd.DataFrame):
        return pred
    if isinstance(pred, pd.Series):
        return pred.to_frame("score")
    raise ModelError(
        f"{type(model).__name__}.predict returned an object of type {type(pred).__name__}.",
        "a Series or a frame indexed (datetime, instrument).",
        "Give the scores the index of what was predicted, for example that of dataset.prepare(segment).",
    )


def raw_label(dataset: Any, segment: Any) -> pd.DataFrame:
    """Take the raw label of a segment, one row per ``(datetime, instrument)``, also from a dataset of windows.

    Parameters
    ----------
    dataset
        Its ``prepare_rows``, else its ``prepare``, is asked for ``col_set="label"`` and, if it knows that, for
        ``data_key="raw"``.
    segment
        A segment's name, or what else the dataset takes.
    """
    prepare = getattr(dataset, "prepare_rows", dataset.prepare)
    raw = {"data_key": "raw"} if _takes(prepare, "data_key") else {}
    label: pd.DataFrame | pd.Series = prepare(segments=segment, col_set="label", **raw)
    return label.to_frame() if isinstance(label, pd.Series) else label


def _label_to_come(dataset: Any) -> pd.DataFrame | None:
    """Take the raw label without a row, if the test segment begins with a session that is to come; else ``None``."""
    try:
        begin, _ = hull(parse_ranges(dataset.segments["test"], "segment 'test'"))
        known: pd.DataFrame = dataset.handler.fetch(col_set="label", data_key="raw")
        last_session = resolve().last
    except (AttributeError, CalendarError, DataError, KeyError):
        return None
    last = known.index.get_level_values("datetime").max()
    if begin is None or not last < begin <= last_session:
        return None
    logger.warning("The test segment begins on %s and the data end on %s: there is no prediction yet.", begin, last)
    return known.iloc[:0]


def _takes(function: Any, name: str) -> bool:
    parameters = inspect.signature(function).parameters
    return name in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())
