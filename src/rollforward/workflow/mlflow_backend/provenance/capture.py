"""The state of the code, found out once per process, folder and script, in a thread of its own."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rollforward.settings.masking import mask_credentials
from rollforward.workflow.mlflow_backend.provenance import command, git
from rollforward.workflow.mlflow_backend.provenance.secrets import mask_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

_GIT = "mlflow.source.git"
# The commit of the working directory, where the script is in another repository.
WORKING = "mlflow.rollforward.cwd.git.commit"
_SCRIPT_FOLDER = "script"


@dataclass(frozen=True)
class Code:
    """Where the code of a run came from.

    Parameters
    ----------
    tags
        Commit, branch and remote of the repository of the running script, else of the working directory.
    texts
        Artifact name to what git said, with secrets hidden.
    """

    tags: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


class _Capture:
    """One question to git, answered in the background."""

    def __init__(self, folder: Path, script: Path | None) -> None:
        self.pid = os.getpid()
        self.code: Code | None = None
        self._where = (folder, script)
        self._thread = threading.Thread(target=self._work, name="rollforward-code", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # too many threads, or the interpreter is ending
            logger.debug("No thread for git: %s", error)
            self._work()

    @property
    def is_lost(self) -> bool:
        """Whether this process was forked before there was an answer: the thread is the parent's."""
        return self.code is None and self.pid != os.getpid()

    def _work(self) -> None:
        try:
            self.code = describe(*self._where)
        except Exception:
            logger.debug("The code could not be described", exc_info=True)
            self.code = Code()

    def wait(self) -> Code:
        if self._thread.ident is not None:
            self._thread.join()
        return self.code or Code()


_captures: dict[tuple[Path, Path | None], _Capture] = {}


def begin() -> Code | None:
    """Have the code described; return the description if it is there already."""
    capture = _capture()
    return None if capture is None else capture.code


def wait() -> Code:
    """Return the description when it is there."""
    capture = _capture()
    return Code() if capture is None else capture.wait()


def forget() -> None:
    """Ask git anew the next time."""
    _captures.clear()


def _capture() -> _Capture | None:
    try:
        key = Path.cwd(), command.script()
    except OSError as error:  # the working directory is gone
        logger.debug("The code could not be described: %s", error)
        return None
    found = _captures.get(key)
    if found is None or found.is_lost:
        # Of two threads at once both may ask git; one answer is kept.
        found = _captures[key] = _Capture(*key)
    return found


def describe(folder: Path, script: Path | None) -> Code:
    """Ask git about a working directory and the file that is running; nothing outside a repository."""
    working, of_script = git.repositories([folder, script.parent if script else folder])
    main = of_script or working
    if main is None:
        return Code()
    tags = {
        f"{_GIT}.commit": main.commit,
        f"{_GIT}.branch": main.branch,
        f"{_GIT}.repoURL": mask_credentials(main.remote) if main.remote else None,
        WORKING: working.commit if working is not None and working is not main else None,
    }
    texts = dict((working or main).texts)
    if working is not None and working is not main:
        texts |= {f"{_SCRIPT_FOLDER}/{name}": text for name, text in main.texts.items()}
    return Code(
        {name: value for name, value in tags.items() if value},
        {name: mask_secrets(text) for name, text in texts.items()},
    )
