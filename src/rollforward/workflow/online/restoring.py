"""A manager out of its ledger: what it says about strategies and trainer, made again."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from rollforward.errors import OnlineError, TaskError
from rollforward.workflow.online.definition import options_of
from rollforward.workflow.online.ledger.chain import Chain
from rollforward.workflow.online.strategy import strategy_from
from rollforward.workflow.task.codec import decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollforward.workflow.online.ledger.parts import StrategyState
    from rollforward.workflow.online.manager import OnlineManager
    from rollforward.workflow.online.operating import Operating
    from rollforward.workflow.online.strategy import OnlineStrategy

logger = logging.getLogger(__name__)

DESCRIPTION = "online.manager"
_MAX_TAG = 5000
_OPTIONS = (
    "freq",
    "calendar",
    "all_at_once",
    "future",
    "require_proof",
    "on_hold",
    "wait",
    "lease",
    "prepare_func",
    "registry",
)


def describe(manager: Operating) -> None:
    """Note in the ledger's experiment how a manager is made; what is no data is left out.

    A ledger that serves stays as it was described when it began: a command that is refused there changes nothing.
    """
    head = manager.chain.head()
    if head is not None and not head.simulated:
        return
    parts = _parts(manager)
    kept = {name: value for name, value in parts.items() if _is_data(value)}
    left = sorted(parts.keys() - kept.keys())
    if left:
        logger.warning("What is no data is not restored on another machine: %s.", ", ".join(left))
    text = encode(kept)
    if len(text) > _MAX_TAG:
        logger.warning(
            "The manager is not described in the ledger, because that takes %d characters and a tag holds %d: give "
            "OnlineManager.load the same arguments.",
            len(text),
            _MAX_TAG,
        )
    elif manager.chain.experiment.tags.get(DESCRIPTION) != text:
        manager.chain.experiment.set_tags(**{DESCRIPTION: text})


def parts_that_are_data(manager: Operating) -> dict[str, Any]:
    """Give what `describe` notes, as it is read again."""
    kept = {name: value for name, value in _parts(manager).items() if _is_data(value)}
    return decode(encode(kept))  # type: ignore[no-any-return]  # a dictionary again


def parts_told(chain: Chain) -> dict[str, Any]:
    """Read what `describe` has noted; nothing if it never did."""
    return decode(chain.experiment.tags.get(DESCRIPTION) or "{}")  # type: ignore[no-any-return]  # a dictionary


def _parts(manager: Operating) -> dict[str, Any]:
    parts = {name: getattr(manager, name) for name in _OPTIONS}
    parts |= {"begin_time": manager.begin_time, "guard": manager.guard.to_dict()}
    return {**parts, "trainer": _trainer(manager.trainer)}


def restored(cls: type[OnlineManager], name: str, changes: Mapping[str, Any]) -> OnlineManager:
    """Make the manager of a ledger.

    Raises
    ------
    ExperimentNotFoundError, LedgerError
        If there is no ledger of this name.
    OnlineError
        If a strategy in it is no data.
    """
    chain = Chain.open(name)
    head = chain.head()
    if head is None:
        raise OnlineError(f"The ledger {name!r} is empty.", "a ledger with entries.", "Run first_train() first.")
    kept = parts_told(chain)
    trainer = kept.pop("trainer", None)
    if trainer is not None and "trainer" not in changes:
        kept["trainer"] = trainer["class"](**trainer["kwargs"])
    given = changes.get("strategies")
    strategies = [strategy_of(state) for state in head.states] if given is None else given
    manager = cls(strategies, **{"begin_time": head.session, **kept, **changes, "name": name})
    manager.cur_time = head.session
    return manager


def strategy_of(state: StrategyState) -> OnlineStrategy:
    """Make the strategy of a state.

    Raises
    ------
    OnlineError
        If its definition is no data.
    """
    if not state.definition:
        raise OnlineError(
            f"The ledger does not hold the definition of strategy {state.name_id!r}: something in it was no data.",
            "strategies that are data.",
            "Give the strategy: OnlineManager([strategy, ...], name=...).",
        )
    return strategy_from(state.definition, role=state.role)


def _trainer(trainer: Any) -> Any:
    try:
        return {"class": type(trainer), "kwargs": options_of(trainer)}
    except OnlineError as error:
        logger.debug("The trainer cannot be described: %s", error)
        return trainer


def _is_data(value: Any) -> bool:
    try:
        return json.loads(encode({"value": value})) is not None
    except TaskError:
        return False
