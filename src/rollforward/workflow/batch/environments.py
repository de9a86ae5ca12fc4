"""Environments of models: made once, kept, and never used half made.

An environment lies in a folder called by the hash of what it is made from. It is made there, under a lock, because an
environment cannot be moved; a file that is written last says that it is whole. One without that file is nobody's, and
is made anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import time
import uuid
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING

import filelock

from rollforward.errors import ModelEnvironmentError, SettingsError
from rollforward.serialize.atomic import atomic_write
from rollforward.workflow.batch.folders import make_folder
from rollforward.workflow.batch.installers import commands, find_python, find_tool, interpreter, run_logged
from rollforward.workflow.batch.own import Own, own_requirement
from rollforward.workflow.batch.requirements import requirement_lines
from rollforward.workflow.file_cache import VARIABLE, cache_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

_WHOLE = "rollforward-environment.json"
_DIGITS = 16
_NAME = re.compile(f"[0-9a-f]{{{_DIGITS}}}")
_TAIL = 4000
_OPTION = "--envs"
# As pip, uv and venv begin it.
_ERROR = re.compile(r"(error\b|\u00d7|[\w.]*Error:)", re.IGNORECASE)


def default_folder() -> Path:
    """Return where environments are kept: ``ROLLFORWARD_CACHE_DIR``, or the user's folder for caches."""
    return cache_dir() / "envs" if os.environ.get(VARIABLE) else cache_dir().parent / "envs"


class Environments:
    """The environments in a folder.

    Parameters
    ----------
    folder
        Where they are; ``None`` is `default_folder`.
    python
        As in `find_python`.
    installer
        ``"uv"`` or ``"venv"``; ``None`` is uv if there is one.
    rollforward
        As in `own_requirement`.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        *,
        python: str | None = None,
        installer: str | None = None,
        rollforward: str | None = None,
    ) -> None:
        self.folder = (Path(folder).expanduser() if folder else default_folder()).absolute()
        self._python_given, self._rollforward = python, rollforward
        self.tool, self._uv = find_tool(installer)

    @cached_property
    def own(self) -> Own:
        """How rollforward gets into an environment."""
        return own_requirement(self._rollforward)

    @cached_property
    def python(self) -> tuple[str, str]:
        """Path and identity of the interpreter that environments are made from."""
        found = find_python(self._python_given, self._uv)
        return found.path, found.identity

    def key(self, requirements: Path | None) -> str:
        """Return what the environment of a requirements file is called."""
        lines = requirement_lines(requirements) if requirements else []
        content = json.dumps([sorted(lines), self.python[1], self.own.identity])
        return hashlib.sha256(content.encode()).hexdigest()[:_DIGITS]

    def find(self, requirements: Path | None) -> Path | None:
        """Return the interpreter of an environment that is whole; ``None`` if there is none yet."""
        place = self.folder / self.key(requirements)
        python = interpreter(place)
        return python if (place / _WHOLE).is_file() and python.exists() else None

    def prepare(self, requirements: Path | None, log: Path) -> Path:
        """Return the interpreter of an environment, which is made if there is none.

        Parameters
        ----------
        requirements
            The requirements file; ``None`` asks for rollforward alone.
        log
            Gets the output of the installer.

        Raises
        ------
        ModelEnvironmentError
            If it cannot be made; what was made of it is gone.
        """
        found = self.find(requirements)
        if found is not None:
            return found
        key = self.key(requirements)
        make_folder(self.folder, _OPTION)
        with self._locked(key):
            # Who held the lock before may have made it.
            return self.find(requirements) or self._make(self.folder / key, requirements, log)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep `clean` from deleting anything for the length of a block."""
        make_folder(self.folder, _OPTION)
        path = self.folder / f"in-use-{uuid.uuid4().hex}.lock"
        try:
            with filelock.FileLock(path):
                yield
        finally:
            path.unlink(missing_ok=True)

    def clean(self) -> list[str]:
        """Delete all environments in the folder, and return their names.

        Raises
        ------
        SettingsError
            If somebody runs models in them.
        """
        for path in self.folder.glob("in-use-*.lock"):
            try:
                with filelock.FileLock(path, blocking=False):
                    pass
            except filelock.Timeout as error:
                raise SettingsError(
                    f"Models are being run in the environments of {self.folder}.", "nobody that uses them.", "Wait."
                ) from error
            path.unlink(missing_ok=True)
        gone = []
        for place in sorted(self.folder.glob("*")):
            if _is_ours(place):
                with self._locked(place.name):
                    _remove(place)
                gone.append(place.name)
        return gone

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        lock = filelock.FileLock(self.folder / f"{key}.lock")
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            logger.warning("Another process is making the environment %s; waiting for it.", key)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _make(self, place: Path, requirements: Path | None, log: Path) -> Path:
        began = time.monotonic()
        _remove(place)
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with log.open("wb") as file:
                for command in commands(self._uv, self.python[0], place, requirements, self.own.arguments):
                    self._run(command, file, requirements, log)
            self._sign(place, requirements, time.monotonic() - began)
        except BaseException:
            _remove(place)
            raise
        return interpreter(place)

    def _run(self, command: list[str], file: IO[bytes], requirements: Path | None, log: Path) -> None:
        file.write(f"$ {' '.join(command)}\n".encode())
        file.flush()
        try:
            code = run_logged(command, file, requirements.parent if requirements else self.folder)
        except OSError as error:
            raise ModelEnvironmentError(f"{command[0]} cannot be run: {error}.") from error
        if code != 0:
            raise ModelEnvironmentError(
                f"The environment cannot be made: {_reason(log) or f'exit code {code}'}",
                "packages that the installer finds.",
                f"Read {log}; correct {requirements or 'the requirements'}.",
            )

    def _sign(self, place: Path, requirements: Path | None, seconds: float) -> None:
        about = {
            "requirements": requirement_lines(requirements) if requirements else [],
            "python": self.python[1],
            "rollforward": self.own.identity,
            "installer": self.tool,
            "seconds": round(seconds, 1),
        }
        with atomic_write(place / _WHOLE) as file:
            file.write(json.dumps(about, indent=2).encode())


def _reason(log: Path) -> str:
    """Return the line of an installer's output that names the error, else the last one."""
    said = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace")[-_TAIL:].splitlines()]
    lines = [line for line in said if line]
    named = [line for line in lines if _ERROR.match(line)]
    return (named or lines or [""])[-1]


def _is_ours(place: Path) -> bool:
    """Whether a folder is an environment of a batch, whole or not: --envs may name a folder that holds other things."""
    if not place.is_dir() or not _NAME.fullmatch(place.name):
        return False
    return any((place / name).exists() for name in (_WHOLE, "pyvenv.cfg")) or not any(place.iterdir())


def _remove(place: Path) -> None:
    # Without its signature first: what is half deleted is not whole either.
    (place / _WHOLE).unlink(missing_ok=True)
    if place.exists():
        shutil.rmtree(place)
