"""``rollforward online``: let models serve, day after day.

Exit codes: 0 done; 1 an error that rollforward explains; 2 a wrong command line; 3 done, and somebody has to look:
a session is held (``routine``), one of several strategies could not begin (``first-train``, ``add-strategy``),
something is wrong or behind (``status``), no proof (``prove``); 4 another process is at work (with ``--no-wait``);
130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from rollforward.cli.arguments import integer, non_negative, positive, seconds

EXIT_LOOK, EXIT_BUSY = 3, 4

_FORMAT = "%(asctime)s %(levelname)s %(message)s"
_ACTIONS = {
    "status": "look.show_status",
    "plan": "look.show_plan",
    "log": "look.show_log",
    "signals": "look.show_signals",
    "prove": "look.prove_models",
    "routine": "change.routine",
    "first-train": "change.first_train",
    "add-strategy": "change.add_strategy",
    "simulate": "change.simulate",
    "adopt": "change.adopt",
    "rollback": "change.rollback",
    "promote": "change.promote",
    "accept": "change.accept",
}
_CODES = (
    "Exit codes: 0 done; 1 an error; 2 a wrong command line; 3 done, and somebody has to look: a session is held "
    "(routine), one of several strategies could not begin (first-train, add-strategy), something is wrong or behind "
    "(status), no proof (prove); 4 another process is at work (--no-wait)."
)

_Actions = argparse._SubParsersAction  # noqa: SLF001  # argparse has no public name for it


def add_online(commands: _Actions[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command ``online``."""
    online = commands.add_parser(
        "online",
        help="let models serve, day after day: train what is due, predict, publish, record",
        description="Let models serve, day after day. The state is in the tracking store, in a ledger with a name; "
        "each command can be run again after it was killed.",
        epilog=_CODES,
    )
    actions = online.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_looks(actions)
    _add_days(actions)
    _add_beginnings(actions)
    _add_decisions(actions)
    return online


def online(arguments: argparse.Namespace) -> int:
    """Do what was asked for, and return the exit code."""
    from importlib import import_module  # noqa: PLC0415  # `--help` needs none of it

    from rollforward.errors import OnlineBusyError  # noqa: PLC0415  # the same

    logging.basicConfig(level=logging.WARNING, format=_FORMAT)
    logging.getLogger("rollforward.workflow.online").setLevel(logging.WARNING if arguments.quiet else logging.INFO)
    # As `python` does, and as an installed program does not.
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    module, _, name = _ACTIONS[arguments.action].partition(".")
    action = getattr(import_module(f"{__name__}.{module}"), name)
    try:
        code: int = action(arguments)
    except OnlineBusyError as error:
        if arguments.traceback:
            raise
        print(f"rollforward: {type(error).__name__}: {error}", file=sys.stderr)
        return EXIT_BUSY
    return code


def _action(
    actions: _Actions[argparse.ArgumentParser],
    name: str,
    text: str,
    *,
    what: str = "name of the ledger; or a file CONFIG.yaml, whose strategies then count",
    metavar: str = "NAME",
    more: str = "",
) -> argparse.ArgumentParser:
    action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}. {more}".strip())
    action.add_argument("ledger", metavar=metavar, help=what)
    action.add_argument("--uri", help="tracking store, for example sqlite:////data/mlflow.db or http://host:5000")
    action.add_argument(
        "--calendar",
        help="the sessions: a data file, bundled:NAME or an exchange such as XNYS; default: the settings', or as noted "
        "in the ledger",
    )
    action.add_argument("--json", action="store_true", help="print JSON")
    action.add_argument("--quiet", action="store_true", help="log warnings and errors only")
    action.add_argument("--traceback", action="store_true", help="show the whole traceback of an error")
    return action


def _add_time(action: argparse.ArgumentParser) -> None:
    action.add_argument("--time", metavar="SESSION", help="up to this session (default: the last one so far)")


def _add_waiting(action: argparse.ArgumentParser) -> None:
    action.add_argument("--no-wait", action="store_true", help="if another process is at work, end with exit code 4")


