"""The log of a run: a file outside the pool that every process appends to, one line per call, whole."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Entry:
    """Something that happened; `at` is a clock that all processes of the machine share."""

    at: float
    what: str
    pid: int
    task: str = ""
    attempt: int = 0
    token: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


class Log:
    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._read: list[Entry] = []
        self._offset = 0

    def write(self, what: str, task: str = "", attempt: int = 0, token: str = "", **detail: Any) -> None:
        fields = {"at": time.monotonic(), "what": what, "pid": os.getpid(), "task": task}
        line = json.dumps(fields | {"attempt": attempt, "token": token, "detail": detail}) + "\n"
        # One write to a file opened for appending: a process that is killed leaves a whole line or none.
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)

    def read(self) -> list[Entry]:
        """Give all entries in the order of their times."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._offset)
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._offset += len(whole)
            self._read += [Entry(**json.loads(line)) for line in whole.splitlines()]
            self._read.sort(key=lambda entry: entry.at)
        return list(self._read)
