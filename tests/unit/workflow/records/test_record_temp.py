from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from memory_recorder import MemoryRecorder

from rollforward.errors import ColumnError, DataError, LoadObjectError, ModelError, TaskError
from rollforward.workflow.record_temp import ACRecordTemp, RecordTemp, SigAnaRecord, SignalRecord

INDEX = pd.MultiIndex.from_product(
    [pd.bdate_range("2024-01-02", periods=8), list("ABCDEF")], names=["datetime", "instrument"]
)


class Constant:
    """A model."""

    def __init__(self, score):
        self.score = score

    def predict(self, dataset, segment="test"):
        return self.score


class Labels:
    """A dataset that has nothing but a label."""

    def __init__(self, label, error=None):
        self.label, self.error, self.asked = label, error, []

    def prepare(self, segments, col_set=None, data_key="infer"):
        self.asked.append((segments, col_set, data_key))
        if self.error:
            raise self.error
        return self.label


def column(seed, name="score"):
    return pd.Series(np.random.default_rng(seed).normal(size=len(INDEX)), INDEX, name=name)


def filled():
    return MemoryRecorder({"pred.pkl": column(0).to_frame(), "label.pkl": column(1, "LABEL0").to_frame()})


class Parent(RecordTemp):
    artifact_path = "parent"

    def list(self):
        return ["a.pkl"]


class Child(RecordTemp):
    artifact_path = "child"
    depend_cls = Parent

    def list(self):
        return ["b.pkl"]


class Counting(ACRecordTemp):
    artifact_path = "count"
    depend_cls = Parent
    calls = 0

    def _generate(self, value=1):
        self.calls += 1
        return {"n.pkl": value}

    def list(self):
        return ["n.pkl"]


def test_paths_join_what_is_there():
    assert Parent.get_path("a.pkl") == "parent/a.pkl"
    assert Parent.get_path() == "parent"
    assert SignalRecord.get_path("pred.pkl") == "pred.pkl"
    assert SignalRecord.get_path() == ""


def test_load_looks_in_its_own_folder_first_then_in_its_parents():
    recorder = MemoryRecorder({"parent/a.pkl": 1, "parent/b.pkl": 2, "child/b.pkl": 3})
    child = Child(recorder)
    assert child.load("b.pkl") == 3
    assert child.load("a.pkl") == 1
    with pytest.raises(LoadObjectError):
        child.load("a.pkl", parents=False)


def test_a_record_stays_what_it_is_when_loading_fails():
    child = Child(MemoryRecorder())
    with pytest.raises(LoadObjectError):
        child.load("nowhere.pkl")
    assert type(child) is Child
    assert child.list() == ["b.pkl"]


def test_a_file_that_is_there_and_cannot_be_read_hides_no_other():
    recorder = MemoryRecorder({"parent/b.pkl": 2, "child/b.pkl": 3})
    there = recorder.load_object

    def load_object(name):
        if name == "child/b.pkl":
            raise LoadObjectError("It is damaged.")
        return there(name)

    recorder.load_object = load_object
    with pytest.raises(LoadObjectError, match="damaged"):
        Child(recorder).load("b.pkl")


def test_check_names_every_missing_file():
    child = Child(MemoryRecorder({"child/b.pkl": 1}))
    child.check(include_self=True, parents=False)
    with pytest.raises(FileNotFoundError, match=r"parent/a\.pkl"):
        child.check()
    with pytest.raises(FileNotFoundError, match=r"child/b\.pkl, parent/a\.pkl"):
        Child(MemoryRecorder()).check(include_self=True)


def test_a_record_without_a_run_says_so():
    with pytest.raises(TaskError, match="Child has no recorder"):
        Child(None).load("a.pkl")
    with pytest.raises(NotImplementedError, match="generate"):
        Child(MemoryRecorder()).generate()


def test_a_missing_dependency_is_an_error_and_nothing_is_computed():
    record = Counting(MemoryRecorder())
    with pytest.raises(FileNotFoundError, match="Parent"):
        record.generate()
    assert record.calls == 0
    assert type(record) is Counting


def test_an_optional_record_without_its_input_is_left_out_with_a_warning(caplog):
    recorder = MemoryRecorder()
    record = Counting(recorder, optional=True)
    assert record.generate() is None
    assert record.calls == 0
    assert recorder.objects == {}
    assert "Counting is left out, it is optional: The run run-1 has no parent/a.pkl." in caplog.text
    recorder.objects["parent/a.pkl"] = 1
    assert record.generate() == {"n.pkl": 1}


def test_an_optional_record_still_fails_at_its_own_mistakes():
    class Broken(Counting):
        def _generate(self):
            raise DataError("It cannot be computed.")

    with pytest.raises(DataError):
        Broken(MemoryRecorder({"parent/a.pkl": 1}), optional=True).generate()


def test_existing_files_are_kept_only_when_asked():
    recorder = MemoryRecorder({"parent/a.pkl": 1, "count/n.pkl": "old"})
    assert Counting(recorder, skip_existing=True).generate(2) is None
    assert recorder.objects["count/n.pkl"] == "old"
    assert Counting(recorder).generate(value=2) == {"n.pkl": 2}
    assert recorder.objects["count/n.pkl"] == 2


