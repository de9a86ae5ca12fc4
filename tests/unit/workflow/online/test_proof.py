"""The leak proof finds what looks ahead, and passes what does not."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from rollforward import settings
from rollforward.data.calendar import Calendar
from rollforward.data.cut import data_cut_at
from rollforward.data.dataset import DatasetH, TSDatasetH
from rollforward.data.handler import DataHandlerLP
from rollforward.data.loader import CallableLoader, DataLoader, FileLoader, FrameLoader
from rollforward.data.price_handler import PriceHandler
from rollforward.data.processor import Processor
from rollforward.errors import CalendarError, ProofError
from rollforward.workflow import R
from rollforward.workflow.online.proof import PROOF_FILE, TABLE_FILE, Proof, prove
from rollforward.workflow.trainer import task_train

DAYS = pd.bdate_range("2019-01-01", periods=300)
NAMES = list("ABCDEFG")
CLOSE = pd.DataFrame(np.exp(np.random.default_rng(5).normal(0, 0.02, (300, 7)).cumsum(0)), DAYS, NAMES)
FEATURES = ["REV1", "MA5", "VOL10", "RANK_REV5"]
TEST = (DAYS[200], DAYS[240])


@pytest.fixture(autouse=True)
def _store(tracking_uri):
    settings.init(uri=tracking_uri, calendar=Calendar(DAYS))


def task(train_end=190, processors=(), source=None, **kwargs):
    handler = {
        "class": PriceHandler,
        "kwargs": {
            "source": FrameLoader(CLOSE) if source is None else source,
            "features": FEATURES,
            "fit_start_time": DAYS[0],
            "fit_end_time": DAYS[train_end],
            "end_time": DAYS[299],
            "infer_processors": ["RobustZScoreNorm", "Fillna", *processors],
            **kwargs,
        },
    }
    return {
        "model": {
            "class": "rollforward.model.sklearn.SklearnModel",
            "kwargs": {"estimator": "sklearn.linear_model.Ridge"},
        },
        "dataset": {
            "class": DatasetH,
            "kwargs": {"handler": handler, "segments": {"train": (DAYS[20], DAYS[train_end]), "test": TEST}},
        },
        "record": "SignalRecord",
    }


class Peek(Processor):
    """Yesterday's value and that of tomorrow."""

    def __call__(self, df):
        df["feature", "MA5"] = df["feature", "MA5"].groupby(level=1).shift(-1).fillna(0.0)
        return df


class Overall(Processor):
    """The mean of whatever was loaded."""

    def __call__(self, df):
        df["feature", "MA5"] -= df["feature", "MA5"].mean()
        return df


class Learns(Overall):
    def fit(self, df):
        self.mean = df["feature", "MA5"].mean()

    def __call__(self, df):
        df["feature", "MA5"] -= self.mean
        return df


class Own(DataLoader):
    def load(self, instruments=None, start_time=None, end_time=None):
        return FrameLoader(CLOSE).load(instruments, start_time, end_time)


class Quiet(Own):
    honours_cut = True


def closes(*_):
    return CLOSE


def test_an_honest_run_is_proved():
    recorder = task_train(task(), "exp")
    proof = prove(recorder)
    assert proof.ok
    assert proof.is_complete
    assert bool(proof)
    assert len(proof.comparisons) == 5
    table = proof.table
    assert set(table["prediction"]) == set(table["features"]) == {"same"}
    assert set(table["stored"]) <= {"same", "rounded"}
    assert table["difference"].tolist() == [0.0] * 5
    assert table["n_rows"].tolist() == [7] * 5
    assert [table["date"].min(), table["date"].max()] == [str(day.date()) for day in TEST]
    (training,) = proof.training
    assert training.serves_from == str(DAYS[200].date())
    assert training.trained_until == str(DAYS[190].date())
    # Held five sessions from the next one.
    assert (training.label_lookahead, training.labels_until) == (6, str(DAYS[196].date()))
    assert training.fitted_until == str(DAYS[190].date())
    assert proof.require(complete=True) is proof


def test_the_same_seed_takes_the_same_sessions():
    recorder = task_train(task(), "exp")
    one, again, other = prove(recorder, seed=3), prove(recorder, seed=3), prove(recorder, seed=4)
    assert one == again
    assert one.to_json() == again.to_json()
    assert one.table["date"].tolist() != other.table["date"].tolist()
    assert prove(recorder, sample=1).table["date"].tolist() == [str(TEST[1].date())]
    assert len(prove(recorder, sample=100).comparisons) == 41


@pytest.mark.parametrize("processor", [Peek, Overall])
def test_a_processor_that_looks_ahead_is_found(processor):
    proof = prove(task_train(task(processors=[processor()]), "exp"), [DAYS[210], DAYS[220]])
    assert not proof.ok
    assert set(proof.table["features"]) == set(proof.table["prediction"]) == {"differs"}
    assert all(one.difference > 0 for one in proof.comparisons)
    with pytest.raises(ProofError, match=f"features of {DAYS[210].date()} change"):
        proof.require()
    assert proof.sample is proof.seed is None


