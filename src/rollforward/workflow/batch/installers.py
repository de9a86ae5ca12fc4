"""The two programs that make environments: uv, and venv with pip."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rollforward.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

UV, VENV = "uv", "venv"
TOOLS = (UV, VENV)
# Other packages than those of the environment must not get in.
_FOREIGN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "__PYVENV_LAUNCHER__")
_PROBE = (
    "import json, platform, sys, sysconfig; "
    "print(json.dumps([sys.executable, sys.implementation.name, platform.python_version(), sysconfig.get_platform()]))"
)


# An installer whose batch was killed must not go on in a folder that the next batch makes anew.
_TIED = (
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGKILL); "
    "os.getppid() == int(sys.argv[1]) or sys.exit(1); os.execvp(sys.argv[2], sys.argv[2:])"
)


@dataclass(frozen=True)
class Python:
    """An interpreter that environments are made from.

    Attributes
    ----------
    path
        Of the program.
    identity
        Implementation, version and platform.
    """

    path: str
    identity: str


def find_python(given: str | None, uv: str | None) -> Python:
    """Find the interpreter for environments.

    Parameters
    ----------
    given
        A path, a name on the path, or a version such as ``"3.12"``; ``None`` is the one that is running.
    uv
        Path of uv, which knows more interpreters; ``None`` if there is none.

    Raises
    ------
    SettingsError
        If there is none, or it does not run.
    """
    path = sys.executable if given is None else _path_of(given, uv)
    try:
        done = subprocess.run(  # noqa: S603  # the user's own choice
            [path, "-c", _PROBE], capture_output=True, text=True, check=True, env=clean_environment(), timeout=60
        )
        executable, *identity = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise SettingsError(f"{path} does not run as a Python.", "an interpreter.", "Correct --python.") from error
    return Python(executable, " ".join(identity))


def find_uv() -> str | None:
    """Find uv: beside the interpreter that is running, else on the path."""
    beside = shutil.which(UV, path=str(Path(sys.executable).parent))
    return beside or shutil.which(UV)


def find_tool(given: str | None) -> tuple[str, str | None]:
    """Decide what makes environments; return its name, and the path of uv if it is that.

    Raises
    ------
    SettingsError
        If uv is asked for and there is none.
    """
    uv = find_uv()
    if given == UV and uv is None:
        raise SettingsError("--installer is 'uv', which is not installed.", "uv.", "pip install uv, or leave it out.")
    return (VENV, None) if given == VENV or uv is None else (UV, uv)


def commands(
    uv: str | None, python: str, place: Path, requirements: Path | None, own: Sequence[str]
) -> list[list[str]]:
    """Spell the two commands that make an environment: an empty one, and what is installed in it."""
    wanted = [*(["-r", str(requirements.resolve())] if requirements else []), *own]
    inside = str(interpreter(place))
    if uv is not None:
        return [
            [uv, "venv", "--no-project", "--python", python, str(place)],
            [uv, "pip", "install", "--python", inside, *wanted],
        ]
    return [
        [python, "-m", "venv", str(place)],
        [inside, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *wanted],
    ]


def interpreter(place: Path) -> Path:
    """Return where the interpreter of an environment is."""
    return place / "Scripts" / "python.exe" if os.name == "nt" else place / "bin" / "python"


def clean_environment() -> dict[str, str]:
    """Return the environment variables without those that bring packages of elsewhere."""
    kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    return kept | {"PYTHONNOUSERSITE": "1"}


def run_logged(command: Sequence[str], log: IO[bytes], folder: Path) -> int:
    """Run a command with its output in a file, and end it with everything it started if we are interrupted."""
    process = subprocess.Popen(  # noqa: S603  # composed by us
        _tied(command),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=clean_environment(),
        start_new_session=True,
    )
    try:
        return process.wait()
    finally:
        if process.poll() is None:
            send(process, getattr(signal, "SIGKILL", signal.SIGTERM))
            process.wait()


def _tied(command: Sequence[str]) -> list[str]:
    """Spell a command that ends when we do, however we do; on Linux, which can."""
    if sys.platform != "linux":
        return list(command)
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(f"there is no program {command[0]}")
    return [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *command]


def send(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to a process and all that it has started."""
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, number)
        else:
            process.terminate()
    except ProcessLookupError:
        pass


def _path_of(given: str, uv: str | None) -> str:
    is_version = given.replace(".", "").isdigit()
    found = shutil.which(f"python{given}" if is_version else str(Path(given).expanduser()))
    if found is None and uv is not None:
        done = subprocess.run([uv, "python", "find", given], capture_output=True, text=True, check=False)  # noqa: S603
        found = done.stdout.strip() if done.returncode == 0 else None
    if not found:
        raise SettingsError(
            f"--python is {given!r}, which is not found.", "a path, or a version that is installed.", "Correct it."
        )
    return found
