"""The program ``rollforward``: parse, call, say how it went.

Exit codes: 0 done; 1 an error that rollforward explains; 2 a wrong command line; 130 interrupted; 141 nobody reads
on what is printed.
Parsing and help load nothing heavy: each command imports what it needs when it runs.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rollforward._version import __version__
from rollforward.cli.compare import add_compare, compare
from rollforward.cli.doctor import add_doctor, doctor
from rollforward.cli.online import add_online, online
from rollforward.cli.pool import add_pool, pool
from rollforward.cli.report import add_report, report
from rollforward.cli.server import add_server, add_ui, server, ui
from rollforward.cli.sync import add_sync, sync
from rollforward.cli.worker import add_worker, worker
from rollforward.errors import RollforwardError

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_ERROR, EXIT_INTERRUPTED, EXIT_NO_READER = 1, 130, 141
_COMMANDS = {
    "ui": ui,
    "server": server,
    "sync": sync,
    "doctor": doctor,
    "pool": pool,
    "worker": worker,
    "report": report,
    "compare": compare,
    "online": online,
}


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the whole program."""
    parser = argparse.ArgumentParser(
        prog="rollforward",
        description="Experiment tracking, walk-forward retraining and management of time-series models.",
    )
    parser.add_argument("--version", action="version", version=f"rollforward {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_demo(commands)
    _add_traceback(add_report(commands))
    _add_traceback(add_compare(commands))
    _add_traceback(add_ui(commands))
    _add_traceback(add_server(commands))
    _add_traceback(add_sync(commands))
    _add_traceback(add_doctor(commands))
    add_pool(commands)
    add_online(commands)
    _add_traceback(add_worker(commands))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = build_parser().parse_args(argv)
    try:
        code = _dispatch(arguments)
        # What is still in the buffer would fail at the exit, where nobody can catch it.
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_left()
    except RollforwardError as error:
        if arguments.traceback:
            raise
        print(f"rollforward: {type(error).__name__}: {error}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        print("rollforward: interrupted; finished folds are kept, and the same command goes on.", file=sys.stderr)
        return EXIT_INTERRUPTED
    return code


def _reader_left() -> int:
    """Leave quietly when nobody reads on, as in ``rollforward compare A B | head``."""
    with suppress(OSError, ValueError), Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    return EXIT_NO_READER


def _dispatch(arguments: argparse.Namespace) -> int:
    if arguments.command in _COMMANDS:
        return _COMMANDS[arguments.command](arguments)
    from rollforward.cli.run import DEMO, Choices, run  # noqa: PLC0415  # the same

    config = DEMO if arguments.command == "demo" else arguments.config
    return run(
        config,
        Choices(
            experiment_name=arguments.experiment,
            rolling=arguments.rolling,
            plan_only=arguments.plan,
            plot=arguments.plot,
            reuse=arguments.reuse,
            uri=arguments.uri,
            pool=arguments.pool,
            n_workers=arguments.workers,
        ),
    )


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = commands.add_parser(
        "run",
        help="run the task, or the rolling job, of a YAML file",
        description="Run the task of a YAML file; with a section 'rolling', as a walk-forward job.",
    )
    run.add_argument("config", metavar="CONFIG.yaml", help="the file")
    _add_job_options(run)


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    demo = commands.add_parser(
        "demo",
        help="walk forward over 20 S&P 500 stocks, 1990-2022, with the data that come along",
        description="Run the bundled rolling job; runs and report land in the store of the current directory.",
    )
    _add_job_options(demo)


def _add_job_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--rolling",
        metavar="KEY=VALUE,...",
        help="options of the rolling job, added to the file's or instead of them: step=20,type=sliding,purge=auto,"
        "refit=4; also gap, trunc_days, max_train, last, handler_window, name",
    )
    command.add_argument(
        "--plan",
        action="store_true",
        help="print all folds, what is trained already and how long the rest may take, and stop; nothing is stored",
    )
    command.add_argument("--plot", metavar="FILE.png", help="draw the folds' windows into this file")
    command.add_argument(
        "--reuse",
        action=argparse.BooleanOptionalAction,
        help="take finished runs of the same task, data and code instead of training again; a rolling job does so "
        "unless told otherwise",
    )
    command.add_argument("--experiment", metavar="NAME", help="experiment to store under, instead of the file's")
    command.add_argument(
        "--pool",
        metavar="URL",
        help="train through a task pool: sqlite:///tasks.db, or mongodb://host/ for several machines; the pool is "
        "called like the experiment",
    )
    command.add_argument(
        "-n",
        "--workers",
        type=int,
        metavar="N",
        help="processes that train what is in the pool (1); 0 waits for workers that run elsewhere",
    )
    command.add_argument("--uri", help="tracking store, for example sqlite:////data/mlflow.db or http://host:5000")
    _add_traceback(command)


def _add_traceback(command: argparse.ArgumentParser) -> None:
    command.add_argument("--traceback", action="store_true", help="show the whole traceback of an error")


if __name__ == "__main__":
    sys.exit(main())
