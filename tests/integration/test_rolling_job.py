"""The main job on the bundled prices, end to end: what it stores, what it finds again, what it refuses."""

import copy
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rollforward import settings
from rollforward.data.calendar import Calendar
from rollforward.data.price_handler import PriceHandler
from rollforward.errors import (
    ColumnError,
    DataSourceError,
    InstantiationError,
    LeakageError,
    OutOfCalendarError,
    RollforwardError,
    SegmentError,
    TaskError,
)
from rollforward.model.base import Model
from rollforward.testing import copy_store, release_store
from rollforward.workflow import R
from rollforward.workflow.record_temp import SigAnaRecord
from rollforward.workflow.rolling import RollingJob
from rollforward.workflow.trainer import TrainerR, task_train

EXPERIMENT = "job"
TRAIN_START, TRAIN_END = "<dataset.kwargs.segments.train.0>", "<dataset.kwargs.segments.train.1>"
TASK = {
    "model": {
        "class": "SklearnModel",
        "module_path": "rollforward.model.sklearn",
        "kwargs": {"estimator": "sklearn.linear_model.Ridge", "alpha": 100.0},
    },
    "dataset": {
        "class": "DatasetH",
        "module_path": "rollforward.data.dataset",
        "kwargs": {
            "handler": {
                "class": "PriceHandler",
                "module_path": "rollforward.data.price_handler",
                "kwargs": {
                    "source": "bundled:sp500_close",
                    "horizon": 5,
                    "start_time": TRAIN_START,
                    "fit_start_time": TRAIN_START,
                    "fit_end_time": TRAIN_END,
                },
            },
            "segments": {
                "train": ("2012-01-03", "2015-12-31"),
                "valid": ("2016-01-04", "2016-12-30"),
                "test": ("2017-01-03", "2019-12-31"),
            },
        },
    },
    "record": ["SignalRecord", "SigAnaRecord"],
}
STEP, LOOKAHEAD = 126, 6


@pytest.fixture(scope="module")
def store(template_store, tmp_path_factory):
    uri = copy_store(template_store, tmp_path_factory.mktemp("job") / "mlflow.db")
    yield uri
    release_store(uri)


@pytest.fixture(scope="module")
def prices():
    return pd.read_csv(
        settings.__file__.replace("settings/__init__.py", "data/bundled/sp500_close.csv.gz"),
        index_col=0,
        parse_dates=True,
    )


@pytest.fixture(scope="module")
def calendar():
    return Calendar.of("bundled:sp500_close")


def job(calendar, task=TASK, **kwargs):
    return RollingJob(task=task, experiment_name=EXPERIMENT, step=STEP, rtype="sliding", calendar=calendar, **kwargs)


@pytest.fixture(scope="module")
def first(store, calendar):
    with settings.override(uri=store):
        return job(calendar).run(progress=False)


@pytest.fixture
def using(store):
    """The store of the module, with no settings left over from the first run."""
    with settings.override(uri=store):
        yield R.get_exp(experiment_name=EXPERIMENT, create=False)


@pytest.fixture
def empty(recording):
    return recording


def runs(name=EXPERIMENT):
    found = R.list_experiments().get(name)
    return [] if found is None else found.list_recorders(rtype="list")


def changed(path, value):
    task = copy.deepcopy(TASK)
    place = task
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return task


HANDLER = ("dataset", "kwargs", "handler", "kwargs")
SEGMENTS = ("dataset", "kwargs", "segments")


def test_the_test_windows_tile_the_range(first, calendar):
    dates = first.pred.index.get_level_values("datetime").unique()

    expected = [session for session in calendar if session >= pd.Timestamp("2017-01-03")][: len(first.recorders) * STEP]
    assert list(dates) == expected
    assert not first.pred.index.has_duplicates
    assert first.pred.index.is_monotonic_increasing
    assert first.pred.groupby(level="datetime").size().eq(20).all()


def test_no_training_label_knows_a_price_of_the_test_range(first, calendar):
    for recorder in first.recorders:
        segments = recorder.load_object("task")["dataset"]["kwargs"]["segments"]
        test_start = calendar.index_of(segments["test"][0])
        for name in ("train", "valid"):
            last_price_known = calendar.index_of(segments[name][1]) + LOOKAHEAD
            assert last_price_known < test_start


