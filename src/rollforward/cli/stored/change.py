"""``rollforward experiments delete | restore`` and ``rollforward runs delete | restore``: to the trash and back."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rollforward.cli.exits import ERROR, USAGE
from rollforward.cli.stored.look import children_of
from rollforward.errors import ExperimentNotFoundError
from rollforward.settings.words import counted
from rollforward.workflow import R
from rollforward.workflow.mlflow_backend.inventory import find_runs, list_all, restore_run

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rollforward.cli.stored.opened import Store
    from rollforward.workflow.mlflow_backend.inventory import FoundRun


def delete_experiments(store: Store, arguments: argparse.Namespace) -> int:
    """Move experiments into the trash."""
    found = {item.id: item for item in map(store.experiment, arguments.experiments)}
    runs = list(find_runs(store.uri, list(found)))
    named = ", ".join(repr(item.name) for item in found.values())
    question = f"{store.shown}: move experiment {named} with {_runs(runs)} to the trash?"
    refused = _refused(arguments, question)
    if refused is not None:
        return refused
    for item in found.values():
        R.delete_exp(experiment_id=item.id)
    _say(
        arguments,
        "experiments",
        [{"id": item.id, "name": item.name} for item in found.values()],
        f"In the trash: {named}. Back: rollforward experiments restore {' '.join(found)}",
    )
    return 0


def restore_experiments(store: Store, arguments: argparse.Namespace) -> int:
    """Bring experiments back from the trash."""
    trash = {item.id: item for item in list_all(store.uri, deleted=True)}
    wanted = [_in_trash(store, text, trash) for text in arguments.experiments]
    restored = [R.restore_exp(**which) for which in wanted]
    named = ", ".join(f"{item.name!r} ({item.id})" for item in restored)
    _say(
        arguments, "experiments", [{"id": str(item.id), "name": item.name} for item in restored], f"Back again: {named}"
    )
    return 0


def _in_trash(store: Store, text: str, trash: dict[str, Any]) -> dict[str, str]:
    """Say how the experiment in the trash is called that a text means: a name wins over an id."""
    if any(item.name == text for item in trash.values()):
        return {"experiment_name": text}
    if text in trash:
        return {"experiment_id": text}
    raise ExperimentNotFoundError(
        f"There is no experiment {text!r} in the trash of {store.shown}.",
        "one that was deleted.",
        "List them: rollforward experiments list --deleted",
    )


def delete_runs(store: Store, arguments: argparse.Namespace) -> int:
    """Move runs into the trash."""
    found = {run.id: run for run in (store.run(text, arguments.experiment) for text in arguments.runs)}
    waiting = list(found.values()) if arguments.children else []
    while waiting:
        below = [run for run in children_of(store, waiting.pop()) if run.id not in found]
        found |= {run.id: run for run in below}
        waiting += below
    question = f"{store.shown}: move {_runs(list(found.values()))} to the trash?"
    refused = _refused(arguments, question)
    if refused is not None:
        return refused
    for run in found.values():
        R.get_exp(experiment_id=run.experiment_id, create=False).delete_recorder(run.id)
    shown = [run.id for run in found.values()]
    _say(
        arguments,
        "runs",
        [{"id": run.id, "name": run.name} for run in found.values()],
        f"In the trash: {_runs(list(found.values()))}. Back: rollforward runs restore {' '.join(shown)}",
    )
    return 0


def restore_runs(store: Store, arguments: argparse.Namespace) -> int:
    """Bring runs back from the trash."""
    found = [store.run(text, arguments.experiment, deleted=True) for text in arguments.runs]
    for run in found:
        restore_run(store.uri, run)
    named = ", ".join(f"{run.name!r} ({run.id})" for run in found)
    _say(arguments, "runs", [{"id": run.id, "name": run.name} for run in found], f"Back again: {named}")
    return 0


def _runs(runs: Sequence[FoundRun]) -> str:
    """Say how many runs, which one if it is one, and how many of them go on."""
    n_running = sum(run.status == "RUNNING" for run in runs)
    which = f" {runs[0].name!r} ({runs[0].id})" if len(runs) == 1 else ""
    return f"{counted(len(runs), 'run')}{which}{f', {n_running} of them RUNNING' if n_running else ''}"


def _refused(arguments: argparse.Namespace, question: str) -> int | None:
    """Ask whether it is meant; return the exit code if it is not, and ``None`` if it is."""
    if arguments.yes:
        return None
    if arguments.json or not sys.stdin.isatty():
        print(f"rollforward {arguments.command} delete: there is nobody to ask; add --yes.", file=sys.stderr)
        return USAGE
    print(f"{question} Type yes to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return None
    print("Nothing was changed.", file=sys.stderr)
    return ERROR


def _say(arguments: argparse.Namespace, what: str, found: list[dict[str, Any]], text: str) -> None:
    print(json.dumps({"action": arguments.action, what: found}, indent=2) if arguments.json else text)
