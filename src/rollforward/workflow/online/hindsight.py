"""A session that was missed is done as on its own evening: what came later does not exist while models are made."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from rollforward.data.calendar_in_use import resolve
from rollforward.data.cut import data_cut_at
from rollforward.data.horizon import label_lookahead
from rollforward.data.segments import segments_of
from rollforward.errors import LaterDataError, RollforwardError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    import pandas as pd

    from rollforward.workflow.online.desk import Desk
    from rollforward.workflow.online.planning import DueFold
    from rollforward.workflow.recorder import Recorder

_TEST = "test"

logger = logging.getLogger(__name__)


def as_on(session: pd.Timestamp, calendar: Any = None) -> AbstractContextManager[Any]:
    """Let data after a session not exist inside a block; for the last session so far there are none to take away.

    Parameters
    ----------
    session
        The session.
    calendar
        Anything that `Calendar.of` takes; ``None``: the calendar of the settings.
    """
    sessions = resolve(calendar)
    if session >= sessions.current_end:
        return nullcontext()
    return data_cut_at(session.date() if sessions.is_daily else session)


def train_as_on(desk: Desk, strategy: str, folds: Sequence[DueFold], session: pd.Timestamp) -> list[Recorder]:
    """Train folds on the data of a session; where a handler brings its data along, on what that has.

    Parameters
    ----------
    desk
        Has the training.
    strategy
        Its name.
    folds
        What is due at the close of the session.
    session
        The session.
    """
    try:
        with as_on(session, desk.calendar):
            return desk.training.train(strategy, folds)
    except RollforwardError as error:
        if not is_of_later_data(error):
            raise
        warn(f"Strategy {strategy!r} is trained", session, error)
        return desk.training.train(strategy, folds)


def learns_later_labels(fold: DueFold, ahead: int, calendar: Any = None) -> bool:
    """Whether a fold would learn labels that are not known yet when its day comes, were it trained on all data.

    Parameters
    ----------
    fold
        The fold.
    ahead
        Sessions before its test segment at whose close it is due.
    calendar
        Anything that `Calendar.of` takes.

    Returns
    -------
    bool
        False also if it is not known how far the label looks ahead.
    """
    lookahead, first = label_lookahead(fold.task), fold.test[0]
    if not lookahead or first is None:
        return False
    sessions = resolve(calendar)
    ends = [end for name, (_, end) in segments_of(fold.task).items() if name != _TEST and end is not None]
    due = sessions.position(first) - ahead
    return any(sessions.position(end, "end") + lookahead > due for end in ends)


def is_of_later_data(error: BaseException | None) -> bool:
    """Whether an error comes from a handler that brought later data along."""
    while error is not None:
        if isinstance(error, LaterDataError):
            return True
        error = error.__cause__
    return False


def warn(what: str, session: pd.Timestamp, error: BaseException | None) -> None:
    """Say that something is not done as on its own evening."""
    logger.warning("%s for %s with all data there are, not those of that day: %s", what, session.date(), error)
