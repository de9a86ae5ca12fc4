"""``rollforward experiments`` and ``rollforward runs`` on a server: artifacts are elsewhere."""

import json

import pytest

from rollforward import settings
from rollforward.cli.main import main
from rollforward.workflow import R


@pytest.mark.xdist_group("server")
def test_a_run_on_a_server_is_shown_exported_deleted_and_restored(mlflow_server, capsys, tmp_path):
    settings.init(uri=mlflow_server.uri)
    with R.start(experiment_name="stored cli", recorder_name="remote") as experiment:
        run = experiment.active_recorder.id
        R.log_metrics(1, IC=0.5)
        R.save_objects(artifact_path="a/b", **{"pred.json": [1]})
        R.log_text("12345", "notes.txt")

    def ask(*words):
        assert main([*words, "--uri", mlflow_server.uri, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    shown = ask("runs", "show", run[:8])
    assert {"path": "notes.txt", "bytes": 5} in shown["artifacts"]
    assert ask("runs", "export", "stored cli/remote", "--out", "run.d")["runs"] == [run]
    assert json.loads((tmp_path / "run.d" / "artifacts" / "a" / "b" / "pred.json").read_text()) == [1]
    assert "IC,1," in (tmp_path / "run.d" / "metrics.csv").read_text()
    ask("runs", "delete", run, "--yes")
    assert ask("runs", "list", "--experiment", "stored cli") == []
    ask("runs", "restore", run)
    assert [item["id"] for item in ask("runs", "list", "--experiment", "stored cli", "--sort", "IC")] == [run]
    ask("experiments", "delete", "stored cli", "--yes")
    ask("experiments", "restore", "stored cli")
    assert ask("experiments", "show", "stored cli")["runs"] == 1
