"""`rollforward report` and `rollforward compare` on runs that are in a store."""

import base64
import json
import os
import sqlite3
import subprocess
import sys
import types
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rollforward import settings
from rollforward.cli.main import main
from rollforward.errors import DataError, MissingArtifactError, RecorderNotFoundError, TaskError
from rollforward.testing import copy_store, release_store
from rollforward.workflow import R
from rollforward.workflow.comparison import compare_recorders, count_trials
from rollforward.workflow.mlflow_backend.alive.heartbeat import HEARTBEAT, OWNER, Beat
from rollforward.workflow.reporting import ReportRecord, find_reported, recorder_of, report_of
from rollforward.workflow.reporting.gathering import gather
from rollforward.workflow.reporting.tearsheets import daily_returns
from rollforward.workflow.reporting.words import run_notes
from rollforward.workflow.task.collect import RecorderCollector

DATES = pd.bdate_range("2020-01-01", periods=160)
ROWS = pd.MultiIndex.from_product([DATES, list("ABCDEFGHIJKL")], names=["datetime", "instrument"])
LABEL = pd.Series(np.random.default_rng(1).normal(0, 0.02, len(ROWS)), ROWS, name="LABEL0").to_frame()


def pred(skill: float, seed: int) -> pd.DataFrame:
    noise = np.random.default_rng(seed).normal(0, 0.02, len(ROWS))
    return (LABEL["LABEL0"] * skill + noise).to_frame("score")


def tagged(start: int, end: int) -> dict[str, str]:
    """Tags of a fold that tests the dates between."""
    bounds = {"train_start": "2015-01-01", "train_end": "2019-12-01"}
    bounds |= {"test_start": str(DATES[start].date()), "test_end": str(DATES[end].date())}
    return bounds | {"task_hash": f"t{start}", "model": "Ridge"}


def add_run(experiment: str, name: str, objects: dict, **tags: str) -> str:
    with R.start(experiment_name=experiment, recorder_name=name):
        R.save_objects(**objects)
        if tags:
            R.set_tags(**tags)
        return R.get_recorder().id


def run_job_that_fails() -> None:
    with R.start(experiment_name="broken", recorder_name="job"):
        R.set_tags(kind="rolling", label_horizon="1")
        R.log_params(n_folds=3)
        for start, end in ((0, 59), (60, 119)):
            part = {
                "pred.pkl": pred(0.3, 5).loc[DATES[start] : DATES[end]],
                "label.pkl": LABEL.loc[DATES[start] : DATES[end]],
            }
            with R.start(recorder_name=f"fold {start}"):
                R.save_objects(**part)
                R.set_tags(**tagged(start, end))
        with R.start(recorder_name="fold 120"):
            R.set_tags(**tagged(120, 159))
            raise TaskError("The disk is full.")


@pytest.fixture(scope="module")
def store(template_store, tmp_path_factory):
    """Experiment ``ideas``: two results, a run without one, a deleted one. Experiment ``broken``: a job that failed."""
    uri = copy_store(template_store, tmp_path_factory.mktemp("report") / "mlflow.db")
    settings.init(uri=uri)
    add_run("ideas", "weak", {"pred.pkl": pred(0.02, 2), "label.pkl": LABEL}, label_horizon="1")
    add_run(
        "ideas",
        "strong",
        {"pred.pkl": pred(0.5, 3).iloc[240:], "label.pkl": LABEL},
        label_horizon="1",
        **tagged(20, 159),
    )
    add_run("ideas", "nothing", {"note.txt": "no prediction"})
    gone = add_run("ideas", "gone", {"pred.pkl": pred(0.0, 4)})
    R.get_exp(experiment_name="ideas", create=False).delete_recorder(gone)
    with pytest.raises(TaskError):
        run_job_that_fails()
    yield uri
    release_store(uri)


@pytest.fixture(autouse=True)
def _use(store):
    settings.init(uri=store)


