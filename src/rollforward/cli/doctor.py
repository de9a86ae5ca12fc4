"""``rollforward doctor``: look at store, pool and machine, and say what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rollforward import settings
from rollforward.settings.masking import mask_credentials

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rollforward.workflow.mlflow_backend.doctor import Finding

_MARKS = {"ok": "ok  ", "note": "note", "problem": "BAD "}


def add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command ``doctor``."""
    doctor = commands.add_parser(
        "doctor",
        help="look at store, pool, calendar, packages and rights, and say what is wrong",
        description="Look whether the tracking store and the task store answer and can be written, whether versions, "
        "clocks and calendar fit, for runs whose process is gone, for what waits to be uploaded, for tasks that wait "
        "without a worker, for ledgers that nobody keeps up to date. Exit code 1 if something is wrong.",
    )
    doctor.add_argument("--uri", help="tracking store; the default is what runs started here would use")
    doctor.add_argument(
        "--pool",
        metavar="URL",
        help="task store: sqlite:///tasks.db or mongodb://...; the default is the setting task_store, if it is there",
    )
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    doctor.add_argument(
        "--fix",
        action="store_true",
        help="mark dead runs KILLED, upload what waits, switch on the write-ahead log, copy a folder of files into a "
        "new database",
    )
    return doctor


def doctor(arguments: argparse.Namespace) -> int:
    """Examine the store and print what was found; 1 if something is wrong."""
    uri = arguments.uri or settings.current().uri
    from rollforward.workflow.examination import Level, examine_all  # noqa: PLC0415  # it imports MLflow

    found = examine_all(uri, pool=arguments.pool, fix=arguments.fix)
    if arguments.json:
        print(json.dumps([finding.as_dict() for finding in found], indent=2))
    else:
        _show(mask_credentials(uri), found)
    return int(any(finding.level is Level.PROBLEM for finding in found))


def _show(uri: str, found: Sequence[Finding]) -> None:
    print(f"The tracking store {uri}")
    width = max(len(finding.check) for finding in found)
    for finding in found:
        print(f"{_MARKS[finding.level]}  {finding.check:{width}}  {finding.says}")
        if finding.remedy:
            print(f"{'':4}  {'':{width}}  -> {finding.remedy}")
