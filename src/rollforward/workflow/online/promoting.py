"""Challengers: whether one of them comes to serve at the close of a session."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

from rollforward.data.calendar_in_use import resolve
from rollforward.data.horizon import label_lookahead
from rollforward.errors import OnlineError
from rollforward.workflow.online.containing import concerns_all
from rollforward.workflow.online.ledger.parts import SERVING, SHADOW, StrategyState
from rollforward.workflow.online.promotion import known_until
from rollforward.workflow.online.publishing import SIGNALS, STRATEGY_SIGNALS
from rollforward.workflow.online.signals import merge
from rollforward.workflow.online.update import RMDLoader
from rollforward.workflow.record_temp.signal import raw_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from rollforward.data.calendar import Calendar
    from rollforward.workflow.online.containing import Containing
    from rollforward.workflow.online.day import Day
    from rollforward.workflow.online.desk import Desk
    from rollforward.workflow.online.ledger.parts import ModelRef
    from rollforward.workflow.online.predictions import Predictions
    from rollforward.workflow.online.promotion import Decision, PromotionRule
    from rollforward.workflow.online.record_of_signals import RecordOfSignals
    from rollforward.workflow.online.signals import Published
    from rollforward.workflow.online.strategy import OnlineStrategy

logger = logging.getLogger(__name__)

DECISIONS, ROLES, FIGURES = "decisions", "roles", "figures"


def promoted(
    desk: Desk,
    record: RecordOfSignals,
    day: Day,
    found: Published,
    predictions: Predictions,
    containing: Containing,
) -> dict[str, Any]:
    """Judge the strategies in shadow that have a rule; of those that pass on one evening the best is promoted.

    The others are judged again on the next evening, against what serves then.

    Returns
    -------
    dict
        JSON values for the entry: the decisions in words and in figures, and the roles from the next session on; empty
        if there is no such strategy.
    """
    decisions: dict[str, Decision] = {}
    said: dict[str, str] = {}
    for strategy in desk.strategies:
        rule, name = strategy.promotion, strategy.name_id
        if rule is None or day.standing.states[name].role != SHADOW or name not in day.sets:
            continue
        try:
            if rule.against is not None:
                require_serving(day.standing.states, name, rule.against)
            decisions[name] = _decision(rule, strategy, day, record, found, predictions, resolve(desk.calendar))
            said[name] = decisions[name].reason
        except OnlineError as error:
            if concerns_all(error):
                raise
            logger.warning("Strategy %r cannot be judged: %s", name, error.given)
            said[name] = f"not judged: {error.given}"
        except Exception as error:  # noqa: BLE001  # of any kind: it is the strategy's, and noted as such
            reason = containing.reason(name, "comparing", error)
            day.hold(name, reason)
            said[name] = f"not judged: {reason}"
    if not said:
        return {}
    winner = best_of(decisions)
    if winner is None:
        return _recorded(said, decisions, {})
    logger.info("Strategy %r is promoted: %s", winner, said[winner])
    said |= {
        name: f"{said[name]}; but {winner!r} is promoted this evening"
        for name, decision in decisions.items()
        if decision.promote and name != winner
    }
    rival = desk.strategy(winner).promotion.against  # type: ignore[union-attr]  # it has a rule: it was judged by it
    return _recorded(said, decisions, {winner: SERVING} | ({} if rival is None else {rival: SHADOW}))


def best_of(decisions: Mapping[str, Decision]) -> str | None:
    """Choose the strategy that is promoted: the one that gains most over what it challenges; of equals, by name."""
    passed = [name for name, decision in decisions.items() if decision.promote]
    return min(passed, key=lambda name: (decisions[name].champion - decisions[name].challenger, name), default=None)


def require_serving(states: Mapping[str, StrategyState], challenger: str, against: str) -> None:
    """Refuse a challenge to a strategy that does not serve.

    Raises
    ------
    OnlineError
        If there is no such strategy, it is in the shadow, or it is the challenger itself.
    """
    serving = [name for name, state in states.items() if state.role == SERVING and name != challenger]
    if against in serving:
        return
    if against == challenger:
        what = "itself"
    else:
        what = f"{against!r}, which is in the shadow" if against in states else f"{against!r}, which is not there"
    raise OnlineError(
        f"Strategy {challenger!r} challenges {what}.",
        f"a strategy that serves: {', '.join(map(repr, serving)) or 'there is none'}.",
        "Without `against` a challenger joins those that serve.",
    )


def require_champions(desk: Desk, new: Iterable[OnlineStrategy], states: Mapping[str, StrategyState]) -> None:
    """Refuse strategies that begin with a rule against one that does not serve.

    Raises
    ------
    OnlineError
        See `require_serving`.
    """
    for strategy in new:
        if strategy.role == SHADOW and strategy.promotion is not None and strategy.promotion.against is not None:
            known = dict(states)
            for one in desk.strategies:  # some of them may begin later
                known.setdefault(one.name_id, StrategyState(one.name_id, one.role))
            require_serving(known, strategy.name_id, strategy.promotion.against)


def _recorded(said: dict[str, str], decisions: Mapping[str, Decision], roles: dict[str, str]) -> dict[str, Any]:
    figures = {name: _figures(decision) for name, decision in decisions.items()}
    found = {DECISIONS: said, FIGURES: figures, ROLES: roles}
    return {key: value for key, value in found.items() if value}


def _figures(decision: Decision) -> dict[str, Any]:
    values = {"challenger": decision.challenger, "champion": decision.champion}
    return {
        **{name: value if math.isfinite(value) else None for name, value in values.items()},
        "n_sessions": decision.n_sessions,
        "first": None if decision.first is None else decision.first.isoformat(),
        "last": None if decision.last is None else decision.last.isoformat(),
        "passes": decision.promote,
    }


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
    about = rule.window + (lookahead or 0)
    start = calendar[max(0, calendar.position(day.session) - about)]
    by_strategy = merge([record.read(STRATEGY_SIGNALS, start, about=about), found.strategies])
    challenger = _column(by_strategy, strategy.name_id)
    if rule.against is None:
        champion: Any = merge([record.read(SIGNALS, start, about=about), found.signals])
    else:
        champion = _column(by_strategy, rule.against)
    return rule.judge(challenger, champion, _labels(model, start, day.session, predictions), last)


def _column(frame: pd.DataFrame, name: str) -> pd.Series:
    return frame[name] if name in frame else frame.iloc[:0, 0].rename(name)


def _labels(model: ModelRef, start: pd.Timestamp, end: pd.Timestamp, predictions: Predictions) -> pd.DataFrame:
    dataset = RMDLoader(predictions.recorders([model])[0]).get_dataset(start, end)
    return raw_label(dataset, "test")