def test_the_newest_run_with_a_prediction_is_reported(store, capsys, tmp_path):
    page = tmp_path / "page.html"

    assert main(["report", "ideas", "--uri", store, "--out", str(page), "--plots", str(tmp_path / "plots")]) == 0

    assert "Report on strong" in capsys.readouterr().out
    html = page.read_text(encoding="utf-8")
    assert "<h1>strong</h1>" in html
    assert '<p class="subtitle">ideas</p>' in html
    assert "A label spans one session" in html
    assert "2019-12-01" in html, "the training window is that of the tags"
    assert (tmp_path / "plots" / "equity.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_can_be_named_and_gets_its_page_when_asked(store, capsys):
    recorder = R.get_recorder(recorder_name="weak", experiment_name="ideas")

    assert main(["report", "--recorder", recorder.id]) == 0
    assert "report.html" not in recorder.list_artifacts()

    assert main(["report", "--recorder", recorder.id, "--store"]) == 0
    assert {"report.html", "plots", "ic_by_year.csv"} <= set(recorder.list_artifacts())
    assert "plots/equity.png" in recorder.list_artifacts("plots")
    assert recorder.load_object("report.html") == report_of(recorder).html


def test_a_job_that_failed_is_judged_by_its_finished_folds(capsys, tmp_path):
    assert main(["report", "broken", "--out", str(tmp_path / "page.html")]) == 0

    said = capsys.readouterr().out
    assert "This run is FAILED, not FINISHED: TaskError: The disk is full." in said
    assert "This page judges 2 folds of 3 that finished below it, 1 FAILED" in said
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    notes = html[html.index('<aside class="notes">') : html.index("</aside>")]
    assert "2 folds of 3" in notes
    assert "Folds that did not finish: 2." in notes
    assert '<td class="left unfinished">FAILED</td>' in html
    assert '<dt>Dates</dt><dd class="value">120</dd>' in html


def test_a_backtest_and_analyses_of_the_run_are_shown():
    daily = pd.DataFrame({"return": 0.001, "cost": 0.0001, "bench": 0.0005}, index=DATES)
    horizons = pd.DataFrame({"IC": [0.1, 0.2], "Rank IC": [0.1, 0.2]}, index=pd.Index([1, 5], name="horizon"))
    objects = {"pred.pkl": pred(0.1, 6), "label.pkl": LABEL, "sig_analysis/ic_by_horizon.csv": horizons}
    run = add_run("backtested", "both", objects | {"portfolio_analysis/report_normal_1day.pkl": daily})

    material = gather(R.get_recorder(recorder_id=run))

    pd.testing.assert_frame_equal(material.portfolio, daily, check_freq=False)
    assert material.horizons.index.tolist() == [1, 5]
    assert material.horizon is None
    assert material.ages is None


def test_a_task_can_list_the_page_as_a_record():
    with R.start(experiment_name="recorded", recorder_name="own"):
        R.set_tags(label_horizon=1)
        R.save_objects(**{"pred.pkl": pred(0.1, 7), "label.pkl": LABEL})
        recorder = R.get_recorder()
        stored = ReportRecord(recorder).generate()
        assert "report.html" in recorder.list_artifacts()
        ReportRecord(recorder).check(include_self=True)
    assert "Read first" not in stored["report.html"], "a run that goes on is no failure"
    with R.start(experiment_name="recorded"), pytest.raises(MissingArtifactError):
        ReportRecord(R.get_recorder()).generate()


def test_what_cannot_be_reported_is_said(capsys):
    add_run("empty", "nothing", {"note.txt": "none"})
    with pytest.raises(RecorderNotFoundError, match="is a rolling job or has a"):
        find_reported("empty")
    assert main(["report", "nowhere"]) == 1
    assert main(["report"]) == 1
    assert main(["report", "ideas", "--out", "/proc/none/page.html"]) == 1
    said = capsys.readouterr().err
    assert "There is no experiment named 'nowhere'" in said
    assert "neither an experiment nor a recorder" in said
    assert "cannot be written to /proc/none/page.html" in said


def test_deleted_runs_and_failures_are_trials_and_folds_are_not():
    ids = {name: R.get_exp(experiment_name=name, create=False).id for name in ("ideas", "broken")}

    ideas, broken = count_trials([ids["ideas"]]), count_trials([ids["broken"]])

    assert (ideas.n, ideas.n_deleted, ideas.n_parts) == (4, 1, 0)
    assert (broken.n, broken.n_unfinished, broken.n_parts) == (1, 1, 3)
    assert count_trials(list(ids.values())).n == 5
    assert str(broken) == (
        "1 trial known to the tracker, 1 not finished among them; 3 folds of rolling jobs counted with their job"
    )


def test_results_are_compared_on_the_dates_that_all_have():
    found = compare_recorders("ideas")

    assert found.table.index.tolist() == ["strong", "weak"]
    assert (found.first, found.last, len(found.series)) == (DATES[20], DATES[-1], 140)
    assert found.table["own_dates"].tolist() == [140, 160]
    assert found.best == "strong"
    assert found.n_trials == 4
    weak = pred(0.02, 2)["score"].loc[DATES[20] :]
    ic = pd.concat([weak, LABEL["LABEL0"]], axis=1).dropna().groupby(level=0).apply(lambda day: day.corr().iloc[0, 1])
    assert found.table.loc["weak", "IC"] == pytest.approx(ic.mean())
    # A skill this large is no luck; the weak one is.
    assert found.dsr == found.table.loc["strong", "dsr"] > 0.95
    assert found.table.loc["weak", "dsr"] < found.table.loc["weak", "psr"]
    assert found.pbo == 0
    assert any("20 dates of the longest result are left out" in note for note in found.notes)


def run_that_fails_at_once(experiment: str, name: str) -> str:
    def run() -> None:
        with R.start(experiment_name=experiment, recorder_name=name):
            R.set_tags(kind="rolling", label_horizon="1")
            with R.start(recorder_name="fold 0"):
                R.set_tags(**tagged(0, 59))
                raise TaskError("The disk is full.")

    with pytest.raises(TaskError):
        run()
    return R.get_recorder(recorder_name=name, experiment_name=experiment).id


def test_a_newer_job_without_any_result_is_passed_over(capsys, tmp_path):
    old = add_run("passed", "old", {"pred.pkl": pred(0.3, 5), "label.pkl": LABEL}, kind="rolling", label_horizon="1")
    new = run_that_fails_at_once("passed", "new")
    note = f"The newer job new ({new[:8]}, FAILED) has no prediction with a label; this is old ({old}) instead."

    assert main(["report", "passed", "--out", str(tmp_path / "page.html")]) == 0
    assert note in capsys.readouterr().out
    assert "has no prediction with a label" in (tmp_path / "page.html").read_text(encoding="utf-8")

    both = compare_recorders("passed", "ideas")
    assert both.table["recorder_id"].tolist()[0] == old
    assert note in both.notes

    alone = compare_recorders("passed")
    assert alone.table.index.tolist() == ["old"]
    assert alone.n_trials == 2
    assert any(one.startswith("Left out, though it counts as a trial: The job 'new'") for one in alone.notes)
    with pytest.raises(MissingArtifactError):
        compare_recorders(new, "ideas")


def test_attempts_whose_results_cannot_be_read_are_trials_too():
    short = {"pred.pkl": pred(0.3, 5), "label.pkl": LABEL}
    add_run("doomed", "bad", {"pred.pkl": pd.DataFrame({"score": [1.0]}), "label.pkl": LABEL}, label_horizon="1")
    add_run("doomed", "worse", {"note.txt": "nothing"})
    add_run("lucky", "one", short, label_horizon="1")

    found = compare_recorders("lucky", "doomed")

    assert found.table.index.tolist() == ["one"]
    assert found.n_trials == 3


def test_the_page_of_an_unfinished_job_leaves_no_table_of_folds():
    def run() -> None:
        part = {"pred.pkl": pred(0.3, 5).loc[: DATES[59]], "label.pkl": LABEL.loc[: DATES[59]]}
        with R.start(experiment_name="unfinished", recorder_name="job"):
            R.set_tags(kind="rolling", label_horizon="1")
            with R.start(recorder_name="fold 0"):
                R.save_objects(**part)
                R.set_tags(**tagged(0, 59))
            raise TaskError("The disk is full.")

    with pytest.raises(TaskError):
        run()
    assert main(["report", "unfinished", "--store"]) == 0

    job = R.get_recorder(recorder_name="job", experiment_name="unfinished")
    assert "report.html" in job.list_artifacts()
    assert "folds.csv" not in job.list_artifacts()
    assert len(RecorderCollector("unfinished", parent=job).collect()["pred"]) == 1
    assert gather(job).folds["experiment_id"].tolist() == [job.experiment_id]


def test_where_no_run_has_a_result_it_is_said_what_the_newest_lacks(capsys):
    run_that_fails_at_once("hopeless", "job")

    for command in ("report", "compare"):
        assert main([command, "hopeless"]) == 1
        assert "has no prediction, and neither has any of its 1 folds" in capsys.readouterr().err


def test_the_beginning_of_an_id_is_enough(capsys):
    ids = compare_recorders("ideas").table["recorder_id"]

    found = compare_recorders(*(one[:8] for one in ids))
    assert found.table["recorder_id"].tolist() == ids.tolist()
    assert main(["report", "--recorder", ids["weak"][:6]]) == 0
    assert f"Report on weak ({ids['weak']})" in capsys.readouterr().out
    assert main(["report", "broken", "--recorder", ids["weak"][:8]]) == 1
    assert f"No run in 'broken' has an id that begins with '{ids['weak'][:8]}'" in capsys.readouterr().err
    assert main(["report", "--recorder", ids["weak"][:5]]) == 1
    with pytest.raises(RecorderNotFoundError, match="No run in any experiment"):
        compare_recorders("0000000", "ideas")


def test_the_beginning_of_several_ids_is_refused(monkeypatch):
    monkeypatch.setattr(R, "search_records", lambda *_, **__: pd.DataFrame({"run_id": ["abcdef01", "abcdef02"]}))

    with pytest.raises(RecorderNotFoundError, match="2 runs in any experiment"):
        recorder_of("abcdef")


def test_a_run_whose_process_is_gone_says_so():
    code = (
        "import os, signal\nfrom rollforward import settings\nfrom rollforward.workflow import R\n"
        f"settings.init(uri={R.get_uri()!r})\n"
        "held = R.start(experiment_name='gone', recorder_name='cut')\nheld.__enter__()\n"
        "R.set_tags(label_horizon=1)\nR.get_recorder().flush()\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], check=False, timeout=600)
    recorder = R.get_recorder(recorder_name="cut", experiment_name="gone")
    tags = recorder.list_tags()

    (note,) = run_notes(recorder, tags)
    assert note.startswith("This run is RUNNING, not FINISHED: its process (")
    assert "is gone. `rollforward doctor --fix`" in note
    (note,) = run_notes(recorder, {})
    assert note == "This run is RUNNING, not FINISHED: it goes on, or its process was killed without a word."
    silent = {OWNER: "elsewhere/7/x.1", HEARTBEAT: "2020-01-01T00:00:00.000+00:00 every 30 s"}
    assert "gave no sign of life since 2020-01-01" in run_notes(recorder, silent)[0]
    awake = silent | {HEARTBEAT: str(Beat(datetime.now(UTC), 30))}
    assert run_notes(recorder, awake) == ["This run is RUNNING, not FINISHED."]


def test_a_reader_that_leaves_is_no_error(store):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "rollforward", "compare", "ideas", "--uri", store],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=600,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("columns", ["80", "100", "120", ""])
def test_a_table_in_a_pipe_keeps_to_its_columns(monkeypatch, capsys, columns):
    monkeypatch.setenv("COLUMNS", columns)

    assert main(["compare", "ideas"]) == 0

    lines = capsys.readouterr().out.splitlines()
    table = lines[: next(place for place, line in enumerate(lines) if line.startswith("- "))]
    assert max(map(len, table)) <= int(columns or 120)
    (strong,) = (line for line in table if line.strip().startswith("strong"))
    assert strong.split()[-1] == compare_recorders("ideas").table["recorder_id"]["strong"][:8], "nothing is cut off"


def test_lookalikes_do_not_hide_the_luck_of_many():
    """Three results that are nearly one differ by nothing; a thousand attempts without skill do not."""
    noise = pred(0.05, 11)
    for seed in range(3):
        twin = noise + pred(0.0, 20 + seed) * 0.001
        add_run("twins", f"twin {seed}", {"pred.pkl": twin, "label.pkl": LABEL}, label_horizon="1")

    found = compare_recorders("twins", n_trials=1000)

    assert found.verdict.deviation_of == "noise"
    assert found.verdict.deviation == pytest.approx(159**-0.5)
    assert found.verdict.expected_best == pytest.approx(3.2 * 159**-0.5, rel=0.05)
    assert found.dsr < 0.5 * found.table.loc[found.best, "psr"]
    given = compare_recorders("twins", n_trials=1000, deviation=0.1)
    assert given.verdict.deviation_of == "given"
    assert given.verdict.deviation == pytest.approx(0.1 / 252**0.5)
    if found.table["annual_sharpe"].max() > 0:
        assert any("as attempts without skill do over 160 periods" in sentence for sentence in found.sentences)
        assert any("as was given by hand" in sentence for sentence in given.sentences)
    with pytest.raises(DataError, match="deviation is -1"):
        compare_recorders("twins", deviation=-1)


def test_a_loss_is_not_explained_by_luck():
    add_run("loss", "bad", {"pred.pkl": -pred(0.5, 3), "label.pkl": LABEL}, label_horizon="1")

    found = compare_recorders("loss", n_trials=50)

    assert any("no success that luck could explain" in sentence for sentence in found.sentences)
    assert not any("Luck" in sentence for sentence in found.sentences)
    assert "store. Trials" in found.sentences[-1]


def test_more_trials_leave_less():
    few, many = (compare_recorders("ideas", n_trials=number) for number in (2, 5000))

    assert few.table.loc["weak", "dsr"] > 10 * many.table.loc["weak", "dsr"]
    assert few.table["sharpe"].tolist() == many.table["sharpe"].tolist()
    assert str(many.trials) == "5,000 trials, given by hand"


def test_the_ic_can_be_the_basis():
    found = compare_recorders("ideas/weak", "ideas/strong", basis="ic")

    ratio = found.table["ICIR"] * 252**0.5
    assert found.table["annual_sharpe"].tolist() == pytest.approx(ratio.tolist())
    assert "Net a year" not in found.html()


def test_overlapping_labels_shorten_the_track_record():
    run = add_run("weekly", "five", {"pred.pkl": pred(0.2, 8), "label.pkl": LABEL}, label_horizon="5")

    found = compare_recorders(R.get_recorder(recorder_id=run))

    assert found.verdict.n_periods == 160 // 5
    assert found.pbo is None
    assert any("needs more than one result" in sentence for sentence in found.sentences)


def test_a_comparison_is_printed_written_and_given_as_json(store, capsys, tmp_path):
    page = tmp_path / "compared.html"

    assert main(["compare", "ideas", "--uri", store, "--out", str(page)]) == 0
    said = capsys.readouterr().out
    assert "Comparison on 140 common dates" in said
    assert "4 trials known to the tracker, 1 deleted among them" in said
    html = page.read_text(encoding="utf-8")
    assert "<script" not in html
    assert "http" not in html
    assert html.count("<svg") == 2

    assert main(["compare", "ideas", "--json", "--trials", "9"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["n_trials"] == 9
    assert answer["best"] == "strong"
    assert {row["result"] for row in answer["results"]} == {"weak", "strong"}
    assert 0 <= answer["deflated_sharpe_ratio"] <= 1


def test_names_with_brackets_are_shown_as_they_are(capsys):
    """Rich would read them as its markup, and stumble over what closes nothing."""
    for name in ("a [v2]", "b [/v2]"):
        add_run("brackets", name, {"pred.pkl": pred(0.1, 9), "label.pkl": LABEL}, label_horizon="1")

    assert main(["compare", "brackets"]) == 0
    said = capsys.readouterr().out
    assert "a [v2]" in said
    assert "b [/v2]" in said


@pytest.mark.parametrize("command", ["compare", "report"])
def test_a_look_makes_no_store_of_what_is_none(command, tmp_path, capsys):
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE customers (name TEXT)")
    before = (tmp_path / "other.db").read_bytes()

    assert main([command, "ideas", "--uri", f"sqlite:///{tmp_path}/other.db"]) == 1
    assert "other.db is a database, and no tracking store" in capsys.readouterr().err
    assert (tmp_path / "other.db").read_bytes() == before
    assert main([command, "ideas", "--uri", f"sqlite:///{tmp_path}/nothing.db"]) == 1
    assert not (tmp_path / "nothing.db").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("compare", "ideas", "--trials", "0"),
        ("compare", "ideas", "--cost", "nan"),
        ("compare", "ideas", "--deviation", "-1"),
        ("report", "ideas", "--cost", "much"),
        ("report", "ideas", "--horizon", "0"),
    ],
    ids=" ".join,
)
def test_a_number_that_cannot_be_is_a_wrong_command_line(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*words])
    assert stopped.value.code == 2
    assert f"argument {words[-2]}" in capsys.readouterr().err


