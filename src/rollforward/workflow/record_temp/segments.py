"""How a model does on several segments of its data, for example on what it was trained on and on what it was not."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from rollforward.errors import DataError, TaskError
from rollforward.evaluation.alpha import calc_ic, ic_summary
from rollforward.workflow.record_temp.base import RecordTemp
from rollforward.workflow.record_temp.signal import as_frame, raw_label

logger = logging.getLogger(__name__)


class MultiSegRecord(RecordTemp):
    """IC and Rank IC of a model on any segments.

    Parameters
    ----------
    model
        Predicts: ``predict(dataset, segment)``.
    dataset
        What it predicts; a ``DatasetH``, or anything with its ``prepare``.
    recorder
        The run; needed only to save.
    segments
        What `generate` takes if it is called without, as the trainer does; ``None`` is every segment of the dataset.
    save
        Whether `generate` stores its results if it is not told.

    Raises
    ------
    TaskError
        If the model cannot predict, or the dataset cannot prepare a label.
    """

    def __init__(
        self,
        model: Any,
        dataset: Any,
        recorder: Any = None,
        *,
        segments: Mapping[str, Any] | None = None,
        save: bool = False,
    ) -> None:
        super().__init__(recorder=recorder)
        for word, value, method in (("model", model, "predict"), ("dataset", dataset, "prepare")):
            if not hasattr(value, method):
                raise TaskError(
                    f"MultiSegRecord: the {word}, an object of type {type(value).__name__}, has no {method}().",
                    "a model that predicts segments of a DatasetH.",
                    f'Give {word}=..., in a task as "<{word.upper()}>".',
                )
        self.model = model
        self.dataset = dataset
        self.segments = segments
        self.save_results = save

    def generate(  # type: ignore[override]  # Qlib's signature
        self, segments: Mapping[str, Any] | None = None, save: bool | None = None
    ) -> dict[str, dict[str, Any]]:
        """Judge the model on each segment.

        Parameters
        ----------
        segments
            Segment by the name it is reported under: a segment's name, or a pair of times, both inclusive.
        save
            Store the result of each as ``results-<name>.pkl``.

        Returns
        -------
        dict
            By name: ``all-IC`` and ``all-Rank-IC`` (Series, one value per date), ``mean-IC`` and ``mean-Rank-IC``.

        Raises
        ------
        TaskError
            If there are no segments, or one has a name that cannot be part of a file's.
        DataError
            If a segment has no label.
        """
        results = {name: self._judge(name, segment) for name, segment in self._named(segments).items()}
        if self.save_results if save is None else save:
            self.save(**{_file(name): result for name, result in results.items()})
        return results

    def list(self) -> list[str]:
        """Name the files that `generate` leaves when it is called as the trainer calls it."""
        return [_file(name) for name in self._named(None)] if self.save_results else []

    def _named(self, segments: Mapping[str, Any] | None) -> dict[str, Any]:
        chosen = segments if segments is not None else self.segments
        if chosen is None:
            chosen = {name: name for name in getattr(self.dataset, "segments", {})}
        if not isinstance(chosen, Mapping) or not chosen:
            raise TaskError(
                f"MultiSegRecord: the segments are {chosen!r}.",
                "a dictionary with at least one: its name, and a segment's name or a pair of times.",
                'For example segments={"in sample": "train", "out of sample": "test"}.',
            )
        for name in chosen:
            if not isinstance(name, str) or not name or "/" in name:
                raise TaskError(
                    f"MultiSegRecord: a segment is called {name!r}.",
                    "a text without '/': it becomes part of a file's name.",
                    "Rename it.",
                )
        return dict(chosen)

    def _judge(self, name: str, segment: Any) -> dict[str, Any]:
        pred = as_frame(self.model.predict(self.dataset, segment), self.model)
        label = raw_label(self.dataset, segment)
        if label is None or label.empty:
            raise DataError(
                f"MultiSegRecord: the dataset has no label of {name!r}, {segment!r}.",
                "raw labels of the segment.",
                "Keep the handler's raw data (drop_raw=False).",
            )
        ic, ric = calc_ic(pred.iloc[:, 0], label.iloc[:, 0])
        figures = ic_summary(ic, ric)
        logger.info("%s: %s", name, ", ".join(f"{key} {value:.4f}" for key, value in figures.items()))
        return {"all-IC": ic, "mean-IC": figures["IC"], "all-Rank-IC": ric, "mean-Rank-IC": figures["Rank IC"]}


def _file(name: str) -> str:
    return f"results-{name}.pkl"