def test_signal_record_stores_a_score_frame_and_the_raw_label():
    recorder, dataset = MemoryRecorder(), Labels(column(1, "LABEL0"))
    SignalRecord(Constant(column(0, None)), dataset, recorder).generate()
    assert list(recorder.objects["pred.pkl"].columns) == ["score"]
    assert list(recorder.objects["label.pkl"].columns) == ["LABEL0"]
    assert dataset.asked == [("test", "label", "raw")]


def test_signal_record_keeps_a_frame_as_the_model_made_it():
    recorder = MemoryRecorder()
    frame = pd.DataFrame({"a": column(0), "b": column(1)})
    SignalRecord(Constant(frame), Labels(column(1)), recorder).generate()
    assert recorder.objects["pred.pkl"] is frame


def test_a_dataset_that_knows_no_data_key_gives_its_label_all_the_same():
    class Plain:
        def prepare(self, segments, col_set):
            return column(1)

    recorder = MemoryRecorder()
    SignalRecord(Constant(column(0)), Plain(), recorder).generate()
    assert "label.pkl" in recorder.objects


@pytest.mark.parametrize(
    "dataset", [object(), Labels(None, ColumnError("no label")), Labels(None, AttributeError("_data"))]
)
def test_without_a_raw_label_no_label_is_stored_and_what_needs_it_is_an_error(dataset, caplog):
    recorder = MemoryRecorder()
    SignalRecord(Constant(column(0)), dataset, recorder).generate()
    assert list(recorder.objects) == ["pred.pkl"]
    assert "label" in caplog.text
    with pytest.raises(FileNotFoundError, match=r"(?s)label\.pkl.*drop_raw=False"):
        SigAnaRecord(recorder).generate()


def test_signal_record_needs_a_model_and_a_dataset():
    with pytest.raises(TaskError, match="no model"):
        SignalRecord(recorder=MemoryRecorder()).generate()
    with pytest.raises(TaskError, match="no dataset"):
        SignalRecord(Constant(column(0)), recorder=MemoryRecorder()).generate()


def test_sig_ana_equals_plain_pandas():
    recorder = filled()
    stored = SigAnaRecord(recorder, analyses=()).generate()
    pair = pd.DataFrame({"p": column(0), "l": column(1)})
    groups = pair.groupby(level="datetime")
    ic = pd.Series({date: part["p"].corr(part["l"]) for date, part in groups})
    ric = pd.Series({date: part["p"].corr(part["l"], method="spearman") for date, part in groups})
    assert sorted(stored) == ["ic.pkl", "ric.pkl"]
    np.testing.assert_allclose(recorder.objects["sig_analysis/ic.pkl"], ic)
    np.testing.assert_allclose(recorder.objects["sig_analysis/ric.pkl"], ric)
    assert recorder.metrics == pytest.approx(
        {"IC": ic.mean(), "ICIR": ic.mean() / ic.std(), "Rank IC": ric.mean(), "Rank ICIR": ric.mean() / ric.std()}
    )


def test_sig_ana_long_short_is_annualised():
    recorder = filled()
    record = SigAnaRecord(recorder, ana_long_short=True, ann_scaler=100, analyses=())
    stored = record.generate()
    assert sorted(stored) == sorted(record.list()) == ["ic.pkl", "long_avg_r.pkl", "long_short_r.pkl", "ric.pkl"]
    spread, average = stored["long_short_r.pkl"], stored["long_avg_r.pkl"]
    assert recorder.metrics["Long-Short Ann Return"] == pytest.approx(spread.mean() * 100)
    assert recorder.metrics["Long-Short Ann Sharpe"] == pytest.approx(spread.mean() / spread.std() * 10)
    assert recorder.metrics["Long-Avg Ann Return"] == pytest.approx(average.mean() * 100)
    assert recorder.metrics["Long-Avg Ann Sharpe"] == pytest.approx(average.mean() / average.std() * 10)


def test_sig_ana_judges_by_the_column_that_is_asked_for():
    recorder = filled()
    recorder.objects["label.pkl"] = pd.DataFrame({"LABEL0": column(1), "LABEL1": column(0)})
    SigAnaRecord(recorder, label_col=1).generate()
    assert recorder.metrics["IC"] == pytest.approx(1.0)
    with pytest.raises(DataError, match="label_col is 2"):
        SigAnaRecord(recorder, label_col=2).generate()


def test_an_empty_label_is_an_error_and_labels_without_values_a_warning(caplog):
    recorder = filled()
    recorder.objects["label.pkl"] = recorder.objects["label.pkl"].iloc[:0]
    with pytest.raises(DataError, match="empty"):
        SigAnaRecord(recorder).generate()
    recorder.objects["label.pkl"] = filled().objects["label.pkl"] * np.nan
    with caplog.at_level(logging.WARNING):
        SigAnaRecord(recorder).generate()
    assert "No date has an IC" in caplog.text


def test_nothing_is_printed(capsys):
    SignalRecord(Constant(column(0)), Labels(column(1)), MemoryRecorder()).generate()
    SigAnaRecord(filled()).generate()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("pred", [[1.0, 2.0], {"AAPL": 1.0}, np.zeros(3)])
def test_a_prediction_that_is_no_series_is_refused_and_names_the_model(pred):
    recorder = MemoryRecorder()

    with pytest.raises(ModelError, match=r"Constant\.predict returned"):
        SignalRecord(Constant(pred), Labels(None), recorder).generate()

    assert recorder.objects == {}
