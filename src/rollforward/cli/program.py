"""Parse a command line, call the command, and make an exit code of what happens."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from rollforward.cli.commands import BY_NAME, build_parser
from rollforward.cli.exits import ERROR, INTERRUPTED, NO_READER
from rollforward.errors import RollforwardError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def run_program(argv: Sequence[str] | None) -> int:
    """Run one command and return its exit code."""
    if isinstance(sys.stdout, TextIOWrapper):
        # A name, or a sign of a table, that the terminal cannot show: its code instead of an error after the work.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            return _run(build_parser().parse_args(argv))
        finally:
            # What is still in the buffer would fail at the exit, where nobody can catch it.
            sys.stdout.flush()
    except BrokenPipeError:
        return _reader_left()


def _run(arguments: argparse.Namespace) -> int:
    command = BY_NAME[arguments.command]
    try:
        return command.run(arguments)
    except RollforwardError as error:
        if arguments.traceback:
            raise
        print(f"rollforward: {type(error).__name__}: {error}", file=sys.stderr)
        return ERROR
    except KeyboardInterrupt:
        print(f"rollforward: {command.interrupted}", file=sys.stderr)
        return INTERRUPTED


def _reader_left() -> int:
    """Leave quietly when nobody reads on, as in ``rollforward compare A B | head``."""
    with suppress(OSError, ValueError), Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    return NO_READER
