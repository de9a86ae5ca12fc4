"""The process of one run of ``rollforward run-all``: reads its order from standard input, then is ``rollforward run``.

The order is a JSON object: ``arguments`` for the program, ``name`` and ``tags`` of the run, ``parent`` the id of the
process that waits for it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import Any

from rollforward.cli.main import main
from rollforward.workflow.active import on_start, open_runs

_PR_SET_PDEATHSIG = 1


def child(order: dict[str, Any]) -> int:
    """Do what an order says, and return the exit code."""
    _end_with(int(order["parent"]))

    def mark(recorder: Any) -> None:
        # Folds of a rolling job are the children of the run that counts.
        if len(open_runs()) <= 1:
            recorder.set_tags(**order["tags"])
            recorder.set_recorder_name(order["name"])

    on_start(mark)
    return main(order["arguments"])


def _end_with(parent: int) -> None:
    """End this run in order when the process that waits for it is gone, however it went."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(child(json.load(sys.stdin)))
