"""The process of one run of ``rollforward run-all``: reads its order from standard input, then is ``rollforward run``.

The order is one line, a JSON object: ``arguments`` for the program, ``name`` and ``tags`` of the run. Standard input
stays open after it: its end says that the process which waits for this one is gone, however it went.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from typing import Any

from rollforward.cli.main import main
from rollforward.workflow.active import on_start, open_runs

# Seconds to end a run in order.
_GRACE = 10.0


def child(order: dict[str, Any]) -> int:
    """Do what an order says, and return the exit code."""

    def mark(recorder: Any) -> None:
        # Folds of a rolling job are the children of the run that counts.
        if len(open_runs()) <= 1:
            recorder.set_tags(**order["tags"])
            recorder.set_recorder_name(order["name"])

    on_start(mark)
    return main(order["arguments"])


class Lifeline:
    """Ends this process, and all that it has started, after the one that holds the other end of a pipe.

    A thread waits for it: the model may be in a library that lets no signal through for hours.

    Parameters
    ----------
    pipe
        Descriptor to read from.
    grace
        Seconds to end a run in order.
    """

    def __init__(self, pipe: int, grace: float = _GRACE) -> None:
        self._pipe, self._grace = pipe, grace
        self.is_cut = threading.Event()
        threading.Thread(target=self._watch, name="rollforward-lifeline", daemon=True).start()

    def _watch(self) -> None:
        while os.read(self._pipe, 1024):
            pass
        self.is_cut.set()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(self._grace)
        _kill_all()

    def settle(self) -> None:
        """Leave nothing behind if nobody waits for this process: call it at the end."""
        if self.is_cut.is_set():
            _kill_all()


def _kill_all() -> None:
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    else:
        os._exit(1)


def _take_order() -> tuple[dict[str, Any], Lifeline]:
    order = json.loads(sys.stdin.readline())
    # What the model starts must not read from the pipe.
    pipe = os.dup(sys.stdin.fileno())
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123  # a descriptor is wanted
        os.dup2(nothing.fileno(), sys.stdin.fileno())
    return order, Lifeline(pipe)


if __name__ == "__main__":
    given, lifeline = _take_order()
    try:
        code = child(given)
    finally:
        lifeline.settle()
    sys.exit(code)
