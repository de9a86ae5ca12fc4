"""Which process a run belongs to, told so that another process can see whether it still exists.

An owner is spelled ``host/pid/start``. ``start`` tells a process from a later one with the same number. On Linux it
also names the boot and the space of process numbers, because two containers of one host may share its name.
"""

from __future__ import annotations

import importlib
import logging
import os
import socket
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

logger = logging.getLogger(__name__)

_UNKNOWN = "unknown"
# Of /proc/<pid>/stat, after the name in parentheses: state, and clock ticks between boot and start.
_STATE, _START = 0, 19
_ENDED = ("Z", "X")


@dataclass(frozen=True)
class Owner:
    """A process.

    Parameters
    ----------
    host
        Name of its machine.
    pid
        Its number.
    start
        What tells it from another process of that number; `_UNKNOWN` where that cannot be found out.
    """

    host: str
    pid: int
    start: str

    def __str__(self) -> str:
        return f"{self.host}/{self.pid}/{self.start}"

    @classmethod
    def parse(cls, text: str | None) -> Owner | None:
        """Read what ``str`` wrote; ``None`` for anything else."""
        host, _, rest = (text or "").partition("/")
        pid, _, start = rest.partition("/")
        return cls(host, int(pid), start) if host and start and pid.isascii() and pid.isdigit() else None

    def is_gone(self) -> bool | None:
        """Whether the process has ended; ``None`` if that cannot be seen from here."""
        if self.host != socket.gethostname() or self.start == _UNKNOWN:
            return None
        mine, place = this_process().start.rpartition(".")[0], self.start.rpartition(".")[0]
        if mine != place:
            return None
        found = _start_of(self.pid)
        return None if found == _UNKNOWN else found != self.start


def this_process() -> Owner:
    """Describe the process that calls."""
    return _this_process(os.getpid())


@lru_cache(maxsize=1)
def _this_process(pid: int) -> Owner:
    return Owner(socket.gethostname(), pid, _start_of(pid) or _UNKNOWN)


def _start_of(pid: int) -> str | None:
    """Describe the start of a process of this machine; ``None`` if there is no such process."""
    return _start_on_linux(pid) if sys.platform == "linux" else _start_elsewhere(pid)


def _start_on_linux(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        fields = stat.rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = Path("/proc/self/ns/pid").readlink().name[len("pid:[") : -1]
    except FileNotFoundError:
        return None if _is_free(pid) else _UNKNOWN
    except OSError as error:
        logger.debug("Process %d cannot be looked at: %s", pid, error)
        return _UNKNOWN
    return None if fields[_STATE] in _ENDED else f"{boot[:8]}.{space}.{fields[_START]}"


def _is_free(pid: int) -> bool:
    """Whether there is no such process; one of another user may be hidden from /proc."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _start_elsewhere(pid: int) -> str | None:
    try:
        psutil = importlib.import_module("psutil")
        return f"{sys.platform}.{psutil.Process(pid).create_time():.2f}"
    except ImportError:
        return _UNKNOWN
    except Exception as error:  # noqa: BLE001  # psutil's own errors, which cannot be named without it
        return None if type(error).__name__ == "NoSuchProcess" else _UNKNOWN
