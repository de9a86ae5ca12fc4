"""What of a workflow file only the settings in force and the files of data can tell, before anything is trained."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rollforward.errors import RollforwardError
from rollforward.workflow.config import Place, Problem, Workflow, locate_error, refuse

if TYPE_CHECKING:
    from collections.abc import Callable


def check_settings(workflow: Workflow, file: Place) -> None:
    """Find settings of the file that name nothing that there is, before an hour of training has shown it."""
    from rollforward.data.calendar_in_use import resolve  # noqa: PLC0415  # `run --help` must not load it
    from rollforward.workflow import R  # noqa: PLC0415

    looks: dict[str, Callable[[], object]] = {
        "calendar": resolve,
        "exp_manager": R.get_uri,
        "uri": R.get_uri,
    }
    for key, look in looks.items():
        section = next((name for name in ("init", "qlib_init") if key in (workflow.content.get(name) or {})), None)
        if section is None or workflow.init.get(key) is None:
            continue
        try:
            look()
        except RollforwardError as error:
            path = (section, key)
            refuse([Problem.of(error, workflow.places.get(path, file), path)], error)


def start_qlib(workflow: Workflow, file: Place) -> None:
    """Hand Qlib's own settings to Qlib, if the task needs it."""
    if not workflow.qlib:
        return
    if workflow.needs_qlib:
        from rollforward.adapters.qlib import init_qlib  # noqa: PLC0415  # few files need it

        try:
            init_qlib(**workflow.qlib)
        except RollforwardError as error:
            place = workflow.places.get(("qlib_init",), file)
            refuse([Problem.of(error, place, ("qlib_init",))], error)
        return
    keys = ", ".join(map(str, workflow.qlib))
    print(f"qlib_init: {keys}: of Qlib's own package, which nothing in the task needs: ignored.", file=sys.stderr)


def check_task(workflow: Workflow, file: Place) -> None:
    """Find what only the settings in force and the files of data can tell."""
    from rollforward.workflow.trainer.check import check_task as check  # noqa: PLC0415  # `run --help` must not load it

    try:
        check(workflow.task)
    except RollforwardError as error:
        refuse([locate_error(error, workflow.content, workflow.places, ("task",), file)], error)
