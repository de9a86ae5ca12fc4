"""Challengers: whether one of them comes to serve at the close of a session."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from rollforward.data.calendar import resolve
from rollforward.data.horizon import label_lookahead
from rollforward.errors import OnlineError
from rollforward.workflow.online.ledger.parts import SERVING, SHADOW
from rollforward.workflow.online.promotion import known_until
from rollforward.workflow.online.publishing import SIGNALS, STRATEGY_SIGNALS
from rollforward.workflow.online.signals import merge
from rollforward.workflow.online.update import RMDLoader
from rollforward.workflow.record_temp.signal import raw_label

if TYPE_CHECKING:
    import pandas as pd

    from rollforward.data.calendar import Calendar
    from rollforward.workflow.online.day import Day
    from rollforward.workflow.online.desk import Desk
    from rollforward.workflow.online.ledger.parts import ModelRef
    from rollforward.workflow.online.predictions import Predictions
    from rollforward.workflow.online.promotion import Decision, PromotionRule
    from rollforward.workflow.online.record_of_signals import RecordOfSignals
    from rollforward.workflow.online.signals import Published
    from rollforward.workflow.online.strategy import OnlineStrategy

logger = logging.getLogger(__name__)

DECISIONS, ROLES = "decisions", "roles"


def promoted(
    desk: Desk, record: RecordOfSignals, day: Day, found: Published, predictions: Predictions
) -> dict[str, Any]:
    """Judge the strategies in shadow that have a rule.

    Returns
    -------
    dict
        JSON values for the entry: the decisions, and the roles from the next session on; empty if there is no such
        strategy.
    """
    states = day.standing.states
    decisions: dict[str, str] = {}
    roles: dict[str, str] = {}
    for strategy in desk.strategies:
        rule, name = strategy.promotion, strategy.name_id
        if rule is None or states[name].role != SHADOW or name not in day.sets:
            continue
        try:
            decision = _decision(rule, strategy, day, record, found, predictions, resolve(desk.calendar))
        except OnlineError as error:
            logger.warning("Strategy %r cannot be judged: %s", name, error.given)
            decisions[name] = f"not judged: {error.given}"
            continue
        decisions[name] = decision.reason
        if decision.promote:
            logger.info("Strategy %r is promoted: %s", name, decision.reason)
            roles[name] = SERVING
            if rule.against is not None:
                roles[rule.against] = SHADOW
    if not decisions:
        return {}
    return {DECISIONS: decisions, ROLES: roles} if roles else {DECISIONS: decisions}


def _decision(
    rule: PromotionRule,
    strategy: OnlineStrategy,
    day: Day,
    record: RecordOfSignals,
    found: Published,
    predictions: Predictions,
    calendar: Calendar,
) -> Decision:
    model = day.sets[strategy.name_id][0]
    task = predictions.recorders([model])[0].load_object("task")
    lookahead = label_lookahead(task)
    last = known_until(calendar, day.session, lookahead)
    start = calendar[max(0, calendar.position(day.session) - rule.window - (lookahead or 0))]
    by_strategy = merge([record.read(STRATEGY_SIGNALS, start), found.strategies])
    challenger = _column(by_strategy, strategy.name_id)
    if rule.against is None:
        champion: Any = merge([record.read(SIGNALS, start), found.signals])
    else:
        champion = _column(by_strategy, rule.against)
    return rule.judge(challenger, champion, _labels(model, start, day.session, predictions), last)


def _column(frame: pd.DataFrame, name: str) -> pd.Series:
    return frame[name] if name in frame else frame.iloc[:0, 0].rename(name)


def _labels(model: ModelRef, start: pd.Timestamp, end: pd.Timestamp, predictions: Predictions) -> pd.DataFrame:
    dataset = RMDLoader(predictions.recorders([model])[0]).get_dataset(start, end)
    return raw_label(dataset, "test")
