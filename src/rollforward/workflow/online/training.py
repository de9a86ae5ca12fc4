"""Train the folds that are due with whatever trainer there is, and never one of them twice."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from rollforward.errors import ExperimentNotFoundError, RollforwardError
from rollforward.workflow import R
from rollforward.workflow.online.ledger.parts import ModelRef
from rollforward.workflow.online.strategy import RollingStrategy
from rollforward.workflow.task.recorders import TASK_HASH
from rollforward.workflow.trainer.check import CheckedTask, check_task
from rollforward.workflow.trainer.reuse import is_of, is_trained
from rollforward.workflow.trainer.train import begin_task_train, task_train

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rollforward.workflow.online.planning import DueFold
    from rollforward.workflow.online.strategy import OnlineStrategy
    from rollforward.workflow.recorder import Recorder
    from rollforward.workflow.trainer.base import Trainer

logger = logging.getLogger(__name__)

# Above so many tasks one listing of the whole experiment is quicker than a request for each.
_FEW = 4


class Training:
    """Trains folds; keeps what it has trained, so that folds that were trained ahead are found when their day comes.

    Parameters
    ----------
    trainer
        Any of the four, or the user's.
    """

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self._begun: dict[tuple[str, str], Recorder] = {}
        self._trained: dict[tuple[str, str], Recorder] = {}

    def begin(self, strategy: str, folds: Sequence[DueFold]) -> None:
        """Prepare the runs of folds ahead, without training them; those without identity wait for their day."""
        known = {**self._begun, **self._trained}
        ahead = [fold for fold in folds if fold.task_hash and (strategy, fold.task_hash) not in known]
        for fold, recorder in zip(ahead, self._prepared(strategy, ahead), strict=True):
            self._begun[strategy, fold.task_hash] = recorder

    def end(self, strategy: str | None = None) -> int:
        """Train all that was begun, of one strategy or of all, one after the other; tell how many."""
        names = dict.fromkeys(name for name, _ in self._begun) if strategy is None else [strategy]
        n_begun = len(self._begun)
        for one in names:
            keys = [key for key in self._begun if key[0] == one]
            ended = self._ended(one, [self._begun.pop(key) for key in keys])
            self._trained |= dict(zip(keys, ended, strict=True))
        return n_begun - len(self._begun)

    def train(self, strategy: str, folds: Sequence[DueFold]) -> list[Recorder]:
        """Train folds of a strategy, unless that was done; finished recorders in their order."""
        if any((strategy, fold.task_hash) in self._begun for fold in folds):
            self.end(strategy)
        missing = [fold for fold in folds if (strategy, fold.task_hash) not in self._trained]
        prepared = self._ended(strategy, self._prepared(strategy, missing)) if missing else []
        new = dict(zip(map(id, missing), prepared, strict=True))
        return [new[id(fold)] if id(fold) in new else self._trained[strategy, fold.task_hash] for fold in folds]

    def ahead_of_their_day(self, strategy: str, folds: Sequence[DueFold]) -> list[int]:
        """Tell which of some folds were trained ahead, by their places."""
        return [at for at, fold in enumerate(folds) if (strategy, fold.task_hash) in self._trained]

    # --- inside -------------------------------------------------------------------------------------------------

    def _prepared(self, strategy: str, folds: Sequence[DueFold]) -> list[Recorder]:
        """Do the first step of the trainer for folds that have no run yet."""
        found = self._found(strategy, folds)
        rest = [fold for at, fold in enumerate(folds) if at not in found]
        if found:
            logger.info("Strategy %r: %d of %d folds have a run already.", strategy, len(found), len(folds))
        made = iter(self._trainer().train([fold.task for fold in rest], experiment_name=strategy) if rest else [])
        return [found[at] if at in found else next(made) for at in range(len(folds))]

    def _ended(self, strategy: str, recorders: Sequence[Recorder]) -> list[Recorder]:
        return list(self._trainer().end_train(list(recorders), experiment_name=strategy)) if recorders else []

    def _trainer(self) -> Trainer:
        # A list with holes cannot be matched with the folds.
        return self.trainer.with_options(on_error="raise")

    def _found(self, strategy: str, folds: Sequence[DueFold]) -> dict[int, Recorder]:
        """Find the runs that a routine has left behind that was killed: finished ones, or begun ones to be trained."""
        if getattr(self.trainer, "train_func", None) not in {task_train, begin_task_train}:
            return {}
        runs = _runs(strategy, folds)
        if not runs:
            return {}
        found = {}
        for at, fold in enumerate(folds):
            candidates = runs.get(fold.task_hash, [])
            checked = _checked(fold) if candidates else None
            chosen = None if checked is None else self._choose(candidates, checked)
            if chosen is not None:
                found[at] = chosen
        return found

    def _choose(self, candidates: Sequence[Recorder], task: CheckedTask) -> Recorder | None:
        """Choose the newest finished run of a task; a trainer that delays can also go on with one that was begun."""
        for recorder in candidates:
            if is_trained(recorder, task):
                return recorder
        if not self.trainer.is_delay() or self.trainer.has_worker():  # a pool knows itself what it has begun
            return None
        begun = [one for one in candidates if one.status == one.STATUS_S and is_of(one.list_tags(), task)]
        return begun[0] if begun else None


def refs_of(strategy: str, folds: Sequence[DueFold], recorders: Sequence[Recorder]) -> list[ModelRef]:
    """Refer to the runs of folds, each by the name of its line."""
    refs = [ModelRef.of(recorder, strategy) for recorder in recorders]
    return [
        replace(
            ref,
            model=fold.line or ref.model,
            task_hash=ref.task_hash or fold.task_hash,
            test=fold.test if ref.test == (None, None) else ref.test,
        )
        for fold, ref in zip(folds, refs, strict=True)
    ]


def refs_of_recorders(strategy: OnlineStrategy, recorders: Sequence[Recorder]) -> list[ModelRef]:
    """Refer to recorders that a strategy or a user names, each by the name of its line."""
    refs = [ModelRef.of(recorder, strategy.name_id) for recorder in recorders]
    if not isinstance(strategy, RollingStrategy):
        return refs
    return [replace(ref, model=strategy.name_of(one)) for ref, one in zip(refs, recorders, strict=True)]


def _runs(strategy: str, folds: Sequence[DueFold]) -> Mapping[str, list[Recorder]]:
    """List the runs of an experiment that have the definition of one of the folds, newest first."""
    hashes = list(dict.fromkeys(fold.task_hash for fold in folds if fold.task_hash))
    try:
        experiment = R.get_exp(experiment_name=strategy, create=False)
    except ExperimentNotFoundError:
        return {}
    filters = [f"tags.{TASK_HASH} = '{one}'" for one in hashes] if len(hashes) <= _FEW else [""]
    runs: dict[str, list[Recorder]] = {}
    for filter_string in filters:
        for recorder in experiment.list_recorders(filter_string=filter_string).values():
            runs.setdefault(recorder.list_tags().get(TASK_HASH, ""), []).append(recorder)
    return runs


def _checked(fold: DueFold) -> CheckedTask | None:
    try:
        return check_task(fold.task)
    except RollforwardError as error:
        # The trainer says what is wrong with it.
        logger.debug("The task cannot be looked up: %s", error)
        return None