def test_the_fit_window_follows_the_fold(first):
    for recorder in first.recorders:
        segments = recorder.load_object("task")["dataset"]["kwargs"]["segments"]
        handler = recorder.load_object("dataset").handler
        assert (pd.Timestamp(handler.fit_start_time), pd.Timestamp(handler.fit_end_time)) == segments["train"]


def test_labels_are_the_returns_of_the_prices(first, prices):
    bought, sold = prices.shift(-1), prices.shift(-LOOKAHEAD)
    returns = (sold / bought - 1).stack()
    returns.index.names = ["datetime", "instrument"]

    label = first.label.iloc[:, 0].dropna()

    np.testing.assert_allclose(label, returns.reindex(label.index), rtol=1e-12)


def test_figures_agree_with_scipy_and_pandas_on_what_is_stored(first):
    pred = first.recorder.load_object("pred.pkl").iloc[:, 0]
    label = first.recorder.load_object("label.pkl").iloc[:, 0]
    both = pd.concat([pred, label], axis=1, keys=["pred", "label"]).dropna()
    days = [day for _, day in both.groupby(level="datetime")]
    ic = np.array([stats.pearsonr(day["pred"], day["label"])[0] for day in days])
    ric = np.array([stats.spearmanr(day["pred"], day["label"])[0] for day in days])

    logged = first.recorder.list_metrics()

    assert logged["IC"] == pytest.approx(ic.mean(), rel=1e-9)
    assert logged["ICIR"] == pytest.approx(ic.mean() / ic.std(ddof=1), rel=1e-9)
    assert logged["Rank IC"] == pytest.approx(ric.mean(), rel=1e-9)
    assert logged["Rank ICIR"] == pytest.approx(ric.mean() / ric.std(ddof=1), rel=1e-9)
    by_year = first.report.tables["ic_by_year"]
    years = pd.DataFrame({"ic": ic, "ric": ric}, index=[day.index[0][0].year for day in days])
    np.testing.assert_allclose(by_year["IC"].iloc[:-1], years.groupby(level=0)["ic"].mean(), rtol=1e-9)
    np.testing.assert_allclose(by_year["Rank IC"].iloc[:-1], years.groupby(level=0)["ric"].mean(), rtol=1e-9)
    assert by_year["IC"].iloc[-1] == pytest.approx(ic.mean(), rel=1e-9)


def test_pandas_own_correlation_agrees(first):
    both = pd.concat([first.pred.iloc[:, 0], first.label.iloc[:, 0]], axis=1, keys=["pred", "label"])
    daily = both.groupby(level="datetime")
    expected = daily.apply(lambda day: day["pred"].corr(day["label"], method="spearman")).mean()

    assert first.recorder.list_metrics()["Rank IC"] == pytest.approx(expected, rel=1e-9)


def test_folds_are_children_with_their_windows_as_tags(first, using):
    children = using.list_recorders(rtype="list", filter_string=f"tags.mlflow.parentRunId = '{first.recorder.id}'")

    assert {child.id for child in children} == {recorder.id for recorder in first.recorders}
    tags = first.recorders[1].list_tags()
    assert tags["model"] == "Ridge"
    plan = job(Calendar.of("bundled:sp500_close")).plan().iloc[1]
    for column, value in plan.items():
        if column.endswith(("_start", "_end")):
            assert tags[column] == str(value.date())


def test_the_parent_holds_the_report_and_the_tables(first):
    names = set(first.recorder.list_artifacts())

    expected = {"report.html", "pred.pkl", "label.pkl", "folds.csv", "audit.csv", "ic_by_year.csv", "plots"}
    assert expected | {"sig_analysis"} <= names
    assert "plots/windows.png" in first.recorder.list_artifacts("plots")
    assert first.recorder.load_object("report.html").startswith("<!")
    assert first.recorder.status == "FINISHED"


def test_the_parent_says_what_it_is_where_mlflow_shows_it(first):
    tags, params = first.recorder.list_tags(), first.recorder.list_params()

    assert tags["mlflow.note.content"].startswith("Walk-forward job, sliding: 6 folds, tested 2017-01-03 to ")
    assert "Folds: 6 " in tags["mlflow.note.content"]
    assert (params["step"], params["rtype"], params["purge"], params["n_folds"]) == ("126", "sliding", "auto", "6")
    assert params["task.model.kwargs.alpha"] == "100.0"


