"""What a ledger tells: history and signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollforward.workflow.online.ledger.book import moment_of
from rollforward.workflow.online.ledger.entry import FIRST_TRAIN, ROUTINE
from rollforward.workflow.online.publishing import SIGNALS, STRATEGY_SIGNALS
from rollforward.workflow.online.record_of_signals import of_interval
from rollforward.workflow.online.signals import SCORE, publish
from rollforward.workflow.online.standing import Standing
from rollforward.workflow.trainer.reuse import FoundRun, read_recorders

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import pandas as pd

    from rollforward.data.times import TimeLike
    from rollforward.workflow.online.ledger.chain import Chain
    from rollforward.workflow.online.ledger.entry import Entry
    from rollforward.workflow.online.record_of_signals import RecordOfSignals
    from rollforward.workflow.online.signals import Lines
    from rollforward.workflow.online.strategy import OnlineStrategy
    from rollforward.workflow.recorder import Recorder


def history(
    chain: Chain, strategies: Sequence[OnlineStrategy]
) -> dict[pd.Timestamp, dict[OnlineStrategy, list[Recorder]]]:
    """Tell for each session that was done which recorders served, by strategy."""
    by_name = {strategy.name_id: strategy for strategy in strategies}
    sessions = sorted({one.session for one in chain.entries() if one.kind in (FIRST_TRAIN, ROUTINE)})
    book = chain.book()
    sets = {session: book.online_at(session) for session in sessions}
    refs = {ref.recorder_id: ref for found in sets.values() for models in found.values() for ref in models}
    recorders = read_recorders(FoundRun(ref.recorder_id, ref.experiment_id) for ref in refs.values())
    return {
        session: {
            by_name[name]: [recorders[ref.recorder_id] for ref in models if ref.recorder_id in recorders]
            for name, models in found.items()
            if name in by_name
        }
        for session, found in sets.items()
    }


def signals(
    chain: Chain,
    record: RecordOfSignals,
    start: TimeLike | None,
    end: TimeLike | None,
    as_known_at: datetime | str | None,
) -> Any:
    """Read the published signals, see `OnlineManager.get_signals`."""
    frame = of_interval(record.read(SIGNALS, entries=_known(chain.entries(), as_known_at)), start, end)
    return frame[SCORE] if list(frame.columns) == [SCORE] else frame


def merged_anew(chain: Chain, record: RecordOfSignals, prepare_func: Callable[[Any], Any], *, everything: bool) -> Any:
    """Merge what the strategies that serve said, in another way."""
    entries = chain.entries()
    standing = Standing.of(entries[-1] if entries else None)
    chosen = entries if everything else [one for one in entries if one.kind == ROUTINE and one.session == standing.done]
    frame = record.read(STRATEGY_SIGNALS, entries=chosen)
    columns = {name: frame[name].dropna() for name in standing.serving() if name in frame}
    lines: dict[str, Lines] = {name: {(name,): scores} for name, scores in columns.items()}
    frame = publish(lines, columns, prepare_func).signals
    return frame[SCORE] if list(frame.columns) == [SCORE] else frame


def _known(entries: list[Entry], as_known_at: datetime | str | None) -> list[Entry]:
    if as_known_at is None:
        return entries
    moment = moment_of(as_known_at)
    return [entry for entry in entries if entry.recorded_at is not None and entry.recorded_at <= moment]
