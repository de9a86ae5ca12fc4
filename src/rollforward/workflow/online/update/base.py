"""What every updater does: find what is missing, load what that needs, put the new rows among the old ones."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.data.calendar_in_use import resolve
from rollforward.data.cut import data_cut_at
from rollforward.data.ranges import parse_ranges
from rollforward.data.selection import DATETIME
from rollforward.data.spans import whole_number
from rollforward.data.times import as_time
from rollforward.errors import MissingArtifactError, UpdateError
from rollforward.workflow.online.update.loader import DATASET, TEST, RMDLoader
from rollforward.workflow.online.update.merging import as_table, like, replace_range, with_columns_of, within
from rollforward.workflow.online.update.warmup import silent_parts, warm_up

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rollforward.data.calendar import Calendar
    from rollforward.workflow.recorder import Recorder

PRED = "pred.pkl"


class RecordUpdater(ABC):
    """Updates something that one run holds.

    Parameters
    ----------
    record
        The run.
    *args, **kwargs
        Left to subclasses.

    Attributes
    ----------
    logger
        Named as the class.
    """

    def __init__(self, record: Recorder, *args: Any, **kwargs: Any) -> None:
        del args, kwargs
        self.record = record
        self.logger = logging.getLogger(f"{__name__}.{type(self).__name__}")

    @abstractmethod
    def update(self, *args: Any, **kwargs: Any) -> Any:
        """Bring it up to date."""


class DSBasedUpdater(RecordUpdater):
    """Updates a table ``(datetime, instrument)`` that was made with the dataset of the run.

    Parameters
    ----------
    record
        The run.
    to_date
        Last date, inclusive; ``None``, or one that is later, is the calendar's current end.
    from_date
        First date to compute anew; ``None`` is the one after the last that is there.
    hist_ref
        Sessions before the first new one that the dataset needs to load; ``None`` finds that out (`warm_up`).
    freq
        Kept for Qlib's signature: the calendar says what a session is.
    fname
        The artifact.
    loader_cls
        Loads model and dataset, an `RMDLoader`.
    calendar
        Anything that `Calendar.of` takes; ``None`` is that of the settings.

    Attributes
    ----------
    old_data
        The table as it is stored.
    last_end
        The last date that needs nothing; ``None`` if there is none.
    start
        The first session to compute; ``None`` if there is none yet.
    to_date
        The last session to compute.
    rmdl
        The loader.

    Raises
    ------
    LoadObjectError
        If the run does not hold the artifact.
    UpdateError
        If it is not such a table.
    CalendarError
        If there is no calendar.
    """

    def __init__(
        self,
        record: Recorder,
        to_date: Any = None,
        from_date: Any = None,
        hist_ref: int | None = None,
        freq: str = "day",
        fname: str = PRED,
        loader_cls: type[RMDLoader] = RMDLoader,
        *,
        calendar: Any = None,
    ) -> None:
        super().__init__(record)
        self.calendar: Calendar = resolve(calendar)
        self.hist_ref = None if hist_ref is None else whole_number(hist_ref, "hist_ref", 0)
        self.freq = freq
        self.fname = fname
        self.rmdl = loader_cls(rec=record)
        self.to_date = self._end(to_date)
        try:
            self.old_data: Any = record.load_object(fname)
        except MissingArtifactError as error:
            remedy = "Give the task a record that stores it, such as SignalRecord for predictions; or correct fname=."
            raise MissingArtifactError(error.given, error.expected, remedy) from error
        self._old = as_table(self.old_data, f"{fname} of run {record.id}")
        self.last_end, self.start = self._begin(from_date)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(run {self.record.id}, {self.fname}, {self.start} to {self.to_date})"

    @property
    def is_current(self) -> bool:
        """Whether nothing is missing up to ``to_date``."""
        return self.last_end is not None and self.last_end >= self.to_date

    def window(self, dataset: Any) -> tuple[pd.Timestamp, pd.Timestamp]:
        """Find the first session to load and the first one to compute.

        Raises
        ------
        UpdateError
            If the table is empty and the dataset has no test segment to begin with.
        """
        start = self._first_test(dataset) if self.start is None else self.start
        history = warm_up(dataset) if self.hist_ref is None else self.hist_ref
        if history is not None:
            return self.calendar[max(0, self.calendar.index_of(start, "next") - history)], start
        self.logger.info(
            "All history is loaded, because %s does not say how far it looks back: give it an attribute lookback",
            ", ".join(silent_parts(dataset)),
        )
        whole = getattr(dataset.handler, "start_time", None)
        return self.calendar.first if whole is None else min(start, pd.Timestamp(whole)), start

    def prepare_data(self, unprepared_dataset: Any = None) -> Any:
        """Load the dataset, with what it needs to compute what is missing: its segment ``test``.

        Parameters
        ----------
        unprepared_dataset
            Used, and changed, instead of the stored one.

        Returns
        -------
            The dataset.
        """
        dataset = self.record.load_object(DATASET) if unprepared_dataset is None else unprepared_dataset
        first, start = self.window(dataset)
        with self._knowing(dataset):
            return self.rmdl.get_dataset(
                start_time=first,
                end_time=self.to_date,
                segments={TEST: (start, self.to_date)},
                unprepared_dataset=dataset,
            )

    def update(self, dataset: Any = None, write: bool = True, ret_new: bool = False) -> Any:
        """Compute what is missing and store the table anew, all at once.

        Parameters
        ----------
        dataset
            One that `prepare_data` has made; ``None`` makes it.
        write
            Whether it is stored.
        ret_new
            Whether it is returned.

        Returns
        -------
            The whole table if `ret_new`, also if nothing was missing; else ``None``.

        Raises
        ------
        EmptySegmentError
            If there are no data of the missing sessions.
        UpdateError
            If what was computed does not fit the table.
        """
        if self.is_current:
            self.logger.info("%s of run %s is complete up to %s.", self.fname, self.record.id, self.last_end)
            return self.old_data if ret_new else None
        updated = self.get_update_data(self.prepare_data() if dataset is None else dataset)
        if write:
            self.record.save_objects(**{self.fname: updated})
        return updated if ret_new else None

    @abstractmethod
    def get_update_data(self, dataset: Any) -> Any:
        """Return the whole table, with what is missing computed from a dataset of `prepare_data`."""

    def merged(self, new: pd.DataFrame, dataset: Any) -> Any:
        """Put new rows into the table: what they cover is replaced, and the table keeps its kind and its columns.

        Parameters
        ----------
        new
            Rows ``(datetime, instrument)``; those outside the missing sessions are left out.
        dataset
            The one they were made from.

        Raises
        ------
        UpdateError
            If they do not fit the table, or there are none.
        """
        what = f"{self.fname} of run {self.record.id}"
        start = self._first_test(dataset) if self.start is None else self.start
        new = within(with_columns_of(as_table(new, "What was computed"), self._old, what), start, self.to_date, what)
        self.logger.debug("%s: %d new rows, %s to %s.", what, len(new), new.index[0][0], new.index[-1][0])
        return like(replace_range(self._old, new), self.old_data, self.record, self.fname)

    def _known(self) -> pd.DataFrame:
        """Return the rows of the table that need nothing."""
        return self._old.dropna()

    def _knowing(self, _dataset: Any) -> AbstractContextManager[Any]:
        """Give the context that data are loaded in."""
        return data_cut_at(None)

    def _end(self, to_date: Any) -> pd.Timestamp:
        latest = self.calendar.current_end
        if to_date is None:
            return latest
        index = self.calendar.position(to_date, "end")
        if index < 0:
            raise UpdateError(
                f"to_date={to_date!s} lies before the calendar.", f"a date from {self.calendar.first!s} on."
            )
        if as_time(to_date) > latest:
            self.logger.warning("There are no data up to %s yet: updating to %s.", to_date, latest)
        return min(self.calendar[index], latest)

    def _begin(self, from_date: Any) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
        if from_date is not None:
            index = self.calendar.position(from_date)
        else:
            known = self._known()
            if known.empty:
                return None, None
            last_end = pd.Timestamp(known.index.get_level_values(DATETIME).max())
            index = self.calendar.position(last_end, "end") + 1
            return last_end, self.calendar[index] if index < len(self.calendar) else None
        if index >= len(self.calendar):
            return self.calendar.last, None
        return self.calendar[index - 1] if index else None, self.calendar[index]

    def _first_test(self, dataset: Any) -> pd.Timestamp:
        segments = getattr(dataset, "segments", {})
        start = parse_ranges(segments[TEST], TEST)[0][0] if TEST in segments else None
        if start is None or self.calendar.position(start) >= len(self.calendar):
            raise UpdateError(
                f"{self.fname} of run {self.record.id} is empty, and its dataset has no test segment to begin with.",
                "old data, or the first date to compute.",
                "Give from_date.",
            )
        return self.calendar[self.calendar.index_of(start, "next")]