class Cheat:
    """A model that reads by itself what comes next, through a loader of this package."""

    def fit(self, dataset):
        pass

    def predict(self, dataset, segment="test"):
        x = dataset.prepare(segment, col_set="feature")
        close = FrameLoader(CLOSE).load()["close"]
        ahead = close.groupby(level=1).shift(-1) / close - 1
        return ahead.reindex(x.index).fillna(0.0)


def test_a_model_that_looks_ahead_is_found():
    proof = prove(task_train({**task(), "model": {"class": Cheat}}, "exp"))
    assert set(proof.table["features"]) == {"same"}
    assert "differs" in set(proof.table["prediction"])
    assert any("its scores of" in text for text in proof.problems)


def test_training_that_knows_too_much():
    late = task_train(task(train_end=190), "exp")
    # The label of session 190 knows 196.
    assert prove(late, [DAYS[210]], effective={late.id: DAYS[197]}).ok
    problem = prove(late, [DAYS[210]], effective={late.id: DAYS[196]}).problems[0]
    assert f"labels know sessions up to {DAYS[196].date()}" in problem
    assert "was trained on sessions" in prove(late, [DAYS[210]], effective={late.id: DAYS[190]}).problems[0]
    wide = task(train_end=190)
    wide["dataset"]["kwargs"]["handler"]["kwargs"]["fit_end_time"] = DAYS[205]
    wide["label_lookahead"] = 0
    assert "processors learned" in prove(task_train(wide, "exp"), [DAYS[210]]).problems[0]


def test_only_what_it_serves_is_compared():
    recorder = task_train(task(), "exp")
    proof = prove(recorder, sample=3, effective={recorder.id: DAYS[215]})
    assert min(one.date for one in proof.comparisons) == str(DAYS[215].date())
    with pytest.raises(ProofError, match="No run has predicted"):
        prove(recorder, [DAYS[214]], effective={recorder.id: DAYS[215]})


def test_what_was_stored_is_compared():
    recorder = task_train(task(), "exp")
    pred = recorder.load_object("pred.pkl")
    pred.loc[DAYS[220]] += 1e-3
    recorder.save_objects(**{"pred.pkl": pred})
    proof = prove(recorder, [DAYS[219], DAYS[220]])
    assert [one.stored == "differs" for one in proof.comparisons] == [False, True]
    assert proof.problems == (
        f"run {recorder.id}: its stored scores of {DAYS[220].date()} are not those that the data give now",
    )


@pytest.mark.parametrize(
    ("source", "limit"),
    [
        (Own(), "Own does not say that it honours the cut"),
        (Quiet(), None),
        (CallableLoader(closes), "closes is asked for data up to a date"),
        ("file", None),
    ],
)
def test_limits_of_sources(source, limit, tmp_path):
    if source == "file":
        CLOSE.to_csv(tmp_path / "close.csv")
        source = FileLoader(tmp_path / "close.csv")
    proof = prove(task_train(task(source=source), "exp"), sample=2)
    assert proof.ok
    assert proof.is_complete is (limit is None)
    if limit is not None:
        assert limit in proof.limits[0]
        with pytest.raises(ProofError, match="run"):
            proof.require(complete=True)


def test_limits_of_processors_and_labels():
    proof = prove(task_train(task(processors=[Learns()]), "exp"), sample=1)
    assert any("Learns learns without a fit window" in text for text in proof.limits)
    ready = FrameLoader({"feature": CLOSE.pct_change().fillna(0.0), "label": CLOSE.pct_change().shift(-2)})
    definition = task()
    definition["dataset"]["kwargs"]["handler"] = DataHandlerLP(data_loader=ready, learn_processors=["DropnaLabel"])
    proof = prove(task_train(definition, "exp"), sample=2)
    assert proof.ok
    assert any("made elsewhere" in text for text in proof.limits)
    assert any("how far its labels look ahead" in text for text in proof.limits)


class LastOfWindow(Cheat):
    def predict(self, dataset, segment="test"):
        sampler = dataset.prepare(segment, col_set="feature")
        return pd.Series([window.mean() for window in sampler], sampler.get_index(), dtype=float)


def test_windows():
    definition = {**task(), "model": {"class": LastOfWindow}}
    definition["dataset"]["class"] = TSDatasetH
    definition["dataset"]["kwargs"]["step_len"] = 7
    proof = prove(task_train(definition, "exp"), sample=3)
    assert proof.is_complete
    assert set(proof.table["stored"]) == {"same"}


