"""The table of all commands, and the parser that is built from it.

Nothing heavy is loaded here: each command imports what it needs when it runs.
"""

from __future__ import annotations

import argparse
import shutil
import textwrap
from typing import TYPE_CHECKING, NamedTuple

from rollforward._version import __version__
from rollforward.cli.compare import add_compare, compare
from rollforward.cli.completion import add_completion, completion
from rollforward.cli.doctor import add_doctor, doctor
from rollforward.cli.exits import MEANINGS
from rollforward.cli.experiments import add_experiments, experiments
from rollforward.cli.migrate import add_migrate, migrate
from rollforward.cli.online import add_online, online
from rollforward.cli.pool import add_pool, pool
from rollforward.cli.report import add_report, report
from rollforward.cli.run import add_demo, add_run, demo_command, run_command
from rollforward.cli.run_all import add_run_all, run_all
from rollforward.cli.runs import add_runs, runs
from rollforward.cli.server import add_server, add_ui, server, ui
from rollforward.cli.sync import add_sync, sync
from rollforward.cli.worker import add_worker, worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RESEARCH, POOL, ONLINE, STORE = "research", "a pool of workers", "models that serve", "look after the store"
GROUPS = (RESEARCH, POOL, ONLINE, STORE)
_GOES_ON = "interrupted; finished folds are kept, and the same command goes on."


class Command(NamedTuple):
    """One command: where the help lists it, what adds its options, what does it, what Ctrl-C says."""

    name: str
    group: str
    add: Callable[[argparse._SubParsersAction[argparse.ArgumentParser]], argparse.ArgumentParser]
    run: Callable[[argparse.Namespace], int]
    interrupted: str = "interrupted."


COMMANDS = (
    Command("demo", RESEARCH, add_demo, demo_command, _GOES_ON),
    Command("run", RESEARCH, add_run, run_command, _GOES_ON),
    Command(
        "run-all",
        RESEARCH,
        add_run_all,
        run_all,
        "interrupted; what is finished is kept, and the same command goes on; with --fresh it starts anew.",
    ),
    Command("report", RESEARCH, add_report, report),
    Command("compare", RESEARCH, add_compare, compare),
    Command("experiments", RESEARCH, add_experiments, experiments),
    Command("runs", RESEARCH, add_runs, runs),
    Command("worker", POOL, add_worker, worker),
    Command("pool", POOL, add_pool, pool),
    Command("online", ONLINE, add_online, online, "interrupted; the same command goes on."),
    Command("ui", STORE, add_ui, ui),
    Command("server", STORE, add_server, server),
    Command("sync", STORE, add_sync, sync, "interrupted; what is left is uploaded by the same command."),
    Command("doctor", STORE, add_doctor, doctor),
    Command("migrate", STORE, add_migrate, migrate, "interrupted; a file is written whole or not at all."),
    Command("completion", STORE, add_completion, completion),
)
BY_NAME = {command.name: command for command in COMMANDS}


class _Program(argparse.ArgumentParser):
    """Lists the commands by group, and the exit codes."""

    def format_help(self) -> str:
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        (below,) = self._get_positional_actions()
        listed = {action.dest: action for action in below._get_subactions()}  # type: ignore[attr-defined]  # noqa: SLF001  # as the formatter does
        for group in GROUPS:
            formatter.start_section(group)
            formatter.add_arguments([listed[command.name] for command in COMMANDS if command.group == group])
            formatter.end_section()
        formatter.start_section("options")
        formatter.add_arguments([action for action in self._actions if action.option_strings])
        formatter.end_section()
        return f"{formatter.format_help()}\n{_exit_codes()}"


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the whole program."""
    parser = _Program(
        prog="rollforward",
        description="Experiment tracking, walk-forward retraining and management of time-series models. "
        "rollforward COMMAND --help tells more.",
    )
    parser.add_argument("--version", action="version", version=f"rollforward {__version__}")
    commands = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=argparse.ArgumentParser
    )
    for command in COMMANDS:
        command.add(commands)
    for leaf in leaves(parser):
        if "--traceback" not in leaf._option_string_actions:  # noqa: SLF001  # argparse has no public look-up
            leaf.add_argument("--traceback", action="store_true", help="show the whole traceback of an error")
    return parser


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Give the parsers of all commands that do something, in the order of the help."""
    commands = _commands_of(parser)
    if commands is None:
        yield parser
        return
    for below in commands.choices.values():
        yield from leaves(below)


def _commands_of(parser: argparse.ArgumentParser) -> argparse._SubParsersAction[argparse.ArgumentParser] | None:
    found = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))  # noqa: SLF001  # as above
    return next(found, None)


def _exit_codes() -> str:
    width = min(shutil.get_terminal_size().columns - 2, 100)
    lines = [
        textwrap.fill(says, width, initial_indent=f"  {code:<5}", subsequent_indent=" " * 7)
        for code, says in MEANINGS.items()
    ]
    return "\n".join(["exit codes:", *lines, ""])
