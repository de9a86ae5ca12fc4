"""What a collector promises beyond Qlib's: parallel and in order, lazy, honest about what is missing."""

from __future__ import annotations

import pickle
import threading
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollforward import settings
from rollforward.errors import (
    LoadObjectError,
    MissingArtifactError,
    RecorderNotFoundError,
    SegmentError,
    StoreUnreachableError,
    TaskError,
    TrackingError,
    UntrustedClassError,
)
from rollforward.model.ens.ensemble import RollingEnsemble
from rollforward.model.ens.group import RollingGroup
from rollforward.workflow.task.collect import Collector, Lazy, MergeCollector, RecorderCollector
from rollforward.workflow.task.recorders import trained_until
from rollforward.workflow.task.utils import fold_key, list_recorders, segments_between, tag_filter

WAIT = 20


class Run:
    """A recorder in memory, of a store that is elsewhere."""

    has_local_artifacts = False
    experiment_id = "1"

    def __init__(self, name, objects=None, status="FINISHED", tags=None, load=None, number=0):
        self.id = self.name = name
        self.status, self.objects, self.tags, self.load = status, objects or {}, tags or {}, load
        self.metrics, self.params = {}, {}
        self.started_at = datetime.fromtimestamp(number, UTC)
        self.ended_at = None
        self.info = {"id": name, "status": status, "start_time": None}
        self.loads = 0

    def list_tags(self):
        return self.tags

    def load_object(self, name):
        self.loads += 1
        if self.load is not None:
            self.load()
        if name not in self.objects:
            raise MissingArtifactError(f"Artifact {name!r} is missing from run {self.id}.")
        found = self.objects[name]
        if isinstance(found, Exception):
            raise found
        return found


class Exp:
    name = "exp"

    def __init__(self, runs):
        self.runs = runs

    def list_recorders(self, **kwargs):
        return {run.id: run for run in self.runs}


def pred(value=1):
    return {"pred.pkl": value}


# -- several at a time ------------------------------------------------------


def test_several_are_loaded_at_a_time():
    both = threading.Barrier(2, timeout=WAIT)
    runs = [Run(name, pred(name), load=both.wait) for name in "ab"]
    assert RecorderCollector(Exp(runs)).collect()["pred"] == {"a": "a", "b": "b"}


def test_whoever_is_ready_first_the_order_is_that_of_the_listing():
    done = threading.Event()
    slow = Run("new", pred("new"), load=lambda: done.wait(WAIT))
    quick = Run("old", pred("old"), load=done.set)
    assert list(RecorderCollector(Exp([slow, quick])).collect()["pred"]) == ["new", "old"]


def test_a_slow_newer_one_still_wins():
    release = threading.Event()
    new = Run("new", pred("new"), load=lambda: release.wait(WAIT))
    other = Run("other", pred("other"), load=release.set)
    old = Run("old", pred("old"))
    collector = RecorderCollector(Exp([new, old, other]), rec_key_func=lambda run: run.id == "other")
    assert collector.collect()["pred"] == {False: "new", True: "other"}
    assert old.loads == 0


def test_of_folds_that_start_together_the_newer_wins():
    def frame(value, days):
        dates = pd.bdate_range("2020-01-01", periods=days, name="datetime")
        return pd.DataFrame({"score": float(value)}, index=pd.MultiIndex.from_product([dates, ["A"]]))

    new, old = Run("new", pred(frame(2, 2))), Run("old", pred(frame(1, 3)))
    seen = []
    collector = RecorderCollector(Exp([new, old]), process_list=[lambda values: seen.extend(values) or values])
    assert list(collector.collect()["pred"]) == ["new", "old"]
    collector()
    assert seen == ["old", "new"]
    joined = RecorderCollector(Exp([new, old]), process_list=RollingEnsemble())()["pred"]
    assert joined["score"].tolist() == [2.0, 2.0, 1.0]


