from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rollforward.report import SignalReport, signal_report


@pytest.fixture(scope="session")
def label() -> pd.Series:
    """Returns of 8 instruments on 4 years of weekdays; the last 5 dates have none yet."""
    dates = pd.bdate_range("2018-01-01", "2021-12-31")
    index = pd.MultiIndex.from_product([dates, list("ABCDEFGH")], names=["datetime", "instrument"])
    values = pd.Series(np.random.default_rng(1).normal(0, 0.02, len(index)), index, name="LABEL0")
    return values[values.index.get_level_values("datetime") <= dates[-6]]


@pytest.fixture(scope="session")
def pred(label: pd.Series) -> pd.DataFrame:
    dates = pd.bdate_range("2018-01-01", "2021-12-31")
    index = pd.MultiIndex.from_product([dates, list("ABCDEFGH")], names=["datetime", "instrument"])
    noise = pd.Series(np.random.default_rng(2).normal(0, 0.1, len(index)), index)
    return (label.reindex(index).fillna(0) + noise).to_frame("score")


@pytest.fixture(scope="session")
def fold_table() -> pd.DataFrame:
    """Four yearly folds of ISO dates; the first training window and the last test window are open."""
    return pd.DataFrame(
        {
            "train_start": [None, "2015-01-01", "2016-01-01", "2017-01-01"],
            "train_end": ["2016-12-20", "2017-12-20", "2018-12-20", "2019-12-20"],
            "valid_start": ["2017-01-01", "2018-01-01", "2019-01-01", "2020-01-01"],
            "valid_end": ["2017-12-20", "2018-12-20", "2019-12-20", "2020-12-20"],
            "test_start": ["2018-01-01", "2019-01-01", "2020-01-01", "2021-01-01"],
            "test_end": ["2018-12-31", "2019-12-31", "2020-12-31", None],
            "recorder_id": ["a" * 32, "b" * 32, "c" * 32, "d" * 32],
            "status": ["reused", "trained", "trained", "trained"],
            "seconds": [0.0, 1.25, 1.5, 1.75],
        }
    )


@pytest.fixture
def folds(fold_table: pd.DataFrame) -> pd.DataFrame:
    return fold_table.copy()


@pytest.fixture(scope="session")
def usual(pred: pd.DataFrame, label: pd.Series, fold_table: pd.DataFrame) -> SignalReport:
    """The report with folds; not to be changed."""
    return signal_report(pred, label, folds=fold_table, horizon=1)


@pytest.fixture(scope="session")
def bare(pred: pd.DataFrame, label: pd.Series) -> SignalReport:
    """The report without folds; not to be changed."""
    return signal_report(pred, label, horizon=1)
