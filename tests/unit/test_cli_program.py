"""The table of commands: what holds for every command of the program."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from rollforward.cli import commands
from rollforward.cli.commands import COMMANDS, GROUPS, build_parser, leaves
from rollforward.cli.exits import MEANINGS
from rollforward.cli.main import main
from rollforward.errors import TrackingError

LEAVES = {leaf.prog.removeprefix("rollforward "): leaf for leaf in leaves(build_parser())}
# What nobody reads by a program.
NO_JSON = {"completion"}
HEAVY = ("mlflow", "pandas", "numpy", "pymongo", "sklearn", "matplotlib", "rich", "yaml", "shtab", "jinja2", "pyarrow")
# The shortest command line of each command that gets as far as to be run.
SHORTEST = {
    "run": ["run", "a.yaml"],
    "worker": ["worker", "a"],
    "pool": ["pool", "list"],
    "online": ["online", "status", "a"],
    "compare": ["compare", "a"],
    "experiments": ["experiments", "list"],
    "runs": ["runs", "list"],
    "completion": ["completion", "bash"],
    "migrate": ["migrate", "a"],
    "run-all": ["run-all", "a"],
}


@pytest.fixture
def ends_with(monkeypatch):
    """Let every command end with an error."""

    def install(error):
        def fail(_):
            raise error

        table = {command.name: command._replace(run=fail) for command in COMMANDS}
        monkeypatch.setattr("rollforward.cli.program.BY_NAME", table)

    return install


def test_the_help_lists_every_command_once_and_in_its_group():
    text = build_parser().format_help()
    places = [text.index(f"\n{group}:") for group in GROUPS]
    assert places == sorted(places)
    for command in COMMANDS:
        place = text.index(f"\n  {command.name} ")
        above = max(start for start in places if start < place)
        assert GROUPS[places.index(above)] == command.group


def test_the_help_tells_the_exit_codes():
    text = build_parser().format_help()
    assert all(f"\n  {code:<5}" in text for code in MEANINGS)
    assert list(MEANINGS) == [0, 1, 2, 3, 4, 130, 141]


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_every_command_says_what_it_does_and_takes_traceback_and_json(name):
    leaf = LEAVES[name]
    assert leaf.description
    assert all(action.help for action in leaf._actions)
    options = {option for action in leaf._actions for option in action.option_strings}
    assert "--traceback" in options
    assert ("--json" in options) != (name in NO_JSON)


def test_no_help_loads_anything_heavy():
    """One process formats all of them: what none of them may load."""
    program = f"""
import io, sys
from contextlib import redirect_stdout
from rollforward.cli.main import main
from rollforward.cli.commands import build_parser, leaves
for name in {sorted(LEAVES)!r} + [""]:
    with redirect_stdout(io.StringIO()) as out:
        try:
            main([*name.split(), "--help"])
        except SystemExit as end:
            assert end.code == 0
    assert "usage: rollforward " + name in " ".join(out.getvalue().split())
sys.exit(", ".join(set({HEAVY!r}) & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "") or done.stderr == "\n"


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_ctrl_c_is_one_line_and_130(name, ends_with, capsys):
    ends_with(KeyboardInterrupt())
    assert main(SHORTEST.get(name, [name])) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rollforward: interrupted")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_an_error_is_explained_or_shown_whole(name, ends_with, capsys):
    ends_with(TrackingError("It broke.", "a store", "Mend it."))
    words = SHORTEST.get(name, [name])
    assert main(words) == 1
    assert capsys.readouterr().err == "rollforward: TrackingError: It broke.\n  Expected: a store\n  To do: Mend it.\n"
    with pytest.raises(TrackingError):
        main([*words, "--traceback"])


def test_the_table_is_uniform():
    assert len({command.name for command in COMMANDS}) == len(COMMANDS)
    assert {command.group for command in COMMANDS} == set(GROUPS)
    assert set(commands.BY_NAME) == set(next(iter(build_parser()._get_positional_actions())).choices)


@pytest.mark.parametrize("missing", ["argparse", "rollforward.cli.commands", "mlflow", "pandas", "rich.table"])
def test_ctrl_c_during_an_import_is_clean(missing, tmp_path):
    """Where loading takes long is where somebody loses patience."""
    program = f"""
import sys
class Impatient:
    def find_spec(self, name, *_):
        if name == {missing!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Impatient())
from rollforward.cli.main import main
sys.exit(main(["compare", "a", "--uri", "sqlite:///{tmp_path}/mlflow.db"] if {missing!r} != "rich.table" else ["pool", "list"]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "rollforward: interrupted.\n")


@pytest.mark.parametrize(
    "words", [["--help"], ["runs", "list", "--help"], ["completion", "bash"], ["pool", "list"]], ids=" ".join
)
def test_nobody_reads_on(words, tmp_path, monkeypatch):
    """As in ``rollforward ... | head -0``."""
    # Without a buffer, argparse swallows the error itself.
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    if words[0] == "completion":
        pytest.importorskip("shtab")
    process = subprocess.Popen(
        [sys.executable, "-m", "rollforward", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), err) == (141, "")


def test_a_broken_pipe_inside_a_command(ends_with, monkeypatch):
    ends_with(BrokenPipeError())
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert [main(SHORTEST.get(command.name, [command.name])) for command in COMMANDS] == [141] * len(COMMANDS)


def test_where_the_pages_are_as_json(capsys):
    assert main(["ui", "--uri", "https://ann:secret@host/", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["address"] == said["store"]
    assert "secret" not in said["store"]


@pytest.mark.parametrize("command", LEAVES)
def test_every_help_fits_into_80_columns(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    assert max(map(len, LEAVES[command].format_help().splitlines())) <= 80
