"""``rollforward runs``: look at runs, compare what they were given, delete, restore and export them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward.cli.stored.arguments import add_action, add_export, add_limit, add_selection, add_yes, names

if TYPE_CHECKING:
    import argparse

_ACTIONS = {
    "list": "look.list_runs",
    "show": "look.show_run",
    "diff": "look.diff_runs",
    "delete": "change.delete_runs",
    "restore": "change.restore_runs",
    "export": "export.export_runs",
}
_WHICH = "id of the run, 6 of its first digits or more, its name, or EXPERIMENT/NAME"


def add_runs(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command ``runs``."""
    runs = commands.add_parser(
        "runs",
        help="list, show, diff, delete, restore and export runs",
        description="List, show, diff, delete, restore and export the runs of a tracking store.",
    )
    actions = runs.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = add_action(actions, "list", "list runs, the newest first")
    _add_experiment(listing)
    add_selection(listing)
    listing.add_argument(
        "--sort",
        metavar="KEY",
        help="best first by a metric (IC), a param (params.alpha), name, status, started or ended",
    )
    listing.add_argument("--ascending", action="store_true", help="sort the other way round")
    listing.add_argument("--metrics", type=names, metavar="A,B", help="metrics to show (default: the main ones)")
    listing.add_argument("--params", type=names, metavar="A,B", default=[], help="params to show")
    listing.add_argument("--deleted", action="store_true", help="list what is in the trash")
    add_limit(listing)
    show = add_action(
        actions, "show", "show one run: params, metrics, tags, artifacts with sizes, where it comes from, its relatives"
    )
    show.add_argument("run", metavar="RUN", help=_WHICH)
    _add_experiment(show)
    diff = add_action(actions, "diff", "show in which params, metrics and tags two runs differ")
    diff.add_argument("runs", metavar="RUN", nargs=2, help=_WHICH)
    _add_experiment(diff)
    _add_changes(actions)
    return runs


def _add_changes(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    delete = add_action(actions, "delete", "move runs to the trash", "`restore` brings them back.")
    delete.add_argument("runs", metavar="RUN", nargs="+", help=_WHICH)
    delete.add_argument("--children", action="store_true", help="and the runs below them, such as the folds of a job")
    _add_experiment(delete)
    add_yes(delete)
    restore = add_action(actions, "restore", "bring runs back from the trash")
    restore.add_argument("runs", metavar="RUN", nargs="+", help=_WHICH)
    _add_experiment(restore)
    export = add_action(
        actions, "export", "write runs into a folder or a .zip: run.json, metrics.csv with all steps, artifacts"
    )
    export.add_argument("runs", metavar="RUN", nargs="+", help=_WHICH)
    _add_experiment(export)
    add_export(export)


def _add_experiment(action: argparse.ArgumentParser) -> None:
    action.add_argument("--experiment", metavar="EXPERIMENT", help="only in this experiment: its name or id")


def runs(arguments: argparse.Namespace) -> int:
    """Do what was asked for, and return the exit code."""
    from rollforward.cli.stored.opened import act  # noqa: PLC0415  # `--help` needs none of it

    return act(_ACTIONS[arguments.action], arguments)