def test_several_runs_and_strategies():
    first, second = task(), task()
    second["dataset"]["kwargs"]["segments"] = {"train": (DAYS[20], DAYS[190]), "test": (DAYS[241], DAYS[260])}
    runs = [task_train(first, "exp"), task_train(second, "exp")]
    proof = prove(runs, [DAYS[210], DAYS[250]])
    assert [one.recorder_id for one in proof.comparisons] == [run.id for run in runs]
    tool = SimpleNamespace(online_models=lambda: runs)
    assert prove(SimpleNamespace(tool=tool), [DAYS[210], DAYS[250]]) == prove(tool, [DAYS[210], DAYS[250]]) == proof
    assert prove({"a": runs[0], "b": runs[0]}, sample=1) == prove(runs[0], sample=1)
    only = proof.of_run(runs[1].id)
    assert [one.date for one in only.comparisons] == [str(DAYS[250].date())]
    partly = prove(runs, [DAYS[210]])
    assert partly.ok
    assert not partly.of_run(runs[1].id).ok
    assert partly.limits == (f"run {runs[1].id}: none of its predictions was compared",)


def test_attached_and_read_back():
    recorder = task_train(task(), "exp")
    proof = prove(recorder, sample=2)
    proof.attach(recorder)
    stored = recorder.load_object(PROOF_FILE)
    assert Proof.from_dict(stored) == proof
    assert stored["ok"] is True
    assert json.loads(proof.to_json()) == stored
    assert len(recorder.load_object(TABLE_FILE)) == 2
    with R.start(experiment_name="routines"):
        routine = R.get_recorder()
    proof.attach([routine])
    assert Proof.from_dict(routine.load_object(PROOF_FILE)) == proof
    for broken in ({}, {"form": 2}, {"form": 1}):
        with pytest.raises(ProofError):
            Proof.from_dict(broken)


def test_it_says_what_it_found():
    proof = prove(task_train(task(processors=[Peek()]), "exp"), sample=2)
    assert "2 sessions of 1 run compared: 2 problems" in str(proof)
    assert "<table" in proof._repr_html_()
    empty = Proof((), ())
    assert "nothing proved" in str(empty)
    with pytest.raises(ProofError, match="Nothing was compared"):
        empty.require()


def test_what_cannot_be_proved():
    recorder = task_train(task(), "exp")
    with pytest.raises(ProofError, match="No run has predicted"):
        prove(recorder, [DAYS[10]])
    with pytest.raises(CalendarError):
        prove(recorder, ["1990-01-01"])
    with pytest.raises(ProofError, match="nothing to prove"):
        prove("exp")
    with pytest.raises(ProofError, match="no run"):
        prove([])


class Stubborn(PriceHandler):
    """Loads by itself."""

    def setup_data(self, init_type="fit_seq", *, enable_cache=False):
        with_all = PriceHandler(source=CLOSE, features=FEATURES)
        self._data = self._infer = self._learn = with_all.fetch(col_set="__raw", data_key="raw")


def test_a_handler_that_ignores_the_cut_proves_nothing():
    definition = task()
    definition["dataset"]["kwargs"]["handler"] = Stubborn(source=CLOSE, features=FEATURES)
    recorder = task_train(definition, "exp")
    with pytest.raises(ProofError, match="without a cut"):
        prove(recorder)


class PeekingFit(Processor):
    """Learns from all that it is given, without a window."""

    def fit(self, df):
        self.mean = df["feature", "MA5"].mean()

    def __call__(self, df):
        df["feature", "MA5"] = (df["feature", "MA5"] > self.mean).astype(float)
        return df


def test_trained_anew():
    honest, peeking = task_train(task(), "exp"), task_train(task(processors=[{"class": PeekingFit}]), "exp")
    proof = prove([honest, peeking], sample=3, retrain=True)
    assert [one.retrained for one in proof.training] == ["same", "differs"]
    assert proof.of_run(honest.id).ok
    assert "gives other scores" in proof.problems[0]
    # The second is a leak that cutting the predictions alone does not show.
    assert prove(peeking, sample=3).ok


def test_what_cannot_be_trained_anew():
    used = task()
    used["dataset"]["kwargs"]["handler"] = PriceHandler(source=CLOSE, features=FEATURES)
    used["dataset"] = DatasetH(**used["dataset"]["kwargs"])
    with pytest.raises(ProofError, match="an object that has been used"):
        prove(task_train(used, "exp"), sample=1, retrain=True)
    with pytest.raises(ProofError, match="another run"):
        prove(task_train({**task(), "refit": False}, "exp"), sample=1, retrain=True)


@pytest.mark.parametrize("n_stored", [0, 1, 5])
@pytest.mark.parametrize("processors", [[], [Peek()]])
def test_before_there_is_anything_to_take_away(processors, n_stored):
    """On the evening before a run serves, or soon after, earlier sessions show whether something looks ahead."""
    recorder = task_train(task(processors=processors), "exp")
    stored = recorder.load_object("pred.pkl").iloc[: n_stored * len(NAMES)]
    recorder.save_objects(**{"pred.pkl": stored})
    with data_cut_at(DAYS[199 + n_stored]):
        proof = prove(recorder, sample=3)
    dates = [pd.Timestamp(one.date) for one in proof.comparisons]
    assert sum(date < DAYS[200] for date in dates) == 3
    assert sum(date >= DAYS[200] for date in dates) == min(n_stored, 3)
    assert dates == sorted(dates)
    assert proof.ok is (not processors)
