"""What git says about folders: all questions at once, with bounds on time and size."""

from __future__ import annotations

import logging
import os
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

logger = logging.getLogger(__name__)

DIFF, STATUS, CACHED = "code_diff.txt", "code_status.txt", "code_cached.txt"
_DIFF = ("diff", "--no-ext-diff", "--no-textconv", "--no-color")
_QUESTIONS = {
    "commit": ("rev-parse", "--verify", "--quiet", "HEAD"),
    "branch": ("symbolic-ref", "--quiet", "--short", "HEAD"),
    "remotes": ("config", "--get-regexp", r"^remote\..*\.url$"),
    DIFF: _DIFF,
    STATUS: ("-c", "color.ui=false", "status", "--untracked-files=all"),
    CACHED: (*_DIFF, "--cached"),
}
_OF_SUBMODULES = {
    DIFF: (*_DIFF, "--submodule=diff"),
    "submodules": ("submodule", "status", "--recursive"),
}
_MAX_BYTES = 2_000_000
_SECONDS = 10.0

_Key = TypeVar("_Key")


@dataclass(frozen=True)
class Repository:
    """The state of a repository.

    Parameters
    ----------
    folder
        Its top.
    commit
        Hash of the commit; ``None`` before the first.
    branch
        ``None`` if no branch is checked out.
    remote
        Address of ``origin``, else of the first remote, with the credentials it holds.
    texts
        `DIFF`, `STATUS` and `CACHED`: what git said, as far as it did; a list of the submodules follows the status.
    """

    folder: str
    commit: str | None = None
    branch: str | None = None
    remote: str | None = None
    texts: Mapping[str, str] = field(default_factory=dict)


def repositories(folders: Sequence[Path]) -> list[Repository | None]:
    """Describe the repositories that folders are in; ``None`` for a folder outside of any.

    Two folders of one repository give the same description, as seen from the first.
    """
    tops = ask({index: (str(folder), ("rev-parse", "--show-toplevel")) for index, folder in enumerate(folders)})
    asked_from: dict[str, str] = {}
    for index, folder in enumerate(folders):
        top = (tops[index] or "").strip()
        if top:
            asked_from.setdefault(top, str(folder))
    answers = ask(
        {(top, name): (folder, question) for top, folder in asked_from.items() for name, question in _questions(top)}
    )
    found = {
        top: _repository(top, {name: text for (of, name), text in answers.items() if of == top}) for top in asked_from
    }
    return [found.get((tops[index] or "").strip()) for index in range(len(folders))]


def _questions(top: str) -> Iterator[tuple[str, Sequence[str]]]:
    has_submodules = (Path(top) / ".gitmodules").exists()
    yield from (_QUESTIONS | (_OF_SUBMODULES if has_submodules else {})).items()


def _repository(top: str, said: Mapping[str, str | None]) -> Repository:
    texts = {name: text for name in (DIFF, STATUS, CACHED) if (text := said[name]) is not None}
    if said.get("submodules") and STATUS in texts:
        texts[STATUS] += f"\nSubmodules:\n{said['submodules']}"
    remotes = [line.split(" ", 1) for line in (said["remotes"] or "").splitlines() if " " in line]
    urls = dict(reversed(remotes))
    return Repository(
        top,
        commit=(said["commit"] or "").strip() or None,
        branch=(said["branch"] or "").strip() or None,
        remote=urls.get("remote.origin.url") or (remotes[0][1] if remotes else None),
        texts=texts,
    )


def ask(questions: Mapping[_Key, tuple[str, Sequence[str]]]) -> dict[_Key, str | None]:
    """Run git commands at the same time.

    Parameters
    ----------
    questions
        Key to folder and arguments.

    Returns
    -------
    dict
        Key to what was printed; ``None`` if git fails, takes too long or is not there.
    """
    processes = {key: _start(folder, arguments) for key, (folder, arguments) in questions.items()}
    running = [process for process in processes.values() if process is not None]
    watch = threading.Timer(_SECONDS, _kill, (running,))
    watch.daemon = True
    watch.start()
    try:
        return {key: None if process is None else _answer(process) for key, process in processes.items()}
    finally:
        watch.cancel()
        _kill(running)


def _start(folder: str, arguments: Sequence[str]) -> subprocess.Popen[bytes] | None:
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        return subprocess.Popen(  # noqa: S603  # fixed arguments, no shell
            ["git", "-c", "core.quotepath=false", *arguments],  # noqa: S607  # the user's git
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        logger.debug("git %s: %s", arguments[0], error)
        return None


def _answer(process: subprocess.Popen[bytes]) -> str | None:
    with process:
        output = process.stdout.read(_MAX_BYTES + 1) if process.stdout is not None else b""
        is_cut = len(output) > _MAX_BYTES
        if is_cut:
            process.kill()
    if is_cut:
        # A line that is cut could hold half a secret, which nothing recognises.
        whole = output[: output.rfind(b"\n", 0, _MAX_BYTES) + 1]
        return whole.decode(errors="replace") + f"[cut after {len(whole)} bytes]\n"
    return output.decode(errors="replace") if process.returncode == 0 else None


def _kill(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.kill()
