"""``rollforward migrate``: from Qlib's names to those of rollforward."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rollforward.cli.exits import DONE, ERROR, LOOK
from rollforward.settings.words import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from rollforward.migrate import Finding, Migrated

_HEADINGS = {
    "unread": "Left as they are",
    "person": "Somebody has to look",
    "pyqlib": "Stays Qlib's own: works with pyqlib installed, or somebody has to replace it",
    "note": "Moved, and behaves differently",
}


def add_migrate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command ``migrate``."""
    migrate = commands.add_parser(
        "migrate",
        help="rewrite programs, YAML files and notebooks from Qlib's names to these",
        description="Rewrite imports, dotted names in texts and the module_paths of configurations, and say what "
        "somebody has to look at. Nothing else of a file changes; a second time changes nothing. Exit codes: 0 done; "
        "3 done, and somebody has to look; with --check, 1 if something would change or somebody has to look.",
    )
    migrate.add_argument(
        "paths", nargs="+", metavar="PATH", help="a file (.py, .pyi, .yaml, .yml, .ipynb), or a folder to search"
    )
    migrate.add_argument("--diff", action="store_true", help="show what would change; write nothing")
    migrate.add_argument("--check", action="store_true", help="write nothing; exit code 1 if there is anything to do")
    migrate.add_argument("--json", action="store_true", help="what changed, and what to look at, for programs")
    return migrate


def migrate(arguments: argparse.Namespace) -> int:
    """Rewrite what is under the paths, and say what somebody has to look at."""
    from rollforward.migrate import migrate_paths  # noqa: PLC0415  # help must not load it

    is_dry = arguments.diff or arguments.check
    migrated: list[Migrated] = []
    for one in migrate_paths(arguments.paths):
        migrated.append(one if is_dry else _written(one))
        if arguments.diff and not arguments.json:
            # A patch is of bytes: the file may be written in something else than the terminal.
            sys.stdout.buffer.write(one.diff())
    if arguments.json:
        print(json.dumps(_document(migrated, with_diff=arguments.diff), indent=2))
    else:
        # The diff alone goes to stdout, so that it can be given to `patch`.
        for line in _summary(migrated, "would change" if is_dry else "changed"):
            print(line, file=sys.stderr if arguments.diff else sys.stdout)
    needs = any(one.needs_a_person for one in migrated)
    if arguments.check:
        return ERROR if needs or any(one.changes for one in migrated) else DONE
    return LOOK if needs and not is_dry else DONE


def _written(one: Migrated) -> Migrated:
    try:
        one.write()
    except OSError as error:
        return one.left(error)
    return one


def _summary(migrated: Sequence[Migrated], verb: str) -> Iterator[str]:
    changed = [one for one in migrated if one.changes]
    for one in changed:
        yield f"{verb}: {one.path} ({counted(one.n_edits, 'place')})"
    for kind, heading in _HEADINGS.items():
        places: dict[str, list[str]] = {}
        for one in migrated:
            for finding in one.findings:
                if finding.kind == kind:
                    places.setdefault(finding.todo, []).append(f"{one.path}:{finding.line}: {finding.what}")
        if places:
            yield f"\n{heading}:"
        for todo, where in places.items():
            yield "\n".join([f"  {todo}", *(f"      {place}" for place in where)])
    n_open = sum(finding.kind != "note" for one in migrated for finding in one.findings)
    look = f"; somebody has to look at {counted(n_open, 'place')}" if n_open else ""
    newline = "\n" if changed or any(one.findings for one in migrated) else ""
    yield f"{newline}{counted(len(migrated), 'file')} looked at, {len(changed)} {verb}{look}."


def _document(migrated: Sequence[Migrated], *, with_diff: bool) -> dict[str, Any]:
    files = []
    for one in migrated:
        if one.changes or one.findings:
            file = {
                "path": str(one.path),
                "changes": one.changes,
                "n_edits": one.n_edits,
                "findings": [_as_dict(finding) for finding in one.findings],
            }
            files.append(file | ({"diff": one.diff().decode(one.encoding, "replace")} if with_diff else {}))
    return {
        "n_files": len(migrated),
        "n_changed": sum(one.changes for one in migrated),
        "n_to_look_at": sum(finding.kind != "note" for one in migrated for finding in one.findings),
        "files": files,
    }


def _as_dict(finding: Finding) -> dict[str, Any]:
    return {"line": finding.line, "kind": finding.kind, "what": finding.what, "todo": finding.todo}
