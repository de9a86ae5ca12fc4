"""Contract, section 14: what ``qrun`` does with a workflow file."""

from pathlib import Path

import pytest

from rollforward.cli.main import main
from rollforward.workflow import R

FILE = """\
{% if WITH_NAME is defined %}experiment_name: {{ WITH_NAME }}{% endif %}
qlib_init: {calendar: "bundled:sp500_close", provider_uri: "~/.qlib/qlib_data/cn_data", region: cn}
market: &market bundled:sp500_close
data_handler_config: &data_handler_config
  source: *market
  horizon: 5
task:
  model: {class: SklearnModel, module_path: rollforward.model.sklearn, kwargs: {alpha: 1e3}}
  dataset:
    class: DatasetH
    module_path: qlib.data.dataset
    kwargs:
      handler: {class: PriceHandler, module_path: rollforward.data.price_handler, kwargs: *data_handler_config}
      segments: {train: [2015-01-02, 2016-12-30], test: [2017-01-03, 2017-12-29]}
  record: {class: SignalRecord, module_path: qlib.workflow.record_temp, kwargs: {model: <MODEL>, dataset: <DATASET>}}
"""


@pytest.fixture
def run(tracking_uri):
    """Run the program on the test's store and return the newest run."""

    def run(*arguments):
        assert main(["run", *arguments, "--uri", tracking_uri]) == 0
        name = max(R.list_experiments(), key=lambda name: len(R.list_recorders(experiment_name=name)))
        (recorder,) = R.list_recorders(experiment_name=name).values()
        return name, recorder

    return run


def write(path, text):
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")


def test_the_worked_example(run, monkeypatch, capsys):
    monkeypatch.setenv("WITH_NAME", "from_cfg")
    write("cfg.yaml", FILE)

    name, recorder = run("cfg.yaml")

    assert name == "from_cfg"
    assert recorder.status == "FINISHED"
    assert {"config", "task", "params.pkl", "dataset", "pred.pkl", "label.pkl"} <= set(recorder.list_artifacts())
    config = recorder.load_object("config")
    assert config["experiment_name"] == "from_cfg"
    assert config["task"]["model"]["kwargs"] == {"alpha": 1000.0}
    assert config["task"] == recorder.load_object("task")
    assert "provider_uri, region" in capsys.readouterr().err


def test_the_command_line_wins_over_the_file(run, monkeypatch):
    """Qlib lets the file win, so that its own option has no effect where it matters."""
    monkeypatch.setenv("WITH_NAME", "from_cfg")
    write("cfg.yaml", FILE)

    name, recorder = run("cfg.yaml", "--experiment", "cli_name")

    assert name == "cli_name"
    assert recorder.load_object("config")["experiment_name"] == "cli_name"


def test_without_a_name_it_is_the_settings_default(run):
    write("cfg.yaml", FILE)

    assert run("cfg.yaml")[0] == "Experiment"


def test_a_base_and_a_module_beside_the_file(run, tmp_path):
    write("in/base.yaml", FILE)
    write(
        "in/cfg.yaml",
        "BASE_CONFIG_PATH: base.yaml\nsys: {rel_path: .}\ntask: {model: {module_path: my_models, class: Mine, kwargs: __DROP__}}\n",
    )
    write(
        "in/my_models.py", "from rollforward.model.sklearn import SklearnModel\nclass Mine(SklearnModel):\n    pass\n"
    )

    _, recorder = run("in/cfg.yaml", "--set", "experiment_name=based", "--set", "task.model.kwargs={alpha: 3}")

    assert recorder.list_params()["model.module_path"] == "my_models"
    assert recorder.list_tags()["overrides"] == "experiment_name=based\ntask.model.kwargs={alpha: 3}"
    kept = recorder.list_artifacts("workflow")
    assert {Path(name).name for name in kept} == {"cfg.yaml", "base.yaml"}
    # What is kept runs again and does the same.
    recorder.load_object("config.yaml")


def test_a_variable_that_is_not_set_is_an_error(capsys):
    """Qlib fills in the empty text."""
    write("cfg.yaml", FILE.replace("1e3", "{{ ALPHA }}"))

    assert main(["run", "cfg.yaml"]) == 1
    assert "cfg.yaml:8: the template names the environment variable ALPHA" in capsys.readouterr().err
