"""The task pool: submit, claim, commit, look after. Qlib's names, with leases behind them."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console

from rollforward.errors import PoolError, TaskError
from rollforward.workflow.task.claim import BACKOFF, Claim, claim_next
from rollforward.workflow.task.documents import FetchedTask, as_held, document_of
from rollforward.workflow.task.reading import id_of
from rollforward.workflow.task.run import run_task
from rollforward.workflow.task.store.base import (
    DEFAULT_LEASE,
    DEFAULT_MAX_ATTEMPTS,
    DONE,
    PART_DONE,
    WAITING,
    NewTask,
    Owner,
)
from rollforward.workflow.task.store.query import parse
from rollforward.workflow.task.submitting import new_task as prepared
from rollforward.workflow.task.submitting import new_tasks
from rollforward.workflow.task.upkeep import PoolKeeper

if TYPE_CHECKING:
    import builtins  # where `list` is no method
    from collections.abc import Iterator, Mapping, Sequence

    Query = Mapping[str, Any]

__all__ = ["FetchedTask", "TaskManager", "run_task"]

logger = logging.getLogger(__name__)


class TaskManager(PoolKeeper):
    """The tasks of one pool.

    A task is ``waiting``, ``running``, ``part_done``, ``done`` or ``failed``. A pool is made by the first task; reading
    makes none. Queries are MongoDB's on every store: ``{"status": "waiting", "filter.model.class": "LGBModel"}``, see
    `rollforward.workflow.task.store.query`.

    Parameters
    ----------
    task_pool
        Name of the pool.
    store
        Address of the store (``sqlite:///tasks.db``, ``mongodb://host/``) or an open `TaskStore`; ``None`` follows the
        settings ``task_store`` and ``task_db_name``.

    Raises
    ------
    PoolError
        For a name or an address that cannot be one.
    """

    # --- submit -------------------------------------------------------------------------------------------------

    def create_task(
        self,
        task_def_l: Sequence[Mapping[str, Any]],
        dry_run: bool = False,
        print_nt: bool = False,
        *,
        priority: int = 0,
    ) -> builtins.list[Any]:
        """Submit tasks; one whose definition is in the pool already, in whatever order of keys, is that task.

        Parameters
        ----------
        task_def_l
            Definitions.
        dry_run
            Look, and add nothing.
        print_nt
            Print the definitions that are new.
        priority
            Of new tasks; higher goes first.

        Returns
        -------
        list
            Ids in the order of the definitions; equal ones share an id. Empty if `dry_run`.

        Raises
        ------
        TaskError
            If a definition cannot be stored; names the place. Nothing is added then.
        """
        new = new_tasks(task_def_l, priority)
        if dry_run or print_nt:
            known = self.store.ids_of([task.identity for task in new])
            fresh = {task.identity: i for i, task in reversed(list(enumerate(new))) if task.identity not in known}
            if print_nt:
                console = Console()
                for i in sorted(fresh.values()):
                    console.print(task_def_l[i])
            logger.info("%d of %d tasks are new in the pool %r.", len(fresh), len(new), self.task_pool)
        return [] if dry_run or not new else self.store.add(new)

    def insert_task_def(self, task_def: Mapping[str, Any]) -> Any:
        """Submit one task; give its id."""
        return self.create_task([task_def])[0]

    def insert_task(self, task: Mapping[str, Any]) -> Any:
        """Submit one task as a dictionary with ``def`` and, if wanted, ``priority`` and ``status``; give its id."""
        return self.store.add([self._ofdocument_of(task)])[0]

    def replace_task(self, task: Any, new_task: Mapping[str, Any]) -> None:
        """Give a task another definition; it waits again, and whoever works on it is refused.

        Parameters
        ----------
        task
            The task, as a dictionary with ``_id``, or its id.
        new_task
            A dictionary with ``def`` as `insert_task` takes it, or a definition.
        """
        new = self._ofdocument_of(new_task) if "def" in new_task else prepared(new_task)
        self.store.redefine(id_of(task), new)

    def _ofdocument_of(self, task: Mapping[str, Any]) -> NewTask:
        if not isinstance(task.get("def"), dict):
            raise TaskError("A task without a definition.", 'a dictionary {"def": {...}}.', "Or use insert_task_def.")
        status = task.get("status", WAITING)
        if status not in (WAITING, PART_DONE):
            raise PoolError(f"A new task cannot be {status!r}.", "waiting or part_done.", "Leave the status out.")
        return prepared(task["def"], int(task.get("priority", 0)), "task", status)

    # --- work ---------------------------------------------------------------------------------------------------

    def claim(
        self,
        query: Query | None = None,
        status: str = WAITING,
        lease: float = DEFAULT_LEASE,
        owner: Owner | None = None,
        *,
        max_attempts: int = DEFAULT_MAX_ATTEMPTS,
        backoff: float = BACKOFF,
    ) -> Claim | None:
        """Take the first task: highest priority, then first in.

        Parameters
        ----------
        query
            Which tasks.
        status
            ``waiting`` or ``part_done``. A running task whose lease has passed counts as what it was claimed from.
        lease
            Seconds after which others may take it, unless the claim is renewed.
        owner
            Who takes it; ``None``: this process.
        max_attempts
            A task that was lost this often is failed instead.
        backoff
            Seconds before the second attempt, if this one fails.

        Returns
        -------
        Claim or None
            ``None`` if there is nothing to take now.
        """
        if status not in (WAITING, PART_DONE):
            raise PoolError(f"Tasks that are {status!r} cannot be claimed.", "waiting or part_done.")
        return claim_next(
            self.store, parse(query), status, lease=lease, owner=owner, max_attempts=max_attempts, backoff=backoff
        )

    def fetch_task(self, query: Query | None = None, status: str = WAITING) -> FetchedTask | None:
        """Take the first task, as a dictionary; ``None`` if there is none.

        Its lease is renewed while the dictionary is alive: end with `commit_task_res` or `return_task`, or drop it, and
        others may take it within a minute.

        Raises
        ------
        TaskError
            If the definition cannot be read here; the task is ``failed`` with that reason.
        """
        claim = self.claim(query, status)
        if claim is None:
            return None
        try:
            return FetchedTask(claim, document_of(claim.task, decoded=True))
        except TaskError as error:
            claim.fail(error, retry=False)
            raise

    @contextmanager
    def safe_fetch_task(self, query: Query | None = None, status: str = WAITING) -> Iterator[FetchedTask | None]:
        """Take a task for the length of a ``with`` block; it is given back if the block raises."""
        task = self.fetch_task(query, status)
        try:
            yield task
        except BaseException:
            if task is not None and not task.claim.is_over:
                task.claim.give_back()
            raise

    def task_fetcher_iter(self, query: Query | None = None) -> Iterator[FetchedTask]:
        """Take one waiting task after the other; one that is not committed when the loop is left is given back."""
        while True:
            task = self.fetch_task(query)
            if task is None:
                return
            try:
                yield task
            except BaseException:
                if not task.claim.is_over:
                    task.claim.give_back()
                raise

    def commit_task_res(self, task: Mapping[str, Any], res: Any, status: str | None = None) -> None:
        """Store the result of a task that was fetched.

        Raises
        ------
        StaleClaimError
            If it was fetched by somebody else meanwhile. Nothing is written.
        TaskError
            If the result cannot be stored as data; names the place.
        """
        self._claim_of(task).commit(res, status or DONE)

    def return_task(self, task: Mapping[str, Any], status: str | None = None) -> None:
        """Give back a task that was fetched; ``None``: as ``waiting``. Raises as `commit_task_res`."""
        self._claim_of(task).give_back(status or WAITING)

    def _claim_of(self, task: Mapping[str, Any]) -> Claim:
        if isinstance(task, FetchedTask):
            return task.claim
        return Claim(self.store, as_held(self.show(task), task))
