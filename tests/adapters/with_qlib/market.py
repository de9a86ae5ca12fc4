"""A small market in Qlib's own files, and tasks on it; what both sides, Qlib alone and we, are asked for."""

from pathlib import Path

import numpy as np
import pandas as pd
from against_qlib.backtest_oracle import write_market

CLOSES = Path(__file__).resolve().parents[3] / "src" / "rollforward" / "data" / "bundled" / "sp500_close.csv.gz"
NAMES = ["AAPL", "BAC", "CVX", "GE", "HD", "JNJ", "JPM", "KO", "MSFT", "PG", "WMT", "XOM"]
TRAIN, VALID, TEST = ("2012-07-02", "2013-03-28"), ("2013-04-01", "2013-07-31"), ("2013-08-01", "2013-10-31")
WINDOW = {
    "instruments": "all",
    "start_time": TRAIN[0],
    "end_time": TEST[1],
    "fit_start_time": TRAIN[0],
    "fit_end_time": TRAIN[1],
}
SEGMENTS = {"train": TRAIN, "valid": VALID, "test": TEST}
LINEAR = {"class": "LinearModel", "module_path": "qlib.contrib.model.linear"}
LGB = {
    "class": "LGBModel",
    "module_path": "qlib.contrib.model.gbdt",
    "kwargs": {"num_threads": 1, "num_boost_round": 20, "max_depth": 4, "seed": 7, "deterministic": True},
}
RECORDS = [
    {
        "class": "SignalRecord",
        "module_path": "qlib.workflow.record_temp",
        "kwargs": {"model": "<MODEL>", "dataset": "<DATASET>"},
    },
    {"class": "SigAnaRecord", "module_path": "qlib.workflow.record_temp", "kwargs": {"ana_long_short": False}},
    {
        "class": "PortAnaRecord",
        "module_path": "qlib.workflow.record_temp",
        "kwargs": {
            "config": {
                "strategy": {
                    "class": "TopkDropoutStrategy",
                    "module_path": "qlib.contrib.strategy",
                    "kwargs": {"signal": "<PRED>", "topk": 5, "n_drop": 1},
                },
                "backtest": {
                    "start_time": TEST[0],
                    "end_time": TEST[1],
                    "account": 1_000_000,
                    "benchmark": "KO",
                    "exchange_kwargs": {"deal_price": "close", "open_cost": 5e-4, "close_cost": 15e-4, "min_cost": 5},
                },
            }
        },
    },
]


def write(folder, *, last="2013-12-31"):
    """Write the market as a folder of Qlib's data; ends early for a market to be updated."""
    closes = pd.read_csv(CLOSES, index_col=0, parse_dates=True).loc["2012-01-01":"2013-12-31", NAMES]
    random = np.random.default_rng(20260101)
    close = closes.astype(np.float32)
    opened = (close * (1 + random.normal(0, 0.005, close.shape))).astype(np.float32)
    columns = {
        "close": close,
        "open": opened,
        "high": (np.maximum(close, opened) * 1.002).astype(np.float32),
        "low": (np.minimum(close, opened) * 0.998).astype(np.float32),
        "vwap": ((close + opened) / 2).astype(np.float32),
        "volume": pd.DataFrame(random.integers(10**5, 10**6, close.shape), close.index, close.columns),
        "change": (close / close.shift(1) - 1).astype(np.float32),
        "factor": close * 0 + 0.5,
    }
    write_market(Path(folder), {name: table.loc[:last] for name, table in columns.items()})
    return folder


def task(model, handler="Alpha158", records=(), **kwargs):
    return {
        "model": model,
        "dataset": {
            "class": "DatasetH",
            "module_path": "qlib.data.dataset",
            "kwargs": {
                "handler": {
                    "class": handler,
                    "module_path": "qlib.contrib.data.handler",
                    "kwargs": {**WINDOW, **kwargs},
                },
                "segments": dict(SEGMENTS),
            },
        },
        "record": list(records),
    }
