"""`rollforward run-all` with real processes: failures, timeouts, Ctrl-C, going on, environments."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import textwrap
import time
import zipfile
from pathlib import Path

import pytest

from rollforward import settings
from rollforward.cli.main import main
from rollforward.workflow import R

SOURCE = Path(__file__).resolve().parents[2] / "src"
MODELS = """
import subprocess, sys, time
from pathlib import Path
from rollforward.workflow import R

class Data:
    pass

class Model:
    def predict(self, dataset, segment="test"):
        return None

class Good(Model):
    def __init__(self, value=1.0, seed=None):
        self.value = value
    def fit(self, dataset):
        import needed
        R.log_metrics(IC=self.value, l2=2.0)
        print("prefix", sys.prefix)

class Bad(Model):
    def fit(self, dataset):
        raise ValueError("the data are wrong")

class Slow(Model):
    def fit(self, dataset):
        if not Path("go").exists():
            below = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
            Path("below").write_text(str(below.pid))
            time.sleep(300)
        R.log_metrics(IC=0.5, l2=1.0)
"""
LIMIT = 240


def write_models(folder):
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "tiny_models.py").write_text(textwrap.dedent(MODELS), encoding="utf-8")
    for name in ("Good", "Bad", "Slow"):
        (folder / name).mkdir()
        (folder / name / f"workflow_config_{name.lower()}_tiny.yaml").write_text(
            f"sys: {{rel_path: ../code}}\ntask:\n  model: {{class: {name}, module_path: tiny_models, kwargs: {{}}}}\n"
            "  dataset: {class: Data, module_path: tiny_models}\n",
            encoding="utf-8",
        )
    wheel(folder / "Good", "needed", {"needed.py": ""})
    (folder / "Good" / "requirements.txt").write_text("--no-index\n./needed-1-py3-none-any.whl\n", encoding="utf-8")
    # What is installed here, and the sources: an environment without a download.
    paths = [sysconfig.get_path("purelib"), str(SOURCE)]
    return wheel(folder / "code", "rollforward", {"rollforward.pth": "\n".join([*paths, ""])})


def wheel(folder, name, files):
    info = f"{name}-1.dist-info"
    content = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    path = folder / f"{name}-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for place, body in content.items():
            archive.writestr(place, body)
        archive.writestr(f"{info}/RECORD", "".join(f"{place},,\n" for place in [*content, f"{info}/RECORD"]))
    return str(path)


def wait_for(condition, process, said):
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, said()
        assert process is None or process.poll() is None, said()
        time.sleep(0.05)


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def results(capsys, *arguments):
    code = main(["run-all", *arguments, "--json"])
    found = json.loads(capsys.readouterr().out)
    return code, found, {run["model"]: run for run in found["all_runs"]}


def test_a_batch_goes_on_after_failures_timeouts_and_ctrl_c(tmp_path, tracking_uri, capsys):
    own = write_models(tmp_path / "models")
    command = [*("models", "-j", "3", "--uri", tracking_uri), *("--installer", "venv", "--rollforward", own)]

    with Path("said").open("w", encoding="utf-8") as said:
        batch = subprocess.Popen(
            [sys.executable, "-m", "rollforward", "run-all", *command, "--exclude", "Bad"],
            env=os.environ | {"PYTHONPATH": str(SOURCE)},
            stderr=said,
            stdout=said,
        )
    try:
        text = Path("said").read_text
        wait_for(lambda: "Good 0 finished" in text() and Path("below").exists(), batch, text)
        batch.send_signal(signal.SIGINT)
        assert batch.wait(LIMIT) == 130
    finally:
        batch.kill()
        batch.wait()
    assert "the same command goes on" in text()
    # It was told to end; that it is gone may be seen a moment later.
    wait_for(lambda: gone(int(Path("below").read_text(encoding="utf-8"))), None, text)
    settings.init(uri=tracking_uri)
    statuses = {run.name: run.status for run in R.list_recorders(experiment_name="run_all", rtype="list")}
    assert statuses == {"models": "FAILED", "Good 0": "FINISHED", "Slow 0": "FAILED"}

    Path("go").touch()
    code, found, runs = results(capsys, *command, "--sort", "IC")

    assert code == 1
    assert {name: run["state"] for name, run in runs.items()} == {"Good": "kept", "Bad": "failed", "Slow": "finished"}
    assert "ValueError: the data are wrong" in runs["Bad"]["reason"]
    assert [row["model"] for row in found["models"]] == ["Good", "Slow", "Bad"]
    parent = R.get_recorder(recorder_id=found["recorder_id"])
    assert parent.name == "models"
    assert parent.status == "FINISHED"
    assert parent.list_metrics()["Good.IC.mean"] == 1.0
    assert parent.list_artifacts("failures") == ["failures/Bad-0.log"]
    assert {"run_all.html", "run_all.md", "run_all.json"} <= set(parent.list_artifacts())
    assert "the data are wrong" in Path("run_all/run_all.md").read_text(encoding="utf-8")
    for run in runs.values():
        assert R.get_recorder(recorder_id=run["recorder_id"]).list_tags()["mlflow.parentRunId"] == parent.id
    prefix = Path("run_all/logs/Good-0.log").read_text(encoding="utf-8").split("prefix ")[1].split()[0]
    assert Path(prefix).parent == tmp_path / "cache" / "rollforward" / "envs"

    # Nothing is left to run.
    code, again, _ = results(capsys, *command, "--exclude", "Bad")
    assert (code, again["recorder_id"]) == (0, parent.id)
    assert {run["state"] for run in again["all_runs"]} == {"kept"}
    main(["run-all", *command, "--exclude", "Bad", "--plan", "--json"])
    assert {row["to do"] for row in json.loads(capsys.readouterr().out)} == {"nothing, it is finished"}


def test_a_plan_and_a_list_store_nothing(tmp_path, tracking_uri, capsys):
    own = write_models(tmp_path / "models")

    options = ["--uri", tracking_uri, "--rollforward", own, "--installer", "venv"]
    assert main(["run-all", "models", "--plan", "--times", "2", "--models", "Good,Slow", *options, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["run"] for row in rows] == ["Good 0", "Slow 0", "Good 1", "Slow 1"]
    assert {row["environment"].split(" ", 1)[1] for row in rows} == {"(to be made)", "interpreter"}
    assert main(["run-all", "models", "--list", "--exclude", "Bad", "--json"]) == 0
    assert [row["model"] for row in json.loads(capsys.readouterr().out)] == ["Good", "Slow"]
    assert main(["run-all", "models", "--models", "Godo", "--list"]) == 1
    assert "Did you mean 'Good'" in capsys.readouterr().err
    assert not Path("run_all").exists()
    assert not Path("cache/rollforward").exists()
    settings.init(uri=tracking_uri)
    assert "run_all" not in R.list_experiments()
    # Not even a database.
    assert main(["run-all", "models", "--plan", "--no-env", "--uri", "sqlite:///nothing.db"]) == 0
    assert not Path("nothing.db").exists()


@pytest.mark.parametrize(
    ("option", "says"),
    [
        (["models", "--times", "0"], "--times: 0 is not above zero"),
        (["models", "-j", "0"], "-j/--jobs: 0 is not above zero"),
        (["models", "--timeout", "nan"], "--timeout: 'nan' is no time"),
        ([], "which FOLDER?"),
    ],
)
def test_a_wrong_command_line_starts_nothing(tmp_path, option, says, capsys):
    write_models(tmp_path / "models")

    try:
        code = main(["run-all", *option, "--no-env"])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert says in capsys.readouterr().err
    assert not Path("run_all").exists()


@pytest.mark.parametrize("wrong", ["value", "task.modle.kwargs.value=1"])
def test_an_assignment_that_fits_no_file_is_one_error_and_no_failed_runs(wrong, tmp_path, tracking_uri, capsys):
    write_models(tmp_path / "models")

    assert main(["run-all", "models", "--no-env", "--uri", tracking_uri, "--set", wrong]) == 1
    assert "--set" in capsys.readouterr().err
    assert not Path("run_all").exists()


def test_requirements_that_cannot_be_read_fail_their_model_and_no_other(tmp_path, tracking_uri, capsys):
    own = write_models(tmp_path / "models")
    (tmp_path / "models" / "Good" / "requirements.txt").write_bytes(b"caf\xe9\n")

    assert main(["run-all", "models", "--plan", "--uri", tracking_uri, "--rollforward", own, "--json"]) == 0
    rows = {row["run"]: row for row in json.loads(capsys.readouterr().out)}
    assert "requirements.txt cannot be read" in rows["Good 0"]["to do"]
    assert rows["Slow 0"]["to do"] == "run"


@pytest.mark.parametrize("place", ["file", "/proc"])
def test_a_place_where_no_results_can_be_written_is_refused_before_anything_starts(
    place, tmp_path, tracking_uri, capsys
):
    write_models(tmp_path / "models")
    Path("file").touch()

    assert main(["run-all", "models", "--no-env", "--uri", tracking_uri, "--out", place]) == 1
    assert f"--out is '{place}'" in capsys.readouterr().err
    settings.init(uri=tracking_uri)
    assert "run_all" not in R.list_experiments()
