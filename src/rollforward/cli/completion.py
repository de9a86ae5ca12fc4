"""``rollforward completion``: a script with which a shell completes our command line."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SHELLS = ("bash", "zsh", "fish")
_ABOUT = """\
Print a script that lets a shell complete commands, options, choices and files.
The script knows this version: print it again after an upgrade.
"""
_INSTALL = """\
for good, write it to:
  bash   ~/.local/share/bash-completion/completions/rollforward
  zsh    ~/.zfunc/_rollforward, with fpath+=~/.zfunc before compinit in ~/.zshrc
  fish   ~/.config/fish/completions/rollforward.fish
"""
# Arguments that are files or folders, by how the help calls them.
_FILES = ("CONFIG.yaml", "FILE", "FILE.png", "FILE.html", "PATH", "PATH.zip")
_FOLDERS = ("DIR", "FOLDER")


def add_completion(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command ``completion``."""
    completion = commands.add_parser(
        "completion",
        help="print a script that lets bash, zsh or fish complete commands and options",
        description=_ABOUT,
        epilog=_INSTALL,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    completion.add_argument("shell", choices=SHELLS, help="the shell")
    return completion


def completion(arguments: argparse.Namespace) -> int:
    """Print the script of a shell."""
    try:
        import shtab  # noqa: PLC0415  # optional, and nobody else needs it
    except ModuleNotFoundError as error:
        from rollforward.errors import MissingDependencyError  # noqa: PLC0415  # as above

        raise MissingDependencyError.of("shtab>=1.9", "completion", "shell completion") from error
    from rollforward.cli.commands import build_parser, leaves  # noqa: PLC0415  # it imports this module

    parser = build_parser()
    for leaf in leaves(parser):
        _mark(leaf, dict.fromkeys(_FILES, shtab.FILE) | dict.fromkeys(_FOLDERS, shtab.DIRECTORY))
    print(shtab.complete(parser, shell=arguments.shell), end="")
    return 0


def _mark(parser: argparse.ArgumentParser, kinds: Mapping[str, object]) -> None:
    """Tell shtab which arguments are files."""
    for action in parser._actions:  # noqa: SLF001  # argparse has no public list
        if isinstance(action.metavar, str) and action.metavar in kinds:
            action.complete = kinds[action.metavar]  # type: ignore[attr-defined]  # where shtab looks
