"""The pages that are written from the program are those of this program."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("script", ["commands", "moved"])
def test_a_written_page_is_fresh(script):
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / f"{script}.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_page_names_every_exit_code_and_every_command():
    from rollforward.cli.commands import COMMANDS
    from rollforward.cli.exits import MEANINGS

    page = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    assert all(f"| {code} |" in page for code in MEANINGS)
    assert all(f"`{command.name}" in page for command in COMMANDS)


def test_the_page_of_moved_names_has_every_module_of_the_table():
    from rollforward.instantiate.moved import INSTEAD, MOVED

    page = (ROOT / "docs" / "reference" / "moved-names.md").read_text(encoding="utf-8")
    assert not [name for name in (*MOVED, *INSTEAD) if f"| `{name}` |" not in page]
