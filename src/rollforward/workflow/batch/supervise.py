"""Several children at a time, in one thread."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from rollforward.workflow.batch.jobs import RUNNING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rollforward.workflow.batch.children import Child
    from rollforward.workflow.batch.jobs import Job

# Seconds between two looks; nothing of a run waits for it.
_LOOK = 0.1


def supervise(
    jobs: Sequence[Job],
    at_once: int,
    start: Callable[[Job], Child],
    end: Callable[[Job, Child, int], None],
    tell: Callable[[Job], None],
) -> None:
    """Run jobs in processes until all have ended.

    If this is interrupted, the children are asked to end their runs, and waited for; a second interrupt kills them.

    Parameters
    ----------
    jobs
        What is to be run, in this order.
    at_once
        The number of processes.
    start
        Starts the process of a job.
    end
        Is told of a process that has ended, with its exit code.
    tell
        Is called whenever a job begins or has ended.
    """
    waiting, running = deque(jobs), list[tuple["Job", "Child"]]()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                job = waiting.popleft()
                job.state = RUNNING
                running.append((job, start(job)))
                tell(job)
            time.sleep(_LOOK)
            for job, child in list(running):
                code = child.poll()
                if code is not None:
                    running.remove((job, child))
                    end(job, child, code)
                    tell(job)
    except BaseException:
        _stop([child for _, child in running])
        raise


def _stop(children: Sequence[Child]) -> None:
    try:
        for child in children:
            child.stop()
        while any([child.poll() is None for child in children]):  # noqa: C419  # each is looked after
            time.sleep(_LOOK)
    finally:
        for child in children:
            child.kill()
