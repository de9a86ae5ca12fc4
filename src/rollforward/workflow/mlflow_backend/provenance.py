"""Where a run came from: code, command line, user. Secrets are masked; nothing here can make a start fail."""

from __future__ import annotations

import getpass
import logging
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rollforward.settings.masking import HIDDEN, mask_credentials, masked

logger = logging.getLogger(__name__)

ARGV = "cmd-sys.argv"
_VARIABLES = ("_QLIB_", "ROLLFORWARD_")
_COMMANDS = {
    "code_diff.txt": ("diff", "--no-ext-diff", "--no-color"),
    "code_status.txt": ("status",),
    "code_cached.txt": ("diff", "--cached", "--no-ext-diff", "--no-color"),
}
_MAX_BYTES = 5_000_000
_SECONDS = 10
_OPTION = re.compile(r"--?(?P<name>[A-Za-z][\w-]*)(?P<value>=.*)?", re.DOTALL)


@dataclass(frozen=True)
class Code:
    """The state of the repository that the process works in.

    Parameters
    ----------
    commit
        Hash of the commit, or ``None`` outside a repository and before the first commit.
    texts
        Artifact name to what git said.
    """

    commit: str | None
    texts: dict[str, str]


def code() -> Code:
    """Describe the repository of the working directory; asked of git once per process and directory."""
    try:
        return _code(str(Path.cwd()))
    except OSError as error:
        logger.debug("The code could not be described: %s", error)
        return Code(None, {})


@lru_cache(maxsize=16)
def _code(folder: str) -> Code:
    head = _git(folder, "rev-parse", "--is-inside-work-tree", "HEAD")
    if head is None and _git(folder, "rev-parse", "--is-inside-work-tree") is None:
        return Code(None, {})
    texts = {name: _git(folder, *command) for name, command in _COMMANDS.items()}
    commit = head.split()[-1] if head else None
    return Code(commit, {name: mask_credentials(text) for name, text in texts.items() if text is not None})


def _git(folder: str, *arguments: str) -> str | None:
    """Return what a git command says, or ``None`` if it fails, takes too long or is not there."""
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(  # noqa: S603  # fixed arguments, no shell
            ["git", *arguments],  # noqa: S607  # the user's git
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        logger.debug("git %s: %s", arguments[0], error)
        return None
    if done.returncode != 0:
        return None
    output = done.stdout
    if len(output) > _MAX_BYTES:
        return output[:_MAX_BYTES].decode(errors="replace") + f"\n[cut: {len(output)} bytes in all]\n"
    return output.decode(errors="replace")


def params() -> dict[str, str]:
    """Return the command line and the environment variables that are kept as parameters."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(_VARIABLES)}
    return {ARGV: command_line()} | {name: str(masked(value, name)) for name, value in sorted(kept.items())}


def command_line() -> str:
    """Return ``sys.argv`` as one text; the values of options that are named like a secret are hidden."""
    shown: list[str] = []
    hide_next = False
    for argument in sys.argv:
        option = _OPTION.fullmatch(argument)
        is_secret = option is not None and masked("x", option["name"].replace("-", "_")) == HIDDEN
        if hide_next and option is None:
            shown.append(HIDDEN)
        elif is_secret and option is not None and option["value"]:
            shown.append(f"{argument[: option.start('value')]}={HIDDEN}")
        else:
            shown.append(mask_credentials(argument))
        hide_next = is_secret and option is not None and not option["value"]
    return " ".join(shown)


def tags() -> dict[str, str]:
    """Return the tags that MLflow's own ``start_run`` sets."""
    found = {"mlflow.source.name": _source_name(), "mlflow.source.type": "LOCAL"}
    if "ipykernel" in sys.modules:
        found["mlflow.source.type"] = "NOTEBOOK"
    try:
        found["mlflow.user"] = getpass.getuser()
    except (OSError, KeyError, ImportError) as error:
        logger.debug("The user has no name: %s", error)
    commit = code().commit
    return found | ({"mlflow.source.git.commit": commit} if commit else {})


def _source_name() -> str:
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    return str(main or (sys.argv[0] if sys.argv else "") or sys.executable)
