"""Records on a real run, in the formulas and file names of the contract."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rollforward.workflow.record_temp import SigAnaRecord, SignalRecord

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
    SigAnaRecord(recorder, ana_long_short=True).generate()
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
    record = SigAnaRecord(recorder, ana_long_short=True)
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