def test_the_audit_is_stored_and_shows_the_distance_of_every_fold(first):
    audit = first.recorder.load_object("audit.csv")

    assert len(audit) == len(first.recorders)
    assert (audit["overlap"] == 0).all()
    assert (audit["label_distance"] >= 1).all()


@pytest.mark.parametrize("options", [{"trunc_days": 6}, {"trunc_days": 1}, {"purge": None}])
def test_a_leak_is_refused_before_anything_starts(empty, calendar, options):
    leaking = job(calendar, changed((*SEGMENTS, "valid"), ("2016-01-04", "2016-12-30")), **options)

    for refused in (leaking.run, leaking.plan):
        with pytest.raises(LeakageError, match="fold 0"):
            refused()

    assert runs() == []


def test_a_second_run_trains_nothing_and_adds_nothing(first, using, calendar):
    before = {recorder.id for recorder in using.list_recorders(rtype="list")}

    second = job(calendar).run(progress=False)

    assert (second.n_trained, second.n_reused, second.resumed) == (0, len(first.recorders), True)
    assert {recorder.id for recorder in using.list_recorders(rtype="list")} == before
    assert second.recorder.id == first.recorder.id
    assert second.recorder.status == "FINISHED"
    pd.testing.assert_frame_equal(second.pred, first.pred)
    assert second.recorder.list_metrics() == first.recorder.list_metrics()


def test_training_again_on_demand_gives_the_same_numbers_in_new_runs(using, first, calendar):
    again = job(calendar).run(reuse=False, progress=False)

    assert (again.n_trained, again.resumed) == (len(first.recorders), False)
    assert not {recorder.id for recorder in again.recorders} & {recorder.id for recorder in first.recorders}
    pd.testing.assert_frame_equal(again.pred, first.pred)


def prepared(**kwargs):
    """A handler whose label nobody knows before it is built."""
    return PriceHandler(**kwargs)


def test_a_label_that_only_the_built_handler_knows_is_purged_too(empty, calendar, caplog):
    kwargs = TASK["dataset"]["kwargs"]["handler"]["kwargs"]
    task = changed(("dataset", "kwargs", "handler"), {"func": prepared, "kwargs": kwargs})

    audit = job(calendar, task).audit()

    assert (audit["label_lookahead"] == LOOKAHEAD).all()
    assert (audit["label_distance"] >= 1).all()
    assert "Nothing is purged" not in caplog.text


def test_two_experiments_share_their_folds(first, using, calendar):
    there = RollingJob(task=TASK, experiment_name="another", step=STEP, rtype="sliding", calendar=calendar)
    result = there.run(progress=False)

    assert (result.n_trained, result.n_reused, result.resumed) == (0, len(first.recorders), False)
    assert [recorder.id for recorder in runs("another")] == [result.recorder.id]
    pd.testing.assert_frame_equal(result.pred, first.pred, check_exact=True)
    assert set(result.report.tables["folds"]["status"]) == {"reused"}


def test_only_what_changed_is_trained(first, using, calendar, caplog):
    longer = changed((*SEGMENTS, "test"), ("2017-01-03", "2020-12-31"))

    with caplog.at_level("INFO", logger="rollforward.workflow.trainer"):
        result = job(calendar, longer).run(progress=False)

    n_folds = len(result.recorders)
    assert (result.n_reused, result.n_trained) == (len(first.recorders), n_folds - len(first.recorders))
    assert f"Reusing {len(first.recorders)} of {n_folds} trained tasks, training 2" in caplog.text
    dates = first.pred.index.get_level_values("datetime")
    pd.testing.assert_frame_equal(result.pred.loc[dates.min() : dates.max()], first.pred, check_exact=True)


def test_the_plan_knows_what_is_trained_and_how_long_it_takes(first, using, calendar):
    trained = job(calendar).plan()
    longer = job(calendar, changed((*SEGMENTS, "test"), ("2017-01-03", "2020-12-31")), name="planned only")
    anew = longer.plan(reuse=False)

    assert [R.get_recorder(recorder_id=run).list_tags()["test_start"] for run in trained["trained"]] == [
        str(start.date()) for start in trained["test_start"]
    ]
    assert (trained["expected_seconds"] == 0).all()
    assert anew["trained"].isna().all()
    assert (anew["expected_seconds"] > 0).all()
    assert len(set(anew["expected_seconds"])) == 1
    assert (anew["n_test"] == STEP).all()
    assert "planned only" not in {recorder.name for recorder in runs()}


