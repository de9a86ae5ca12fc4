"""What the next routine will do, laid out before it does it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.settings.words import counted
from rollforward.workflow.online.ledger.entry import ROUTINE
from rollforward.workflow.online.ledger.parts import ModelRef, StrategyState
from rollforward.workflow.online.planning import DueFold, chooses_itself, folds_due, newest_after
from rollforward.workflow.online.predictions import Predictions
from rollforward.workflow.online.sessions import session_after
from rollforward.workflow.online.switching import switches_of
from rollforward.workflow.rolling.planning import plan as plan_tasks

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from rollforward.workflow.online.desk import Desk
    from rollforward.workflow.online.standing import Standing
    from rollforward.workflow.online.strategy import OnlineStrategy

logger = logging.getLogger(__name__)

NEW = "new"
_FOLDS = ("session", "strategy", "model", "test_start", "test_end", "trained", "expected_seconds")
_SWITCHES = ("session", "strategy", "effective", "models")
_FRAMES = ("strategy", "model", "recorder_id", "first", "last", "n_sessions")


@dataclass(frozen=True)
class Plan:
    """What a routine will do; nothing of it is done.

    Attributes
    ----------
    kind
        ``"routine"``, or ``"first_train"`` if the ledger is empty.
    sessions
        Those that will be done, in order; none: everything is done.
    folds
        What will be trained: ``session, strategy, model`` (the line), ``test_start, test_end`` (inclusive), ``trained``
        (id of a finished run that is taken instead) and ``expected_seconds`` (NaN = not known).
    switches
        ``session, strategy, effective`` (the first session), ``models`` (texts, in the order of the lines).
    frames
        What will be predicted and published: ``strategy, model, recorder_id`` (empty for one that is not trained yet),
        ``first, last, n_sessions``.
    again
        Sessions (ISO) that were held and are tried again before, with their strategies; they are published if they are
        good by now, and nothing is trained for them.
    untrained
        Strategies whose training failed in the last session, if no other is due: it is tried again, and what comes of
        it serves from the next session on.
    open
        Strategies with rules of their own, which decide when the session is done.
    """

    kind: str
    sessions: tuple[pd.Timestamp, ...]
    folds: pd.DataFrame
    switches: pd.DataFrame
    frames: pd.DataFrame
    open: tuple[str, ...] = ()
    again: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    untrained: tuple[str, ...] = ()

    @property
    def expected_seconds(self) -> float:
        """Of all training together; NaN if it is not known for some of it."""
        return float(self.folds["expected_seconds"].sum(skipna=False)) if len(self.folds) else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON values."""
        tables = {"folds": self.folds, "switches": self.switches, "frames": self.frames}
        return {
            "kind": self.kind,
            "sessions": [session.isoformat() for session in self.sessions],
            "expected_seconds": None if pd.isna(self.expected_seconds) else self.expected_seconds,
            "open": list(self.open),
            "again": {session: list(names) for session, names in self.again.items()},
            "untrained": list(self.untrained),
            **{name: [_plain(row) for row in table.to_dict("records")] for name, table in tables.items()},
        }

    def __str__(self) -> str:
        days = {day.removesuffix("T00:00:00"): ", ".join(names) for day, names in self.again.items()}
        lines = [f"{day} is tried again: {names}." for day, names in days.items()]
        if self.untrained:
            lines.append(f"Training that failed is tried again: {', '.join(self.untrained)}.")
        lines.append(self._head() if self.sessions else f"{'Nothing else' if lines else 'Nothing'} is due.")
        lines += [table.to_string(index=False) for table in (self.folds, self.switches, self.frames) if len(table)]
        lines += [f"Strategy {name!r} decides by its own rules when a session is done." for name in self.open]
        return "\n".join(lines)

    def _head(self) -> str:
        first, last = str(self.sessions[0].date()), str(self.sessions[-1].date())
        span = first if first == last else f"{first} to {last}"
        seconds = self.expected_seconds
        time = "" if pd.isna(seconds) or not len(self.folds) else f", about {seconds:.0f} s of training"
        return (
            f"{self.kind}: {counted(len(self.sessions), 'session')}, {span}; "
            f"{counted(len(self.folds), 'fold')} to train{time}; {counted(len(self.switches), 'switch', 'switches')}; "
            f"predictions of {counted(len(self.frames), 'model')}"
        )