def test_what_cannot_be_compared_is_said(capsys):
    late = pred(0.1, 9).iloc[-60:]
    run = add_run("late", "late", {"pred.pkl": late, "label.pkl": LABEL})
    early = add_run("late", "early", {"pred.pkl": pred(0.1, 9).iloc[:600], "label.pkl": LABEL})
    with pytest.raises(DataError, match="Only 0 dates have a result of each"):
        compare_recorders(run, early)
    with pytest.raises(DataError, match="basis is 'luck'"):
        compare_recorders("ideas", basis="luck")
    with pytest.raises(DataError, match="n_trials is 1, and 2 results are compared"):
        compare_recorders("ideas", n_trials=1)
    assert main(["compare", "ideas", "--trials", "1"]) == 1
    assert main(["compare", "nowhere/nothing"]) == 1
    assert "There is no experiment named 'nowhere'" in capsys.readouterr().err


def test_quantstats_gets_daily_returns(monkeypatch, tmp_path, capsys):
    given = {}

    def html(returns, *, benchmark, output, title):
        given.update(returns=returns, benchmark=benchmark, title=title)
        (tmp_path / "sheet.html").write_text("sheet")
        assert output == str(tmp_path / "sheet.html")

    module = types.ModuleType("quantstats")
    module.reports = types.SimpleNamespace(html=html)
    monkeypatch.setitem(sys.modules, "quantstats", module)

    assert main(["report", "ideas", "--tearsheet", "quantstats", "--out", str(tmp_path / "sheet.html")]) == 0

    assert given["title"] == "strong"
    assert given["benchmark"] is None
    assert given["returns"].index.tolist() == DATES[20:].tolist()


