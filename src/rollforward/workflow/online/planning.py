"""What a session needs, before anything is done: the folds that are due.

It follows from what was trained so far, from the calendar and from the definitions of the strategies; the store is not
asked, unless a strategy has rules of its own.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from rollforward.data.identity import content_hash
from rollforward.data.segments import parse_segment, raw_segments_of
from rollforward.errors import OnlineError, TaskError
from rollforward.instantiate.signatures import takes
from rollforward.workflow.online.strategy import RollingStrategy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from rollforward.data.segments import Segment
    from rollforward.workflow.online.strategy import OnlineStrategy

logger = logging.getLogger(__name__)

_TEST, AHEAD = "test", "ahead"

# Where the test segment of the newest fold of each line starts.
Newest = dict[str, "pd.Timestamp"]


@dataclass(frozen=True)
class DueFold:
    """A task that is due.

    Parameters
    ----------
    strategy
        Name of its strategy.
    line
        Folds of the same line follow each other; empty for a strategy that has no lines.
    task
        Its definition.
    test
        Its test segment, ``None`` = open.
    task_hash
        Identity of the definition; empty if it has none.
    """

    strategy: str
    line: str
    task: Mapping[str, Any]
    test: Segment
    task_hash: str = ""

    @classmethod
    def of(cls, strategy: str, line: str, task: Mapping[str, Any]) -> DueFold:
        """Make it of a task."""
        return cls(strategy, line, task, test_of(task), hash_of(task))


def folds_due(
    strategy: OnlineStrategy,
    newest: Newest | None,
    session: pd.Timestamp,
    task_kwargs: Mapping[str, Any] | None = None,
) -> list[DueFold]:
    """List the folds that have to be trained at the close of a session.

    Parameters
    ----------
    strategy
        Whose.
    newest
        What was trained so far; ``None``: the strategy has not begun.
    session
        The session.
    task_kwargs
        Go to `prepare_tasks` of a strategy with rules of its own that takes them; ``ahead`` to that of a rolling one.
    """
    name, options = strategy.name_id, dict(task_kwargs or {})
    if plans_itself(strategy):
        known = [(line, (start, None)) for line, start in (newest or {}).items()]
        due = strategy.folds_due(known, session, options.get(AHEAD))
        if newest is None and not due:
            logger.warning("Strategy %r trains nothing on %s: its test segment begins later.", name, session.date())
        return [DueFold.of(name, fold.name, fold.task) for fold in due]
    options = {key: value for key, value in options.items() if takes(strategy.prepare_tasks, key)}
    tasks = strategy.first_tasks() if newest is None else strategy.prepare_tasks(session, **options)
    line_of = strategy.name_of if isinstance(strategy, RollingStrategy) else _no_line
    return [DueFold.of(name, line_of(task), task) for task in tasks]


def require_known(strategies: Iterable[OnlineStrategy], task_kwargs: Mapping[str, Any]) -> None:
    """Refuse arguments that none of the strategies takes.

    Raises
    ------
    OnlineError
        Names them.
    """
    asked = list(strategies)
    unknown = [key for key in task_kwargs if not any(_takes(one, key) for one in asked)]
    if unknown and asked:
        raise OnlineError(
            f"task_kwargs has {', '.join(map(repr, unknown))}, which no strategy takes.",
            "'ahead' for a RollingStrategy, or what prepare_tasks of a strategy of your own takes.",
        )


def _takes(strategy: OnlineStrategy, key: str) -> bool:
    return key == AHEAD if plans_itself(strategy) else takes(strategy.prepare_tasks, key)


def plans_itself(strategy: OnlineStrategy) -> TypeGuard[RollingStrategy]:
    """Whether the folds of a strategy follow from its templates alone, so that they are known before any is trained."""
    cls = type(strategy)
    return (
        isinstance(strategy, RollingStrategy)
        and cls.prepare_tasks is RollingStrategy.prepare_tasks
        and cls.first_tasks is RollingStrategy.first_tasks
    )


def chooses_itself(strategy: OnlineStrategy) -> TypeGuard[RollingStrategy]:
    """Whether it is the rule of `RollingStrategy` that says which models serve."""
    return (
        isinstance(strategy, RollingStrategy)
        and type(strategy).prepare_online_models is RollingStrategy.prepare_online_models
    )


def newest_after(newest: Newest | None, folds: Iterable[DueFold]) -> Newest:
    """Tell where the newest fold of each line starts, once folds are trained."""
    after = dict(newest or {})
    for fold in folds:
        start = fold.test[0]
        if start is not None:
            after[fold.line] = max(start, after.get(fold.line, start))
    return after


def test_of(task: Mapping[str, Any]) -> Segment:
    """Read the test segment of a task; open if it has none."""
    try:
        segments = raw_segments_of(task)
    except TaskError:
        return None, None
    return parse_segment(segments[_TEST], _TEST) if _TEST in segments else (None, None)


def hash_of(task: Mapping[str, Any]) -> str:
    """Hash the definition of a task; empty if it holds live objects that have no identity."""
    try:
        return content_hash(task)
    except TaskError:
        return ""


def _no_line(_task: Mapping[str, Any]) -> str:
    return ""