def plan_training(desk: Desk, standing: Standing) -> Plan:
    """Lay out the training that failed in the last session that is done, and is tried again when no other is due."""
    failed = [strategy for strategy in desk.strategies if strategy.name_id in standing.untrained]
    if standing.done is None or not failed:
        return plan_sessions(desk, standing, [], ROUTINE)
    first = session_after(standing.done, desk.calendar)
    plan = plan_sessions(replace(desk, strategies=failed), standing, [standing.done], ROUTINE)
    late = plan.switches.assign(effective=[max(effective, first) for effective in plan.switches["effective"]])
    return replace(
        plan,
        sessions=(),
        switches=late.drop_duplicates(["strategy", "effective"], keep="last"),
        frames=plan.frames.iloc[:0],
        untrained=tuple(strategy.name_id for strategy in failed),
    )


def plan_sessions(desk: Desk, standing: Standing, sessions: Sequence[pd.Timestamp], kind: str) -> Plan:
    """Walk through sessions as the routine will, without doing anything.

    Parameters
    ----------
    desk
        The manager's parts.
    standing
        What the head says.
    sessions
        Those that are to be done.
    kind
        Of the first entry.
    """
    folds: list[tuple[pd.Timestamp, DueFold]] = []
    switches: list[dict[str, Any]] = []
    served: dict[tuple[str, str, str], list[pd.Timestamp]] = {}
    own_rules = tuple(one.name_id for one in desk.strategies if not chooses_itself(one))
    for session in sessions:
        for strategy in desk.strategies:
            if strategy.name_id not in own_rules:
                standing, due, found = _step(desk, standing, strategy, session)
                folds += [(session, fold) for fold in due]
                switches += found
        for name, models in standing.models(session).items():
            for ref in models:
                known = "" if ref.experiment_id == "" else ref.recorder_id
                served.setdefault((name, _named(ref), known), []).append(session)
    frames = [(*key, days[0], days[-1], len(days)) for key, days in served.items()]
    return Plan(
        kind,
        tuple(sessions),
        _fold_table(folds),
        pd.DataFrame(switches, columns=list(_SWITCHES)),
        pd.DataFrame(frames, columns=list(_FRAMES)),
        own_rules,
    )


def _step(
    desk: Desk, standing: Standing, strategy: OnlineStrategy, session: pd.Timestamp
) -> tuple[Standing, list[DueFold], list[dict[str, Any]]]:
    name = strategy.name_id
    state = standing.states.get(name) or StrategyState(name, strategy.role)
    due = folds_due(strategy, standing.newest.get(name), session, desk.task_kwargs)
    refs = [_imagined(fold) for fold in due]
    waiting = standing.waiting.get(name)
    trained = {ref.recorder_id: (ref, None) for ref in refs}
    found = switches_of(
        strategy,
        state,
        trained,  # type: ignore[arg-type]  # models that are not trained have no recorder, and none is asked for
        session,
        Predictions(desk.calendar),
        desk.model_kwargs,
        waiting,
    )
    newest = {**standing.newest, name: newest_after(standing.newest.get(name), due)}
    after = replace(
        standing.with_state(state.after(found, session)),
        newest=newest if due else standing.newest,
        waiting={key: one for key, one in standing.waiting.items() if key != name},
    )
    rows = [
        {
            "session": session,
            "strategy": name,
            "effective": switch.effective,
            "models": tuple(_named(ref) for ref in switch.models),
        }
        for switch in found
    ]
    return after, due, rows


def _imagined(fold: DueFold) -> ModelRef:
    return ModelRef(f"{NEW} {fold.line} {fold.test[0]}", "", fold.strategy, fold.line, fold.task_hash, test=fold.test)


def _named(ref: ModelRef) -> str:
    start = ref.test[0]
    return ref.model if start is None else f"{ref.model} {start.date()}"


def _fold_table(folds: Sequence[tuple[pd.Timestamp, DueFold]]) -> pd.DataFrame:
    rows = [(session, fold.strategy, fold.line, *fold.test, None, float("nan")) for session, fold in folds]
    table = pd.DataFrame(rows, columns=list(_FOLDS)).astype({"trained": object})
    for name in dict.fromkeys(fold.strategy for _, fold in folds):
        at = [number for number, (_, fold) in enumerate(folds) if fold.strategy == name]
        expected = plan_tasks([folds[number][1].task for number in at], name)
        for column in ("trained", "expected_seconds"):
            table.loc[at, column] = expected[column].to_numpy()
    return table


def _plain(row: Mapping[Hashable, Any]) -> dict[str, Any]:
    return {str(key): _plain_value(value) for key, value in row.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if isinstance(value, tuple):
        return list(value)
    return None if value is None or pd.isna(value) else value
