"""``rollforward experiments`` and ``rollforward runs``: what they find, print, change and write."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import sys
import zipfile
from contextlib import closing
from types import SimpleNamespace

import pandas as pd
import pytest

from rollforward.cli.main import main
from rollforward.workflow import R


@pytest.fixture
def stored(recording):
    """Two experiments: three runs with two children in one, a failed run in the other."""
    ids = SimpleNamespace(ridge=[], folds=[])
    for alpha in (1, 2, 3):
        with R.start(experiment_name="momentum", recorder_name="ridge" if alpha < 3 else "lasso") as experiment:
            run = experiment.active_recorder
            ids.ridge.append(run.id)
            R.log_params(alpha=alpha, seed=7)
            R.set_tags(model="Ridge" if alpha < 3 else "Lasso")
            for step in range(3):
                R.log_metrics(step, **{"IC": alpha / 100 + step, "Rank IC": 5 - alpha})
            if alpha == 2:
                R.save_objects(artifact_path="deep", **{"pred.json": [1, 2, 3]})
                R.log_text("x" * 2500, "notes.txt")
                for fold in range(2):
                    with R.start(recorder_name=f"fold {fold}") as inner:
                        ids.folds.append(inner.active_recorder.id)
    R.start_exp(experiment_name="reversal", recorder_name="bad")
    R.end_exp("FAILED")
    return ids


@pytest.fixture
def ask(capsys):
    """Run a command with ``--json``; gives its exit code and its document."""

    def run(*words):
        code = main([*words, "--json"])
        out = capsys.readouterr().out
        return code, json.loads(out) if out else None

    return run


@pytest.fixture
def text(capsys):
    def run(*words):
        code = main(list(words))
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_experiments_are_listed_by_their_newest_run(stored, ask, text):
    code, found = ask("experiments", "list")
    assert code == 0
    assert [(item["name"], item["runs"], item["statuses"]) for item in found] == [
        ("reversal", 1, {"FAILED": 1}),
        ("momentum", 5, {"FINISHED": 5}),
        ("Default", 0, {}),
    ]
    assert found[2]["newest_at"] is None
    assert [item["name"] for item in ask("experiments", "list", "--sort", "name", "--limit", "2")[1]] == [
        "Default",
        "momentum",
    ]
    assert [item["name"] for item in ask("experiments", "list", "--match", "MENT")[1]] == ["momentum"]
    assert [item["name"] for item in ask("experiments", "list", "--since", "1h", "--sort", "runs")[1]] == [
        "momentum",
        "reversal",
    ]
    assert "... and 2 more" in text("experiments", "list", "--limit", "1")[1]


def test_runs_are_chosen_and_sorted(stored, ask):
    names = lambda *words: [run["name"] for run in ask("runs", "list", *words)[1]]  # noqa: E731
    assert names() == ["bad", "lasso", "fold 1", "fold 0", "ridge", "ridge"]
    assert names("--status", "failed,killed") == ["bad"]
    assert names("--status", "finished", "--limit", "1") == ["lasso"]
    assert names("--since", "2100-01-01") == []
    assert names("--experiment", "reversal") == ["bad"]
    assert names("--filter", "tags.model = 'Ridge' and metrics.IC > 2.015") == ["ridge"]
    assert names("--sort", "Rank IC", "--experiment", "momentum", "--filter", "metrics.IC > 0") == [
        "ridge",
        "ridge",
        "lasso",
    ]
    assert names("--sort", "IC", "--ascending", "--filter", "metrics.IC > 2.01") == ["ridge", "lasso"]
    assert names("--sort", "name")[:3] == ["bad", "fold 0", "fold 1"]
    assert names("--sort", "params.alpha", "--filter", "params.seed = '7'", "--ascending") == [
        "lasso",
        "ridge",
        "ridge",
    ]


def test_a_key_that_nothing_can_be_sorted_by_is_said(stored, text):
    """The order would be another one than it looks like."""
    for key, says in (
        ("ic", "no run has the metric 'ic'. Did you mean 'IC'?"),
        ("params.alhpa", "no run has the param 'alhpa'. Did you mean 'alpha'?"),
    ):
        code, _, err = text("runs", "list", "--sort", key, "--experiment", "momentum", "--filter", "metrics.IC > 0")
        assert (code, says in err) == (0, True)
    assert text("runs", "list", "--sort", "IC")[2] == ""


def test_what_is_known_of_a_run_in_a_list(stored, ask):
    run = ask("runs", "list", "--filter", "tags.model = 'Lasso'")[1][0]
    assert list(run) == [
        "id", "name", "experiment", "experiment_id", "status", "started_at", "ended_at", "seconds", "model", "parent",
        "metrics", "params", "deleted",
    ]  # fmt: skip
    assert (run["id"], run["experiment"], run["model"]) == (stored.ridge[2], "momentum", "Lasso")
    assert run["metrics"] == {"IC": 2.03, "Rank IC": 2.0}
    assert run["params"]["alpha"] == "3"
    assert run["seconds"] >= 0


def test_a_table_in_a_pipe_cuts_nothing_off(stored, text):
    long = "n" * 300
    with R.start(experiment_name="momentum", recorder_name=long):
        R.log_params(what="w" * 300)
    _, out, _ = text("runs", "list", "--params", "what")
    assert f" {long} " in out
    assert "w" * 300 in out
    assert "…" not in out
    assert "\x1b" not in out
    assert "[bold]" in text("runs", "list", "--metrics", "[bold]")[1]


def test_columns_are_the_main_metrics_or_those_that_are_asked_for(stored, text):
    _, out, _ = text("runs", "list", "--experiment", "momentum")
    head = next(line for line in out.splitlines() if "started" in line).split("  ")
    assert [word.strip() for word in head if word.strip()][-3:] == ["model", "IC", "Rank IC"]
    _, out, _ = text("runs", "list", "--metrics", "Rank IC", "--params", "alpha,seed")
    head = next(line for line in out.splitlines() if "started" in line)
    assert head.split()[-4:] == ["Rank", "IC", "alpha", "seed"]


@pytest.mark.parametrize("which", ["id", "six digits", "name", "experiment/name", "in capitals"])
def test_a_run_may_be_named_in_several_ways(stored, ask, which):
    run = stored.ridge[2]
    word = {
        "id": run,
        "six digits": run[:6],
        "name": "lasso",
        "experiment/name": "momentum/lasso",
        "in capitals": run[:8].upper(),
    }
    assert ask("runs", "show", word[which])[1]["id"] == run


def test_all_about_a_run(stored, ask, text):
    code, run = ask("runs", "show", stored.ridge[1])
    assert code == 0
    sizes = {item["path"]: item["bytes"] for item in run["artifacts"]}
    assert sizes["notes.txt"] == 2500
    assert "deep/pred.json" in sizes
    assert [child["id"] for child in run["children"]] == stored.folds
    assert run["provenance"]["python"].startswith("CPython")
    assert "command" in run["provenance"]
    assert not [key for key in run["tags"] if "sha256" in key]
    assert ask("runs", "show", stored.folds[0])[1]["parent"] == stored.ridge[1]
    _, out, _ = text("runs", "show", stored.ridge[1])
    assert "2.5 kB" in out
    assert stored.folds[1] in out


def test_an_experiment_with_its_newest_runs(stored, ask, text):
    code, found = ask("experiments", "show", "momentum")
    assert (code, found["runs"], len(found["newest"])) == (0, 5, 5)
    assert ask("experiments", "show", found["id"])[1] == found
    assert "5 FINISHED" in text("experiments", "show", "momentum")[1]


def test_in_what_two_runs_differ(stored, ask, text):
    _, found = ask("runs", "diff", stored.ridge[0], stored.ridge[2])
    assert found["params"] == {"alpha": ["1", "3"]}
    assert found["metrics"] == {"IC": [2.01, 2.03], "Rank IC": [4.0, 2.0]}
    assert found["tags"] == {"model": ["Ridge", "Lasso"]}
    assert "alpha" in text("runs", "diff", stored.ridge[0], stored.ridge[2])[1]
    assert text("runs", "diff", stored.ridge[0], stored.ridge[0])[1] == "The same params, metrics and tags.\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("runs", "show", "ridge"), "may be 2 runs"),
        (("runs", "show", "nothing"), "There is no run 'nothing'"),
        (("runs", "show", "abc"), "There is no run 'abc'"),
        (("runs", "list", "--experiment", "momentun"), "Did you mean 'momentum'?"),
        (("experiments", "show", "momentun"), "Did you mean 'momentum'?"),
        (("experiments", "restore", "momentum"), "in the trash"),
        (("runs", "restore", "ridge"), "the trash of"),
        (("runs", "list", "--filter", "bad = 1"), "bad"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_found(stored, text, words, says):
    code, out, err = text(*words)
    assert (code, out) == (1, "")
    assert says in err


def test_looking_creates_no_store(text, tmp_path):
    code, _, err = text("runs", "list", "--uri", "sqlite:///other.db")
    assert code == 1
    assert f"There is no tracking store {tmp_path}/other.db" in err
    assert not (tmp_path / "other.db").exists()


def test_runs_go_to_the_trash_and_come_back(stored, ask, text):
    _, done = ask("runs", "delete", stored.ridge[1], stored.ridge[0][:8], "--yes")
    assert [run["id"] for run in done["runs"]] == [stored.ridge[1], stored.ridge[0]]
    assert len(ask("runs", "list")[1]) == 4
    assert {run["id"] for run in ask("runs", "list", "--deleted")[1]} == {*stored.ridge[:2]}
    assert text("runs", "restore", stored.ridge[1][:8], stored.ridge[0])[0] == 0
    assert len(ask("runs", "list")[1]) == 6


def test_a_job_goes_with_its_children(stored, ask):
    _, done = ask("runs", "delete", stored.ridge[1], "--children", "--yes")
    assert {run["id"] for run in done["runs"]} == {stored.ridge[1], *stored.folds}


def test_an_experiment_goes_to_the_trash_and_comes_back(stored, ask):
    _, done = ask("experiments", "delete", "momentum", "reversal", "--yes")
    assert [item["name"] for item in done["experiments"]] == ["momentum", "reversal"]
    assert [item["name"] for item in ask("experiments", "list")[1]] == ["Default"]
    trash = ask("experiments", "list", "--deleted")[1]
    assert {(item["name"], item["runs"], item["deleted"]) for item in trash} == {
        ("momentum", 5, True),
        ("reversal", 1, True),
    }
    _, done = ask(
        "experiments", "restore", "momentum", trash[0]["id"] if trash[0]["name"] == "reversal" else trash[1]["id"]
    )
    assert [item["name"] for item in done["experiments"]] == ["momentum", "reversal"]
    assert len(ask("runs", "list")[1]) == 6


def test_nobody_to_ask_is_a_wrong_command_line(stored, text, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    assert text("runs", "delete", stored.ridge[0])[0] == 2
    assert text("experiments", "delete", "momentum", "--json")[0] == 2


@pytest.mark.parametrize(("answer", "code", "left"), [("yes\n", 0, 0), ("\n", 1, 5), ("no\n", 1, 5)])
def test_a_question_says_what_is_deleted(stored, text, ask, monkeypatch, answer, code, left):
    keyboard = io.StringIO(answer)
    keyboard.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", keyboard)
    got, _, err = text("experiments", "delete", "momentum")
    assert got == code
    assert "'momentum' with 5 runs" in err
    found = {item["name"]: item["runs"] for item in ask("experiments", "list")[1]}
    assert found.get("momentum", 0) == left


def test_a_run_as_files(stored, ask, tmp_path):
    code, done = ask("runs", "export", stored.ridge[1], "--out", "out/run")
    assert (code, done) == (0, {"path": "out/run", "runs": [stored.ridge[1]]})
    folder = tmp_path / "out" / "run"
    assert (folder / "artifacts" / "notes.txt").read_text() == "x" * 2500
    assert json.loads((folder / "artifacts" / "deep" / "pred.json").read_text()) == [1, 2, 3]
    run = json.loads((folder / "run.json").read_text())
    assert run == ask("runs", "show", stored.ridge[1])[1]
    with (folder / "metrics.csv").open(newline="") as file:
        points = [row for row in csv.DictReader(file) if row["metric"] == "IC"]
    assert [(row["step"], float(row["value"])) for row in points] == [("0", 0.02), ("1", 1.02), ("2", 2.02)]


def test_an_experiment_as_a_zip(stored, ask, tmp_path):
    assert ask("experiments", "export", "momentum", "--out", "m.zip", "--status", "finished")[0] == 0
    with zipfile.ZipFile(tmp_path / "m.zip") as packed:
        names = packed.namelist()
        rows = list(csv.DictReader(io.StringIO(packed.read("runs.csv").decode())))
        assert json.loads(packed.read("experiment.json"))["name"] == "momentum"
    assert f"runs/{stored.ridge[1]}/artifacts/deep/pred.json" in names
    assert [row["id"] for row in rows] == [stored.ridge[2], *reversed(stored.folds), stored.ridge[1], stored.ridge[0]]
    assert [row["metrics.IC"] for row in rows] == ["2.03", "", "", "2.02", "2.01"]


def test_an_experiment_as_parquet_without_artifacts(stored, ask, tmp_path):
    words = ("--table", "parquet", "--no-artifacts", "--filter", "params.alpha = '2'")
    assert ask("experiments", "export", "momentum", *words)[1]["path"] == "momentum"
    frame = pd.read_parquet(tmp_path / "momentum" / "runs.parquet")
    assert frame[["id", "metrics.IC", "params.alpha"]].to_numpy().tolist() == [[stored.ridge[1], 2.02, "2"]]
    assert not (tmp_path / "momentum" / "runs" / stored.ridge[1] / "artifacts").exists()


def test_what_is_there_is_not_written_over(stored, text, tmp_path):
    (tmp_path / "out").mkdir()
    code, _, err = text("runs", "export", "lasso", "--out", "out")
    assert code == 1
    assert "exists already" in err
    (tmp_path / "file").touch()
    assert text("runs", "export", "lasso", "--out", "file/below")[0] == 1
    assert not list(tmp_path.glob(".rollforward-*"))


def test_several_runs_as_a_folder_each(stored, ask, tmp_path):
    ask("runs", "export", stored.ridge[0], stored.ridge[2], "--out", "two")
    assert {path.name for path in (tmp_path / "two").iterdir()} == {stored.ridge[0], stored.ridge[2]}


@pytest.mark.parametrize(
    "words",
    [
        ["runs", "list", "--status", "runing"],
        ["runs", "list", "--since", "soon"],
        ["runs", "list", "--limit", "0"],
        ["runs", "diff", "a"],
        ["runs"],
        ["experiments", "list", "--sort", "size"],
        ["experiments", "export", "a", "--table", "xlsx"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line(words):
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2


def test_a_look_makes_no_store_of_the_database_of_another_program(tmp_path, text):
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection, connection:
        connection.execute("CREATE TABLE theirs (a)")
    before = other.read_bytes()

    code, _, err = text("runs", "list", "--uri", f"sqlite:///{other}")

    assert code == 1
    assert "is a database, and no tracking store" in err
    assert other.read_bytes() == before


def test_tables_of_another_mlflow_lead_to_the_doctor(recording, tracking_uri, tmp_path, text):
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")

    code, _, err = text("runs", "list", "--uri", tracking_uri)

    assert code == 1
    assert "rollforward doctor" in err
