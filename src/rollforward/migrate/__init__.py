"""Rewrite programs, configurations and notebooks from Qlib to rollforward.

Names that are here are renamed where they stand; nothing else of a file changes. What stays Qlib's own, and what
behaves differently, is reported.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollforward.migrate import files
from rollforward.migrate.draft import Draft, Finding
from rollforward.migrate.edits import apply, outermost
from rollforward.migrate.notebook import rewrite_notebook
from rollforward.migrate.python import rewrite_python
from rollforward.migrate.yaml_text import rewrite_yaml

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["Finding", "Migrated", "migrate_file", "migrate_paths"]


@dataclass(frozen=True)
class Migrated:
    """What becomes of one file.

    Parameters
    ----------
    path
        The file.
    before, after
        Its text.
    n_edits
        How many places change.
    findings
        What a person has to know of, by line.
    data
        The bytes to write; nothing if it does not change.
    """

    path: Path
    before: str = ""
    after: str = ""
    n_edits: int = 0
    findings: tuple[Finding, ...] = ()
    data: bytes | None = None

    @property
    def changes(self) -> bool:
        """Whether the file changes."""
        return self.data is not None

    @property
    def needs_a_person(self) -> bool:
        """Whether something stays that somebody has to decide."""
        return any(finding.kind != "note" for finding in self.findings)

    def diff(self) -> str:
        """Show the change as a unified diff."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            f"a/{self.path}",
            f"b/{self.path}",
        )
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)

    def write(self) -> None:
        """Write the file, if it changes.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        if self.data is not None:
            files.replace(self.path, self.data)


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
    try:
        data = path.read_bytes()
        if b"qlib" not in data:
            return Migrated(path)
        content = files.content_of(data, path.suffix)
        draft = _rewrite(content.text, path.suffix)
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None) or 1
        said = getattr(error, "msg", None) or error
        left = f"It is left as it is: {said}. Correct it, and migrate again."
        return Migrated(path, findings=(Finding(line, f"a {path.suffix} file that cannot be read", left, "unread"),))
    after = apply(content.text, draft.edits)
    findings = tuple(sorted(draft.findings, key=lambda finding: finding.line))
    if after == content.text:
        return Migrated(path, content.text, after, 0, findings)
    return Migrated(path, content.text, after, len(outermost(draft.edits)), findings, content.spelt(after))


def _rewrite(text: str, suffix: str) -> Draft:
    if suffix in files.NOTEBOOK:
        return rewrite_notebook(text)
    return rewrite_yaml(text) if suffix in files.YAML else rewrite_python(text)
