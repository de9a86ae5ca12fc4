"""Runs what a page has typed into a terminal, without a shell: calls of the program in this process, the rest beside it."""

import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from pages import command_lines

from rollforward import settings
from rollforward.cli.main import main
from rollforward.settings import state

PYTHON = {"python": [], "mlflow": ["-m", "mlflow"], "rollforward": ["-m", "rollforward"]}


def type_in(block, monkeypatch):
    """Run the lines of a block, in their order; each has to succeed."""
    for words in command_lines(block):
        if words[0] == "export":
            for assignment in words[1:]:
                monkeypatch.setenv(*assignment.split("=", 1))
        elif words[0] == "cd":
            monkeypatch.chdir(words[1])
        else:
            code, said = run(words)
            assert code == 0, f"{block.place}: {' '.join(words)} ended with {code}\n{said}"


def run(words):
    """Run one line and return its exit code and what it said; its output may go to a file, nothing else of a shell."""
    out = None
    if ">" in words:
        words, (out,) = words[: words.index(">")], words[words.index(">") + 1 :]
    odd = [word for word in words if word and set(word) <= set("();<>|&")]
    assert not odd, f"{' '.join(words)}: {odd[0]} needs a shell; say why it is not run, or write two lines"
    code, printed, said = in_process(words[1:]) if words[0] == "rollforward" else beside(words)
    if out is not None:
        Path(out).write_text(printed, encoding="utf-8")
    return code, said + printed


def in_process(arguments):
    """Call the program as a new process would: it knows of the settings only what environment and files say."""
    decided = state._process.settings
    settings.reset()
    printed, said = StringIO(), StringIO()
    try:
        with redirect_stdout(printed), redirect_stderr(said):
            code = main(arguments)
    except SystemExit as error:
        code = error.code
    finally:
        if decided is not None:
            settings.install(decided)
    return code, printed.getvalue(), said.getvalue()


def beside(words):
    program = [sys.executable, *PYTHON[words[0]]] if words[0] in PYTHON else [words[0]]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*program, *words[1:]], capture_output=True, text=True, timeout=600, check=False, env=environment
    )
    return done.returncode, done.stdout, done.stderr