def test_windows_between_refits_share_one_model(empty, calendar):
    result = job(calendar, refit=3).run(progress=False)

    assert (result.n_trained, result.n_predicted, result.n_reused) == (2, 4, 0)
    models = [recorder.list_tags().get("model_from") for recorder in result.recorders]
    one, two = result.recorders[0].id, result.recorders[3].id
    assert models == [None, one, one, None, two, two]
    assert list(result.report.tables["folds"]["status"]) == ["trained", "predicted", "predicted"] * 2
    coefficients = [recorder.load_object("params.pkl").estimator_.coef_ for recorder in result.recorders]
    np.testing.assert_array_equal(coefficients[0], coefficients[2])
    assert not np.array_equal(coefficients[0], coefficients[3])
    again = job(calendar, refit=3).run(progress=False)
    assert (again.n_trained, again.n_predicted, again.n_reused) == (0, 0, 6)
    planned = job(calendar, refit=3, name="other").plan(reuse=False)
    assert list(planned["refit"]) == [True, False, False] * 2
    assert planned["expected_seconds"].notna().all()


def test_a_live_handler_is_shared_and_its_job_is_never_found_again(empty, calendar, caplog):
    kwargs = {"source": "bundled:sp500_close", "horizon": 5, "start_time": "2012-01-03", "end_time": "2018-12-31"}
    task = changed((*SEGMENTS, "test"), ("2017-01-03", "2017-12-29"))
    task["dataset"]["kwargs"]["handler"] = PriceHandler(**kwargs)
    live = job(calendar, task)

    with caplog.at_level("INFO", logger="rollforward.workflow"):
        results = [live.run(progress=False), live.run(progress=False)]

    assert [result.n_trained for result in results] == [2, 2]
    assert results[0].recorder.id != results[1].recorder.id
    assert "PriceHandler" in next(text for text in caplog.messages if "cannot be found again" in text)
    pd.testing.assert_frame_equal(results[0].pred, results[1].pred, check_exact=True)


def test_another_model_is_another_job(first, using, calendar):
    other = job(calendar, changed(("model", "kwargs", "alpha"), 10.0)).run(progress=False)

    assert other.n_reused == 0
    assert other.recorder.id != first.recorder.id


class Unsteady(Model):
    """Fails on the fold that a file names."""

    def __init__(self, file):
        self.file = file

    def fit(self, dataset, reweighter=None):
        start = str(dataset.segments["test"][0])[:10]
        if start in Path(self.file).read_text(encoding="utf-8"):
            raise ZeroDivisionError(f"fold {start} is cursed")

        feature = dataset.prepare("train", col_set="feature")
        self.weights = np.random.default_rng(len(feature)).normal(size=feature.shape[1])

    def predict(self, dataset, segment="test"):
        feature = dataset.prepare(segment, col_set="feature").fillna(0.0)
        return (feature @ self.weights).rename("score")


def test_an_interrupted_job_goes_on_where_it_stopped(empty, calendar, tmp_path):
    file = tmp_path / "failing.txt"
    file.write_text("2018-01-03", encoding="utf-8")
    task = changed(("model",), {"class": Unsteady, "kwargs": {"file": str(file)}})
    unsteady = job(calendar, task)
    starts = [str(fold["test_start"].date()) for _, fold in unsteady.plan().iterrows()]
    file.write_text(starts[2], encoding="utf-8")

    with pytest.raises(ZeroDivisionError, match="cursed"):
        unsteady.run(progress=False)

    stopped = {recorder.id: recorder for recorder in runs()}
    assert sorted(recorder.status for recorder in stopped.values()) == ["FAILED", "FAILED", "FINISHED", "FINISHED"]
    for recorder in stopped.values():
        if recorder.status == "FAILED":
            assert "ZeroDivisionError" in recorder.load_object("traceback.txt")
            assert "cursed" in recorder.list_tags()["error"]
    file.write_text("", encoding="utf-8")

    result = unsteady.run(progress=False)

    assert (result.n_reused, result.n_trained) == (2, len(starts) - 2)
    assert result.resumed
    assert result.recorder.status == "FINISHED"
    assert result.recorder.id in stopped
    whole = unsteady.run(reuse=False, progress=False)
    assert whole.n_reused == 0
    for name in ("pred", "label"):
        pd.testing.assert_frame_equal(getattr(result, name), getattr(whole, name), check_exact=True)
        kept = [one.recorder.load_object(f"{name}.pkl") for one in (result, whole)]
        assert kept[0].to_numpy().tobytes() == kept[1].to_numpy().tobytes()


