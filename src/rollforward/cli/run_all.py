"""``rollforward run-all``: a folder of models, each in its own environment, several times, and one table."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollforward import settings
from rollforward.cli.arguments import positive, seconds
from rollforward.cli.exits import ERROR, USAGE
from rollforward.settings.words import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rollforward.workflow.batch.environments import Environments
    from rollforward.workflow.batch.jobs import Job
    from rollforward.workflow.batch.run import Batch, BatchResult

_SHOWN_METRICS = 7


def add_run_all(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command ``run-all``."""
    command = commands.add_parser(
        "run-all",
        help="run a folder of models, each in its own environment, several times, and compare them in a table",
        description="Run FOLDER/<Model>/workflow_config_*.yaml, each model in an environment with its "
        "requirements.txt, and write a table of the mean and the deviation of the metrics. A run that fails is noted "
        "and the others go on; the exit code is 1 then. What is finished is not run again: after Ctrl-C, the same "
        "command goes on.",
    )
    command.add_argument("folder", nargs="?", metavar="FOLDER", help="has a folder for each model")
    _add_selection(command)
    _add_running(command)
    _add_environments(command)
    _add_table(command)
    return command


def _add_selection(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("selection")
    group.add_argument("--models", action="append", default=[], metavar="A,B", help="only these models")
    group.add_argument("--exclude", action="append", default=[], metavar="A,B", help="not these models")
    group.add_argument(
        "--dataset", default="", metavar="NAME", help="only workflow_config_<model>_NAME.yaml, such as Alpha158"
    )
    group.add_argument(
        "--universe",
        default="",
        metavar="NAME",
        help="only workflow_config_<model>_<dataset>_NAME.yaml, such as csi500",
    )
    group.add_argument("--list", action="store_true", help="print the models and their workflow files, and stop")
    group.add_argument("--plan", action="store_true", help="print what would be run, and stop; nothing is stored")


def _add_running(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("runs")
    group.add_argument("--times", type=positive, default=1, metavar="N", help="how often each model is run (1)")
    group.add_argument(
        "--seeds",
        choices=("drop", "count", "keep"),
        help="take the seeds out of the models' arguments, set them to 0, 1, 2, ..., or leave them (drop if --times is "
        "above 1, else keep)",
    )
    group.add_argument(
        "--set",
        action="append",
        default=[],
        dest="assignments",
        metavar="KEY=VALUE",
        help="change a value of all workflow files, as for `rollforward run`; may be given several times",
    )
    group.add_argument("-j", "--jobs", type=positive, default=1, metavar="N", help="runs at a time (1)")
    group.add_argument(
        "--timeout",
        type=seconds,
        metavar="TIME",
        help="end a run that takes longer, such as 90, 30m or 2h; it has failed",
    )
    group.add_argument("--fresh", action="store_true", help="run everything again, in a new parent run")
    group.add_argument("--experiment", default="run_all", metavar="NAME", help="experiment of all runs (run_all)")
    group.add_argument("--name", default="", metavar="NAME", help="name of the parent run (that of the folder)")
    group.add_argument("--uri", help="tracking store, for example sqlite:////data/mlflow.db or http://host:5000")


def _add_environments(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("environments")
    group.add_argument(
        "--envs", metavar="DIR", help="where they are kept (the user's cache folder, or ROLLFORWARD_CACHE_DIR/envs)"
    )
    group.add_argument(
        "--python", metavar="PY", help="interpreter to make them from: a path or a version (the one that is running)"
    )
    group.add_argument("--installer", choices=("uv", "venv"), help="what makes them (uv if there is one)")
    group.add_argument(
        "--rollforward", metavar="SPEC", help="what to install as rollforward: a requirement, wheel or source folder"
    )
    group.add_argument("--no-env", action="store_true", help="run all models in this interpreter")
    group.add_argument("--clean-envs", action="store_true", help="delete the environments that are kept, and stop")


def _add_table(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("table")
    group.add_argument("--out", default="run_all", metavar="FOLDER", help="for the table and the logs (run_all)")
    group.add_argument(
        "--metrics",
        action="append",
        default=[],
        metavar="A,B",
        help="columns (Qlib's seven, and all that every run has)",
    )
    group.add_argument("--sort", metavar="METRIC", help="order of the rows, highest first; or model (the first column)")
    group.add_argument("--ascending", action="store_true", help="lowest first, as for a loss")
    group.add_argument("--json", action="store_true", help="print the result as JSON")


def run_all(arguments: argparse.Namespace) -> int:
    """Run the models, and return the exit code: 1 if a run failed."""
    if arguments.clean_envs:
        return _clean(arguments)
    if arguments.folder is None:
        print("rollforward run-all: which FOLDER? It has a folder for each model.", file=sys.stderr)
        return USAGE
    if arguments.list:
        return _list(arguments)
    if arguments.uri:
        settings.init(uri=arguments.uri)
    from rollforward.workflow.batch.run import run_batch  # noqa: PLC0415  # help must not load it

    batch = _batch(arguments)
    if arguments.plan:
        return _plan(batch, as_json=arguments.json)
    result = run_batch(batch)
    if arguments.json:
        print(json.dumps(result.to_dict(), indent=2))
    else:
        _print(result)
    return ERROR if result.failed else 0


def _batch(arguments: argparse.Namespace) -> Batch:
    from rollforward.workflow.batch.discover import split_names  # noqa: PLC0415  # as above
    from rollforward.workflow.batch.run import Batch  # noqa: PLC0415  # as above

    return Batch(
        folder=Path(arguments.folder),
        selection=_selection(arguments),
        times=arguments.times,
        seeds=arguments.seeds,
        assignments=arguments.assignments,
        experiment=arguments.experiment,
        name=arguments.name,
        out=Path(arguments.out),
        environments=None if arguments.no_env else _environments(arguments),
        share=arguments.python is None,
        at_once=arguments.jobs,
        timeout=arguments.timeout,
        fresh=arguments.fresh,
        metrics=split_names(arguments.metrics),
        sort=arguments.sort,
        ascending=arguments.ascending,
    )


def _selection(arguments: argparse.Namespace) -> Any:
    from rollforward.workflow.batch.discover import Selection, split_names  # noqa: PLC0415  # as above

    return Selection(
        models=split_names(arguments.models),
        exclude=split_names(arguments.exclude),
        dataset=arguments.dataset,
        universe=arguments.universe,
    )


def _environments(arguments: argparse.Namespace) -> Environments:
    from rollforward.workflow.batch.environments import Environments  # noqa: PLC0415  # as above

    return Environments(
        arguments.envs, python=arguments.python, installer=arguments.installer, rollforward=arguments.rollforward
    )


def _clean(arguments: argparse.Namespace) -> int:
    environments = _environments(arguments)
    gone = environments.clean()
    if arguments.json:
        print(json.dumps({"folder": str(environments.folder), "deleted": gone}))
    else:
        print(f"{counted(len(gone), 'environment')} deleted in {environments.folder}")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from rollforward.workflow.batch.discover import find_entries, select  # noqa: PLC0415  # as above

    entries = select(find_entries(Path(arguments.folder)), _selection(arguments))
    rows = [
        {
            "model": entry.label,
            "config": str(entry.config),
            "requirements": str(entry.requirements) if entry.requirements else None,
        }
        for entry in entries
    ]
    _show_rows(rows, as_json=arguments.json)
    return 0


def _plan(batch: Batch, *, as_json: bool) -> int:
    rows = [
        {
            "run": job.label,
            "to do": "nothing, it is finished"
            if job.state == "kept"
            else f"fails: {job.reason}"
            if job.reason
            else "run",
            "changed": ", ".join(job.assignments) or None,
            "environment": _environment_of(batch, job),
            "config": str(job.entry.config),
        }
        for job in batch.plan()
    ]
    _show_rows(rows, as_json=as_json)
    return 0


def _environment_of(batch: Batch, job: Job) -> str | None:
    from rollforward.workflow.batch.jobs import FAILED  # noqa: PLC0415  # as above

    needs = job.entry.requirements
    if job.state == FAILED:
        return None
    if batch.environments is None or (needs is None and batch.share):
        return "this interpreter"
    key = batch.environments.key(needs)
    return f"{key} ({'ready' if batch.environments.find(needs) else 'to be made'})"


def _show_rows(rows: Sequence[dict[str, str | None]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415  # as above
    from rich.table import Table  # noqa: PLC0415  # as above
    from rich.text import Text  # noqa: PLC0415  # as above

    from rollforward.cli.tables import show  # noqa: PLC0415  # as above

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in rows[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(value or "-") for value in row.values()))
    show(table)


def _print(result: BatchResult) -> None:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415  # as above
    from rich.table import Table  # noqa: PLC0415  # as above
    from rich.text import Text  # noqa: PLC0415  # as above

    from rollforward.cli.tables import fits, show  # noqa: PLC0415  # as above
    from rollforward.workflow.batch.table import runs_text  # noqa: PLC0415  # as above

    # What a narrow terminal leaves out is in the files.
    for n_shown in range(min(_SHOWN_METRICS, len(result.table.metrics)), -1, -1):
        names = result.table.metrics[:n_shown]
        table = Table(title="Models", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("model")
        for name in [*names, "runs"]:
            table.add_column(name.removeprefix("1day.excess_return_with_cost."), justify="right")
        for row in result.table.rows:
            cells = [row.cells[name].text() if name in row.cells else "-" for name in names]
            table.add_row(Text(row.label), *cells, runs_text(row))
        if fits(table):
            break
    show(table)
    for note in result.table.notes:
        print(f"- {note}")
    for failure in result.table.failures:
        print(f"- {failure.label}: {failure.reason}" + (f" Log: {failure.log}" if failure.log else ""))
    print(f"\nTable:  {result.out / 'run_all.html'} (.md, .json)\nParent: run {result.recorder.id}")
