"""Predicting the past again, once with all data and once with the data that there were."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rollforward.data.cut import data_cut_at
from rollforward.data.selection import DATETIME, select_rows
from rollforward.errors import ColumnError, DataError, EmptySegmentError, MissingArtifactError, ProofError
from rollforward.workflow.online.proving.anew import trained
from rollforward.workflow.online.proving.result import ABSENT, DIFFERS, ROUNDED, SAME, Comparison
from rollforward.workflow.online.update.loader import DATASET, TEST, RMDLoader
from rollforward.workflow.online.update.merging import as_table
from rollforward.workflow.online.update.updaters import PRED
from rollforward.workflow.online.update.warmup import warm_up
from rollforward.workflow.record_temp.signal import as_frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rollforward.data.calendar import Calendar
    from rollforward.workflow.recorder import Recorder

# Models that multiply matrices give other last digits for one session than for many.
_RELATIVE = 1e-6


class Rerun:
    """Compares predictions of one run.

    Parameters
    ----------
    recorder
        The run.
    calendar
        The sessions.

    Attributes
    ----------
    dataset
        As it was stored.
    stored
        The stored predictions; ``None`` if there are none.
    """

    def __init__(self, recorder: Recorder, calendar: Calendar) -> None:
        self.recorder = recorder
        self.calendar = calendar
        self._loader = RMDLoader(recorder)
        self.dataset = recorder.load_object(DATASET)
        self.stored = _stored(recorder)

    @property
    def sessions(self) -> pd.DatetimeIndex:
        """The sessions that there are stored predictions of."""
        if self.stored is None or self.stored.empty:
            return pd.DatetimeIndex([])
        return pd.DatetimeIndex(self.stored.index.get_level_values(DATETIME).unique())

    def compare(self, dates: Sequence[pd.Timestamp]) -> list[Comparison]:
        """Compare the predictions of some sessions.

        Raises
        ------
        ProofError
            If a session cannot be predicted from the data that there were.
        """
        if not dates:
            return []
        model = self._loader.get_model()
        start = self._start(min(dates))
        # The end is open both times, so that nothing but the cut is different.
        everything = self._ready(self.recorder.load_object(DATASET), start, dates[0])
        found = []
        for date in dates:
            everything.config(segments={TEST: (date, date)})
            try:
                full = _predicted(model, everything)
                with data_cut_at(date):
                    known = self._ready(self.recorder.load_object(DATASET), start, date)
                    cut = _predicted(model, known)
            except (DataError, EmptySegmentError) as error:
                raise ProofError(
                    f"Run {self.recorder.id} cannot predict {date!s} from the data that there were: {error}",
                    "a dataset of this package, and data of that date.",
                ) from error
            found.append(self._compared(date, full, cut))
        return found

    def retrained(self, task: Mapping[str, Any], serves_from: pd.Timestamp, dates: Sequence[pd.Timestamp]) -> str:
        """Train anew on the data before a session, and compare the scores of some sessions with the stored model's.

        Returns
        -------
            ``"same"``, ``"rounded"`` or ``"differs"``, the worst of all sessions.
        """
        model = self._loader.get_model()
        with data_cut_at(self.calendar[self.calendar.index_of(serves_from) - 1]):
            fresh, trained_on = trained(task)
        start, worst = self._start(min(dates)), SAME
        for date in dates:
            with data_cut_at(date):
                old = _predicted(model, self._ready(self.recorder.load_object(DATASET), start, date)).scores
                new = _predicted(fresh, self._ready(trained_on, start, date)).scores
            found = DIFFERS if not old.index.equals(new.index) or old.shape != new.shape else _nearly(old, new)
            worst = max(worst, found, key=[SAME, ROUNDED, DIFFERS].index)
        return worst

    def _start(self, first: pd.Timestamp) -> pd.Timestamp | None:
        history = warm_up(self.dataset)
        if history is None:
            start = getattr(self.dataset.handler, "start_time", None)
            return None if start is None else pd.Timestamp(start)
        return self.calendar[max(0, self.calendar.index_of(first, "previous") - history)]

    def _ready(self, dataset: Any, start: pd.Timestamp | None, date: pd.Timestamp) -> Any:
        dataset = self._loader.get_dataset(start, None, {TEST: (date, date)}, dataset)
        if hasattr(dataset.handler, "fetch_orig"):
            # Copies lie alike in memory: the same numbers are computed with in the same way.
            dataset.handler.fetch_orig = False
        return dataset

    def _compared(self, date: pd.Timestamp, full: _Made, cut: _Made) -> Comparison:
        return Comparison(
            recorder_id=self.recorder.require_id(),
            date=_iso(date),
            n_rows=len(cut.scores),
            prediction=_equal(full.scores, cut.scores),
            features=_equal(full.features, cut.features),
            stored=self._against_stored(date, full.scores),
            difference=_difference(full.scores, cut.scores),
            sha256=_digest(cut.scores),
        )

    def _against_stored(self, date: pd.Timestamp, made: pd.DataFrame) -> str:
        if self.stored is None:
            return ABSENT
        stored = select_rows(self.stored, slice(date, date))
        if stored.empty:
            return ABSENT
        if not stored.index.equals(made.index) or stored.shape != made.shape:
            return DIFFERS
        return _nearly(stored, made)


def _nearly(stored: pd.DataFrame, made: pd.DataFrame) -> str:
    old, new = stored.to_numpy(dtype=float), made.to_numpy(dtype=float)
    if np.array_equal(old, new, equal_nan=True):
        return SAME
    scale = np.nanmax(np.abs(old), initial=0.0)
    return ROUNDED if np.allclose(old, new, rtol=_RELATIVE, atol=_RELATIVE * scale, equal_nan=True) else DIFFERS


class _Made:
    """Scores and features of one session."""

    def __init__(self, scores: pd.DataFrame, features: pd.DataFrame | None) -> None:
        self.scores = scores
        self.features = features


def _predicted(model: Any, dataset: Any) -> _Made:
    try:
        features = getattr(dataset, "prepare_rows", dataset.prepare)(TEST, col_set="feature", data_key="infer")
    except ColumnError:
        features = None
    scores = as_table(as_frame(model.predict(dataset), model), f"What {type(model).__name__}.predict returned")
    start, end = dataset.segments[TEST]
    return _Made(select_rows(scores, slice(start, end)), features)


def _stored(recorder: Recorder) -> pd.DataFrame | None:
    try:
        return as_table(recorder.load_object(PRED), f"{PRED} of run {recorder.id}")
    except MissingArtifactError:
        return None


def _equal(full: pd.DataFrame | None, cut: pd.DataFrame | None) -> str:
    if full is None or cut is None:
        return ABSENT
    is_same = full.index.equals(cut.index) and list(full.columns) == list(cut.columns)
    return SAME if is_same and np.array_equal(full.to_numpy(), cut.to_numpy(), equal_nan=True) else DIFFERS


def _difference(full: pd.DataFrame, cut: pd.DataFrame) -> float | None:
    if not full.index.equals(cut.index) or full.shape != cut.shape or not full.size:
        return None
    old, new = full.to_numpy(dtype=float), cut.to_numpy(dtype=float)
    apart = np.abs(old - new)[~(np.isnan(old) & np.isnan(new))]
    largest = float(apart.max(initial=0.0))
    return largest if np.isfinite(largest) else None


def _digest(scores: pd.DataFrame) -> str:
    names = "\n".join(map(str, scores.index.get_level_values(1)))
    return hashlib.sha256(names.encode() + np.ascontiguousarray(scores.to_numpy(dtype=float)).tobytes()).hexdigest()


def _iso(time: pd.Timestamp) -> str:
    return time.date().isoformat() if time == time.normalize() else time.isoformat()
