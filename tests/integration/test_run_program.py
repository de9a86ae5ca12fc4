"""`rollforward run`: the examples, a pool whose processes import the user's module, JSON, checks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rollforward.cli.main import main
from rollforward.testing import copy_store, release_store

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "workflow"
SHORT = ["--set", "task.dataset.kwargs.segments.train=[2014-01-02, 2015-12-31]"]


@pytest.fixture
def store(template_store, tmp_path):
    uri = copy_store(template_store, tmp_path / "there.db")
    yield uri
    release_store(uri)


@pytest.fixture
def program(capsys):
    """Run the command in this process; returns what it prints."""

    def program(*arguments, code=0):
        assert main(["run", *map(str, arguments)]) == code
        return capsys.readouterr()

    return program


@pytest.mark.parametrize(
    ("name", "experiment", "environment"),
    [
        ("base", "workflow_files", {"HORIZON": "10"}),
        ("lightgbm", "workflow_files", {}),
        ("own_model", "mine", {"EXPERIMENT": "mine"}),
    ],
)
def test_each_example_runs(store, program, monkeypatch, name, experiment, environment):
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)

    said = program(EXAMPLES / f"{name}.yaml", "--uri", store, "--json", *SHORT)

    result = json.loads(said.out)
    assert (result["status"], result["experiment"]) == ("FINISHED", experiment)
    assert result["metrics"]["IC"] is not None
    assert result["overrides"] == [SHORT[1]]
    assert str(EXAMPLES) not in sys.path


def test_workers_of_a_pool_import_what_is_beside_the_file(store):
    options = ["--uri", store, "--json", "--pool", "sqlite:///tasks.db", "-n", "2", *SHORT, "--set", "rolling.step=126"]
    done = subprocess.run(
        [sys.executable, "-m", "rollforward", "run", str(EXAMPLES / "own_model.yaml"), *options],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rolling"]["trained"] == 2


def test_a_check_lists_all_mistakes_and_trains_nothing(store, program, tmp_path):
    arguments = [EXAMPLES / "base.yaml", "--uri", store, "--check"]

    assert "no mistake" in program(*arguments).out
    wrong = [
        "--set",
        "task.model.kwargs.alfa=1",
        "--set",
        "task.model.kwargs.alpha=__DROP__",
        "--set",
        "task.record.0=Signl",
    ]
    said = program(*arguments, *wrong, code=1).err
    assert said.startswith("rollforward: WorkflowFileError: 2 mistakes.\n--set: task.model.kwargs.alfa: ")
    found = json.loads(program(*arguments, *wrong, "--json", code=1).out)
    assert [(one["file"], one["key"]) for one in found["problems"]] == [
        ("--set", "task.model.kwargs.alfa"),
        ("--set", "task.record.0"),
    ]
    assert not list(tmp_path.glob("mlruns*"))


def test_data_that_are_not_there_are_named_with_their_line(program, tmp_path):
    (tmp_path / "cfg.yaml").write_text(
        f"BASE_CONFIG_PATH: {EXAMPLES / 'base.yaml'}\ntask:\n  dataset:\n    kwargs:\n      handler:\n        kwargs:\n"
        "          source: nowhere.parquet\n",
        encoding="utf-8",
    )

    assert "cfg.yaml:7: task.dataset.kwargs.handler.kwargs.source: " in program("cfg.yaml", "--check", code=1).err


def test_a_plan_has_the_overrides_in_it(program):
    done = program(EXAMPLES / "own_model.yaml", "--plan", "--json", "--set", "rolling.step=126")

    plan = json.loads(done.out)
    assert len(plan["folds"]) == 2
    assert plan["totals"].startswith("Folds: 2 to train")


def test_the_schema_is_printed(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["run", "--schema"])

    assert not stopped.value.code
    schema = json.loads(capsys.readouterr().out)
    assert schema["properties"]["task"]["properties"]["model"]["properties"]["class"] == {"type": "string"}


def test_a_seed_makes_a_run_repeatable(store, program):
    arguments = [EXAMPLES / "base.yaml", "--uri", store, "--json", "--seed", "7", *SHORT]
    forest = [
        "--set",
        "task.model.kwargs={estimator: sklearn.ensemble.ExtraTreesRegressor, n_estimators: 3, max_depth: 3, n_jobs: 1}",
    ]

    first, second = (json.loads(program(*arguments, *forest).out) for _ in range(2))

    assert first["run_id"] != second["run_id"]
    assert first["metrics"] == second["metrics"]
    assert first["overrides"][-1] == "task.model.kwargs.random_state=7"
