"""`rollforward run` and its options on the bundled prices."""

import copy
import re
from pathlib import Path

import pytest
import yaml

from rollforward.cli.main import main
from rollforward.testing import copy_store, release_store
from rollforward.workflow import R

CONF = {
    "init": {"calendar": "bundled:sp500_close"},
    "experiment_name": "cli",
    "task": {
        "model": {"class": "rollforward.SklearnModel", "kwargs": {"estimator": "sklearn.linear_model.Ridge"}},
        "dataset": {
            "class": "rollforward.DatasetH",
            "kwargs": {
                "handler": {
                    "class": "rollforward.PriceHandler",
                    "kwargs": {"source": "bundled:sp500_close", "horizon": 5},
                },
                "segments": {"train": ["2015-01-02", "2016-12-30"], "test": ["2017-01-03", "2017-12-29"]},
            },
        },
        "record": ["SignalRecord", "SigAnaRecord"],
    },
}
ROLLING = ["--rolling", "step=63,type=sliding"]


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "workflow.yaml"
    path.write_text(yaml.safe_dump(CONF), encoding="utf-8")
    return str(path)


@pytest.fixture
def store(template_store, tmp_path):
    uri = copy_store(template_store, tmp_path / "there.db")
    yield ["--uri", uri]
    release_store(uri)


def test_a_plan_opens_no_store(config, capsys, tmp_path):
    assert main(["run", config, "--plan", *ROLLING]) == 0

    said = capsys.readouterr().out
    assert "Plan: 4 folds, sliding train window, 63 sessions each" in said
    assert "2015-01-02..2016-12-21" in said
    assert "2017-01-03..2017-04-03 (63)" in said
    assert "Folds: 4 to train, 0 trained already. Expected time: unknown" in said
    # Matplotlib, if nothing has loaded it before, lists the fonts there.
    assert {path.name for path in tmp_path.iterdir()} - {"cache"} == {"workflow.yaml"}


def test_the_windows_are_drawn(config, capsys, tmp_path):
    assert main(["run", config, "--plan", "--plot", "windows.png", *ROLLING]) == 0

    assert (tmp_path / "windows.png").read_bytes().startswith(b"\x89PNG")
    assert "windows.png" in capsys.readouterr().out
    assert main(["run", config, "--plan", "--plot", "windows.gif", *ROLLING]) == 1
    assert ".png" in capsys.readouterr().err
    assert main(["run", config, "--plan", "--plot", "no/where.png", *ROLLING]) == 1
    assert "no/where.png" in capsys.readouterr().err


def test_options_add_to_the_file_s_and_win(config, capsys):
    conf = copy.deepcopy(CONF) | {"rolling": {"step": 126, "rtype": "sliding"}}
    Path(config).write_text(yaml.safe_dump(conf), encoding="utf-8")

    assert main(["run", config, "--plan", "--rolling", "step=QE,refit=2,type=expanding"]) == 0

    said = capsys.readouterr().out
    assert "Plan: 4 folds, expanding train window, cut at QE" in said
    assert "2 to train, 2 to predict with the model of another fold" in said
    assert [line.split()[-1] for line in said.splitlines() if ".." in line] == ["train", "predict"] * 2


def test_a_second_run_trains_nothing_and_a_third_is_told_to(config, store, capsys):
    command = ["run", config, *store, *ROLLING]

    assert main(command) == 0
    assert "Folds: trained 4, reused 0" in capsys.readouterr().out
    assert main([*command, "--plan"]) == 0
    assert "Folds: 0 to train, 4 trained already. Expected time: none." in capsys.readouterr().out
    assert main(command) == 0
    assert "Folds: trained 0, reused 4" in capsys.readouterr().out
    assert main([*command, "--experiment", "other"]) == 0
    assert "Folds: trained 0, reused 4 from earlier runs (4 of other experiments)" in capsys.readouterr().out
    assert main([*command, "--no-reuse", "--plan"]) == 0
    assert re.search(r"4 to train, 0 trained already. Expected time: about 0:\d\d:\d\d", capsys.readouterr().out)


def test_a_task_without_rolling_is_planned_and_reused_on_demand(config, store, capsys):
    assert main(["run", config, *store, "--plan"]) == 0
    assert "Plan: one task" in capsys.readouterr().out
    assert "cli" not in R.list_experiments()

    for options, n_runs in (([], 1), (["--reuse"], 1), ([], 2)):
        assert main(["run", config, *store, *options]) == 0
        assert len(R.list_recorders(experiment_name="cli")) == n_runs
        assert ("reused" in capsys.readouterr().out) is bool(options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("stepp=3", "'step'"),
        ("step=0", "step"),
        ("step=63,trunc_days=1", "fold"),
        ("type=sidling", "'sliding'"),
    ],
)
def test_a_wrong_option_is_explained(config, capsys, options, says):
    assert main(["run", config, "--plan", "--rolling", options]) == 1

    assert says in capsys.readouterr().err
