"""Examine all that `rollforward doctor` looks at: the store, task pools, ledgers, this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward.workflow.examination.ledgers import online_ledgers
from rollforward.workflow.examination.pools import task_pools
from rollforward.workflow.mlflow_backend.doctor import Level, examine, is_well, safely

if TYPE_CHECKING:
    from rollforward.workflow.mlflow_backend.doctor import Finding

__all__ = ["Level", "examine_all"]


def examine_all(uri: str, *, pool: str | None = None, fix: bool = False) -> list[Finding]:
    """Look at everything that may go wrong.

    Parameters
    ----------
    uri
        The tracking store.
    pool
        The task store; ``None``: that of the settings, if it is there.
    fix
        Repair what can be repaired without a choice; see `mlflow_backend.doctor.examine`. Pools and ledgers are only
        looked at.
    """
    found = examine(uri, fix=fix)
    found += safely("pool", lambda: task_pools(pool))
    if is_well(uri, found):
        found += safely("online", lambda: online_ledgers(uri))
    return found
