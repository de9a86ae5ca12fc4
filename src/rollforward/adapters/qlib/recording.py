"""Which `R` it is that Qlib's code logs with: ours, or Qlib's own."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

logger = logging.getLogger(__name__)

# The facade is a room far above; it is only handed over, and reached by name.
_R_HOME = "rollforward.workflow.facade"


class Either:
    """Our `R` while a run of ours is active and none of Qlib's own is; else Qlib's own.

    It stands behind ``qlib.workflow.R`` where a script called ``qlib.init`` itself: what the script records with Qlib
    goes where it would go without us, and what Qlib's models log while we train them goes to our run.

    Parameters
    ----------
    theirs
        What ``qlib.init`` has put there.
    """

    def __init__(self, theirs: Any) -> None:
        self.theirs = theirs

    def __getattr__(self, name: str) -> Any:
        """Find a method of the one that is meant now."""
        theirs = self.__dict__["theirs"]
        is_ours = not is_recording(theirs) and _ours().exp_manager.active_recorder is not None
        return getattr(_ours() if is_ours else theirs, name)


def stands_for() -> Any:
    """Return what ``qlib.workflow.R`` stands for now; ``None`` before anything is started."""
    return import_module("qlib.workflow").R.__dict__.get("_provider")


def put(recorder: Any) -> None:
    """Let ``qlib.workflow.R`` stand for this."""
    # Not by the method of `R` itself, which would first build the experiment manager to ask whether a run is active.
    import_module("qlib.utils").Wrapper.register(import_module("qlib.workflow").R, recorder)


def is_recording(recorder: Any) -> bool:
    """Tell whether a run of Qlib's own is active."""
    recorder = recorder.theirs if isinstance(recorder, Either) else recorder
    if recorder is None or recorder is _ours():
        return False
    return recorder.exp_manager.active_experiment is not None


def take_over(before: Any) -> None:
    """Let Qlib, whose data we have started, record with our `R`, unless a run of its own was active before."""
    if is_recording(before):
        logger.warning("A run of Qlib's own R is active: what Qlib's code logs goes there, not to rollforward.")
        put(before)
    else:
        put(_ours())


def share() -> None:
    """Let Qlib, which somebody else may have started, log to our runs; outside of them its `R` stays its own."""
    before = stands_for()
    if before is None:
        put(_ours())
    elif before is not _ours() and not isinstance(before, Either):
        put(Either(before))


def _ours() -> Any:
    return import_module(_R_HOME).R
