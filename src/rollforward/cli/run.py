"""``rollforward run`` and ``rollforward demo``: their options; what they do is in ``running``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

DEMO = Path(__file__).with_name("demo.yaml")


class _PrintSchema(argparse.Action):
    """Print the JSON Schema of workflow files and stop, as ``--version`` does."""

    def __call__(self, parser: argparse.ArgumentParser, *_args: Any) -> None:
        from rollforward.workflow.config.schema import published  # noqa: PLC0415  # help does not need it

        print(json.dumps(published(), indent=2))
        parser.exit()


def add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command ``run``."""
    run = commands.add_parser(
        "run",
        help="run the task, or the rolling job, of a YAML file",
        description="Run the task of a YAML file; with a section 'rolling', as a walk-forward job.",
    )
    run.add_argument("config", metavar="CONFIG.yaml", help="the file")
    run.add_argument(
        "--check", action="store_true", help="only look for mistakes, and name the file, line and key of each"
    )
    run.add_argument("--schema", action=_PrintSchema, nargs=0, help="print a JSON Schema of such files, for editors")
    _add_job_options(run)
    return run


def add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command ``demo``."""
    demo = commands.add_parser(
        "demo",
        help="walk forward over 20 S&P 500 stocks, 1990-2022, with the data that come along",
        description="Run the bundled rolling job; runs and report land in the store of the current directory.",
    )
    demo.set_defaults(check=False)
    _add_job_options(demo)
    return demo


def run_command(arguments: argparse.Namespace) -> int:
    """Run a workflow file."""
    return _run(arguments.config, arguments)


def demo_command(arguments: argparse.Namespace) -> int:
    """Run the bundled rolling job."""
    return _run(DEMO, arguments)


def _run(config: str | Path, arguments: argparse.Namespace) -> int:
    from rollforward.cli.running import Choices, run  # noqa: PLC0415  # help loads neither yaml nor rich

    return run(
        config,
        Choices(
            experiment_name=arguments.experiment,
            rolling=arguments.rolling,
            assignments=tuple(arguments.set),
            check_only=arguments.check,
            plan_only=arguments.plan,
            plot=arguments.plot,
            reuse=arguments.reuse,
            uri=arguments.uri,
            pool=arguments.pool,
            n_workers=arguments.workers,
            seed=arguments.seed,
            as_json=arguments.json,
        ),
    )


def _add_job_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="another value in the file, such as task.model.kwargs.alpha=0.1 or task.record.0.class=SignalRecord; the "
        "value is YAML, __DROP__ removes the key, \\. is a dot inside a key; may be repeated",
    )
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
        "--seed", type=int, metavar="N", help="seed of the random numbers, and of the model if it takes one"
    )
    _add_pool_options(command)
    command.add_argument("--uri", help="tracking store, for example sqlite:////data/mlflow.db or http://host:5000")
    command.add_argument("--json", action="store_true", help="print the result, or the mistakes, for a program")


def _add_pool_options(command: argparse.ArgumentParser) -> None:
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