def test_the_first_failure_is_that_of_the_first_recorder():
    failed = threading.Event()
    first = Run("first", load=lambda: failed.wait(WAIT))
    second = Run("second", load=failed.set)
    with pytest.raises(LoadObjectError, match="from run first"):
        RecorderCollector(Exp([first, second])).collect(only_exist=False)


def test_settings_of_the_caller_hold_where_it_is_loaded():
    seen = []
    runs = [Run(str(n), pred(), load=lambda: seen.append(settings.current().experiment)) for n in range(3)]
    with settings.override(experiment="here"):
        RecorderCollector(Exp(runs)).collect()
    assert seen == ["here"] * 3


def test_progress_in_lines(capsys):
    RecorderCollector(Exp([Run(str(n), pred()) for n in range(20)]), progress=True).collect()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[-1] == "Loading artifacts 20/20"
    RecorderCollector(Exp([Run("a", pred())]), progress=False).collect()
    assert capsys.readouterr().err == ""


# -- what is missing --------------------------------------------------------


def test_kinds_of_failure():
    runs = [
        Run("gone"),
        Run("damaged", pred(LoadObjectError("It is damaged."))),
        Run("strange", pred(UntrustedClassError("It names a class."))),
        Run("good", pred()),
    ]
    collector = RecorderCollector(Exp(runs))
    assert collector.collect() == {"pred": {"good": 1}}
    kinds = [(lost.recorder_id, lost.kind) for lost in collector.missing]
    assert kinds == [("gone", "missing"), ("damaged", "unreadable"), ("strange", "refused")]
    assert collector.report.found == {"pred": 1}


@pytest.mark.parametrize("only_exist", [True, False])
def test_a_store_that_is_away_is_never_a_part(only_exist):
    away = Run("away", pred(StoreUnreachableError("No answer.")))
    collector = RecorderCollector(Exp([Run("a", pred()), away]))
    with pytest.raises(StoreUnreachableError):
        collector.collect(only_exist=only_exist)
    assert collector.report is None
    assert collector.missing == []


def test_a_merge_says_what_its_collectors_miss():
    merge = MergeCollector({name: RecorderCollector(Exp([Run(name), Run("good", pred())])) for name in "ab"})
    assert merge() == {("a", "pred"): {"good": 1}, ("b", "pred"): {"good": 1}}
    assert [lost.recorder_id for lost in merge.missing] == ["a", "b"]


def test_it_shows_what_was_found_and_what_is_missing():
    runs = [Run("new", pred()), Run("old", pred()), Run("failed", status="FAILED"), Run("gone"), Run("filtered")]
    collector = RecorderCollector(
        Exp(runs),
        rec_key_func=lambda run: "m" if run.id in ("new", "old") else run.id,
        rec_filter_func=lambda run: run.id != "filtered",
    )
    assert "not yet" in str(collector)
    assert "FINISHED" in collector._repr_html_()
    collector.collect()
    text, html = str(collector), collector._repr_html_()
    assert "RecorderCollector of 'exp'" in text
    for words in ("of another status", "filtered out", "older ones of a key", "1 of 2"):
        assert words in text
        assert words in html
    assert "is missing from run gone" in html
    assert str(collector.report) == text
    assert collector.report._repr_html_() == html


def test_a_table_of_many_failures_stays_short():
    collector = RecorderCollector(Exp([Run(str(n)) for n in range(100)]))
    collector.collect()
    assert "and 90 more" in str(collector)
    assert len(str(collector).splitlines()) < 40
    assert len(collector.missing) == 100


def test_the_card_has_whole_ids_and_reasons():
    run, reason = "0123456789abcdef" * 2, "the disk of this run is full of holes, " * 5 + "and this is the end"
    collector = RecorderCollector(Exp([Run(run, {"pred.pkl": LoadObjectError(reason)})]))
    collector.collect()
    lines = str(collector).splitlines()
    assert any(run in line for line in lines)
    assert "and this is the end" in " ".join(" ".join(lines).split())
    assert max(map(len, lines)) <= 80


