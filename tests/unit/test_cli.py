"""The command line: help, errors and exit codes. What the commands do is tested in tests/integration."""

import datetime as dt
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from rollforward.cli.config import load_workflow, parse_rolling
from rollforward.cli.main import main
from rollforward.cli.pool.arguments import non_negative
from rollforward.errors import DataSourceError, SettingsError, TaskError

TASK = "task: {model: {class: SklearnModel}, dataset: {}}\n"


def write(folder, text):
    path = folder / "workflow.yaml"
    path.write_text(text, encoding="utf-8")
    return path


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
        (TASK + "rolling: {refits: 3}\n", SettingsError, "'refit'"),
        (TASK + "rolling: {handler_windows: qlib}\n", SettingsError, "'handler_window'"),
        (TASK + "rolling: {type: sliding, rtype: sliding}\n", SettingsError, "both"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path, text, error, says):
    with pytest.raises(error, match=says):
        load_workflow(write(tmp_path, text))


def test_all_options_of_rolling_are_accepted(tmp_path):
    given = (
        "{name: a, step: QE, type: sliding, purge: auto, gap: 1, trunc_days: auto, handler_window: qlib, "
        "max_train: 500, last: clip, refit: 4}"
    )

    rolling = load_workflow(write(tmp_path, TASK + f"rolling: {given}\n")).rolling

    assert rolling["rtype"] == "sliding"
    assert "type" not in rolling
    assert (rolling["purge"], rolling["refit"], rolling["last"]) == ("auto", 4, "clip")


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("step=20,type=sliding,purge=auto,refit=4", {"step": 20, "rtype": "sliding", "purge": "auto", "refit": 4}),
        ("step=WOM-3FRI, last=clip", {"step": "WOM-3FRI", "last": "clip"}),
        ("purge=null,max_train=500,", {"purge": None, "max_train": 500}),
        ("step=[2020-01-02, 2021-01-04],gap=1", {"step": [dt.date(2020, 1, 2), dt.date(2021, 1, 4)], "gap": 1}),
        ("", {}),
    ],
)
def test_rolling_options_on_the_command_line(text, options):
    assert parse_rolling(text) == options


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stepp=3", "'step'"),
        ("step", "key=value"),
        ("step=[1", "YAML"),
        ("type=a,rtype=b", "both"),
        ("=3", "key=value"),
    ],
)
def test_a_malformed_rolling_option_is_refused(text, says):
    with pytest.raises(SettingsError, match=says):
        parse_rolling(text)


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


def test_lengths_of_time_on_the_command_line():
    assert [non_negative(text) for text in ("90", "1.5m", "2h", "7d", "0")] == [90, 90, 7200, 604800, 0]
