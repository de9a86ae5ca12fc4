"""Records on a real run, in the formulas and file names of the contract."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from rollforward.errors import DataError, MissingArtifactError
from rollforward.instantiate import init_instance_by_config
from rollforward.workflow.record_temp import (
    HFSignalRecord,
    MultiSegRecord,
    SigAnaRecord,
    SignalMseRecord,
    SignalRecord,
)

INDEX = pd.MultiIndex.from_product(
    [pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04"]), list("ABCDE")], names=["datetime", "instrument"]
)
PRED = [1, 2, 3, 4, 5, 5, 4, 3, 2, 1, 1, 3, 2, 5, 4]
LABEL = [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5]


@pytest.fixture
def recorder(recording):
    with recording.start(experiment_name="exp"):
        run = recording.get_recorder()
        run.save_objects(
            **{
                "pred.pkl": pd.DataFrame({"score": np.asarray(PRED, dtype=float)}, INDEX),
                "label.pkl": pd.DataFrame({"LABEL0": np.asarray(LABEL, dtype=float) / 100}, INDEX),
            }
        )
    return run


def test_worked_example(recorder):
    SigAnaRecord(recorder, ana_long_short=True, analyses=()).generate()
    # Day by day: the same order, the opposite one, and one with 1 - 6 * (0 + 1 + 1 + 1 + 1) / (5 * 24) = 0.8.
    ric = recorder.load_object("sig_analysis/ric.pkl")
    assert ric.tolist() == pytest.approx([1.0, -1.0, 0.8])
    assert list(ric.index) == list(INDEX.levels[0])
    spread = recorder.load_object("sig_analysis/long_short_r.pkl")
    assert spread.tolist() == pytest.approx([(0.05 - 0.01) / 2, (0.01 - 0.05) / 2, (0.04 - 0.01) / 2])
    assert recorder.load_object("sig_analysis/long_avg_r.pkl").tolist() == pytest.approx([0.03, 0.03, 0.03])
    metrics = recorder.list_metrics()
    daily = np.array([1.0, -1.0, 0.8])
    assert metrics["Rank IC"] == pytest.approx(daily.mean())
    assert metrics["Rank ICIR"] == pytest.approx(daily.mean() / daily.std(ddof=1))
    assert metrics["Long-Short Ann Return"] == pytest.approx(0.015 / 3 * 252)
    assert set(metrics) == {
        *("IC", "ICIR", "Rank IC", "Rank ICIR"),
        *("Long-Short Ann Return", "Long-Short Ann Sharpe", "Long-Avg Ann Return", "Long-Avg Ann Sharpe"),
    }


def test_files_are_where_the_contract_has_them(recorder):
    record = SigAnaRecord(recorder, ana_long_short=True, analyses=())
    record.generate()
    assert recorder.list_artifacts() == ["label.pkl", "pred.pkl", "requirements.txt", "sig_analysis"]
    assert recorder.list_artifacts("sig_analysis") == [
        f"sig_analysis/{name}.pkl" for name in ("ic", "long_avg_r", "long_short_r", "ric")
    ]
    record.check(include_self=True)
    assert SigAnaRecord(recorder, skip_existing=True).generate() is None
    assert SigAnaRecord(recorder).load("pred.pkl").equals(recorder.load_object("pred.pkl"))


def test_a_failed_record_stays_what_it_is(recording):
    with recording.start(experiment_name="exp"):
        run = recording.get_recorder()
    record = SigAnaRecord(run)
    with pytest.raises(FileNotFoundError, match=r"pred\.pkl, label\.pkl"):
        record.generate()
    assert type(record) is SigAnaRecord
    assert SigAnaRecord.depend_cls is SignalRecord


def test_hf_worked_example(recording, hf_frames):
    """Six instruments, one of them picked on each side."""
    pred, label = hf_frames
    with recording.start(experiment_name="exp"):
        run = recording.get_recorder()
        run.save_objects(**{"pred.pkl": pred, "label.pkl": label})
    record = HFSignalRecord(run)
    record.generate()
    # Against the mean of 3.5: day one picks 6 (right) and sells 1 (right), day two picks 1 and sells 6 (both wrong).
    assert run.list_metrics() == pytest.approx(
        {
            "IC": 0.0,
            "ICIR": 0.0,
            "Rank IC": 0.0,
            "Rank ICIR": 0.0,
            "Long precision": 0.5,
            "Short precision": 0.5,
            "Long-Short Average Return": 0.0,
            "Long-Short Average Sharpe": 0.0,
        },
        abs=1e-12,
    )
    assert run.list_artifacts("hg_sig_analysis") == [f"hg_sig_analysis/{name}" for name in sorted(record.list())]
    assert record.load("long_pre.pkl").tolist() == [1.0, 0.0]
    assert record.load("long_short_r.pkl").tolist() == pytest.approx([2.5, -2.5])
    assert record.load("long_avg_r.pkl").tolist() == pytest.approx([3.5, 3.5])


@pytest.fixture
def hf_frames():
    rows = INDEX[:1].append(INDEX[5:6]).get_level_values("datetime")
    rows = pd.MultiIndex.from_product([rows, list("ABCDEF")], names=["datetime", "instrument"])
    up = np.arange(1.0, 7.0)
    pred = pd.DataFrame({"score": np.concatenate([up, -up])}, rows)
    return pred, pd.DataFrame({"LABEL0": np.tile(up, 2)}, rows)


def test_hf_needs_six_instruments(recorder):
    with pytest.raises(ValueError, match="Need more instruments"):
        HFSignalRecord(recorder).generate()


def test_mse_worked_example(recorder):
    SignalMseRecord(recorder).generate()
    errors = np.asarray(PRED) - np.asarray(LABEL) / 100
    assert recorder.list_metrics() == pytest.approx({"MSE": np.mean(errors**2), "RMSE": np.sqrt(np.mean(errors**2))})
    assert recorder.load_object("sig_analysis/mse.pkl") == pytest.approx(np.mean(errors**2))
    assert recorder.list_artifacts("sig_analysis") == ["sig_analysis/mse.pkl", "sig_analysis/rmse.pkl"]


def test_mse_matches_rows_and_leaves_out_what_has_no_label(recorder):
    label = recorder.load_object("label.pkl")
    label.iloc[3] = np.nan
    recorder.save_objects(**{"label.pkl": label.iloc[::-1].iloc[:-1]})
    SignalMseRecord(recorder).generate()
    errors = np.delete(np.asarray(PRED) - np.asarray(LABEL) / 100, [0, 3])
    assert recorder.list_metrics()["MSE"] == pytest.approx(np.mean(errors**2))
    recorder.save_objects(**{"label.pkl": label * np.nan})
    with pytest.raises(DataError, match="no row has both"):
        SignalMseRecord(recorder).generate()


@pytest.mark.parametrize("record", [HFSignalRecord, SignalMseRecord, SigAnaRecord])
def test_a_run_without_a_label_fails_its_records(recording, record, hf_frames):
    with recording.start(experiment_name="exp"):
        run = recording.get_recorder()
        run.save_objects(**{"pred.pkl": hf_frames[0]})
    with pytest.raises(MissingArtifactError, match=r"label\.pkl"):
        record(run).generate()
    assert record(run, optional=True).generate() is None
    assert run.list_metrics() == {}


class Halves:
    """A model and its dataset: the segments are halves of a prediction and its label."""

    segments: ClassVar = {"train": 0, "test": 1}

    def __init__(self, frames):
        self.frames = frames

    def predict(self, dataset, segment="test"):
        return self._half(self.frames[0]["score"], segment)

    def prepare(self, segments, col_set=None, data_key="infer"):
        assert (col_set, data_key) == ("label", "raw")
        return self._half(self.frames[1], segments)

    def _half(self, frame, segment):
        half = len(frame) // 2
        return frame.iloc[:half] if segment == "train" else frame.iloc[half:] if segment == "test" else frame.iloc[:0]


def test_several_segments(recording, hf_frames):
    halves = Halves(hf_frames)
    with recording.start(experiment_name="exp"):
        run = recording.get_recorder()
    record = MultiSegRecord(halves, halves, run)
    results = record.generate({"in sample": "train", "out": "test"}, save=True)
    assert run.list_artifacts() == ["requirements.txt", "results-in sample.pkl", "results-out.pkl"]
    stored = run.load_object("results-in sample.pkl")
    assert sorted(stored) == ["all-IC", "all-Rank-IC", "mean-IC", "mean-Rank-IC"]
    assert stored["mean-IC"] == pytest.approx(1.0)
    assert stored["all-Rank-IC"].tolist() == pytest.approx([1.0])
    assert results["out"]["mean-Rank-IC"] == pytest.approx(-1.0)
    record.check(include_self=True)
    with pytest.raises(DataError, match="no label of 'none'"):
        record.generate({"none": "nowhere"})
    for segments in ({}, {"a/b": "train"}, {3: "train"}, ["train"]):
        with pytest.raises(ValueError, match="MultiSegRecord: "):
            record.generate(segments)


def test_several_segments_in_a_task(recording, hf_frames):
    halves = Halves(hf_frames)
    with recording.start(experiment_name="exp"):
        run = recording.get_recorder()
        config = {
            "class": "MultiSegRecord",
            "module_path": "qlib.contrib.workflow.record_temp",
            "kwargs": {"save": True},
        }
        offered = {"model": halves, "dataset": halves}
        record = init_instance_by_config(config, try_kwargs=offered, recorder=run)
        record.generate()
    assert record.list() == ["results-train.pkl", "results-test.pkl"]
    record.check(include_self=True)
    with pytest.raises(ValueError, match=r"has no prepare\(\)"):
        MultiSegRecord(halves, object())


@pytest.mark.parametrize("name", ["HFSignalRecord", "SignalMseRecord", "SigAnaRecord", "SignalRecord"])
def test_unknown_arguments_are_refused(recorder, name):
    config = {"class": name, "module_path": "rollforward.workflow.record_temp", "kwargs": {"topk": 3}}
    with pytest.raises(ValueError, match="topk"):
        init_instance_by_config(config, recorder=recorder)


def test_a_misspelt_record_is_compared_with_all_of_them(recorder):
    config = {"class": "SignalMseRecrd", "module_path": "rollforward.workflow.record_temp"}
    with pytest.raises(ValueError, match="Did you mean 'SignalMseRecord'"):
        init_instance_by_config(config, recorder=recorder)