def test_what_is_no_function_or_no_dictionary_is_refused_at_once():
    with pytest.raises(TaskError, match=r"Write RollingGroup\(\)"):
        RecorderCollector(Exp([]), process_list=[RollingGroup])
    with pytest.raises(TrackingError, match=r"artifacts_path='pred.pkl'"):
        RecorderCollector(Exp([]), artifacts_path="pred.pkl")
    with pytest.raises(TrackingError, match="parent="):
        RecorderCollector(Exp([]), parent=Exp([]))


JOBS = {"first": "1.0", "second": "100000.0"}


def fold_of(job, number, **params):
    tags = {"model": "Ridge", "test_start": f"2020-0{number}-01", "test_end": f"2020-0{number}-20"}
    run = Run(f"{job}-{number}", pred(), tags=tags | ({"mlflow.parentRunId": job} if job else {}))
    run.params = params
    return run


def mixed(*runs):
    collector = RecorderCollector(Exp(runs), process_list=RollingGroup(dict), rec_key_func=fold_key)
    return collector()["pred"]["Ridge",]


def test_folds_of_several_jobs_in_one_prediction_are_a_warning(caplog):
    runs = [fold_of(job, number, **{"model.kwargs.alpha": JOBS[job]}) for number, job in enumerate(JOBS, start=1)]
    assert len(mixed(Run("second", status="RUNNING"), *runs)) == 2
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    for words in ("('Ridge',)", "first", "'second' (second)", "model.kwargs.alpha is 1.0 or 100000.0", "parent="):
        assert words in caplog.text


def test_a_model_that_hides_behind_a_newer_one_is_a_warning_too(caplog):
    newer, older = (fold_of(None, 1, **{"model.kwargs.alpha": alpha}) for alpha in JOBS.values())
    older.id = older.info["id"] = "older"
    mixed(newer, older)
    assert "model.kwargs.alpha is 1.0 or 100000.0" in caplog.text


def test_what_has_not_finished_is_a_warning_unless_it_was_done_again(caplog):
    def run(name, status="FINISHED", **tags):
        return Run(name, pred(), status, tags)

    again = run("again", task_hash="t1"), run("first try", "FAILED", task_hash="t1")
    below = {"mlflow.parentRunId": "job"}
    runs = [run("job", "RUNNING"), run("fold", **below), *again]
    RecorderCollector(Exp(runs)).collect()
    RecorderCollector(Exp([run("good"), run("bad", "FAILED")]), status="FAILED").collect()
    assert not caplog.records
    RecorderCollector(Exp([*runs, run("lost", "FAILED", task_hash="t2"), run("late", "RUNNING", **below)])).collect()
    assert [record.getMessage() for record in caplog.records] == [
        "Recorders are left out because they have not finished: 1 FAILED and 1 RUNNING."
    ]


def test_one_job_and_chosen_recorders_are_no_warning(caplog):
    same = {"model.kwargs.alpha": "1.0"}
    mixed(*[fold_of("first", number, **same, **{"dataset.start": str(number)}) for number in (1, 2)])
    runs = [fold_of(job, number) for number, job in enumerate(JOBS, start=1)]
    RecorderCollector(lambda: runs, rec_key_func=fold_key).collect()
    RecorderCollector(Exp(runs)).collect()
    assert not caplog.records


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.booleans(), st.sampled_from(["FINISHED", "FAILED"]), st.booleans()),
        max_size=12,
    )
)
def test_every_recorder_is_accounted_for(described):
    """Against the definition, written as a loop."""
    runs = [Run(f"{n}{key}", pred(n) if has else {}, status) for n, (key, has, status, _) in enumerate(described)]
    keep = {run.id: kept for run, (*_, kept) in zip(runs, described, strict=True)}
    expected, failed = {}, []
    for n, (key, has, status, kept) in enumerate(described):
        if status == "FINISHED" and kept and key not in expected:
            if has:
                expected[key] = n
            else:
                failed.append(f"{n}{key}")
    collector = RecorderCollector(
        Exp(runs), rec_key_func=lambda run: run.id[-1], rec_filter_func=lambda run: keep[run.id]
    )
    assert collector.collect().get("pred", {}) == expected
    assert {lost.recorder_id for lost in collector.missing} == set(failed)
    counts = collector.report.counts
    left_out = counts.other_status + counts.filtered + counts.without_key + counts.older
    assert counts.listed - left_out == collector.report.wanted