def _add_looks(actions: _Actions[argparse.ArgumentParser]) -> None:
    status = _action(actions, "status", "tell how it stands: what serves, how far behind it is, what is wrong")
    status.add_argument(
        "--max-behind", type=integer, default=0, metavar="N", help="N sessions that are not done are fine (default: 0)"
    )
    status.add_argument(
        "--max-age",
        type=non_negative,
        default=7 * 86400.0,
        metavar="TIME",
        help="data are forgotten if the calendar's last session is older than that, such as 10d (default: 7d)",
    )
    plan = _action(actions, "plan", "list what the next routine, or the first training, will do; nothing is done")
    _add_time(plan)
    log = _action(actions, "log", "list what was recorded: what was done, what served from when on, and why")
    log.add_argument("--strategy", help="only switches of this strategy")
    log.add_argument("--at", metavar="SESSION", help="which models served in this session")
    log.add_argument("--as-known-at", metavar="TIME", help="as the ledger was at this time")
    log.add_argument("--switches", action="store_true", help="list switches instead of entries")
    signals = _action(actions, "signals", "print the published signals, or write them into a file")
    signals.add_argument("--start", metavar="SESSION", help="inclusive")
    signals.add_argument("--end", metavar="SESSION", help="inclusive")
    signals.add_argument("--as-known-at", metavar="TIME", help="as they were known at this time")
    signals.add_argument("--out", metavar="FILE", help="a file .csv, .parquet or .pkl")
    prove = _action(
        actions,
        "prove",
        "show that models knew nothing of the future: predict again on data that are cut, and compare",
        more="The proof is stored in the runs of the models.",
    )
    prove.add_argument("strategy", nargs="?", metavar="STRATEGY", help="only this one (default: all)")
    prove.add_argument("--sample", type=positive, default=5, metavar="N", help="sessions of each model (default: 5)")
    prove.add_argument("--seed", type=integer, default=0, metavar="N", help="of the sample (default: 0)")
    prove.add_argument("--retrain", action="store_true", help="train each model again on cut data, too")


def _add_days(actions: _Actions[argparse.ArgumentParser]) -> None:
    routine = _action(
        actions,
        "routine",
        "do what is due after the close of a session, and of those that were missed",
        more="Trains, predicts, checks, publishes, records. A session that is done is not done again.",
    )
    _add_time(routine)
    routine.add_argument("--redo", action="store_true", help="publish a session again that is held or partial")
    _add_waiting(routine)
    routine.add_argument("--lease", type=seconds, metavar="TIME", help="take over from who is silent so long (60 s)")


def _add_beginnings(actions: _Actions[argparse.ArgumentParser]) -> None:
    file = {"what": "the file that describes the manager and its strategies", "metavar": "CONFIG.yaml"}
    first = _action(
        actions, "first-train", "train what the strategies of a file begin with, and let them serve", **file
    )
    _add_waiting(first)
    add = _action(actions, "add-strategy", "train what further strategies of a file begin with", **file)
    _add_waiting(add)
    simulate = _action(
        actions,
        "simulate",
        "do all sessions from begin_time on as if it were live, in a ledger that serves nobody",
        **file,
    )
    simulate.add_argument("--end", metavar="SESSION", help="last session (default: the last one so far)")
    simulate.add_argument("--name", help="of the ledger, in place of the file's")
    simulate.add_argument("--out", metavar="FILE", help="write the signals into a file .csv, .parquet or .pkl")
    _action(actions, "adopt", "let the state of a simulation serve")


def _add_decisions(actions: _Actions[argparse.ArgumentParser]) -> None:
    rollback = _action(actions, "rollback", "let the models serve again, from the next session on, that served before")
    rollback.add_argument("--strategy", help="only this one (default: all)")
    promote = _action(actions, "promote", "let a strategy in shadow serve from the next session on")
    promote.add_argument("strategy", metavar="STRATEGY", help="its name")
    promote.add_argument("--against", metavar="STRATEGY", help="this one goes into the shadow in its place")
    accept = _action(
        actions,
        "accept",
        "let a held session stay as it is: it is not tried again, and not a problem any more",
        more="What is published stays; `routine --redo` can still publish it.",
    )
    accept.add_argument("--time", metavar="SESSION", required=True, help="the session")
    accept.add_argument("--strategy", help="only this one (default: all that are held on it)")
    for decision in (rollback, promote, accept):
        decision.add_argument("--reason", default="", help="for the ledger")
        _add_waiting(decision)
