"""Rewrite programs, configurations and notebooks from Qlib to rollforward.

Names that are here are renamed where they stand; nothing else of a file changes. What stays Qlib's own, and what
behaves differently, is reported.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rollforward.migrate import files
from rollforward.migrate.draft import Draft, Finding
from rollforward.migrate.edits import apply, outermost
from rollforward.migrate.notebook import rewrite_notebook
from rollforward.migrate.python import rewrite_python
from rollforward.migrate.yaml_text import rewrite_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LINE = re.compile(rb"[^\n]*\n|[^\n]+")

__all__ = ["Finding", "Migrated", "migrate_file", "migrate_paths"]


@dataclass(frozen=True)
class Migrated:
    """What becomes of one file.

    Parameters
    ----------
    path
        The file.
    before
        Its bytes, if it changes.
    data
        The bytes to write; nothing if it does not change.
    encoding
        What both are written in.
    n_edits
        How many places change.
    findings
        What a person has to know of, by line.
    """

    path: Path
    before: bytes = b""
    data: bytes | None = None
    encoding: str = "utf-8"
    n_edits: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether the file changes."""
        return self.data is not None

    @property
    def needs_a_person(self) -> bool:
        """Whether something stays that somebody has to decide."""
        return any(finding.kind != "note" for finding in self.findings)

    def diff(self) -> bytes:
        """Show the change as a unified diff, which ``patch -p1`` takes in the working directory."""
        if self.data is None:
            return b""
        # Lines as `patch` counts them: a form feed, or a carriage return alone, ends none.
        old, new = _LINE.findall(self.before), _LINE.findall(self.data)
        name = _name_in_patch(self.path)
        lines = difflib.diff_bytes(difflib.unified_diff, old, new, b"a/" + name, b"b/" + name)
        return b"".join(line if line.endswith(b"\n") else line + b"\n\\ No newline at end of file\n" for line in lines)

    def write(self) -> None:
        """Write the file, if it changes.

        Raises
        ------
        OSError
            If it cannot be written, or is protected.
        """
        if self.data is not None:
            files.replace(self.path, self.data)

    def left(self, error: OSError) -> Migrated:
        """Return what becomes of the file if it could not be written: it stays, and that is a finding."""
        return Migrated(self.path, findings=(_unread("written", self.path, error),))


def migrate_paths(paths: Iterable[str | os.PathLike[str]]) -> Iterator[Migrated]:
    """Look at files and folders; nothing is written.

    Parameters
    ----------
    paths
        Files, and folders that are searched for Python, YAML and notebooks.

    Raises
    ------
    SettingsError
        If a path does not exist or is another kind of file.
    """
    return (migrate_file(path) for path in files.found(paths))


def migrate_file(path: Path) -> Migrated:
    """Look at one file; a file that cannot be read or parsed is a finding."""
    if os.path.isdir(path):  # noqa: PTH112  # Path.is_dir may raise; a folder comes only if it cannot be looked into
        return Migrated(
            path, findings=(_unread("read", path, PermissionError(errno.EACCES, os.strerror(errno.EACCES))),)
        )
    try:
        data = path.read_bytes()
        if b"qlib" not in data:
            return Migrated(path)
        content = files.content_of(data, path.suffix)
        draft = _rewrite(content.text, path.suffix)
        after = content.spelt(apply(content.text, draft.edits))
    except (OSError, SyntaxError, ValueError, LookupError, AttributeError, RecursionError) as error:
        return Migrated(path, findings=(_unread("read", path, error),))
    findings = tuple(sorted(draft.findings, key=lambda finding: finding.line))
    if after == data:
        return Migrated(path, findings=findings)
    return Migrated(path, data, after, content.encoding, len(outermost(draft.edits)), findings)


def _unread(done: str, path: Path, error: Exception) -> Finding:
    said = getattr(error, "msg", None) or getattr(error, "strerror", None) or error
    todo = f"It is left as it is: {said}. Correct it, and migrate again."
    kind = "a folder" if os.path.isdir(path) else f"a {path.suffix} file"  # noqa: PTH112  # as above
    return Finding(getattr(error, "lineno", None) or 1, f"{kind} that cannot be {done}", todo, "unread")


def _name_in_patch(path: Path) -> bytes:
    """Name a file as `patch` and ``git apply`` take it: below the working directory or else the root, and no link."""
    real, here = path.resolve(), Path.cwd().resolve()
    shown = real.relative_to(here if real.is_relative_to(here) else real.anchor).as_posix()
    # The tab says that blanks before it belong to the name.
    return os.fsencode(shown + "\t" * (" " in shown))


def _rewrite(text: str, suffix: str) -> Draft:
    if suffix in files.NOTEBOOK:
        return rewrite_notebook(text)
    return rewrite_yaml(text) if suffix in files.YAML else rewrite_python(text)
