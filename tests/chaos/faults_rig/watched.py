"""A store that writes every claim and every end of an attempt into the log, before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollforward.errors import RollforwardError, StaleClaimError, TaskError
from rollforward.workflow.task.codec import decode

if TYPE_CHECKING:
    from faults_rig.log import Log


class WatchedStore:
    """Everything else is the store's own."""

    def __init__(self, store: Any, log: Log) -> None:
        self._store = store
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def claim(self, *args: Any, **kwargs: Any) -> Any:
        task = self._store.claim(*args, **kwargs)
        if task is not None:
            # When it was claimed, by the store: this line may come late, even after a crash of the server.
            about = {"tries": task.tries, "nonce": task.nonce, "started": task.started_at.timestamp()}
            self._log.write("claimed", str(task.id), task.attempt, **about)
        return task

    def renew(self, task_id: Any, attempt: int, lease: float, claimed: str = "") -> None:
        try:
            self._store.renew(task_id, attempt, lease, claimed)
        except StaleClaimError:
            self._log.write("stale", str(task_id), attempt)
            raise

    def finish(self, task_id: Any, attempt: int, ending: Any, claimed: str = "") -> None:
        about = (str(task_id), attempt, token_of(ending.result))
        self._log.write("ending", *about, outcome=ending.outcome)
        try:
            self._store.finish(task_id, attempt, ending, claimed)
        except StaleClaimError:
            self._log.write("refused", *about, outcome=ending.outcome)
            raise
        except RollforwardError as error:
            self._log.write("unable", *about, outcome=ending.outcome, error=str(error)[:300])
            raise
        self._log.write("ended", *about, outcome=ending.outcome, status=ending.status, error=ending.exception[:300])


def token_of(result: str | None) -> str:
    """Give the token in the text of a result."""
    if result is None or '"token"' not in result[-200:]:
        return ""
    try:
        return str(decode(result)["token"])
    except (TaskError, TypeError, KeyError):
        return ""
