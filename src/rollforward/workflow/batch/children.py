"""The process of one run: started, watched, ended with all that it has started."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rollforward.workflow.batch.installers import send

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

logger = logging.getLogger(__name__)

CHILD_MODULE = "rollforward.cli.run_all_child"
# Seconds to end a run in order.
_GRACE = 10.0
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


@dataclass
class Child:
    """A process that runs a workflow file.

    Attributes
    ----------
    process
        The process, the leader of its group. Its standard input stays open: the end of it tells the process that we
        are gone, however we went.
    timeout
        Seconds after which it is ended; ``None`` never.
    timed_out
        It was ended because it took too long.
    """

    process: subprocess.Popen[bytes]
    timeout: float | None = None
    timed_out: bool = False
    began: float = field(default_factory=time.monotonic)
    _kill_at: float | None = None

    def poll(self) -> int | None:
        """Return the exit code, or ``None`` while it runs; end it if its time is over."""
        code = self.process.poll()
        if code is not None:
            # What it has started and left behind.
            send(self.process, _KILL)
            self._hang_up()
            return code
        now = time.monotonic()
        if self._kill_at is not None and now >= self._kill_at:
            send(self.process, _KILL)
        elif self._kill_at is None and self.timeout is not None and now - self.began >= self.timeout:
            self.timed_out = True
            self.stop()
        return None

    def stop(self) -> None:
        """Ask it to end its run; it is killed if it does not."""
        send(self.process, signal.SIGTERM)
        self._kill_at = time.monotonic() + _GRACE

    def kill(self) -> None:
        """End it now."""
        send(self.process, _KILL)
        self.process.wait()
        self._hang_up()

    def _hang_up(self) -> None:
        if self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.close()

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self.began


def start_child(
    python: Path, order: Mapping[str, Any], log: Path, timeout: float | None, module: str = CHILD_MODULE
) -> Child:
    """Start the process of a run.

    Parameters
    ----------
    python
        The interpreter of the model's environment.
    order
        What is to be done, see `rollforward.cli.run_all_child`. It goes through a pipe: an address of a store may hold
        a password, which belongs neither on a command line nor into a file.
    log
        Gets all output.
    timeout
        Seconds.
    module
        What is run.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603  # composed by us
            [str(python), "-m", module],
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1", "COLUMNS": "120"},
            start_new_session=True,
        )
    if process.stdin is not None:
        try:
            process.stdin.write(json.dumps(dict(order)).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            # It died before it read; its log says why.
            logger.debug("The process of %s read nothing.", log)
    return Child(process, timeout)
