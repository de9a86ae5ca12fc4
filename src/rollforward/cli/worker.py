"""``rollforward worker``: take tasks from a pool and run them.

Exit codes: 0 the pool is empty (``--burst``), enough is done (``--once``), or a signal said so; 1 an error that
rollforward explains; 2 a wrong command line.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path

from rollforward.cli.arguments import integer, non_negative, positive, seconds
from rollforward.cli.pool.arguments import query

_FORMAT = "%(asctime)s %(levelname)s %(message)s"


def add_worker(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command ``worker``."""
    worker = commands.add_parser(
        "worker",
        help="take tasks from a pool and run them, each in a process of its own",
        description="Take tasks from a pool and run them, each in a process of its own. Waits for a store that does "
        "not answer, and for tasks. SIGTERM or Ctrl-C: claims nothing more, and ends when the tasks under way are done "
        "or the grace is over; a second time: at once. What is not done is given back.",
    )
    worker.add_argument("pool", metavar="POOL", help="name of the pool")
    worker.add_argument(
        "--store",
        metavar="URL",
        help="store of the pools, sqlite:///tasks.db or mongodb://...; the default is the setting task_store, which "
        "the environment gives as ROLLFORWARD_TASK_STORE",
    )
    worker.add_argument("--uri", help="tracking store of the runs, such as http://host:5000; default: as runs here")
    worker.add_argument("-n", type=positive, default=1, metavar="N", help="tasks at a time (default: %(default)s)")
    _add_what(worker)
    _add_limits(worker)
    return worker


def _add_what(worker: argparse.ArgumentParser) -> None:
    worker.add_argument(
        "--train-func",
        metavar="MODULE:NAME",
        help="function that runs a task (default: task_train, or end_task_train with --status part_done)",
    )
    worker.add_argument("--experiment", metavar="NAME", help="passed to the function as experiment_name")
    worker.add_argument("--burst", action="store_true", help="end when nothing is left to claim")
    worker.add_argument("--once", action="store_true", help="end after one task")
    worker.add_argument(
        "--filter", type=query, metavar="JSON", help="only tasks that a query finds, such as '{\"filter.n\": 1}'"
    )
    worker.add_argument("--priority-min", type=integer, metavar="N", help="only tasks of at least this priority")
    worker.add_argument(
        "--status",
        choices=("waiting", "part_done"),
        default="waiting",
        help="tasks to claim: waiting (default), or part_done, which another worker has prepared",
    )
    worker.add_argument(
        "--after", choices=("done", "part_done"), default="done", help="status of what succeeded (default: %(default)s)"
    )


def _add_limits(worker: argparse.ArgumentParser) -> None:
    time = "seconds, or a number with s, m or h"
    worker.add_argument("--timeout", type=seconds, metavar="TIME", help=f"an attempt takes no longer; {time}")
    worker.add_argument(
        "--memory-limit", type=_size, metavar="SIZE", help="memory of the process of a task, such as 500M or 2G"
    )
    worker.add_argument("--max-attempts", type=positive, default=3, metavar="N", help="per task (default: %(default)s)")
    worker.add_argument(
        "--lease",
        type=seconds,
        default=60.0,
        metavar="TIME",
        help="others take over after a crash (default: 60 s)",
    )
    worker.add_argument(
        "--grace", type=non_negative, default=8.0, metavar="TIME", help="to be gone when told to stop (default: 8 s)"
    )
    worker.add_argument(
        "--poll", type=seconds, default=1.0, metavar="TIME", help="between looks into an empty pool (default: 1 s)"
    )
    worker.add_argument("--name", help="on the register of workers (default: host and process id)")
    worker.add_argument(
        "--tasks-per-process",
        type=positive,
        default=1,
        metavar="N",
        help="before a process gives its memory back; more than one is for tasks of milliseconds (default: 1)",
    )
    worker.add_argument(
        "--method",
        choices=("fork", "spawn"),
        help="how the process of a task is made: fork (default on Linux) takes milliseconds, spawn seconds",
    )
    worker.add_argument("--quiet", action="store_true", help="log warnings and errors only")
    worker.add_argument("--json", action="store_true", help="print what was done as JSON at the end")


def worker(arguments: argparse.Namespace) -> int:
    """Work until told to stop."""
    level = logging.WARNING if arguments.quiet else logging.INFO
    logging.basicConfig(level=logging.WARNING, format=_FORMAT)
    logging.getLogger("rollforward.workflow.worker").setLevel(level)
    # As `python` does, and as an installed program does not.
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))

    from rollforward import settings  # noqa: PLC0415  # `--help` needs none of it
    from rollforward.workflow.worker import Worker  # noqa: PLC0415  # the same

    if arguments.uri:
        settings.init(uri=arguments.uri)
    default = "end_task_train" if arguments.status == "part_done" else "task_train"
    report = Worker(
        arguments.pool,
        arguments.train_func or f"rollforward.workflow.trainer.train:{default}",
        n=arguments.n,
        store=arguments.store,
        kwargs={"experiment_name": arguments.experiment} if arguments.experiment else {},
        query=arguments.filter,
        priority_min=arguments.priority_min,
        before_status=arguments.status,
        after_status=arguments.after,
        burst=arguments.burst,
        max_tasks=1 if arguments.once else None,
        timeout=arguments.timeout,
        memory_limit=arguments.memory_limit,
        max_attempts=arguments.max_attempts,
        lease=arguments.lease,
        grace=arguments.grace,
        poll=arguments.poll,
        name=arguments.name,
        tasks_per_process=arguments.tasks_per_process,
        method=arguments.method,
        log_level=logging.WARNING,
    ).run()
    logging.getLogger("rollforward.workflow.worker").info("The worker ends: %s.", report)
    if arguments.json:
        print(json.dumps({"pool": arguments.pool, **asdict(report)}, indent=2))
    return 0


def _size(text: str) -> int:
    from rollforward.workflow.worker.memory import parse_size  # noqa: PLC0415  # only if it is asked for

    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