# -- lazy -------------------------------------------------------------------


def test_lazy_loads_nothing_until_it_is_called():
    runs = [Run("a", pred("A")), Run("b", pred("B"))]
    collector = RecorderCollector(Exp(runs))
    lazy = collector.collect(lazy=True)["pred"]
    assert [run.loads for run in runs] == [0, 0]
    assert "2 of 2" in str(collector)
    assert lazy["a"]() == "A"
    assert lazy["a"].load() == "A"
    assert [run.loads for run in runs] == [2, 0]
    assert lazy["b"].recorder is runs[1]
    assert (lazy["b"].name, repr(lazy["b"])[:18]) == ("pred.pkl", "Lazy('pred.pkl' of")


def test_a_lazy_value_is_that_of_the_newest_that_has_it_or_an_error():
    runs = [Run("new"), Run("old", pred("old"))]
    lazy = RecorderCollector(Exp(runs), rec_key_func=lambda run: "m").collect(lazy=True)["pred"]["m"]
    assert lazy() == "old"
    with pytest.raises(MissingArtifactError, match="from run gone"):
        RecorderCollector(Exp([Run("gone")])).collect(lazy=True)["pred"]["gone"].load()


def test_processes_are_given_what_is_loaded():
    runs = [Run("a", pred(1)), Run("b", pred(2))]
    collected = RecorderCollector(Exp(runs)).collect(lazy=True)
    assert Collector.process_collect(collected, lambda values: sum(values.values())) == {"pred": 3}
    assert isinstance(Collector.process_collect(collected)["pred"]["a"], Lazy)
    assert isinstance(collected["pred"]["a"], Lazy)
    with pytest.raises(TaskError, match="cannot be called"):
        Collector.process_collect(collected, [1])
    assert [run.loads for run in runs] == [1, 1]


def test_raw_recorders_are_never_lazy():
    run = Run("a")
    assert RecorderCollector(Exp([run])).collect("__raw", lazy=True) == {"__raw": {"a": run}}


# -- tags -------------------------------------------------------------------


def fold(name, start, end, **tags):
    return Run(name, tags={"model": "Ridge", "task_hash": name, "test_start": start, "test_end": end, **tags})


def test_segments_between():
    runs = [fold("a", "2020-01-01", "2020-06-30"), fold("b", "2020-07-01", "2020-12-31"), Run("c")]

    def kept(*bounds, **how):
        return list(list_recorders(Exp(runs), segments_between(*bounds, **how)))

    assert kept() == ["a", "b"]
    assert kept("2020-01-01", "2020-06-30") == ["a"]
    assert kept("2020-01-02") == ["b"]
    assert kept(None, pd.Timestamp("2020-12-30")) == ["a"]
    assert kept("2020-07", "2020") == ["b"]
    assert kept(segment="train") == []
    with pytest.raises(SegmentError):
        segments_between("2021", "2020")


def test_an_open_bound_is_not_between():
    run = fold("a", "2020-01-01", "")
    assert segments_between("2020-01-01")(run)
    assert not segments_between(None, "2030-01-01")(run)


def test_filters_of_tags():
    assert tag_filter() == ""
    assert tag_filter(model="Ridge", note="it's") == "tags.`model` = 'Ridge' AND tags.`note` = \"it's\""
    with pytest.raises(TrackingError, match="cannot be part"):
        tag_filter(note="""it's "so" """)
    with pytest.raises(TrackingError, match="cannot be part"):
        tag_filter(**{"a`b": "c"})


