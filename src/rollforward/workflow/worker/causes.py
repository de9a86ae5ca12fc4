"""Why the process of a task ended, in words."""

from __future__ import annotations

import signal

from rollforward.workflow.worker.memory import spelled
from rollforward.workflow.worker.messages import MEMORY, TIMEOUT, Ended


def cause_of(end: Ended, timeout: float | None, memory_limit: int | None) -> str:
    """Say why a process that gave no answer is gone.

    Parameters
    ----------
    end
        What the keeper says of it.
    timeout, memory_limit
        Seconds and bytes that it was allowed.
    """
    if end.reason == TIMEOUT:
        return f"The time was up: the task took more than {timeout:g} s."
    if end.reason == MEMORY and memory_limit is not None:
        return f"The memory limit was exceeded: the process had more than {spelled(memory_limit)} in memory."
    if end.exitcode is None:
        return f"The process of the task died: {end.reason}."
    if end.exitcode < 0:
        return f"The process of the task died of {_signal(-end.exitcode)}."
    return f"The process of the task ended itself with exit code {end.exitcode}."


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