def test_alphalens_gets_factor_data_and_its_plots_are_kept(monkeypatch, tmp_path):
    seen = []

    def create_full_tear_sheet(data, *, by_group):
        import matplotlib.pyplot as plt

        seen.append(data)
        sys.stdout.write("Returns < Analysis")
        plt.figure()  # nothing is drawn in it
        figure = plt.figure()
        figure.add_subplot()
        plt.show()
        plt.close(figure)  # as the real one does
        plt.figure().add_subplot()

    tears = types.ModuleType("alphalens.tears")
    tears.create_full_tear_sheet = create_full_tear_sheet
    monkeypatch.setitem(sys.modules, "alphalens", types.ModuleType("alphalens"))
    monkeypatch.setitem(sys.modules, "alphalens.tears", tears)
    out = tmp_path / "sheet.html"

    assert main(["report", "ideas", "--tearsheet", "alphalens", "--out", str(out)]) == 0

    (data,) = seen
    assert list(data.columns) == ["1D", "factor", "factor_quantile"]
    assert data.index.names == ["date", "asset"]
    assert data.groupby(level="date")["factor_quantile"].agg(["min", "max"]).drop_duplicates().to_numpy().tolist() == [
        [1, 5]
    ]
    page = out.read_text()
    assert "Returns &lt; Analysis" in page
    pictures = [part.split('"')[0] for part in page.split("base64,")[1:]]
    assert [base64.b64decode(picture)[:4] for picture in pictures] == [b"\x89PNG"] * 2


