"""A model that is trained before its test segment begins."""

from __future__ import annotations

import pandas as pd
import pytest

from rollforward import settings
from rollforward.data.calendar import Calendar
from rollforward.data.dataset import DatasetH
from rollforward.data.handler import DataHandlerLP
from rollforward.data.loader import FrameLoader
from rollforward.errors import EmptySegmentError
from rollforward.workflow.record_temp import SignalRecord

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
