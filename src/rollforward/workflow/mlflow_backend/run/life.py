"""What accompanies a run from its start to its end: where it came from, signs of life, what is printed, usage.

Nothing here makes a run fail, and next to nothing keeps it waiting: what can be found out or written later is, in the
background. Of a run in a database everything is there at its end; behind a server, some of it is uploaded after the
end of a short run, see `afterwards`.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from rollforward.settings.state import current
from rollforward.workflow.async_log import AsyncCaller
from rollforward.workflow.mlflow_backend.alive import dead, heartbeat
from rollforward.workflow.mlflow_backend.provenance import capture, command, packages
from rollforward.workflow.mlflow_backend.run import output, usage
from rollforward.workflow.mlflow_backend.run.afterwards import afterwards
from rollforward.workflow.mlflow_backend.run.origin import Origin
from rollforward.workflow.mlflow_backend.store import reach

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow.entities import Run

    from rollforward.workflow.mlflow_backend.run.logged import LoggedRun
    from rollforward.workflow.mlflow_backend.run.recorder import MLflowRecorder

logger = logging.getLogger(__name__)

HOSTNAME = "hostname"
PYTHON, PLATFORM = "mlflow.rollforward.python", "mlflow.rollforward.platform"
OUTPUT = "output.txt"
# Seconds that an end waits for the look at dead runs, once per process and experiment.
_PATIENCE = 2.0


@dataclass(eq=False)
class _Life:
    """One open run."""

    recorder: MLflowRecorder
    is_resumed: bool
    pid: int = field(default_factory=os.getpid)
    origin: Origin | None = None
    heard: output.Capture | None = None
    measuring: AsyncCaller | None = None
    monitor: Any = None
    look: threading.Thread | None = None


class _Beginning(threading.local):
    """What this thread knows of the run that it is about to open."""

    code_is_tagged = False
    resumed: str | None = None


_lives: dict[int, _Life] = {}
_beginning = _Beginning()


def new_tags() -> dict[str, str]:
    """Return the tags that a new run is created with."""
    settings = current()
    found: dict[str, str] = {}
    with _harmless("Where the run comes from is not tagged"):
        found |= heartbeat.tags(settings.heartbeat)
        if settings.provenance:
            code = capture.begin()
            _beginning.code_is_tagged = code is not None
            found |= command.tags() | {
                HOSTNAME: socket.gethostname(),
                PYTHON: packages.interpreter(),
                PLATFORM: packages.system(),
            }
            found |= code.tags if code is not None else {}
    return found


def resuming(recorder: MLflowRecorder, run: Run) -> None:
    """Take a run over, before it is called RUNNING: who looks for dead runs must find the new owner."""
    _beginning.resumed = run.info.run_id
    with _harmless("The owner of the run is not tagged"):
        tags = heartbeat.tags(current().heartbeat)
        if tags:
            recorder.set_tags(**tags)
        if dead.KILLED_BECAUSE in run.data.tags:
            recorder.delete_tags(dead.KILLED_BECAUSE)


def resumed_command(params: dict[str, str]) -> dict[str, str]:
    """Return the tags of a run that goes on: its params stay what they were, another command line becomes a tag."""
    if not current().provenance or params.get(command.ARGV) == command.command_line():
        return {}
    return {f"resumed.{command.ARGV}": command.command_line()}


def opened(recorder: MLflowRecorder) -> None:
    """Begin to accompany a run that was opened just now."""
    run_id = recorder.require_id()
    resumed, _beginning.resumed = _beginning.resumed == run_id, None
    life = _lives[id(recorder)] = _Life(recorder, resumed)
    settings = current()
    if settings.system_metrics:
        life.measuring = AsyncCaller()
        life.measuring(_measure, life)
    if settings.provenance and not resumed:
        with _harmless(f"Where run {run_id} comes from is not kept"):
            life.origin = Origin(recorder, code_is_tagged=_beginning.code_is_tagged)
            afterwards.put(recorder.uri, run_id, partial(_keep_origin, life.origin, run_id))
    if settings.capture_output:
        with _harmless(f"The output of run {run_id} is not kept"):
            life.heard = output.claim()
    with _harmless(f"Run {run_id} gives no signs of life"):
        heartbeat.heart.add(id(recorder), lambda tags: _put_tags(recorder, tags), settings.heartbeat)
        if settings.heartbeat > 0:
            life.look = dead.watch(recorder.uri, str(recorder.experiment_id))


def settle(recorder: LoggedRun, *, files: bool = True) -> None:
    """Return when what is written in the background about a run is in the hands of its writer.

    Parameters
    ----------
    recorder
        The run; about to be read.
    files
        Whether artifacts too, of a run that this recorder has open.
    """
    life = _lives.get(id(recorder))
    if life is not None and life.pid == os.getpid():
        _put_params(life)
        if not files:
            return
    if recorder.id is not None:
        afterwards.settle(recorder.uri, recorder.id)


def closing(recorder: MLflowRecorder, status: str, error: BaseException | None) -> None:
    """Finish what accompanies a run, while it can still be written to."""
    life = _lives.pop(id(recorder), None)
    if life is None or life.pid != os.getpid():
        return
    logger.debug("Run %s ends as %s: %r", recorder.id, status, error)
    with _harmless("The signs of life did not end"):
        heartbeat.heart.remove(id(recorder))
    if recorder.has_news:
        # One request for both.
        _put_params(life)
    run_id = recorder.require_id()
    if life.heard is not None:
        with _harmless(f"The output of run {run_id} is not kept"):
            text = output.release(life.heard)
            if text:
                afterwards.put(recorder.uri, run_id, partial(_keep_output, life, text))
    if not _may_wait(recorder):
        afterwards.settle(recorder.uri, run_id)
    if life.measuring is not None:
        with _harmless("The measuring of usage did not end"):
            life.measuring.wait()
            usage.stop(life.monitor)
    if life.look is not None:
        life.look.join(_PATIENCE)


@contextmanager
def _harmless(message: str) -> Iterator[None]:
    """Let no failure reach the run."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  # whatever it is, the run is more important
        logger.warning("%s: %s", message, error)


def _may_wait(recorder: MLflowRecorder) -> bool:
    """Whether a run may end before everything that accompanies it is written: where each file is a request."""
    is_remote = reach.is_server(recorder.uri) or not recorder.has_local_artifacts
    return is_remote and current().async_log


def _put_params(life: _Life) -> None:
    if life.origin is not None:
        with _harmless(f"The command line of run {life.recorder.id} is not kept"):
            life.origin.put_params()


def _keep_origin(origin: Origin, run_id: str) -> None:
    with _harmless(f"Where run {run_id} comes from is not kept"):
        origin.write()


def _keep_output(life: _Life, text: str) -> None:
    with _harmless(f"The output of run {life.recorder.id} is not kept"):
        life.recorder.add(texts={_output_name(resumed=life.is_resumed): text})


def _measure(life: _Life) -> None:
    with _harmless("The usage of the machine is not measured"):
        life.monitor = usage.start(life.recorder.uri, life.recorder.require_id(), resumed=life.is_resumed)


def _put_tags(recorder: MLflowRecorder, tags: dict[str, str]) -> None:
    # Not `set_tags`, after which the recorder would be read again by whoever asks for its params.
    recorder._writer.put_tags(tags)  # noqa: SLF001  # the same room


def _output_name(*, resumed: bool) -> str:
    """Name the artifact; a run that goes on keeps the output of each time."""
    return f"output_{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}.txt" if resumed else OUTPUT
