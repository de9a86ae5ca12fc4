"""``rollforward report``: the page of a run."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from rollforward.cli.arguments import amount, positive
from rollforward.errors import SettingsError

if TYPE_CHECKING:
    import argparse

    from rollforward.workflow.recorder import Recorder

_SHEETS = ("quantstats", "alphalens")


def add_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command ``report``."""
    report = commands.add_parser(
        "report",
        help="write the page of a rolling job or of a run: results, windows, folds, failures",
        description="Write one HTML page about the newest rolling job of an experiment or, without one, about its "
        "newest run with a prediction. A job that has not finished is judged by the folds that have.",
    )
    report.add_argument("experiment", nargs="?", metavar="EXPERIMENT", help="name of the experiment")
    report.add_argument(
        "--recorder", metavar="ID", help="the run to report on, by its id or the first 6 digits of it or more"
    )
    report.add_argument("--out", metavar="FILE", default="report.html", help="the page (report.html)")
    report.add_argument("--plots", metavar="DIR", help="write each plot as a PNG into this folder too")
    report.add_argument(
        "--store", action="store_true", help="store page, tables and plots in the run too, where its page shows them"
    )
    report.add_argument("--open", action="store_true", help="show the page in a browser")
    report.add_argument(
        "--tearsheet", choices=_SHEETS, help="write the tear sheet of this package instead, which has to be installed"
    )
    report.add_argument(
        "--cost",
        type=amount,
        default=0.001,
        metavar="SHARE",
        help="of one unit bought or sold, for runs without a backtest (0.001)",
    )
    report.add_argument(
        "--horizon",
        type=positive,
        metavar="N",
        help="sessions that one label spans, if the run does not know or is wrong",
    )
    report.add_argument("--no-percent", action="store_true", help="labels are no returns")
    report.add_argument("--json", action="store_true", help="print JSON: which run, which file, notes")
    report.add_argument("--uri", help="tracking store, for example sqlite:////data/mlflow.db or http://host:5000")
    return report


def report(arguments: argparse.Namespace) -> int:
    """Write the page, and say where it is."""
    if arguments.experiment is None and arguments.recorder is None:
        raise SettingsError(
            "report got neither an experiment nor a recorder.",
            "the name of an experiment, or an id.",
            "List them: rollforward experiments list",
        )
    from rollforward.cli.stored.opened import choose_store  # noqa: PLC0415  # help must not load it
    from rollforward.workflow.reporting import gather, store_report  # noqa: PLC0415  # the same

    choose_store(arguments.uri)
    recorder, notes = _recorder(arguments)
    material = gather(recorder).spanning(arguments.horizon).noting(*notes)
    target = Path(arguments.out)
    if arguments.tearsheet:
        from rollforward.workflow.reporting.tearsheets import write_tearsheet  # noqa: PLC0415  # the same

        write_tearsheet(material, arguments.tearsheet, target, cost=arguments.cost)
    else:
        page = material.report(percent=not arguments.no_percent, cost=arguments.cost)
        page.save(target)
        if arguments.plots:
            page.save_plots(arguments.plots)
        if arguments.store:
            store_report(recorder, page)
    if arguments.json:
        which = {"id": recorder.id, "name": recorder.name, "experiment_id": recorder.experiment_id}
        print(json.dumps({**which, "path": str(target), "notes": list(material.notes)}, indent=2))
    else:
        for note in material.notes:
            print(note)
        print(f"Report on {recorder.name} ({recorder.id}) of experiment {material.subtitle}: {target}")
    if arguments.open:
        webbrowser.open(target.resolve().as_uri())
    return 0


def _recorder(arguments: argparse.Namespace) -> tuple[Recorder, list[str]]:
    from rollforward.workflow.reporting import newest_result, recorder_of  # noqa: PLC0415  # as above

    if arguments.recorder is None:
        found = newest_result(arguments.experiment)
        return found.recorder, found.notes
    return recorder_of(arguments.recorder, arguments.experiment), []
