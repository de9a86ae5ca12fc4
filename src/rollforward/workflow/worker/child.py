"""The process of one task."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rollforward import settings
from rollforward.errors import TaskError
from rollforward.workflow.active import on_start, open_runs
from rollforward.workflow.leaving import Terminated
from rollforward.workflow.task.codec import decode, encode
from rollforward.workflow.task.predecessors import end_runs
from rollforward.workflow.task.references import RecorderRef
from rollforward.workflow.worker.finding import find_function
from rollforward.workflow.worker.messages import Done, Failed, Job, Plan, Recorded, Tidy

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

logger = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
_KEPT_TRACEBACK = 20_000


def work(connection: Connection[Any, Any], plan: Plan, inherited: Connection[Any, Any] | None) -> None:
    """Wait for a job, do it, answer; and so on until there is none.

    Parameters
    ----------
    connection
        To the worker.
    plan
        Of the keeper.
    inherited
        The keeper's own connection, which a fork has copied.
    """
    if inherited is not None:
        inherited.close()
    _be_alone(plan)
    attempts = _Attempts(connection, plan)
    on_start(attempts.started)
    # Without anybody who asks there is nothing to do.
    with suppress(EOFError, OSError):
        while True:
            job = connection.recv()
            if isinstance(job, Tidy):
                end_runs([decode(text) for text in job.recorders], job.reason, job.successor)
                return
            connection.send(attempts.answer(job))


class _Attempts:
    """Calls of the task function, one after the other."""

    def __init__(self, connection: Connection[Any, Any], plan: Plan) -> None:
        self.connection = connection
        self.plan = plan
        self.predecessors: list[RecorderRef] = []
        self.why = ""

    def answer(self, job: Job) -> Done | Failed:
        self.why = f"attempt {job.attempt} at task {job.task} replaces it"
        self.predecessors = []
        try:
            self.predecessors = _predecessors(job)
            end_runs(self.predecessors, self.why)
            func = find_function(self.plan.func)
            result = func(_argument(job), **self.plan.kwargs)
            text = encode(result, "result")
            if self.predecessors:
                # A process that was cut off may have ended its run since.
                end_runs(self.predecessors, self.why)
        except Terminated:
            raise  # the worker knows why
        except BaseException as error:  # noqa: BLE001  # whatever ends a task, the worker hears of it
            # Neither what cannot be stored nor what cannot be read gets better by repetition.
            return Failed(_headline(error), _traceback(error), retry=not isinstance(error, TaskError))
        return Done(text)

    def started(self, recorder: Any) -> None:
        reference = RecorderRef.of(recorder)
        with suppress(OSError):
            self.connection.send(Recorded(encode(reference), reference.id, is_inner=len(open_runs()) > 1))
        others = [one for one in self.predecessors if one != reference]
        if others:
            end_runs(others, self.why, reference.id)


def _argument(job: Job) -> Any:
    if job.result is None:
        return decode(job.definition)
    result = decode(job.result)
    return result.load() if isinstance(result, RecorderRef) else result


def _predecessors(job: Job) -> list[RecorderRef]:
    """Give what earlier attempts recorded, but for the run that this one goes on with."""
    found = [decode(text) for text in job.predecessors]
    mine = decode(job.result) if job.result else None
    return [one for one in found if isinstance(one, RecorderRef) and one != mine]


def _be_alone(plan: Plan) -> None:
    """Have signals, random numbers and a group of processes of its own."""
    os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    settings.install(plan.settings)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        # Forked processes would all draw the same numbers; that of Python sees to it itself.
        numpy.random.seed()
    if plan.log_level is not None and not logging.getLogger().handlers:
        logging.basicConfig(level=plan.log_level, format=LOG_FORMAT)


LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"


def _headline(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _traceback(error: BaseException) -> str:
    text = "".join(traceback.format_exception(error))
    # The end says most; half a character is no text for a database.
    return text[-_KEPT_TRACEBACK:].encode("utf-8", "replace").decode()
