"""``rollforward pool``: look at a pool of tasks, change what is in it, wait for it.

Exit codes: 0 done; 1 an error that rollforward explains, or you said no; 2 a wrong command line; 3 tasks failed
(``wait``, ``watch --until-done``); 4 the time was up (``wait``); 130 interrupted.
"""

from __future__ import annotations

import argparse

from rollforward.cli.arguments import integer, non_negative, positive, seconds
from rollforward.cli.pool.arguments import add_selection

_ACTIONS = {
    "list": "look.show_list",
    "stat": "look.show_stat",
    "show": "look.show_task",
    "workers": "look.show_workers",
    "watch": "watch.watch",
    "wait": "watch.wait",
    "retry": "change.retry",
    "cancel": "change.cancel",
    "prioritize": "change.prioritize",
    "reset": "change.reset",
    "purge": "change.purge",
}
_STATUSES_AT_REST = ("waiting", "part_done", "done", "failed")


def add_pool(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command ``pool``."""
    pool = commands.add_parser(
        "pool",
        help="look at a pool of tasks, change what is in it, wait for it",
        description="Look at a pool of tasks, change what is in it, wait for it.",
        epilog="Exit codes: 0 done; 1 an error, or you said no; 2 a wrong command line; 3 tasks failed (wait, watch "
        "--until-done); 4 the time was up (wait); 130 interrupted.",
    )
    actions = pool.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_looks(actions)
    _add_waits(actions)
    _add_changes(actions)
    return pool


def pool(arguments: argparse.Namespace) -> int:
    """Do what was asked for, and return the exit code."""
    from importlib import import_module  # noqa: PLC0415  # `--help` needs none of it

    module, _, name = _ACTIONS[arguments.action].partition(".")
    action = getattr(import_module(f"{__name__}.{module}"), name)
    code: int = action(arguments)
    return code


_Actions = argparse._SubParsersAction  # noqa: SLF001  # argparse has no public name for it


def _action(
    actions: _Actions[argparse.ArgumentParser], name: str, text: str, *, pool: bool = True, more: str = ""
) -> argparse.ArgumentParser:
    action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}. {more}".strip())
    if pool:
        action.add_argument("pool", metavar="POOL", help="name of the pool")
    action.add_argument(
        "--store",
        metavar="URL",
        help="store of the pools, sqlite:///tasks.db or mongodb://...; the default is the setting task_store, which "
        "the environment gives as ROLLFORWARD_TASK_STORE",
    )
    action.add_argument("--json", action="store_true", help="print JSON")
    action.add_argument("--traceback", action="store_true", help="show the whole traceback of an error")
    return action


def _add_looks(actions: _Actions[argparse.ArgumentParser]) -> None:
    listing = _action(actions, "list", "name the pools of a store, or list the tasks of one", pool=False)
    listing.add_argument("pool", metavar="POOL", nargs="?", help="list the tasks of this pool, first in first")
    add_selection(listing, ids=False)
    listing.add_argument("--limit", type=positive, metavar="N", default=100, help="at most N tasks (default: 100)")
    add_selection(_action(actions, "stat", "count the tasks by status"), ids=False)
    show = _action(actions, "show", "tell all about one task: what it is, every attempt, who did what when")
    show.add_argument("id", metavar="ID", help="its id, or the last digits of it")
    _action(actions, "workers", "list the workers and what they work on")


def _add_waits(actions: _Actions[argparse.ArgumentParser]) -> None:
    watch = _action(
        actions,
        "watch",
        "show live how far a pool is: counts, rate, time left, workers, last failures",
        more="Without a terminal: one line for each change; with --json: one document for each. Ctrl-C ends it.",
    )
    add_selection(watch, ids=False)
    watch.add_argument("--interval", type=seconds, default=1.0, metavar="S", help="look every S seconds (default: 1)")
    watch.add_argument("--until-done", action="store_true", help="end when all tasks have ended")
    wait = _action(actions, "wait", "wait until all tasks are done or failed")
    add_selection(wait, ids=True)
    wait.add_argument("--timeout", type=seconds, metavar="TIME", help="wait no longer, such as 90, 10m or 2h")
    wait.add_argument(
        "--on-failed",
        choices=("raise", "collect"),
        default="raise",
        help="end at the first failed task (raise, the default), or when all have ended (collect)",
    )
    wait.add_argument("--quiet", action="store_true", help="show no progress")


def _add_changes(actions: _Actions[argparse.ArgumentParser]) -> None:
    add_selection(_action(actions, "retry", "let failed tasks wait again, with all attempts before them"), ids=True)
    cancel = _action(actions, "cancel", "let tasks that are not done be failed; a worker that is at one stops")
    add_selection(cancel, ids=True)
    prioritize = _action(actions, "prioritize", "give tasks that have not ended another priority; higher goes first")
    prioritize.add_argument("priority", metavar="PRIORITY", type=integer, help="a whole number; new tasks have 0")
    add_selection(prioritize, ids=True)
    reset = _action(
        actions,
        "reset",
        "let tasks wait again whose worker is gone",
        more="There is no need to: they are claimed anyway when their lease has passed. --to sets a status.",
    )
    reset.add_argument(
        "--to",
        choices=_STATUSES_AT_REST,
        metavar="STATUS",
        help=f"give tasks this status and take them from whoever works on them: {', '.join(_STATUSES_AT_REST)}",
    )
    add_selection(reset, ids=True)
    purge = _action(actions, "purge", "delete tasks that are done or failed")
    purge.add_argument(
        "--older-than", type=non_negative, default=0.0, metavar="TIME", help="that ended so long ago, such as 12h or 7d"
    )
    purge.add_argument("--everything", action="store_true", help="delete waiting and running ones too")
    add_selection(purge, ids=True)
    for destructive in (cancel, reset, purge):
        destructive.add_argument("--yes", action="store_true", help="do not ask")