@pytest.mark.parametrize(
    ("path", "value", "error", "says"),
    [
        ((*HANDLER, "source"), "nowhere/prices.csv", DataSourceError, "nowhere/prices.csv"),
        (("model", "class"), "SklearnModell", InstantiationError, "SklearnModel"),
        (("model", "module_path"), "rollforward.model.nowhere", InstantiationError, "rollforward.model.nowhere"),
        (("model", "kwargs", "alhpa"), 1.0, RollforwardError, "alpha"),
        ((*HANDLER, "horison"), 5, InstantiationError, "horizon"),
        ((*HANDLER, "instruments"), ["AAPL", "APL"], RollforwardError, "APL"),
        ((*SEGMENTS, "train"), ("2012-01-03", "2017-06-30"), LeakageError, "train"),
        ((*SEGMENTS, "train"), ("2015-12-31", "2012-01-03"), SegmentError, "train"),
        ((*SEGMENTS, "train"), ("1970-01-02", "1975-12-31"), (OutOfCalendarError, SegmentError), "train"),
        ((*SEGMENTS, "test"), ("2040-01-02", "2041-12-31"), (OutOfCalendarError, SegmentError), "2040"),
        (("record",), ["SignalRecrd"], InstantiationError, "SignalRecord"),
        ((*HANDLER, "fit_start_time"), "<dataset.kwargs.segments.trian.0>", InstantiationError, "trian"),
    ],
)
def test_bad_input_is_explained_and_leaves_no_run(empty, calendar, path, value, error, says):
    task = changed(path, value)

    with pytest.raises(error, match=says):
        job(calendar, task).run(progress=False)
    with pytest.raises(error, match=says):
        TrainerR(EXPERIMENT, progress=False).train(task)

    assert [recorder.status for recorder in runs() if recorder.status != "FAILED"] == []
    for recorder in runs():
        assert recorder.list_tags()["error"]


def test_a_wrong_column_ends_the_run_as_failed_with_the_reason(empty, tmp_path, prices):
    file = tmp_path / "long.csv"
    long = prices.loc["2014":"2016"].stack().rename("last").reset_index()
    long.columns = ["datetime", "instrument", "last"]
    long.to_csv(file, index=False)
    task = changed((*HANDLER, "source"), str(file))

    with pytest.raises(ColumnError, match="close"):
        task_train(task, EXPERIMENT)

    (run,) = runs()
    assert run.status == "FAILED"
    assert "close" in run.load_object("traceback.txt")


def test_the_records_of_the_task_judge_the_merged_prediction(empty, calendar):
    strategy = {"class": "TopkDropoutStrategy", "kwargs": {"signal": "<PRED>", "topk": 5, "n_drop": 1}}
    records = [
        "SignalRecord",
        {"class": "SigAnaRecord", "kwargs": {"analyses": ["long_short"]}},
        {"class": "MultiSegRecord", "kwargs": {"save": True}},
        {"class": "PortAnaRecord", "kwargs": {"config": {"strategy": strategy, "backtest": {"account": 1e6}}}},
    ]
    task = changed(("record",), records)
    task["dataset"]["kwargs"]["segments"]["test"] = ("2017-01-03", "2017-12-29")
    result = job(calendar, task).run(progress=False)
    parent = result.recorder

    report = parent.load_object("portfolio_analysis/report_normal_1day.pkl")
    dates = result.pred.index.get_level_values("datetime")
    assert (report.index[0], len(report)) == (dates.min(), dates.nunique() + 1)
    folds = [fold.load_object("portfolio_analysis/report_normal_1day.pkl") for fold in result.recorders]
    assert [fold["account"].iloc[0] for fold in folds] == [pytest.approx(1e6, rel=0.05)] * 2  # each begins anew
    metrics = parent.list_metrics()
    assert "1day.excess_return_with_cost.information_ratio" in metrics
    assert "no backtest" not in result.report.html

    # The long-short portfolio is held as long as the label spans.
    given = {"long_short": {"holding": 5, "cost": 0.001}}
    record = SigAnaRecord(parent, analyses=given, prices="bundled:sp500_close")
    figures = record.generate()["long_short_net.pkl"]
    assert metrics["Long-Short Net Ann Return"] == pytest.approx(figures["net"].mean() * 252)
    assert "results-test.pkl" in result.recorders[0].list_artifacts()
    assert "results-test.pkl" not in parent.list_artifacts()


