"""The command line: help, errors and exit codes. What the commands do is tested in tests/integration."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from rollforward.cli.arguments import non_negative
from rollforward.cli.main import main
from rollforward.errors import DataSourceError


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["demo", "--help"],
        ["ui", "--help"],
        ["sync", "--help"],
        ["pool", "watch", "--help"],
        ["--version"],
    ],
)
def test_help_loads_nothing_heavy(arguments):
    program = (
        "import sys; from rollforward.cli.main import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "heavy = {'mlflow', 'pandas', 'numpy', 'pymongo', 'sklearn', 'matplotlib', 'rich', 'yaml'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "rollforward" in done.stdout


def test_the_program_is_installed():
    assert [script.value for script in entry_points(group="console_scripts", name="rollforward")] == [
        "rollforward.cli.main:main"
    ]


def test_an_error_is_explained_without_a_traceback(capsys, tmp_path):
    code = main(["run", str(tmp_path / "none.yaml")])

    assert code == 1
    message = capsys.readouterr().err
    assert "none.yaml" in message
    assert "Traceback" not in message


def test_traceback_on_demand(tmp_path):
    with pytest.raises(DataSourceError):
        main(["run", str(tmp_path / "none.yaml"), "--traceback"])


def test_wrong_usage_exits_with_2(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["runn"])

    assert stopped.value.code == 2
    assert "runn" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["stat"],
        ["show", "rolling"],
        ["stat", "rolling", "--filter", "{"],
        ["stat", "rolling", "--filter", "[1]"],
        ["stat", "rolling", "--status", "runing"],
        ["wait", "rolling", "--timeout", "soon"],
        ["watch", "rolling", "--interval", "0"],
        ["prioritize", "rolling", "high"],
        ["reset", "rolling", "--to", "running"],
        ["list", "rolling", "--limit", "0"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_for_a_pool(arguments):
    with pytest.raises(SystemExit) as stopped:
        main(["pool", *arguments])
    assert stopped.value.code == 2


@pytest.mark.parametrize("words", [("ui", "--port", "99999"), ("ui", "--port", "-1"), ("server", "--workers", "0")])
def test_a_wrong_command_line_for_a_server(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*words])
    assert stopped.value.code == 2
    assert f"argument {words[1]}" in capsys.readouterr().err


def test_lengths_of_time_on_the_command_line():
    assert [non_negative(text) for text in ("90", "1.5m", "2h", "7d", "0")] == [90, 90, 7200, 604800, 0]