def test_daily_returns_need_a_backtest_or_a_horizon():
    run = add_run("unsaid", "run", {"pred.pkl": pred(0.1, 6), "label.pkl": LABEL})
    material = gather(R.get_recorder(recorder_id=run))
    with pytest.raises(DataError, match="how many sessions a label spans is not known"):
        daily_returns(material, 0.001)
    assert len(daily_returns(material.spanning(1), 0.001)[0]) == len(DATES)
    assert main(["report", "--recorder", run, "--horizon", "1", "--plots", "plots"]) == 0
    assert Path("plots/equity.png").exists()


@pytest.mark.parametrize("kind", ["quantstats", "alphalens"])
def test_a_tear_sheet_of_a_package_that_is_not_there(monkeypatch, capsys, kind):
    monkeypatch.setitem(sys.modules, "quantstats", None)
    monkeypatch.setitem(sys.modules, "alphalens.tears", None)

    assert main(["report", "ideas", "--tearsheet", kind]) == 1
    assert f"{kind} is not installed" in capsys.readouterr().err.replace("-reloaded", "")


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom rollforward.cli.main import build_parser\nbuild_parser().format_help()\n"
        "import rollforward.workflow.reporting, rollforward.workflow.comparison\n"
        "assert not {'pandas', 'mlflow', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)
