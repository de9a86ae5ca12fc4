"""``rollforward online``: from a file to a ledger, day after day, by exit codes that cron and systemd understand."""

import json
import logging
import shutil
from pathlib import Path

import pandas as pd
import pytest

from rollforward import settings
from rollforward.cli.main import build_parser, main
from rollforward.workflow import R
from rollforward.workflow.online.ledger.chain import Chain
from rollforward.workflow.online.manager import OnlineManager

CONFIG = Path(__file__).parents[2] / "examples" / "online.yaml"
NEVER_OLD = ("--max-age", "100000d")


@pytest.fixture
def run(tracking_uri, tmp_path, capsys):
    shutil.copy(CONFIG, tmp_path / "online.yaml")

    def call(*words):
        settings.reset()  # each command is a process of its own
        code = main(["online", *words, "--uri", tracking_uri, "--quiet"])
        out, err = capsys.readouterr()
        return code, json.loads(out) if "--json" in words and out else out, err

    yield call
    logging.getLogger("rollforward.workflow.online").setLevel(logging.NOTSET)


def test_a_manager_from_a_file_to_a_rollback(run, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    code, plan, _ = run("plan", "online.yaml", "--json", "--time", "2022-11-01")
    assert code == 0
    assert plan["kind"] == "first_train"
    code, entry, _ = run("first-train", "online.yaml", "--json")
    assert code == 0
    assert len(entry["trained"]) == len(plan["folds"])
    assert run("first-train", "online.yaml", "--json")[1]["run_id"] == entry["run_id"]

    code, text, _ = run("routine", "desk", "--time", "2022-11-02")
    assert code == 0
    assert "routine 2022-11-02" in text
    code, status, _ = run("status", "desk", "--json", *NEVER_OLD)
    assert (code, status["ok"], status["behind"]) == (3, False, 38)
    assert "38 sessions are not done" in status["problems"][0]
    assert run("status", "desk", "--max-behind", "38", *NEVER_OLD)[0] == 0
    code, text, _ = run("status", "desk", "--max-behind", "38")
    assert code == 3
    assert "do data still come?" in text

    code, plan, _ = run("plan", "desk", "--json")
    assert [(fold["model"], fold["test_start"][:10]) for fold in plan["folds"]] == [
        ("Ridge", "2022-12-01"),
        ("LinearRegression", "2022-12-01"),
    ]
    code, done, _ = run("routine", "desk", "--no-wait", "--json")
    assert (code, len(done)) == (0, 38)
    code, status, _ = run("status", "desk", "--json", *NEVER_OLD)
    assert (code, status["behind"], status["done"]) == (0, 0, "2022-12-28T00:00:00")
    ridge = status["strategies"][0]
    assert ridge["models"] == ["Ridge 2022-12-01"]
    assert ridge["next_folds"] == [{"line": "Ridge", "session": None, "in_sessions": 3}]
    assert "Nothing is due." in run("plan", "desk")[1]

    code, text, _ = run("rollback", "desk", "--strategy", "ridge", "--reason", "it was better")
    assert code == 0
    assert "Ridge 2022-11-01" in text
    code, text, _ = run("log", "desk", "--strategy", "ridge")
    assert "it was better" in text
    code, entries, _ = run("log", "desk", "--json")
    assert [one["kind"] for one in entries[:2]] == ["first_train", "routine"]
    assert entries[-1]["kind"] == "rollback"
    early = entries[1]["recorded_at"]
    assert len(run("log", "desk", "--json", "--as-known-at", early)[1]) == 2
    served = run("log", "desk", "--at", "2022-12-05", "--json")[1]
    assert served["ridge"][0]["test"][0].startswith("2022-12-01")
    known = run("log", "desk", "--at", "2022-12-05", "--json", "--as-known-at", early)[1]
    assert known["ridge"][0]["test"][0].startswith("2022-11-01")

    code, text, _ = run("signals", "desk", "--out", str(tmp_path / "signals.csv"))
    signals = pd.read_csv(tmp_path / "signals.csv")
    assert f"{len(signals)} signals" in text
    assert signals["datetime"].nunique() == 40
    code, proof, _ = run("prove", "desk", "linear", "--sample", "2", "--json")
    assert code == 0
    assert proof["linear"]["ok"]


def test_a_simulation_is_adopted(run, tmp_path):
    code, told, _ = run(
        "simulate",
        "online.yaml",
        "--name",
        "trial",
        "--end",
        "2022-11-04",
        "--json",
        "--out",
        str(tmp_path / "s.parquet"),
    )
    assert (code, told["entries"], told["trained"]) == (0, 5, 4)
    assert len(pd.read_parquet(tmp_path / "s.parquet")) == told["signals"] == 80
    code, _, err = run("routine", "trial")
    assert code == 1
    assert "simulation" in err
    assert run("status", "trial", *NEVER_OLD, "--max-behind", "100")[0] == 3
    assert run("adopt", "trial")[0] == 0
    assert run("status", "trial", *NEVER_OLD, "--max-behind", "100")[0] == 0
    assert run("promote", "trial", "linear", "--against", "ridge")[0] == 0
    assert run("promote", "trial", "nobody")[0] == 1


def test_a_strategy_is_added_from_a_file(run, tmp_path):
    whole = (tmp_path / "online.yaml").read_text()
    (tmp_path / "online.yaml").write_text(whole[: whole.index("  # A challenger")])
    run("first-train", "online.yaml")
    (tmp_path / "online.yaml").write_text(whole)

    code, entry, _ = run("add-strategy", "online.yaml", "--json")

    assert code == 0
    assert entry["kind"] == "add_strategy"
    assert [state["name_id"] for state in entry["states"]] == ["ridge", "linear"]


def test_a_strategy_that_cannot_begin_has_a_code_of_its_own(run, tmp_path):
    whole = (tmp_path / "online.yaml").read_text()
    (tmp_path / "online.yaml").write_text(whole.replace("LinearRegression}", "LinearRegression, nosuch: 1}"))
    code, text, _ = run("first-train", "online.yaml")
    assert code == 3
    assert "NOT BEGUN linear: first training failed" in text
    code, _, err = run("add-strategy", "online.yaml")
    assert code == 1
    assert "nosuch" in err
    (tmp_path / "online.yaml").write_text(whole)
    assert run("add-strategy", "online.yaml")[0] == 0


def test_a_held_session_and_a_busy_ledger_have_codes_of_their_own(run, tmp_path, tracking_uri):
    config = (tmp_path / "online.yaml").read_text()
    config = config.replace("sklearn.linear_model.Ridge, alpha: 1000.0", "sklearn.dummy.DummyRegressor")
    (tmp_path / "online.yaml").write_text(config.replace("2022-11-01", "2022-12-28"))
    run("first-train", "online.yaml")

    code, (entry,), _ = run("routine", "desk", "--json")
    assert code == 3
    assert "different scores" in entry["held"]["2022-12-28T00:00:00"]
    code, text, _ = run("status", "desk", *NEVER_OLD)
    assert code == 3
    assert "is held on 2022-12-28" in text

    settings.init(uri=tracking_uri)
    with Chain.open("desk").lease():
        code, _, err = run("routine", "desk", "--no-wait", "--redo", "--time", "2022-12-28")
        assert code == 4
        assert "at work" in err
        assert "process" in run("status", "desk", "--json")[1]["working"]


def test_what_is_wrong_with_a_file_is_said(run, tmp_path):
    text = (tmp_path / "online.yaml").read_text()
    for old, new, said in (
        ("step: 21", "stepp: 21", "Did you mean 'step'?"),
        ("name: desk", "nam: desk", "Did you mean 'name'?"),
        ("strategies:", "strategy:", "has no section 'strategies'"),
        ("  ridge:", "  ridge: [", "is not YAML"),
        ("role: shadow", "role: prompter", "role"),
    ):
        (tmp_path / "wrong.yaml").write_text(text.replace(old, new, 1))
        code, _, err = run("plan", "wrong.yaml")
        assert code == 1
        assert said in err
    assert "no file" in run("plan", "nowhere.yaml")[2]
    code, _, err = run("routine", "nobody")
    assert code == 1
    assert "no experiment" in err
    code, _, err = run("simulate", "online.yaml", "--out", "signals.txt")  # said before all the work
    assert code == 1
    assert "signals.txt" in err
    assert run("log", "desk")[0] == 1


def test_the_command_line_is_parsed_without_anything_heavy():
    arguments = build_parser().parse_args(["online", "routine", "desk", "--lease", "2m", "--no-wait"])

    assert (arguments.action, arguments.ledger, arguments.lease, arguments.no_wait) == ("routine", "desk", 120.0, True)


def test_another_machine_goes_on_by_the_name_alone(run, tracking_uri):
    run("first-train", "online.yaml")
    settings.reset()
    settings.init(uri=tracking_uri)

    manager = OnlineManager.load(name="desk")

    assert manager.calendar == "bundled:sp500_close"
    assert [one.name_id for one in manager.strategies] == ["ridge", "linear"]
    assert "ridge" in R.list_experiments()
