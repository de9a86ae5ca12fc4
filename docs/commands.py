"""Write docs/reference/commands.md: every command and option of the program, from its parser.

With ``--check`` it only says, by its exit code, whether the page is as it would be.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from rollforward.cli.commands import COMMANDS, GROUPS, build_parser, leaves
from rollforward.cli.exits import MEANINGS

OPTION, MARKS = re.compile(r"(?<![\w-])--[a-z][\w-]*"), re.compile(r"[\\<*\[_]")
PAGE = Path(__file__).parent / "reference" / "commands.md"
HEAD = """\
# Commands and options

Written by `scripts/reference` from the program itself; `rollforward COMMAND --help` says the same. What they are for,
and what `--json` prints, is in [](cli.md). Every command takes `--help`, and `--traceback`, which shows the whole
traceback of an error.
"""


def page() -> str:
    """Return the text of the page."""
    parsers = {leaf.prog.partition(" ")[2]: leaf for leaf in leaves(build_parser())}
    parts = [HEAD, "## Exit codes\n\n| code | |\n|---|---|"]
    parts += [f"| {code} | {cell(says)} |" for code, says in MEANINGS.items()]
    for group in GROUPS:
        parts.append(f"\n## {group[0].upper()}{group[1:]}")
        for command in COMMANDS:
            if command.group == group:
                parts += [section(name, parser) for name, parser in parsers.items() if name.split()[0] == command.name]
    return "\n".join(parts) + "\n"


def section(name: str, parser: argparse.ArgumentParser) -> str:
    """Return what is said about one command."""
    shown = [
        action
        for action in parser._actions  # noqa: SLF001  # argparse has no public list
        if action.help != argparse.SUPPRESS and action.dest not in ("help", "traceback")
    ]
    positional = [action for action in shown if not action.option_strings]
    optional = [action for action in shown if action.option_strings]
    usage = " ".join([f"rollforward {name}", *map(argument, positional), *(["[OPTIONS]"] if optional else [])])
    lines = [f"\n### `{name}`\n", f"    {usage}\n", f"{text(parser, parser.description)}\n", "| | |", "|---|---|"]
    lines += [f"| {spelt(action)} | {cell(text(parser, action.help, action))} |" for action in [*positional, *optional]]
    return "\n".join(lines)


def argument(action: argparse.Action) -> str:
    """Return a positional argument as a usage line has it."""
    name = value(action)
    many = {"+": f"{name} [{name} ...]", "*": f"[{name} ...]", "?": f"[{name}]", 2: f"{name} {name}"}
    return many.get(action.nargs, name)


def value(action: argparse.Action) -> str:
    """Return what stands for the value of an argument."""
    if action.metavar is not None:
        return action.metavar
    if action.choices is not None:
        return f"{{{','.join(map(str, action.choices))}}}"
    return action.dest.upper() if action.option_strings else action.dest


def spelt(action: argparse.Action) -> str:
    """Return an option with its value, or a positional argument."""
    if not action.option_strings:
        return f"`{value(action)}`"
    ending = "" if action.nargs == 0 else f" {value(action)}"
    return ", ".join(f"`{name}{ending}`" for name in action.option_strings)


def text(parser: argparse.ArgumentParser, help_text: str | None, action: argparse.Action | None = None) -> str:
    """Return a help text with its defaults put in."""
    if not help_text:
        return ""
    known = {"prog": parser.prog} | (vars(action) if action is not None else {})
    return " ".join((help_text % known if "%(" in help_text or "%%" in help_text else help_text).split())


def cell(says: str) -> str:
    """Return a text as it may stand in a table; options become code, and nothing else a mark-up."""
    parts = says.split("`")
    parts[::2] = [OPTION.sub(r"`\g<0>`", MARKS.sub(r"\\\g<0>", part)) for part in parts[::2]]
    return "`".join(parts).replace("|", "\\|")


def main() -> None:
    """Write the page, or compare it."""
    new = page()
    if "--check" in sys.argv[1:]:
        sys.exit(
            0 if PAGE.read_text(encoding="utf-8") == new else "docs/reference/commands.md is old: scripts/reference"
        )
    PAGE.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
