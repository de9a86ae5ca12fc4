"""``rollforward experiments``: look at experiments, delete, restore and export them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward.cli.stored.arguments import add_action, add_export, add_limit, add_selection, add_yes, since

if TYPE_CHECKING:
    import argparse

_ACTIONS = {
    "list": "look.list_experiments",
    "show": "look.show_experiment",
    "delete": "change.delete_experiments",
    "restore": "change.restore_experiments",
    "export": "export.export_experiment",
}
_WHICH = "name or id of the experiment"


def add_experiments(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command ``experiments``."""
    experiments = commands.add_parser(
        "experiments",
        help="list, show, delete, restore and export experiments",
        description="List, show, delete, restore and export the experiments of a tracking store.",
    )
    actions = experiments.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = add_action(actions, "list", "list experiments, those with the newest runs first")
    listing.add_argument("--since", type=since, metavar="TIME", help="only with runs that started since, such as 7d")
    listing.add_argument("--match", metavar="TEXT", help="only names that contain this text")
    listing.add_argument("--sort", choices=("newest", "name", "runs"), default="newest", help="(default: newest)")
    listing.add_argument("--deleted", action="store_true", help="list what is in the trash")
    add_limit(listing)
    show = add_action(actions, "show", "show one experiment and its newest runs")
    show.add_argument("experiment", metavar="EXPERIMENT", help=_WHICH)
    delete = add_action(
        actions,
        "delete",
        "move experiments and their runs to the trash",
        "`restore` brings them back; names are free again.",
    )
    delete.add_argument("experiments", metavar="EXPERIMENT", nargs="+", help=_WHICH)
    add_yes(delete)
    restore = add_action(actions, "restore", "bring experiments back from the trash, with their runs")
    restore.add_argument("experiments", metavar="EXPERIMENT", nargs="+", help=f"{_WHICH}; the last deleted of a name")
    export = add_action(
        actions,
        "export",
        "write an experiment into a folder or a .zip",
        "One table of all runs, and a folder for each: run.json, metrics.csv with all steps, artifacts.",
    )
    export.add_argument("experiment", metavar="EXPERIMENT", help=_WHICH)
    add_selection(export)
    export.add_argument("--table", choices=("csv", "parquet"), default="csv", help="form of the table (default: csv)")
    add_export(export)
    return experiments


def experiments(arguments: argparse.Namespace) -> int:
    """Do what was asked for, and return the exit code."""
    from rollforward.cli.stored.opened import act  # noqa: PLC0415  # `--help` needs none of it

    return act(_ACTIONS[arguments.action], arguments)
