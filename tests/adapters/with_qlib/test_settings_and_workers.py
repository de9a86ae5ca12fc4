"""What tells a process where Qlib's data are: its environment, a file, what a trainer hands to its workers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from market import LINEAR, RECORDS, task

import rollforward
from rollforward.adapters.qlib import init_qlib
from rollforward.backtest import backtest_daily
from rollforward.data.handler import DataHandlerLP
from rollforward.data.loader import as_loader
from rollforward.errors import DataError, DataSourceError
from rollforward.workflow.trainer import TrainerRM

FILLED = {"infer_processors": [{"class": "Fillna"}], "learn_processors": [{"class": "DropnaLabel"}]}
ASK = """
from rollforward.data.calendar import Calendar
from rollforward.workflow.trainer import task_train
import json, pathlib
task = json.loads(pathlib.Path("task.json").read_text())
print(task_train(task, "told").status, len(Calendar.of("qlib:day")))
"""


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A process that is told nothing, in the directory of the test."""
    monkeypatch.delenv("ROLLFORWARD_QLIB_INIT", raising=False)
    Path("task.json").write_text(json.dumps(task(LINEAR, records=RECORDS[:1], **FILLED)))

    def run(**env):
        return subprocess.run(
            [sys.executable, "-c", ASK], env=os.environ | env, capture_output=True, text=True, check=False, timeout=240
        )

    return run


def test_environment_tells_it(elsewhere, data):
    n_sessions = len((data / "calendars" / "day.txt").read_text().split())
    options = {"provider_uri": str(data), "region": "us", "kernels": 1}

    said = elsewhere(ROLLFORWARD_QLIB_INIT=json.dumps(options))

    assert said.stdout.splitlines()[-1] == f"FINISHED {n_sessions}", said.stderr[-3000:]
    wrong = elsewhere(ROLLFORWARD_QLIB_INIT="us_data")
    assert "ROLLFORWARD_QLIB_INIT is 'us_data'" in wrong.stderr


def test_file_tells_it_and_is_asked_from_below(elsewhere, data, tmp_path):
    Path("us").symlink_to(data)
    Path("rollforward.toml").write_text('[qlib_init]\nprovider_uri = "us"\nregion = "us"\nkernels = 1\n')

    said = elsewhere()

    assert "FINISHED" in said.stdout, said.stderr[-3000:]
    Path("rollforward.toml").write_text('[qlib_init]\nprovider_uri = "nowhere"\n')
    said = elsewhere()
    assert f"there is no folder {tmp_path / 'nowhere'}" in said.stderr


def test_workers_of_a_pool_are_told(tmp_path):
    """They are new processes, which nobody but the trainer tells anything."""
    tasks = [task(LINEAR | {"kwargs": {"estimator": "ridge", "alpha": alpha}}, **FILLED) for alpha in (0.1, 1.0)]
    trainer = TrainerRM(experiment_name="workers", store=f"sqlite:///{tmp_path}/tasks.db", n_workers=2)

    recorders = trainer(tasks)

    assert [recorder.status for recorder in recorders] == ["FINISHED"] * 2


def test_settings_are_checked():
    with pytest.raises(DataSourceError, match="no folder"):
        rollforward.init(qlib_init={"provider_uri": "nowhere"})


def test_live_processors_of_qlib_in_our_handler():
    from qlib.data.dataset.processor import DropnaLabel, Fillna, RobustZScoreNorm

    config = {
        "feature": (["$close/Ref($close,5)-1", "$volume"], ["R5", "V"]),
        "label": (["Ref($close,-2)/Ref($close,-1)-1"], ["L"]),
    }
    scale = RobustZScoreNorm("2012-07-02", "2013-03-28", fields_group="feature", clip_outlier=True)
    handler = DataHandlerLP(
        "all",
        "2012-07-02",
        "2013-10-31",
        data_loader={"class": "QlibDataLoader", "kwargs": {"config": config}},
        infer_processors=[scale, Fillna(fields_group="feature")],
        learn_processors=[DropnaLabel()],
    )

    features = handler.fetch(col_set="feature", data_key="infer")
    fitted = features.loc["2012-07-02":"2013-03-28"]
    np.testing.assert_allclose(fitted.median(), 0, atol=0.05)
    assert features.abs().max().max() <= 3
    assert handler.infer_processors[0] is scale
    assert handler.fetch(col_set="label", data_key="learn").notna().all().all()


def test_market_of_qlib_names_the_instruments_of_prices(data, tmp_path):
    import shutil

    folder = shutil.copytree(data, tmp_path / "data")
    (folder / "instruments" / "csi300.txt").write_text(
        "AAPL\t2012-01-03\t2013-12-31\nKO\t2012-01-03\t2013-01-31\nKO\t2013-06-03\t2013-12-31\n"
    )
    init_qlib(provider_uri=str(folder), region="us", kernels=1)

    prices = as_loader("qlib:$close").load("csi300", "2013-01-02", "2013-12-31")["$close"].unstack()  # noqa: PD010

    assert list(prices.columns) == ["AAPL", "KO"]
    assert prices["AAPL"].notna().all()
    assert prices.loc["2013-02-01":"2013-05-31", "KO"].isna().all()
    assert prices.loc["2013-06-03":, "KO"].notna().all()
    with pytest.raises(DataError, match="no market 'csi500'"):
        as_loader("qlib:$close").load("csi500", "2013-01-02", "2013-12-31")


@pytest.mark.parametrize("prices", [None, "qlib:$close"])
@pytest.mark.parametrize("deal_price", ["close", "open"])
def test_backtest_daily_has_the_prices_and_rules_of_qlib(prices, deal_price):
    from qlib.contrib.evaluate import backtest_daily as theirs
    from qlib.data import D

    moved = D.features(D.instruments("all"), ["$close/Ref($close,5)-1"], "2013-08-01", "2013-09-30").iloc[:, 0]
    signal = moved.swaplevel().sort_index().rename("score")
    options = {
        "start_time": "2013-08-05",
        "end_time": "2013-09-27",
        "account": 1_000_000,
        "benchmark": "KO",
        "exchange_kwargs": {"deal_price": deal_price, "limit_threshold": None, "open_cost": 5e-4, "close_cost": 15e-4},
    }
    strategy = {
        "class": "TopkDropoutStrategy",
        "module_path": "qlib.contrib.strategy",
        "kwargs": {"signal": signal, "topk": 5, "n_drop": 1},
    }

    report, _ = backtest_daily(strategy=strategy, prices=prices, **options)
    expected, _ = theirs(strategy=strategy, **options)

    for column in ("return", "turnover", "cost", "value", "cash"):
        np.testing.assert_allclose(report[column], expected[column], rtol=1e-6, atol=1e-9, err_msg=column)
    assert isinstance(report, pd.DataFrame)
