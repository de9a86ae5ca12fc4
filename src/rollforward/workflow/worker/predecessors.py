"""Runs of attempts that do not count: ended as KILLED, with a tag that names the run that does.

Whoever claims a task next does this for all attempts before, when it starts and again when it has a result. A worker
does it for its own attempt when its process dies, and when its result is refused.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rollforward.errors import RecorderNotFoundError, RollforwardError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollforward.workflow.task.references import RecorderRef

logger = logging.getLogger(__name__)


def end_runs(references: Sequence[RecorderRef], reason: str, successor: str | None = None) -> None:
    """End runs that do not count; what fails is logged.

    Parameters
    ----------
    references
        The runs; one that is deleted is passed over.
    reason
        Why, for the tag ``killed_because``.
    successor
        Id of the run that counts instead.
    """
    if not references:
        return
    from rollforward.workflow.mlflow_backend.alive.superseded import supersede  # noqa: PLC0415  # MLflow, if needed

    for reference in references:
        try:
            recorder = reference.load()
            supersede(str(getattr(recorder, "uri", "")), reference.id, reason, successor)
        except RecorderNotFoundError:
            logger.debug("Run %s is gone, there is nothing to end.", reference.id)
        except RollforwardError as error:
            logger.warning("Run %s, which does not count, cannot be ended: %s", reference.id, error)
