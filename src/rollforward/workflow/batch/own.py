"""How to install the rollforward that is running into another environment."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import rollforward
from rollforward._version import __version__
from rollforward.errors import SettingsError

_NAME = "rollforward"
_PROJECT = "pyproject.toml"


@dataclass(frozen=True)
class Own:
    """One way to install rollforward.

    Attributes
    ----------
    arguments
        For the installer.
    identity
        What is installed by them; another text asks for another environment.
    """

    arguments: tuple[str, ...]
    identity: str


def own_requirement(given: str | None = None) -> Own:
    """Say how the rollforward of this process is installed elsewhere.

    From a source tree if it runs from there: as an editable installation, so that a change of the sources needs no
    new environment. From the file or folder that it was installed from; else its version from the package index.

    Parameters
    ----------
    given
        A requirement, a package file or a source folder to take instead.

    Raises
    ------
    SettingsError
        If what it was installed from is gone.
    """
    if given is not None:
        return _given(given)
    package = Path(rollforward.__file__).resolve().parent
    tree = next((place for place in package.parents[:2] if (place / _PROJECT).is_file()), None)
    if tree is not None:
        return _editable(tree)
    try:
        return _installed(distribution(_NAME))
    except PackageNotFoundError:
        return _version()


def _given(given: str) -> Own:
    path = Path(given).expanduser()
    if path.is_dir():
        return Own((str(path.resolve()),), f"folder {_tree_hash(path)}")
    if path.is_file():
        return Own((str(path.resolve()),), f"file {_file_hash(path)}")
    if path.suffix == ".whl" or given.startswith((".", "/")):
        raise SettingsError(
            f"--rollforward is {given!r}.", "a requirement, or a file or folder that exists.", "Correct it."
        )
    return Own((given,), given)


def _installed(found: Distribution) -> Own:
    origin = _origin(found)
    if origin is None:
        return _version()
    url = str(origin.get("url", ""))
    if not url.startswith("file:"):
        return Own((f"{_NAME} @ {_revision(origin, url)}",), f"{__version__} {_revision(origin, url)}")
    path = Path(url2pathname(urlsplit(url).path))
    if not path.exists():
        raise SettingsError(
            f"rollforward was installed from {path}, which is gone.",
            "what the environments of the models can be given the same rollforward from.",
            f"Name it: --rollforward rollforward=={__version__}, or a wheel; or use --no-env.",
        )
    if origin.get("dir_info", {}).get("editable"):
        return _editable(path)
    return _given(str(path))


def _origin(found: Distribution) -> dict[str, Any] | None:
    text = found.read_text("direct_url.json")
    return None if text is None else dict(json.loads(text))


def _revision(origin: dict[str, Any], url: str) -> str:
    vcs = origin.get("vcs_info")
    return f"{vcs['vcs']}+{url}@{vcs['commit_id']}" if vcs else url


def _version() -> Own:
    return Own((f"{_NAME}=={__version__}",), f"{_NAME}=={__version__}")


def _editable(tree: Path) -> Own:
    # The sources are read where they are; what it depends on is in the project file.
    return Own(("-e", str(tree)), f"editable {tree} {_file_hash(tree / _PROJECT)}")


def _file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _tree_hash(folder: Path) -> str:
    names = [folder / _PROJECT, *sorted((folder / "src").rglob("*"))]
    files = [path for path in names if path.is_file() and path.suffix != ".pyc"]
    parts = [f"{path.relative_to(folder).as_posix()} {_file_hash(path)}" for path in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