def test_the_age_of_the_models_is_analysed_over_all_folds(empty, calendar):
    task = changed(
        ("record",), ["SignalRecord", {"class": "SigAnaRecord", "kwargs": {"analyses": {"age": {"width": 9}}}}]
    )
    task["dataset"]["kwargs"]["segments"]["test"] = ("2017-01-03", "2017-12-29")
    result = job(calendar, task).run(progress=False)

    table = result.recorder.load_object("sig_analysis/ic_by_age.csv")
    assert table["n_folds"].max() == len(result.recorders) == 2
    assert table["n_dates"].sum() == len(result.recorder.load_object("sig_analysis/ic.pkl").dropna())
    gap = calendar.index_of(result.pred.index[0][0]) - calendar.index_of(result.recorders[0].list_tags()["train_end"])
    assert table["age"].min() == gap - (gap - 1) % 9
    assert not [fold for fold in result.recorders if "ic_by_age.csv" in str(fold.list_artifacts("sig_analysis"))]
    assert "cutoff" not in result.pred


def test_the_result_shows_itself_in_a_few_lines(first):
    for text in (str(first), first._repr_html_()):
        assert first.recorder.id in text
        assert f"{first.metrics['IC']:.4f}" in text
        assert "2017-01-03" in text
    assert len(str(first).splitlines()) < 15
    assert repr(first) == "RollingResult('rolling', 6 folds, 2017-01-03 to 2020-01-03)"
    assert first.metrics == pytest.approx({name: first.recorder.list_metrics()[name] for name in first.metrics})


def test_a_plan_stores_nothing(empty, calendar):
    plan = job(calendar).plan()

    assert len(plan) == math.ceil(len(calendar.sessions("2017-01-03", "2019-12-31")) / STEP)
    assert runs() == []


def test_the_caller_s_task_is_not_touched(empty, calendar):
    task = copy.deepcopy(TASK)
    last_fold_only = changed((*SEGMENTS, "test"), ("2019-07-01", "2019-12-30"))

    job(calendar, task).plan()
    job(calendar, last_fold_only).run(progress=False)

    assert task == TASK


class WindowMean(Model):
    """Scores a window by its mean."""

    def fit(self, dataset, reweighter=None):
        assert len(dataset.prepare("train", col_set="feature"))

    def predict(self, dataset, segment="test"):
        windows = dataset.prepare(segment, col_set="feature")
        values = np.nan_to_num([np.nansum(window) for window in windows])
        return pd.Series(values, index=windows.get_index(), name="score")


def test_a_model_of_windows_is_rolled_like_any_other(empty, calendar):
    task = changed(("dataset", "class"), "TSDatasetH")
    task["dataset"]["kwargs"]["step_len"] = 5
    task["dataset"]["kwargs"]["handler"]["kwargs"]["features"] = ["REV1", "VOL20"]
    task["dataset"]["kwargs"]["segments"]["test"] = ("2019-07-01", "2019-12-30")
    task["model"] = {"class": WindowMean}

    result = job(calendar, task).run(progress=False)

    fold = result.recorders[0]
    assert isinstance(fold.load_object("label.pkl"), pd.DataFrame)
    assert result.label.index.equals(result.pred.index)
    assert math.isfinite(result.recorder.list_metrics()["IC"])


def test_a_task_without_records_is_refused_before_anything_is_trained(empty, calendar):
    task = copy.deepcopy(TASK)
    del task["record"]

    with pytest.raises(TaskError, match="record"):
        job(calendar, task).run(progress=False)

    assert runs() == []