def test_until_when_a_model_was_trained():
    tags = {
        "own": {"train_end": "2020-01-31"},
        "shared": {"train_end": "2020-02-28", "model_from": "own"},
        "lost": {"train_end": "2020-03-31", "model_from": "elsewhere"},
        "open": {"train_end": ""},
        "circle": {"model_from": "circle"},
    }
    assert trained_until("own", tags) == trained_until("shared", tags) == pd.Timestamp("2020-01-31")
    assert [trained_until(name, tags) for name in ("lost", "open", "circle", "unknown")] == [None] * 4


def test_predictions_carry_where_they_come_from():
    def frame(value):
        dates = pd.DatetimeIndex([f"2020-0{value}-01", f"2020-0{value}-02"], name="datetime")
        return pd.DataFrame({"score": [float(value)] * 2}, index=pd.MultiIndex.from_product([dates, ["A"]]))

    runs = [
        fold("two", "2020-02-01", "2020-02-02", model_from="one"),
        fold("one", "2020-01-01", "2020-01-02", train_end="2019-12-31"),
    ]
    for value, run in zip((2, 1), runs, strict=True):
        run.objects = {"pred.pkl": frame(value), "note": "no frame"}
    artifacts = {"pred": "pred.pkl", "note": "note"}
    collector = RecorderCollector(Exp(runs), rec_key_func=fold_key, artifacts_path=artifacts, with_origin=True)
    assert set(collector.collect("note")["note"].values()) == {"no frame"}
    (merged,) = Collector.process_collect(collector.collect("pred"), RollingGroup())["pred"].values()
    assert list(merged.columns) == ["score", "cutoff", "recorder_id"]
    assert merged["recorder_id"].tolist() == ["one", "one", "two", "two"]
    assert set(merged["cutoff"]) == {pd.Timestamp("2019-12-31")}


# -- a store ----------------------------------------------------------------


@pytest.fixture
def folds(recording):
    """An experiment of three runs: two that ended, and one that goes on until the test ends."""
    settings.change(provenance=False, capture_output=False, heartbeat=0)
    for number, status in enumerate(("FINISHED", "FAILED")):
        recorder = recording.get_exp(experiment_name="folds", start=False).create_recorder(f"fold {number}")
        recorder.start_run()
        recorder.set_tags(
            model="Ridge", test_start=f"2020-0{number + 1}-01", test_end=f"2020-0{number + 1}-28", own="x"
        )
        recorder.log_params(**{"model.kwargs.alpha": 0.5 * number, "code": f"00{number}", "depth": number})
        recorder.log_metrics(IC=0.1 * number)
        recorder.save_objects(**{"pred.pkl": number, "task": {"number": number}})
        recorder.end_run(status)
    with recording.start(experiment_name="folds", recorder_name="running"):
        recording.set_tags(own="y")
        recording.get_recorder().flush()
        yield recording


@pytest.fixture
def reads(monkeypatch):
    """The ids of the runs that are read one by one."""
    from rollforward.workflow.mlflow_backend.run.logged import LoggedRun

    found, original = [], LoggedRun._read

    def read(self):
        found.append(self.id)
        return original(self)

    monkeypatch.setattr(LoggedRun, "_read", read)
    return found


def test_what_failed_in_a_store_is_counted_and_told(folds, caplog):
    collector = RecorderCollector("folds", rec_key_func=fold_key)
    assert list(collector.collect()["pred"].values()) == [0]
    counts = collector.report.counts
    assert (counts.listed, counts.other_status) == (3, 2)
    assert "of another status" in str(collector)
    assert "have not finished: 1 FAILED and 1 RUNNING." in caplog.text


