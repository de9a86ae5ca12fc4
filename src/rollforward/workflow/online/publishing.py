"""From predictions to the publication of one session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollforward.data.calendar_in_use import resolve
from rollforward.data.selection import DATETIME
from rollforward.workflow.online.ledger.parts import Publication
from rollforward.workflow.online.signals import content_sha256, serving_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import pandas as pd

    from rollforward.workflow.online.judging import Judgement
    from rollforward.workflow.online.ledger.parts import ModelRef
    from rollforward.workflow.online.predictions import Predictions
    from rollforward.workflow.online.signals import Lines, Published
    from rollforward.workflow.online.standing import Standing

SIGNALS, STRATEGY_SIGNALS = "signals.parquet", "strategy_signals.parquet"
MERGED = ""


def rows_of(
    standing: Standing,
    predictions: Predictions,
    name: str,
    models: Sequence[ModelRef],
    session: pd.Timestamp,
    *,
    future: bool = False,
    calendar: Any = None,
) -> Lines:
    """Take the rows of one strategy for a session.

    Parameters
    ----------
    standing
        Says who serves, and from when on.
    predictions
        Of the models.
    name
        Of the strategy.
    models
        Those whose predictions of the session count.
    session
        The session.
    future
        Whether later sessions are published too, as far as there are predictions.
    calendar
        Anything that `Calendar.of` takes.
    """
    by_session = {session: models}
    frames = predictions.frames(models)
    if future:
        later = _sessions_after(session, frames, calendar)
        by_session |= {day: standing.states[name].at(day) for day in later}
        frames |= predictions.frames(model for chosen in by_session.values() for model in chosen)
    return serving_rows(frames, by_session)


def publications(
    found: Published,
    session: pd.Timestamp,
    judged: Mapping[str, Judgement],
    held: Mapping[str, str],
    serving: Collection[str],
) -> tuple[Publication, ...]:
    """Describe a publication for the ledger: of each strategy, and the merged one.

    Parameters
    ----------
    found
        What is published.
    session
        The session.
    judged
        By strategy.
    held
        By strategy that is not published as it should be: why.
    serving
        The strategies that are part of the signals; what becomes of the others is no fault of these.
    """
    day = session.isoformat()
    whole = [
        _publication(
            name,
            _known(found.strategies, name),
            (session,) if judgement.partial else (),
            {day: held[name]} if name in held else {},
        )
        for name, judgement in judged.items()
    ]
    lacking = {name: why for name, why in held.items() if name in serving}
    partial = bool(lacking) or any(judgement.partial for name, judgement in judged.items() if name in serving)
    merged_held = {day: "; ".join(f"{name}: {why}" for name, why in lacking.items())} if lacking else {}
    return (*whole, _publication(MERGED, found.signals, (session,) if partial else (), merged_held))


def files_of(found: Published) -> dict[str, pd.DataFrame]:
    """Name the files of a publication; none for one without rows."""
    files = {SIGNALS: found.signals, STRATEGY_SIGNALS: found.strategies}
    return {name: frame for name, frame in files.items() if len(frame)}


def _known(strategies: pd.DataFrame, name: str) -> pd.DataFrame:
    if name not in strategies:
        return strategies.iloc[:0]
    frame = strategies if strategies.shape[1] == 1 else strategies[[name]]
    is_known = strategies[name].notna().to_numpy()
    return frame if is_known.all() else frame[is_known]


def _publication(
    name: str, frame: pd.DataFrame, partial: tuple[pd.Timestamp, ...], held: Mapping[str, str]
) -> Publication:
    if not len(frame):
        return Publication(name, None, None, 0, partial=(), held=held)
    dates = frame.index.get_level_values(DATETIME)
    return Publication(name, dates.min(), dates.max(), len(frame), content_sha256(frame), partial, held)


def _sessions_after(session: pd.Timestamp, frames: Mapping[str, Any], calendar: Any) -> list[pd.Timestamp]:
    last = max((frame.index.get_level_values(DATETIME).max() for frame in frames.values() if len(frame)), default=None)
    if last is None:
        return []
    return [day for day in resolve(calendar).sessions(session, last, future=True) if day > session]
