"""The program ``rollforward``: parse, call, say how it went.

The exit codes are in `exits`, the commands in `commands`. Nothing is imported before somebody can interrupt it, and
nothing heavy for the help.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        from rollforward.cli.program import run_program  # noqa: PLC0415  # Ctrl-C may come meanwhile

        return run_program(argv)
    except KeyboardInterrupt:
        print("rollforward: interrupted.", file=sys.stderr)
        return 130


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the whole program."""
    from rollforward.cli.commands import build_parser as build  # noqa: PLC0415  # as above

    return build()


if __name__ == "__main__":
    sys.exit(main())