def test_filters_and_keys_need_no_requests(folds, reads):
    def keep(recorder):
        facts = recorder.list_tags()["own"], recorder.list_metrics(), recorder.list_params()
        return facts[0] == "x" and recorder.load_object("task")["number"] == 0

    collector = RecorderCollector("folds", rec_key_func=fold_key, rec_filter_func=keep)
    bounds = pd.Timestamp("2020-01-01"), pd.Timestamp("2020-01-28")
    assert collector.collect() == {"pred": {("Ridge", bounds): 0}}
    assert list_recorders("folds", lambda recorder: recorder.list_tags().get("model") == "Lasso") == {}
    assert len(reads) == 1  # only the one that goes on, by the last line


def test_a_run_that_goes_on_is_asked(folds, reads):
    seen = []
    collector = RecorderCollector(
        "folds", status=None, rec_filter_func=lambda recorder: seen.append(recorder.list_tags()["own"]) or True
    )
    assert len(collector.collect("__raw")["__raw"]) == 3
    assert seen == ["y", "x", "x"]
    assert len(reads) == 1


def test_what_a_filter_writes_it_reads(folds):
    seen = []

    def keep(recorder):
        recorder.set_tags(own="changed")
        seen.append(recorder.list_tags()["own"])
        return True

    RecorderCollector("folds", rec_filter_func=keep).collect("__raw")
    assert seen == ["changed"]


def test_afterwards_a_recorder_asks_again(folds):
    recorder = next(iter(RecorderCollector("folds").collect("__raw")["__raw"].values()))
    folds.get_recorder(recorder_id=recorder.id, experiment_name="folds").set_tags(own="later")
    assert recorder.list_tags()["own"] == "later"


def test_the_store_filters_by_tags(folds):
    collector = RecorderCollector("folds", status=None, list_kwargs={"filter_string": tag_filter(own="y")})
    assert collector.to_frame()["name"].tolist() == ["running"]


def test_a_table_of_all_that_is_known(folds, reads):
    table = RecorderCollector("folds").to_frame()
    assert table.index.name == "recorder_id"
    assert table["name"].tolist() == ["running", "fold 1", "fold 0"]
    assert table["status"].tolist() == ["RUNNING", "FAILED", "FINISHED"]
    assert table["test_start"].tolist()[1:] == [pd.Timestamp("2020-02-01"), pd.Timestamp("2020-01-01")]
    assert np.isnan(table["metrics.IC"].iloc[0])
    assert table["metrics.IC"].tolist()[1:] == [0.1, 0.0]
    assert table["params.model.kwargs.alpha"].dropna().tolist() == [0.5, 0.0]
    assert table["params.code"].dropna().tolist() == ["001", "000"]
    assert table["tags.own"].tolist() == ["y", "x", "x"]
    assert str(table["started"].dtype).endswith("UTC]")
    assert table["seconds"].iloc[1] == (table["ended"] - table["started"]).iloc[1].total_seconds()
    assert "parent_id" not in table
    assert not [name for name in table if "mlflow." in name]
    columns = list(table)
    assert columns[-1].startswith("tags.")
    assert columns.index("test_end") == columns.index("test_start") + 1 < columns.index("metrics.IC")
    assert reads == []


def test_a_table_of_some(folds):
    collector = RecorderCollector("folds")
    assert collector.to_frame(status="FAILED")["name"].tolist() == ["fold 1"]
    assert collector.to_frame(segments_between(None, "2020-01"))["name"].tolist() == ["fold 0"]
    empty = collector.to_frame(lambda recorder: False)
    assert len(empty) == 0
    assert "name" in empty


def test_the_runs_inside_a_run_name_it(recording):
    settings.change(provenance=False, capture_output=False, heartbeat=0)
    with recording.start(experiment_name="nested"):
        outer = recording.get_recorder().id
        with recording.start(experiment_name="nested"):
            pass
    table = RecorderCollector("nested").to_frame()
    assert table["parent_id"].dropna().tolist() == [outer]


