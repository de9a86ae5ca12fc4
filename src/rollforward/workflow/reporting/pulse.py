"""What a run that is called RUNNING is really doing, as far as it can be seen from here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rollforward.workflow.mlflow_backend.alive.dead import INTERVALS
from rollforward.workflow.mlflow_backend.alive.heartbeat import HEARTBEAT, OWNER, Beat
from rollforward.workflow.mlflow_backend.alive.owner import Owner
from rollforward.workflow.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNSEEN = "it goes on, or its process was killed without a word"


def lost_because(status: str | None, tags: Mapping[str, str]) -> str | None:
    """Say why a run that is called RUNNING does not go on; ``None`` if it may, or is not.

    Parameters
    ----------
    status, tags
        Of the run; nothing else is asked.
    """
    owner, beat = Owner.parse(tags.get(OWNER)), Beat.parse(tags.get(HEARTBEAT))
    if status != Recorder.STATUS_R or owner is None or beat is None:
        return None
    is_gone = owner.is_gone()
    if is_gone:
        return f"its process ({owner.pid} on {owner.host}) is gone"
    if is_gone is None and (datetime.now(UTC) - beat.at).total_seconds() > INTERVALS * beat.interval:
        return f"its process gave no sign of life since {beat.at.isoformat(sep=' ', timespec='seconds')}"
    return None


def about_running(status: str | None, tags: Mapping[str, str]) -> str | None:
    """Say what is known of a run that is called RUNNING; ``None`` if it is not, or is seen to go on."""
    if status != Recorder.STATUS_R:
        return None
    reason = lost_because(status, tags)
    if reason is not None:
        return f"{reason}. `rollforward doctor --fix` calls such runs KILLED"
    return None if OWNER in tags and HEARTBEAT in tags else _UNSEEN
