"""Who started the process, with which command line and environment; nothing here takes a millisecond."""

from __future__ import annotations

import getpass
import logging
import os
import re
import sys
from functools import cache
from pathlib import Path

from rollforward.settings.masking import HIDDEN, mask_credentials, masked

logger = logging.getLogger(__name__)

ARGV = "cmd-sys.argv"
_VARIABLES = ("_QLIB_", "ROLLFORWARD_")
# As in `rollforward run FILE --set task.loader.kwargs.password=word`.
_ASSIGNMENT = re.compile(r"(?P<path>(?:--set=)?(?:[\w.\\-]*\.)?(?P<key>[\w-]+))=.*", re.DOTALL)
_OPTION = re.compile(r"--?(?P<name>[A-Za-z][\w-]*)(?P<value>=.*)?", re.DOTALL)


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
            shown.append(_masked_value(argument))
        hide_next = is_secret and option is not None and not option["value"]
    return " ".join(shown)


def _masked_value(argument: str) -> str:
    """Hide the credentials of addresses, and the value of ``path.to.key=value`` if the key is named like a secret."""
    assignment = _ASSIGNMENT.fullmatch(argument)
    if assignment is not None and masked("x", assignment["key"].replace("-", "_")) == HIDDEN:
        return f"{assignment['path']}={HIDDEN}"
    return mask_credentials(argument)


def tags() -> dict[str, str]:
    """Return the tags that MLflow's own ``start_run`` sets, but for those of the code."""
    notebook = _notebook()
    is_notebook = notebook is not None or _is_in_kernel()
    found = {
        "mlflow.source.name": notebook or _program(),
        "mlflow.source.type": "NOTEBOOK" if is_notebook else "LOCAL",
    }
    user = _user()
    return found | ({"mlflow.user": user} if user else {})


def script() -> Path | None:
    """Return the file that is running, unless it is a program that was installed."""
    name = getattr(sys.modules.get("__main__"), "__file__", None)
    if not name:
        return None
    path = Path(name).resolve()
    installed = {Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix)} - {Path(path.anchor), Path("/usr")}
    if "site-packages" in path.parts or any(path.is_relative_to(folder) for folder in installed):
        return None
    return path


@cache
def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError) as error:
        logger.debug("The user has no name: %s", error)
        return None


def _notebook() -> str | None:
    """Return the file of the notebook, where its server or editor tells."""
    main = sys.modules.get("__main__")
    return getattr(main, "__vsc_ipynb_file__", None) or os.environ.get("JPY_SESSION_NAME")


def _is_in_kernel() -> bool:
    """Whether a kernel runs the code; a program may have imported one for another reason."""
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get_shell is not None and hasattr(get_shell(), "kernel")


def _program() -> str:
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    return str(main or (sys.argv[0] if sys.argv else "") or sys.executable)
