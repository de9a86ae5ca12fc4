"""``rollforward experiments export`` and ``rollforward runs export``: runs as files that need neither us nor MLflow."""

from __future__ import annotations

import csv
import json
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollforward.cli.pool.documents import stamp
from rollforward.cli.stored import documents
from rollforward.cli.stored.filters import filter_of
from rollforward.cli.stored.look import children_of
from rollforward.errors import DataError
from rollforward.settings.words import counted
from rollforward.workflow import R
from rollforward.workflow.mlflow_backend.inventory import artifacts_of, find_runs, history_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from rollforward.cli.stored.opened import Store
    from rollforward.workflow.mlflow_backend.inventory import FoundRun

_FACTS = ("id", "name", "status", "started_at", "ended_at", "seconds", "model", "parent")
_STRANGERS = re.compile(r"[^\w.-]+")


def export_experiment(store: Store, arguments: argparse.Namespace) -> int:
    """Write an experiment: a table of all runs, and a folder for each."""
    found = store.experiment(arguments.experiment)
    runs = list(find_runs(store.uri, [found.id], filter_string=filter_of(arguments)))
    target = _target(arguments.out, found.name)
    with _writing(target) as folder:
        document = documents.brief_experiment(found, runs)
        _write_json(folder / "experiment.json", document)
        _write_table(folder / f"runs.{arguments.table}", [documents.brief_run(store, run) for run in runs])
        for run in runs:
            _write_run(store, run, folder / "runs" / run.id, artifacts=not arguments.no_artifacts)
    return _said(arguments, target, runs)


def export_runs(store: Store, arguments: argparse.Namespace) -> int:
    """Write runs: one as the folder itself, several as a folder each."""
    found = {run.id: run for run in (store.run(text, arguments.experiment) for text in arguments.runs)}
    runs = list(found.values())
    target = _target(arguments.out, f"{runs[0].name}-{runs[0].id[:8]}" if len(runs) == 1 else "runs")
    with _writing(target) as folder:
        for run in runs:
            _write_run(store, run, folder if len(runs) == 1 else folder / run.id, artifacts=not arguments.no_artifacts)
    return _said(arguments, target, runs)


def _target(out: str | None, name: str) -> Path:
    target = Path(out) if out else Path(_STRANGERS.sub("-", name).strip("-.") or "export")
    if target.exists():
        raise DataError(f"{target} exists already.", "a new folder or a new .zip.", "Choose another one: --out PATH.")
    return target


@contextmanager
def _writing(target: Path) -> Iterator[Path]:
    """Give a folder to write into; it takes its place, or becomes the .zip, when all is written."""
    try:
        target.absolute().parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".rollforward-", dir=target.absolute().parent) as stage:
            folder = Path(stage) / "export"
            folder.mkdir()
            yield folder
            if target.suffix.lower() == ".zip":
                shutil.move(shutil.make_archive(str(Path(stage) / "packed"), "zip", folder), target)
            else:
                folder.replace(target)
    except OSError as error:
        raise DataError(f"{target} cannot be written: {error}", "a place with room that may be written.") from error


def _write_run(store: Store, run: FoundRun, folder: Path, *, artifacts: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    listed = artifacts_of(store.uri, run)
    _write_json(folder / "run.json", documents.whole_run(store, run, listed, children_of(store, run)))
    with (folder / "metrics.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["metric", "step", "time", "value"])
        writer.writerows(
            [point.metric, point.step, stamp(point.at), point.value] for point in history_of(store.uri, run)
        )
    if not artifacts or not listed:
        return
    recorder = R.get_recorder(recorder_id=run.id)
    for path in listed:
        place = folder / "artifacts" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        recorder.download_artifact(path, str(place.parent))


def _write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write one row for each run: facts, then each metric and each param that one of them has."""
    columns = list(_FACTS)
    for group in ("metrics", "params"):
        columns += [f"{group}.{key}" for key in sorted({key for row in rows for key in row[group]})]
    flat = [
        {fact: row[fact] for fact in _FACTS}
        | {f"{group}.{key}": value for group in ("metrics", "params") for key, value in row[group].items()}
        for row in rows
    ]
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(flat)
        return
    import pandas as pd  # noqa: PLC0415  # only for this form

    pd.DataFrame(flat, columns=columns).to_parquet(path, index=False)


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _said(arguments: argparse.Namespace, target: Path, runs: Sequence[FoundRun]) -> int:
    if arguments.json:
        print(json.dumps({"path": str(target), "runs": [run.id for run in runs]}, indent=2))
    else:
        print(f"{counted(len(runs), 'run')}: {target}")
    return 0