def test_the_folds_of_one_job(recording):
    index = pd.MultiIndex.from_product(
        [pd.bdate_range("2020-01-01", periods=1), ["A"]], names=["datetime", "instrument"]
    )
    children = {}
    for job in JOBS:
        with recording.start(experiment_name="jobs", recorder_name=job):
            parent = recording.get_recorder()
            with recording.start(experiment_name="jobs"):
                recording.save_objects(**{"pred.pkl": pd.DataFrame({"score": 0.0}, index=index)})
                children[job] = recording.get_recorder()
        children[job].parent = parent
    first, second = (children[job].parent for job in JOBS)
    for parent in (first, first.id):
        assert list(RecorderCollector("jobs", parent=parent).collect()["pred"]) == [children["first"].id]

    # The second has reused a fold of the first, and one of another experiment.
    with recording.start(experiment_name="elsewhere"):
        recording.save_objects(**{"pred.pkl": pd.DataFrame({"score": 1.0}, index=index)})
        away = recording.get_recorder()
    used = [children["first"], away]
    table = pd.DataFrame(
        {"recorder_id": [run.id for run in used], "experiment_id": [run.experiment_id for run in used]}
    )
    second.save_objects(**{"folds.csv": table})
    found = RecorderCollector("jobs", parent=second).collect()["pred"]
    assert list(found) == [away.id, children["first"].id]
    assert list(pickle.loads(pickle.dumps(RecorderCollector("jobs", parent=first))).collect()["pred"]) == [
        children["first"].id
    ]


def test_a_fold_of_a_job_that_is_gone_is_an_error(recording):
    settings.change(provenance=False, capture_output=False, heartbeat=0)
    with recording.start(experiment_name="holes"):
        parent, children = recording.get_recorder(), []
        for number in range(3):
            with recording.start(experiment_name="holes"):
                recording.set_tags(number=str(number))
                recording.save_objects(**{"pred.pkl": number})
                children.append(recording.get_recorder())
        # As an unfinished job's page of an earlier version left it: the runs below are meant.
        ids = [child.id for child in children]
        parent.save_objects(**{"folds.csv": pd.DataFrame({"recorder_id": ids})})
    assert len(RecorderCollector("holes", parent=parent).collect()["pred"]) == 3
    parent.save_objects(**{"folds.csv": pd.DataFrame({"recorder_id": ids, "experiment_id": parent.experiment_id})})
    assert len(RecorderCollector("holes", parent=parent).collect()["pred"]) == 3

    experiment = recording.get_exp(experiment_name="holes", create=False)
    experiment.delete_recorder(ids[1])
    with pytest.raises(RecorderNotFoundError, match=f"1 of 3 folds of the job {parent.id} are gone, such as {ids[1]}"):
        RecorderCollector("holes", parent=parent).collect()
    chosen = {"filter_string": "tags.number = '0'"}
    assert RecorderCollector("holes", parent=parent, list_kwargs=chosen).collect()["pred"] == {ids[0]: 0}
    experiment.restore_recorder(ids[1])
    assert len(RecorderCollector("holes", parent=parent).collect()["pred"]) == 3


def test_a_collector_can_be_stored(folds):
    collector = RecorderCollector("folds", rec_key_func=fold_key)
    lazy = pickle.loads(pickle.dumps(collector.collect(lazy=True)["pred"]))
    assert [one() for one in lazy.values()] == [0]
    again = pickle.loads(pickle.dumps(collector))
    assert str(again) == str(collector)
    assert list(again.collect()["pred"].values()) == [0]


def test_a_file_that_cannot_be_opened_is_no_crash(folds):
    (recorder,) = RecorderCollector("folds").collect("__raw")["__raw"].values()
    from pathlib import Path

    path = Path(recorder.download_artifact("pred.pkl"))
    path.unlink()
    path.symlink_to(path)
    collector = RecorderCollector("folds")
    assert collector.collect() == {}
    assert [lost.kind for lost in collector.missing] == ["unreadable"]
