"""Looking after a pool: what a person does to tasks by hand."""

from __future__ import annotations

import getpass
import socket
from typing import TYPE_CHECKING, Any

from rollforward.errors import PoolError
from rollforward.workflow.task.reading import PoolReader, id_of
from rollforward.workflow.task.store.base import DONE, FAILED, PART_DONE, RUNNING, STATUSES, WAITING, Change
from rollforward.workflow.task.store.query import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    Query = Mapping[str, Any]

_PAGE = 500


class PoolKeeper(PoolReader):
    """What can be done to the tasks of a pool by hand; see `rollforward.workflow.task.manage.TaskManager`."""

    def remove(self, query: Query | None = None) -> int:
        """Delete tasks, without a query all of them; give their number."""
        return self.store.delete(parse(query))

    def purge(self, older_than: float = 0.0, query: Query | None = None) -> int:
        """Delete tasks that are done or failed, and ended more than so many seconds ago; give their number."""
        now = self.store.now()
        wanted = {"$and": [dict(query or {}), {"status": {"$in": [DONE, FAILED]}}]}
        old = [
            task.id
            for task in self.store.find(parse(wanted))
            if task.ended_at is None or (now - task.ended_at).total_seconds() >= older_than
        ]
        pages = (old[start : start + _PAGE] for start in range(0, len(old), _PAGE))
        return sum(self.store.delete(parse({"$and": [wanted, {"_id": {"$in": page}}]})) for page in pages)

    def reset_waiting(self, query: Query | None = None) -> int:
        """Let running tasks wait again whose worker is gone, that is whose lease has passed; give their number.

        There is no need to: they are claimed anyway. One that is worked on stays as it is; see `reset_status`.
        """
        change = Change("reset", WAITING, forget_tries=True, who=_me())
        return self.store.change(parse(query), change, dropped_only=True)

    def reset_status(self, query: Query | None, status: str) -> int:
        """Give tasks a status, and take them from whoever works on them; give their number.

        Parameters
        ----------
        query
            Which tasks.
        status
            ``waiting``, ``part_done``, ``done`` or ``failed``.
        """
        if status not in STATUSES or status == RUNNING:
            raise PoolError(
                f"Tasks cannot be set to {status!r}.",
                f"one of {', '.join(known for known in STATUSES if known != RUNNING)}.",
                "A task is running when it was claimed." if status == RUNNING else "",
            )
        return self.store.change(parse(query), Change("reset", status, forget_tries=True, who=_me()))

    def retry(self, query: Query | None = None) -> int:
        """Let failed tasks wait again, with all attempts before them; give their number."""
        wanted = {"$and": [dict(query or {}), {"status": FAILED}]}
        return self.store.change(parse(wanted), Change("retry", WAITING, forget_tries=True, who=_me()))

    def cancel(self, query: Query | None = None) -> int:
        """Let tasks that are not done be failed; a worker that is at one stops; give their number."""
        wanted = {"$and": [dict(query or {}), {"status": {"$in": [WAITING, RUNNING, PART_DONE]}}]}
        me = _me()
        return self.store.change(parse(wanted), Change("cancel", FAILED, error=f"cancelled by {me}", who=me))

    def prioritize(self, task: Any, priority: int) -> int:
        """Give a task another priority; higher goes first.

        Parameters
        ----------
        task
            The task, as a dictionary with ``_id``, or its id; or a query, for all tasks that it finds.
        """
        is_query = isinstance(task, dict) and "_id" not in task
        query = task if is_query else {"_id": id_of(task)}
        return self.store.change(parse(query), Change("prioritize", priority=int(priority), who=_me()))


def _me() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):
        return socket.gethostname()
