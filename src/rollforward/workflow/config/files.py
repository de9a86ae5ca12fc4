"""A workflow file laid over its base, and that over its own."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollforward.errors import DataSourceError
from rollforward.instantiate import update_config
from rollforward.workflow.config.parsing import Parsed, parse
from rollforward.workflow.config.problems import Place, Places, Problem, refuse
from rollforward.workflow.config.render import render

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

BASE = "BASE_CONFIG_PATH"


@dataclass(frozen=True)
class Written:
    """A file as somebody wrote it.

    Attributes
    ----------
    name
        How messages call it: as it was given, or named in the file above it.
    path
        Where it is.
    text
        Its content, with the templates still in it.
    """

    name: str
    path: Path
    text: str


@dataclass(frozen=True)
class Merged:
    """A file and its bases in one.

    Attributes
    ----------
    content
        Plain values, without ``BASE_CONFIG_PATH``; ``None`` if the files are empty.
    places
        The line of each key, of whichever file said it last.
    referenced
        Keys at the top that an alias refers to.
    problems
        What is wrong and does not keep the rest from being read.
    files
        The file first, then its base, and so on.
    secrets
        Variables of the environment that are named like a credential and that a file mentions, with their values.
    """

    content: Any
    places: Places
    referenced: frozenset[Any]
    problems: tuple[Problem, ...]
    files: tuple[Written, ...]
    secrets: Mapping[str, str]


def read_files(path: str | Path, environment: Mapping[str, str]) -> Merged:
    """Read a file and its bases.

    Raises
    ------
    DataSourceError
        If there is no such file.
    WorkflowFileError
        If one of the files is not YAML, or its base is not there.
    """
    return _read(str(path), Path(path), environment, ())


def _read(name: str, path: Path, environment: Mapping[str, str], above: tuple[Path, ...]) -> Merged:
    written = Written(name, path, _text(path))
    rendered = render(written.text, name, environment)
    parsed = parse(rendered, name)
    own = Merged(parsed.content, parsed.places, parsed.referenced, parsed.problems, (written,), dict(rendered.secrets))
    if not isinstance(parsed.content, dict) or BASE not in parsed.content:
        return own
    place = parsed.places[BASE,]
    base_path = _base_path(parsed, path, place)
    if base_path is None:
        return _over(Merged({}, {}, frozenset(), (), (), {}), own)
    _refuse_circle(base_path, (*above, path), place)
    base = _read(_display(base_path), base_path, environment, (*above, path))
    if base.content is not None and not isinstance(base.content, dict):
        refuse([Problem(Place(base.files[0].name), (), "the base is no mapping.", "a workflow file.", "Correct it.")])
    return _over(base, own)


def _over(base: Merged, own: Merged) -> Merged:
    """Lay a file over its base: mappings are merged, all else is replaced, and ``__DROP__`` removes a key."""
    said = {key: value for key, value in own.content.items() if key != BASE}
    return Merged(
        update_config(base.content or {}, said),
        base.places | own.places,
        base.referenced | own.referenced,
        (*own.problems, *base.problems),
        (*own.files, *base.files),
        {**base.secrets, **own.secrets},
    )


def _base_path(parsed: Parsed, path: Path, place: Place) -> Path | None:
    """Find the base: as it is written, from the working directory, else beside the file that names it."""
    named = parsed.content[BASE]
    if named is None:
        return None
    if not isinstance(named, str) or not named.strip():
        refuse([Problem(place, (BASE,), f"it is {named!r}.", "the path of a workflow file.", "Correct the path.")])
    given = Path(named).expanduser()
    beside = path.parent / given
    found = [candidate for candidate in (given, beside) if candidate.is_file()]
    if len(found) > 1 and not found[0].samefile(found[1]):
        logger.warning("%s: the base is %s of the working directory, not %s", place, named, beside)
    if found:
        return found[0]
    refuse(
        [
            Problem(
                place,
                (BASE,),
                f"there is no file {named}.",
                f"a path from the working directory ({Path.cwd()}), or from the folder of this file ({beside.parent}).",
                "Correct the path.",
            )
        ]
    )
    return None


def _refuse_circle(base: Path, above: tuple[Path, ...], place: Place) -> None:
    known = [path.resolve() for path in above]
    if base.resolve() in known:
        circle = [*above[known.index(base.resolve()) :], base]
        names = " -> ".join(path.name for path in circle)
        expected = "a base without this one above it."
        refuse([Problem(place, (BASE,), f"the bases are a circle: {names}.", expected, f"Take one {BASE} out.")])


def _display(path: Path) -> str:
    """Spell a path as short as it can be opened from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd().resolve()))
    except ValueError:
        return str(path)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataSourceError(
            f"There is no file {path}.", "the path of a workflow file.", "Correct the path."
        ) from error
    except OSError as error:
        raise DataSourceError(
            f"{path} cannot be read: {error.strerror}.",
            "a readable YAML file.",
            "Correct the path, or its permissions.",
        ) from error
    except UnicodeDecodeError as error:
        refuse([Problem(Place(str(path)), (), f"this is not UTF-8: {error}.", "a text in UTF-8.", "Save it as UTF-8.")])
        raise
