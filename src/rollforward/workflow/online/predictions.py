"""The predictions of the models at work: each read once, and brought up to a session when they do not reach it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollforward.data.selection import DATETIME
from rollforward.errors import RecorderNotFoundError
from rollforward.workflow.online.containing import concerns_all, kind_and_text
from rollforward.workflow.online.guard import count_scores
from rollforward.workflow.online.hindsight import as_on, is_of_later_data, warn
from rollforward.workflow.online.update import update_many
from rollforward.workflow.online.update.each_session import EachSession
from rollforward.workflow.trainer.reuse import FoundRun, read_recorders

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from contextlib import AbstractContextManager

    import pandas as pd

    from rollforward.workflow.online.ledger.parts import ModelRef
    from rollforward.workflow.online.update import Update
    from rollforward.workflow.recorder import Recorder


class Predictions:
    """Recorders and predictions of models, for the time of one call.

    Parameters
    ----------
    calendar
        Anything that `Calendar.of` takes; ``None``: the calendar of the settings.
    """

    def __init__(self, calendar: Any = None) -> None:
        self._calendar = calendar
        self._recorders: dict[str, Recorder] = {}
        self._frames: dict[str, Any] = {}
        self._numbers: dict[str, dict[pd.Timestamp, int]] = {}
        self._errors: dict[str, str] = {}

    def note(self, recorders: Iterable[Recorder]) -> None:
        """Remember recorders that were read anyway."""
        self._recorders |= {recorder.require_id(): recorder for recorder in recorders}

    def recorders(self, refs: Iterable[ModelRef]) -> list[Recorder]:
        """Give the recorders of models; those that are not known yet are read page by page.

        Raises
        ------
        RecorderNotFoundError
            If one was deleted.
        """
        wanted = list(refs)
        unknown = [ref for ref in wanted if ref.recorder_id not in self._recorders]
        if unknown:
            self.note(read_recorders(FoundRun(ref.recorder_id, ref.experiment_id) for ref in unknown).values())
        gone = [ref for ref in wanted if ref.recorder_id not in self._recorders]
        if gone:
            raise RecorderNotFoundError(
                f"{len(gone)} models are gone; the first is {gone[0].recorder_id} of {gone[0].experiment!r}.",
                "the recorder of each model that serves.",
                "Restore it in MLflow, or let other models serve with rollback() or promote().",
            )
        return [self._recorders[ref.recorder_id] for ref in wanted]

    def keep_only(self, refs: Iterable[ModelRef]) -> None:
        """Forget what is not needed any more."""
        kept = {ref.recorder_id for ref in refs}
        for known in (self._recorders, self._frames, self._numbers, self._errors):
            for key in known.keys() - kept:
                del known[key]

    def upto(self, refs: Collection[ModelRef], session: pd.Timestamp, ahead: Mapping[str, pd.Timestamp]) -> int:
        """Bring predictions up to a session, in one go for all models; tell how many had to be.

        Parameters
        ----------
        refs
            The models.
        session
            What they have to reach.
        ahead
            By id, up to where a model may predict at once, because these sessions are done next. Otherwise what came
            after the session does not exist while it is predicted.
        """
        behind = [ref for ref in refs if not self._reaches(ref, session)]
        by_end: dict[pd.Timestamp, list[ModelRef]] = {}
        for ref in behind:
            by_end.setdefault(max(session, ahead.get(ref.recorder_id, session)), []).append(ref)
        today = by_end.pop(session, [])
        for until, models in by_end.items():
            today += self._ahead(models, session, until)
        if today:
            self._note(self._updated(today, session, as_on(session, self._calendar)))
        return len(behind)

    def anew_from(self, refs: Iterable[ModelRef], session: pd.Timestamp, ahead: Mapping[str, pd.Timestamp]) -> None:
        """Let models that were trained ahead of a session predict as if they had been trained on it.

        Parameters
        ----------
        refs
            The models.
        session
            The one that they are due on.
        ahead
            As of `upto`.
        """
        by_times: dict[tuple[pd.Timestamp, pd.Timestamp], list[ModelRef]] = {}
        for ref in refs:
            start, end = ref.test
            if start is not None and (end is None or end > session):  # else training has predicted what it would have
                by_times.setdefault((start, max(start, ahead.get(ref.recorder_id, session))), []).append(ref)
        for (start, until), models in by_times.items():
            self._ahead(models, max(start, session), until, from_date=start)

    def renew(self, refs: Collection[ModelRef], session: pd.Timestamp) -> None:
        """Predict one session anew, whatever is there, with the data of now up to that session."""
        self._note(self._updated(refs, session, as_on(session, self._calendar), from_date=session))

    def frame(self, ref: ModelRef) -> Any:
        """Give the predictions of a model; ``None`` if they could not be brought up to date."""
        return self._frames.get(ref.recorder_id)

    def frames(self, refs: Iterable[ModelRef]) -> dict[str, Any]:
        """Give the predictions of models by their ids; without those that could not be brought up to date."""
        found = {ref.recorder_id: self.frame(ref) for ref in refs}
        return {key: frame for key, frame in found.items() if frame is not None}

    def numbers(self, ref: ModelRef) -> dict[pd.Timestamp, int]:
        """Tell how many scores of each date a model has; they are counted once."""
        key = ref.recorder_id
        if key not in self._numbers:
            self._numbers[key] = count_scores(self._frames[key])
        return self._numbers[key]

    def error(self, ref: ModelRef) -> str | None:
        """Say why the predictions of a model could not be brought up to date."""
        return self._errors.get(ref.recorder_id)

    def _ahead(
        self, refs: Iterable[ModelRef], session: pd.Timestamp, until: pd.Timestamp, **kwargs: Any
    ) -> list[ModelRef]:
        """Predict up to a later session, each for itself; give back the models for which that did not go well."""
        view, options = as_on(until, self._calendar), {"updater": EachSession, "together": session, **kwargs}
        found = self._updated(refs, until, view, **options)
        self._note({key: update for key, update in found.items() if update.error is None})
        return [ref for ref in refs if found[ref.recorder_id].error is not None]

    def _updated(
        self, refs: Iterable[ModelRef], until: pd.Timestamp, view: AbstractContextManager[Any], **kwargs: Any
    ) -> dict[str, Update]:
        runs = {one.require_id(): one for one in self.recorders(refs)}
        options = {"errors": "keep", "calendar": self._calendar, **kwargs}
        with view:
            found = update_many(runs, until, **options)
        again = {key: run for key, run in runs.items() if is_of_later_data(found[key].error)}
        if again:
            first = next(iter(again))
            warn(f"{len(again)} models predict", until, found[first].error)
            found |= update_many(again, until, **options)
        return found

    def _note(self, updates: Mapping[str, Update]) -> None:
        for key, update in updates.items():
            self._frames[key] = update.data
            self._numbers.pop(key, None)
            self._errors.pop(key, None)
            if update.error is not None:
                if concerns_all(update.error):
                    raise update.error
                self._errors[key] = kind_and_text(update.error)

    def _reaches(self, ref: ModelRef, session: pd.Timestamp) -> bool:
        frame = self._frames.get(ref.recorder_id)
        if frame is None or not len(frame):
            return False
        return bool(frame.index[-1:].get_level_values(DATETIME)[0] >= session)
