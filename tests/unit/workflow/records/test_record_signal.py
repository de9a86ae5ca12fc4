"""A model that is trained before its test segment begins."""

from __future__ import annotations

import pandas as pd
import pytest

from rollforward import settings
from rollforward.data.calendar import Calendar
from rollforward.data.dataset import DatasetH
from rollforward.data.handler import DataHandlerLP
from rollforward.data.loader import FrameLoader
from rollforward.errors import DataError, EmptySegmentError, MissingArtifactError
from rollforward.workflow.record_temp import (
    HFSignalRecord,
    MultiPassPortAnaRecord,
    PortAnaRecord,
    SigAnaRecord,
    SignalMseRecord,
    SignalRecord,
)

DAYS = pd.bdate_range("2024-01-01", periods=10)


class Shelf(dict):
    def save_objects(self, artifact_path=None, **objects):
        self.update(objects)


class Model:
    def predict(self, dataset, segment="test"):
        return dataset.prepare(segment, col_set="feature").iloc[:, 0].rename("score")


def dataset(*test):
    rows = pd.MultiIndex.from_product([DAYS, ["A", "B"]], names=["datetime", "instrument"])
    frame = pd.DataFrame({("feature", "x"): 1.0, ("label", "LABEL0"): 2.0}, index=rows)
    return DatasetH(DataHandlerLP(data_loader=FrameLoader(frame)), {"train": (None, None), "test": test})


def test_stores_tables_without_rows_that_an_updater_can_go_on_with(caplog):
    settings.init(calendar=Calendar(pd.bdate_range("2024-01-01", periods=20), DAYS[-1]))
    shelf = Shelf()
    SignalRecord(Model(), dataset("2024-01-15", "2024-01-19"), shelf).generate()
    assert shelf["pred.pkl"].empty
    assert list(shelf["pred.pkl"].columns) == ["score"]
    assert shelf["pred.pkl"].index.names == shelf["label.pkl"].index.names == ["datetime", "instrument"]
    assert shelf["pred.pkl"].dtypes["score"] == "float64"
    assert list(shelf["label.pkl"].columns) == ["LABEL0"]
    assert "begins on 2024-01-15" in caplog.text


@pytest.mark.parametrize("test", [("2023-01-02", "2023-01-06"), ("2040-01-02", "2040-01-06")])
def test_a_test_segment_that_is_no_session_to_come_is_an_error_still(test):
    settings.init(calendar=Calendar(pd.bdate_range("2024-01-01", periods=20), DAYS[-1]))
    shelf = Shelf()
    with pytest.raises(EmptySegmentError):
        SignalRecord(Model(), dataset(*test), shelf).generate()
    assert not shelf


JUDGES = [SigAnaRecord, HFSignalRecord, SignalMseRecord, PortAnaRecord, MultiPassPortAnaRecord]


@pytest.mark.parametrize("judge", JUDGES)
def test_what_is_to_come_is_not_judged_yet(memory, caplog, judge):
    settings.init(calendar=Calendar(pd.bdate_range("2024-01-01", periods=20), DAYS[-1]))
    run = memory({})
    SignalRecord(Model(), dataset("2024-01-15", "2024-01-19"), run).generate()
    assert judge(run).generate() is None
    assert sorted(run.objects) == ["label.pkl", "pred.pkl"]
    assert not run.metrics
    assert f"{judge.__name__} of the run run-1: there is nothing to judge yet" in caplog.text


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("with_label", [True, False])
def test_a_model_that_predicts_no_row_is_an_error_still(memory, signal, judge, with_label):
    run = memory({"pred.pkl": signal.pred.iloc[:0]} | ({"label.pkl": signal.label} if with_label else {}))
    with pytest.raises(DataError if with_label or judge in JUDGES[3:] else MissingArtifactError):
        judge(run).generate()
