"""Combinatorial purged splits on the bundled prices, end to end: train, collect, recombine."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from rollforward import settings
from rollforward.data.calendar import Calendar
from rollforward.data.features import DEFAULT_FEATURES
from rollforward.data.ranges import ranges_of
from rollforward.errors import LeakageError
from rollforward.instantiate import init_instance_by_config
from rollforward.testing import copy_store, release_store
from rollforward.workflow.task.audit import audit_folds
from rollforward.workflow.task.collect import RecorderCollector
from rollforward.workflow.task.combinatorial import CombinatorialPurgedGen
from rollforward.workflow.task.recorders import fold_key
from rollforward.workflow.trainer import TrainerR

EXPERIMENT = "paths"
LOOKAHEAD, EMBARGO = 6, 4
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
                    "horizon": LOOKAHEAD - 1,
                    "features": list(DEFAULT_FEATURES[:6]),
                    "start_time": "<dataset.kwargs.segments.train.0>",
                    "fit_start_time": "<dataset.kwargs.segments.train.0>",
                    "fit_end_time": "<dataset.kwargs.segments.train.1>",
                },
            },
            "segments": {"train": ("2012-01-03", "2012-12-31"), "test": ("2013-01-02", "2013-12-31")},
        },
    },
    "record": ["SignalRecord"],
}


@pytest.fixture(scope="module")
def calendar():
    return Calendar.of("bundled:sp500_close")


@pytest.fixture(scope="module")
def generator(calendar):
    return CombinatorialPurgedGen(6, 2, embargo=EMBARGO, calendar=calendar)


@pytest.fixture(scope="module")
def tasks(generator):
    return generator.generate(TASK)


@pytest.fixture(scope="module")
def store(template_store, tmp_path_factory):
    uri = copy_store(template_store, tmp_path_factory.mktemp("paths") / "mlflow.db")
    yield uri
    release_store(uri)


@pytest.fixture(scope="module")
def recorders(store, tasks):
    with settings.override(uri=store):
        return TrainerR(EXPERIMENT, progress=False).train(tasks)


@pytest.fixture
def using(store, recorders):
    with settings.override(uri=store):
        yield recorders


def test_the_paths_have_each_date_once(using, generator, calendar):
    collector = RecorderCollector(EXPERIMENT, process_list=generator.paths(), rec_key_func=fold_key)
    paths = collector()["pred"]
    days = calendar.sessions("2012-01-03", "2013-12-31")
    assert list(paths) == [("Ridge", path) for path in range(5)]
    for frame in paths.values():
        assert frame.index.is_unique
        assert frame.index.is_monotonic_increasing
        assert list(frame.index.unique(level="datetime")) == list(days)
        assert len(frame) == 20 * len(days)
        assert frame["score"].notna().all()
    scores = np.column_stack([frame["score"] for frame in paths.values()])
    assert len(np.unique(scores.round(12), axis=1).T) == 5


def test_a_path_is_made_of_the_splits_that_test_its_groups(using, generator, tasks):
    preds = [recorder.load_object("pred.pkl") for recorder in using]
    paths = RecorderCollector(lambda: using, process_list=generator.paths(), rec_key_func=fold_key)()["pred"]
    chosen = list(combinations(range(6), 2))
    groups = [*ranges_of(tasks[0])["test"], *(ranges_of(task)["test"][1] for task in tasks[1:5])]
    for number, group in enumerate(groups):
        testing = [split for split, groups_of_it in enumerate(chosen) if number in groups_of_it]
        for path, split in enumerate(testing):
            pd.testing.assert_frame_equal(paths["Ridge", path].loc[slice(*group)], preds[split].loc[slice(*group)])


def test_a_model_knows_its_train_ranges_only(using, tasks):
    """The sixth split, counted again with scikit-learn alone."""
    task = tasks[5]
    train, test = (ranges_of(task)[name] for name in ("train", "test"))
    assert len(train) == 2
    assert len(test) == 2
    handler = init_instance_by_config(task["dataset"]["kwargs"]["handler"])
    learn, infer = (handler.fetch(data_key=key, col_set="__raw") for key in ("learn", "infer"))
    rows = pd.concat([learn.loc[slice(*one)] for one in train])
    model = Ridge(alpha=100.0).fit(rows["feature"], rows["label"].iloc[:, 0])
    days = pd.concat([infer.loc[slice(*one)] for one in test])
    np.testing.assert_allclose(using[5].load_object("pred.pkl")["score"], model.predict(days["feature"]), rtol=1e-9)
    raw = handler.fetch(data_key="raw", col_set="feature")
    fitted = pd.concat([raw.loc[slice(*one)] for one in train])
    np.testing.assert_allclose(handler.infer_processors[0].center, fitted.median().to_numpy(), rtol=1e-12)


def test_the_audit_finds_no_leak(calendar, tasks):
    table = audit_folds(tasks, calendar)
    assert (table[["overlap", "fit_overlap"]] == 0).all(axis=None)
    assert (table["label_distance"].dropna() == 1).all()
    assert set(table["n_test"]) == {n + m for n, m in combinations([83] * 5 + [87], 2)}


def test_runs_can_be_told_apart(using):
    names = [recorder.name for recorder in using]
    assert len(set(names)) == len(names) == 15
    tags = using[5].list_tags()
    assert names[5].startswith(f"Ridge {tags['test_start']}..{tags['test_end']} (groups 1+2 of 6)")
    assert (tags["train_start"], tags["train_end"]) == ("2012-01-03", "2013-12-31")
    assert tags["fold"] == "groups 1+2 of 6"
    assert len(tags["test_ranges"].split(", ")) == 2
    assert len({recorder.list_tags()["model_hash"] for recorder in using}) == 15


def test_training_again_finds_all_of_them(using, tasks):
    trainer = TrainerR(EXPERIMENT, progress=False, reuse=True)
    assert [recorder.id for recorder in trainer.train(tasks)] == [recorder.id for recorder in using]


def test_a_task_that_was_tampered_with_is_refused(using, tasks):
    task = {**tasks[5], "dataset": {**tasks[5]["dataset"]}}
    segments = dict(task["dataset"]["kwargs"]["segments"], train=("2012-01-03", "2013-12-31"))
    task["dataset"]["kwargs"] = {**task["dataset"]["kwargs"], "segments": segments}
    with pytest.raises(LeakageError, match="Fold groups 1\\+2 of 6: segment 'train'"):
        TrainerR(EXPERIMENT, progress=False).train(task)
    del task["scheme"]
    with pytest.raises(LeakageError, match="Segment 'train' ends on"):
        TrainerR(EXPERIMENT, progress=False).train(task)
