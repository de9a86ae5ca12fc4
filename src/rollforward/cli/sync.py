"""``rollforward sync``: upload what was logged while a server was away, or without one."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollforward import settings
from rollforward.cli.exits import ERROR, USAGE
from rollforward.errors import RollforwardError, SettingsError, StoreUnreachableError
from rollforward.settings.masking import mask_credentials
from rollforward.settings.normalize import absolute_sqlite
from rollforward.settings.sources import is_uri_chosen
from rollforward.settings.words import counted

if TYPE_CHECKING:
    import argparse

    from rollforward.workflow.mlflow_backend.spool.replay import Replayed

# Seconds to wait while another process uploads the same.
_WAIT = 60.0


def add_sync(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command ``sync``."""
    sync = commands.add_parser(
        "sync",
        help="upload what was logged while the tracking server was away, or without one",
        description="Upload the runs of a folder (offline:DIR), or what waits on this machine for the configured "
        "store. Each run is uploaded once, however often this is called. Exit code 0: all is up; 1: something is left; "
        "2: it is not said where to upload to.",
    )
    sync.add_argument(
        "folder", nargs="?", metavar="DIR", help="store to upload from: a folder, offline:DIR or sqlite:///..."
    )
    sync.add_argument("--uri", help="store to upload to; the default is what runs started here would use")
    sync.add_argument("--json", action="store_true", help="print the report as JSON")
    return sync


def sync(arguments: argparse.Namespace) -> int:
    """Upload, say what was done, and return the exit code."""
    target = absolute_sqlite(arguments.uri, Path.cwd()) if arguments.uri else settings.current().uri
    if arguments.folder is not None and not arguments.uri and not _is_chosen(target):
        print(
            f"rollforward: no store to upload {arguments.folder} to is configured. Give it: "
            f"rollforward sync {arguments.folder} --uri http://...",
            file=sys.stderr,
        )
        return USAGE
    try:
        report, is_complete, text = _upload(arguments.folder, target)
    except RollforwardError as error:
        if not arguments.json:
            raise
        report, is_complete, text = {"error": str(error)} | _waiting(arguments.folder, target), False, ""
        print(f"rollforward: {error}", file=sys.stderr)
    print(json.dumps({"complete": is_complete} | report, indent=2) if arguments.json else text)
    return 0 if is_complete else ERROR


def _is_chosen(target: str) -> bool:
    """Whether somebody named the store, so that it is not just the default of the working directory."""
    return is_uri_chosen(Path.cwd()) or target != absolute_sqlite("sqlite:///mlflow.db", Path.cwd())


def _waiting(folder: str | None, target: str) -> dict[str, Any]:
    """Tell what waits for the configured store."""
    if folder is not None:
        return {}
    from rollforward.workflow.mlflow_backend.offline.waiting import waiting_for  # noqa: PLC0415  # it imports MLflow

    return {"waiting": waiting_for(target).as_dict()}


def _upload(folder: str | None, target: str) -> tuple[dict[str, Any], bool, str]:
    from rollforward.workflow.mlflow_backend.offline.leftovers import (  # noqa: PLC0415  # MLflow is loaded when it is needed
        upload_leftovers,
        upload_store,
    )
    from rollforward.workflow.mlflow_backend.offline.waiting import waiting_for  # noqa: PLC0415  # the same
    from rollforward.workflow.mlflow_backend.store.reach import is_reachable  # noqa: PLC0415  # the same

    root = settings.current().artifact_root
    if folder is not None:
        runs = upload_store(folder, target, artifact_root=root, wait=_WAIT)
        return {"runs": runs.as_dict()}, runs.is_complete, str(runs)
    if target.startswith("offline:"):
        name = target.removeprefix("offline:")
        raise SettingsError(
            f"The configured store is {target}, which is what there is to upload.",
            "the store to upload to.",
            f"rollforward sync {name} --uri http://...",
        )
    shown = mask_credentials(target)
    waiting = waiting_for(target)
    if not waiting.is_nothing and not is_reachable(target):
        raise StoreUnreachableError(
            f"The store {shown} does not answer. For it waits on this machine: {waiting}.",
            remedy="Nothing is lost. Call `rollforward sync` again when the store is back, or check the address.",
        )
    done = upload_leftovers(target, wait=_WAIT)
    lines = [f"{shown}: {_sentence(done.replayed)}"] if waiting.journals else []
    lines += [str(done.runs)] if done.runs else []
    report = {
        "journals": dataclasses.asdict(done.replayed),
        "runs": done.runs.as_dict() if done.runs else None,
    }
    return report, done.is_complete and not done.replayed.left, "\n".join(lines) or f"Nothing waits for {shown}."


def _sentence(replayed: Replayed) -> str:
    """Say in a few lines what became of the journals."""
    amounts = (
        (replayed.points, "point"),
        (replayed.params, "param"),
        (replayed.tags, "tag"),
        (replayed.files, "artifact"),
    )
    sent = ", ".join(counted(number, thing) for number, thing in amounts)
    first = f"journals of {counted(len(replayed.runs), 'run')} uploaded ({sent})"
    if replayed.live:
        first += f"; {counted(replayed.live, 'journal')} of processes that run, which upload it themselves"
    lines = [
        first,
        *(f"  refused: {run_id}: {what}" for run_id, what in replayed.refused.items()),
        *(f"  left: {path}: {why}" for path, why in replayed.left.items()),
    ]
    return "\n".join(lines)
