"""The sources below the arguments: environment, nearest configuration file, defaults."""

from __future__ import annotations

import logging
import os
import tomllib
from typing import TYPE_CHECKING, Any

from rollforward.errors import SettingsError
from rollforward.settings.keys import FIELDS, refuse_unknown
from rollforward.settings.normalize import Source, absolute_sqlite, normalize

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

PREFIX = "ROLLFORWARD_"
# Of these the environment can hold a text; a manager's configuration is no text.
VARIABLES = tuple(PREFIX + field.upper() for field in FIELDS if field != "exp_manager")
# Variables of our prefix that are no settings (the scripts of a checkout, and the cache of artifacts, read them).
NOT_SETTINGS = ("ROLLFORWARD_TEST_", "ROLLFORWARD_VENV", "ROLLFORWARD_MONGOD_VENV", "ROLLFORWARD_CACHE_DIR")
FILE, PYPROJECT = "rollforward.toml", "pyproject.toml"


def collect(cwd: Path) -> dict[str, Any]:
    """Compute what holds where no argument says otherwise.

    Parameters
    ----------
    cwd
        Folder whose nearest configuration file counts, and to which the defaults are relative.
    """
    return _defaults(cwd) | _from_file(cwd) | _from_environment(cwd)


def is_uri_chosen(cwd: Path) -> bool:
    """Whether the environment or a configuration file names a tracking store."""
    return bool(os.environ.get("MLFLOW_TRACKING_URI")) or "uri" in _from_file(cwd) | _from_environment(cwd)


def _defaults(cwd: Path) -> dict[str, Any]:
    uri = os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
    return {
        "uri": absolute_sqlite(uri, cwd),
        "task_store": absolute_sqlite("sqlite:///rollforward_tasks.db", cwd),
    }


def _from_environment(cwd: Path) -> dict[str, Any]:
    # An empty variable counts as not set, as the shell's users expect.
    found = {key: value for key, value in os.environ.items() if key.startswith(PREFIX) and value}
    found = {key: value for key, value in found.items() if not key.startswith(NOT_SETTINGS)}
    refuse_unknown(found, VARIABLES, "environment")
    given = {key.removeprefix(PREFIX).lower(): value for key, value in found.items()}
    return normalize(given, Source("environment", cwd, prefix=PREFIX))


def _from_file(cwd: Path) -> dict[str, Any]:
    for folder in (cwd, *cwd.parents):
        own = _read(folder / FILE)
        if own is not None:
            return normalize(own, Source(str(folder / FILE), folder))
        section = _section(_read(folder / PYPROJECT))
        if section is not None:
            return normalize(section, Source(f"[tool.rollforward] in {folder / PYPROJECT}", folder))
    return {}


def _section(pyproject: dict[str, Any] | None) -> dict[str, Any] | None:
    tool = (pyproject or {}).get("tool")
    section = tool.get("rollforward") if isinstance(tool, dict) else None
    if section is None or isinstance(section, dict):
        return section
    raise SettingsError(f"[tool] in {PYPROJECT} has rollforward = {section!r}.", "a table [tool.rollforward].")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except PermissionError:
        # A folder above that this user may not look into is none of their business.
        logger.debug("%s may not be read and is skipped", path)
        return None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8: {error}.", "a TOML file in UTF-8.", "Save it as UTF-8.") from error
    try:
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}.", "a TOML file.", "Correct the place named.") from error
