"""The command line: help, errors and exit codes. What the commands do is tested in tests/integration."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from rollforward.cli.config import load_workflow
from rollforward.cli.main import main
from rollforward.errors import DataSourceError, SettingsError, TaskError

TASK = "task: {model: {class: SklearnModel}, dataset: {}}\n"


def write(folder, text):
    path = folder / "workflow.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["demo", "--help"], ["ui", "--help"], ["--version"]]
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


def test_a_workflow_file_is_read(tmp_path):
    workflow = load_workflow(write(tmp_path, TASK + "experiment_name: alpha\nrolling: {step: 5}\n"))

    assert workflow.task["model"] == {"class": "SklearnModel"}
    assert (workflow.experiment_name, workflow.rolling, workflow.init) == ("alpha", {"step": 5}, {})


def test_an_empty_rolling_section_still_rolls(tmp_path):
    assert load_workflow(write(tmp_path, TASK + "rolling:\n")).rolling == {}
    assert load_workflow(write(tmp_path, TASK)).rolling is None


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("- a\n", TaskError, "no section 'task'"),
        ("task: 3\n", TaskError, "no section 'task'"),
        ("task: {a: [}\n", TaskError, "not YAML"),
        (TASK + "rollin: {}\n", SettingsError, "'rolling'"),
        (TASK + "rolling: {stepp: 3}\n", SettingsError, "'step'"),
        (TASK + "rolling: 3\n", TaskError, "Section 'rolling'"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path, text, error, says):
    with pytest.raises(error, match=says):
        load_workflow(write(tmp_path, text))
