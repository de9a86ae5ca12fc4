"""What a pool knows of a batch of tasks: which are trained, which are open, which have to be trained again."""

from __future__ import annotations

import logging
import shlex
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rollforward.data.identity import content_hash
from rollforward.errors import PoolError, TaskError
from rollforward.settings.masking import mask_credentials
from rollforward.workflow.facade import R
from rollforward.workflow.task.codec import decode
from rollforward.workflow.task.manage import TaskManager
from rollforward.workflow.task.references import RecorderRef
from rollforward.workflow.task.store.query import parse
from rollforward.workflow.trainer.reuse import (
    FoundRun,
    find_trained,
    is_of,
    is_trained,
    read_recorders,
    warn_of_functions,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rollforward.workflow.recorder import Recorder
    from rollforward.workflow.task.store.base import StoredTask
    from rollforward.workflow.trainer.check import CheckedTask

logger = logging.getLogger(__name__)

DONE, PART_DONE, FAILED = TaskManager.STATUS_DONE, TaskManager.STATUS_PART_DONE, TaskManager.STATUS_FAILED
_PAGE = 500
_LATER = -1


@dataclass(frozen=True)
class Batch:
    """Tasks that are trained through a pool.

    Parameters
    ----------
    pool
        The pool.
    tasks
        The definitions.
    checked
        The same ones checked; empty if a function of the user's knows alone what they are.
    experiment_name
        Where they are trained.
    reuse
        ``None``: what the pool has trained; ``True``: also what any run of the store has; ``False``: nothing.
    delay
        Whether a prepared run counts.
    """

    pool: TaskManager
    tasks: Sequence[Mapping[str, Any]]
    checked: Sequence[CheckedTask]
    experiment_name: str | None
    reuse: bool | None = None
    delay: bool = False

    def trained(self) -> tuple[dict[int, Recorder], dict[int, Any]]:
        """Find what needs no training; let those tasks wait again whose earlier result does not hold.

        A result of the pool holds if its run is there and was trained to its end, on the same data with the same code.
        A failed task gets all its attempts again.

        Returns
        -------
        recorders, ids
            Both by position; the second one of those tasks that the pool has trained.

        Raises
        ------
        TaskError
            If a task cannot be stored as data; nothing has been changed then.
        """
        self.pool.create_task(self.tasks, dry_run=True)
        known = self._known()
        recorders = recorders_of(known.values())
        found: dict[int, Recorder] = {}
        stale: dict[int, StoredTask] = {}
        for position, task in known.items():
            recorder = recorders.get(str(task.id))
            if task.status == DONE and self._holds(position, recorder):
                found[position] = recorder  # type: ignore[assignment]  # checked to be one
            elif task.status in (DONE, FAILED) or (
                task.status == PART_DONE and not (self.delay and self._is_prepared(position, recorder))
            ):
                stale[position] = task
        if self.checked:
            warn_of_functions(self.checked[position] for position in found)
        ids = {position: known[position].id for position in found}
        # A task that is open is waited for: whoever works on it may have a finished run that does not count.
        is_open = known.keys() - found.keys() - stale.keys()
        if self.reuse:
            others = [position for position in range(len(self.tasks)) if position not in is_open | found.keys()]
            elsewhere = find_trained([self.checked[position] for position in others], self.experiment_name)
            found |= {others[position]: recorder for position, recorder in elsewhere.items()}
        self._wait_again([task for position, task in stale.items() if position not in found])
        return found, ids

    def waves(self, positions: Sequence[int]) -> Iterator[list[int]]:
        """Give first the tasks that fit a model, then those that take it from one of them."""
        if self.delay:  # nothing is fitted in the first step
            yield list(positions)
            return
        for later in (False, True):
            wave = [position for position in positions if takes_a_model(self.tasks[position]) is later]
            if wave:
                yield wave

    def submit(self, positions: Sequence[int]) -> dict[int, Any]:
        """Put tasks into the pool that are not there yet; give the ids by position.

        A task that takes the model of another one comes later in the queue.
        """
        ids: dict[int, Any] = {}
        for later in (False, True):
            part = [position for position in positions if takes_a_model(self.tasks[position]) is later]
            submitted = self.pool.create_task([self.tasks[at] for at in part], priority=_LATER if later else 0)
            ids |= dict(zip(part, submitted, strict=True))
        return ids

    def _known(self) -> dict[int, StoredTask]:
        identities = [content_hash(task) for task in self.tasks]
        ids = self.pool.store.ids_of(list(dict.fromkeys(identities)))
        tasks = {str(task.id): task for task in read_tasks(self.pool, list(ids.values()))}
        return {
            position: tasks[str(ids[identity])]
            for position, identity in enumerate(identities)
            if identity in ids and str(ids[identity]) in tasks
        }

    def _holds(self, position: int, recorder: Recorder | None) -> bool:
        if recorder is None or self.reuse is False:
            return False
        return is_trained(recorder, self.checked[position] if self.checked else None)

    def _is_prepared(self, position: int, recorder: Recorder | None) -> bool:
        if recorder is None or self.reuse is False:
            return False
        return not self.checked or is_of(recorder.list_tags(), self.checked[position])

    def _wait_again(self, tasks: Sequence[StoredTask]) -> None:
        again = 0
        for task in {str(task.id): task for task in tasks}.values():
            # As it was seen: another process may have let it wait again, and trained it, meanwhile.
            seen = {"_id": str(task.id), "status": task.status, "attempt": task.attempt}
            again += self.pool.reset_status(seen, TaskManager.STATUS_WAITING)
        if again:
            logger.info("%d tasks of the pool %r are trained again.", again, self.pool.task_pool)


def takes_a_model(task: Mapping[str, Any]) -> bool:
    """Tell whether a task predicts with the model of another one."""
    return task.get("refit") is False


def read_tasks(pool: TaskManager, ids: Sequence[Any]) -> list[StoredTask]:
    """Read tasks with their results."""
    pages = (ids[start : start + _PAGE] for start in range(0, len(ids), _PAGE))
    return [task for page in pages for task in pool.store.find(parse({"_id": {"$in": list(page)}}), bodies=True)]


def recorders_of(tasks: Iterable[StoredTask]) -> dict[str, Recorder]:
    """Read the recorders of tasks by the text of their ids; one that is not in the store of the settings is left out.

    They are looked up by their ids: other machines may know the same store by another address.
    """
    references = {str(task.id): reference for task in tasks if (reference := _reference(task)) is not None}
    runs = {key: FoundRun(one.id, one.experiment_id) for key, one in references.items()}
    read = read_recorders(runs.values())
    return {key: read[run.id] for key, run in runs.items() if run.id in read}


def recorder_of(task: StoredTask, recorders: Mapping[str, Recorder]) -> Recorder:
    """Give the recorder of a task that is trained.

    Raises
    ------
    TaskError
        If what trained it gave back something else.
    RecorderNotFoundError
        If it was deleted since.
    PoolError
        If it was recorded in another tracking store.
    """
    found = recorders.get(str(task.id))
    if found is not None:
        return found
    reference = _reference(task)
    if reference is None:
        raise TaskError(
            f"Task {task.id} has no recorder as its result, but {(task.result or 'nothing')[:100]}.",
            "a function that trains a task and returns its recorder.",
            "Return R.get_recorder(), or work on the pool with run_task.",
        )
    here = mask_credentials(R.get_uri())
    if reference.uri in ("", here):
        return reference.load()
    raise PoolError(
        f"Task {task.id} was trained, but its run {reference.id} is in the tracking store {reference.uri}.",
        f"a run in the tracking store in use, {here}.",
        f"Start workers with --uri, or init(uri=...), so that all use one store; or read it with "
        f"R.uri_context({reference.uri!r}).",
    )


def say_where(pool: str, recorders: Iterable[Recorder], experiment_name: str | None) -> None:
    """Say which runs of a pool a collector over the trainer's experiment would not find.

    Parameters
    ----------
    pool
        Name of the pool.
    recorders
        What it has trained.
    experiment_name
        Where the trainer trains; ``None`` is the default experiment, or that of the active run.
    """
    recorders = list(recorders)
    if not recorders:
        return
    wanted = experiment_name or R.exp_manager.default_exp_name
    names = {str(experiment.id): name for name, experiment in R.list_experiments().items()}
    active = None if experiment_name else R.exp_manager.active_experiment
    own = {active.name} if active is not None else set()
    where = Counter(names.get(str(one.experiment_id), str(one.experiment_id)) for one in recorders)
    foreign = {name: where[name] for name in sorted(where) if name not in own | {wanted}}
    if foreign:
        logger.warning(
            "Pool %r: %d of %d runs are not in the experiment %r, but in %s; a collector over %r does not see them. "
            "Start workers with `rollforward worker %s --experiment %s`, or collect over these experiments too.",
            pool,
            sum(foreign.values()),
            sum(where.values()),
            wanted,
            ", ".join(f"{name!r} ({count})" for name, count in foreign.items()),
            wanted,
            shlex.quote(pool),
            shlex.quote(wanted),
        )


def _reference(task: StoredTask) -> RecorderRef | None:
    if task.result is None or not task.result.startswith('{"$recorder"'):
        return None
    found = decode(task.result)
    return found if isinstance(found, RecorderRef) else None
