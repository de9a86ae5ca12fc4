"""The page of all commands is that of this program."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_commands_is_fresh():
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "commands.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_page_names_every_exit_code_and_every_command():
    from rollforward.cli.commands import COMMANDS
    from rollforward.cli.exits import MEANINGS

    page = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    assert all(f"| {code} |" in page for code in MEANINGS)
    assert all(f"`{command.name}" in page for command in COMMANDS)
