"""The oracle of the backtest, for pyqlib's environment: ``python -m against_qlib.backtest_oracle CSV FOLDER ANSWERS``.

Writes each market as a folder of Qlib's own binary files, runs Qlib's own backtest on it, and stores the frames as JSON.
"""

import json
import logging
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from against_qlib.backtest_cases import CASES, markets, period


def main(csv, folder, answers):
    closes = pd.read_csv(csv, index_col=0, parse_dates=True)
    found = markets(closes)
    said = {}
    for name in found:
        write_market(Path(folder) / name, found[name])
        open_market(Path(folder) / name)
        for key, case in CASES.items():
            if case["market"] == name:
                said[key] = run(found[name], case)
    Path(answers).write_text(json.dumps(said))


def write_market(folder, columns):
    close = columns["close"]
    (folder / "calendars").mkdir(parents=True)
    (folder / "instruments").mkdir()
    days = [f"{day:%Y-%m-%d}" for day in close.index]
    (folder / "calendars" / "day.txt").write_text("\n".join(days))
    (folder / "instruments" / "all.txt").write_text("".join(f"{n}\t{days[0]}\t{days[-1]}\n" for n in close.columns))
    for instrument in close.columns:
        home = folder / "features" / instrument.lower()
        home.mkdir(parents=True)
        for field, table in columns.items():
            if field != "score":
                np.concatenate([[0], table[instrument]]).astype("<f4").tofile(home / f"{field}.day.bin")


def open_market(folder):
    import qlib
    from qlib.config import C
    from qlib.utils import paral

    paral.ParallelExt = lambda n_jobs, **_: paral.Parallel(n_jobs=1)
    qlib.init(provider_uri=str(folder), region="us", kernels=1, logging_level=logging.CRITICAL, skip_if_reg=False)
    C["joblib_backend"] = "threading"
    logging.disable(logging.CRITICAL)


def run(columns, case):
    from qlib.backtest import backtest
    from qlib.contrib.evaluate import indicator_analysis, risk_analysis

    start, end = period(columns)
    score = columns["score"].stack().rename("score").rename_axis(["datetime", "instrument"])
    began = time.perf_counter()
    portfolio, indicators = backtest(
        start_time=start,
        end_time=end,
        strategy={
            "class": "TopkDropoutStrategy",
            "module_path": "qlib.contrib.strategy.signal_strategy",
            "kwargs": {"signal": score, **case["strategy"]},
        },
        executor={
            "class": "SimulatorExecutor",
            "module_path": "qlib.backtest.executor",
            "kwargs": {"time_per_step": "day", "generate_portfolio_metrics": True},
        },
        account=case["account"],
        benchmark=case["benchmark"],
        exchange_kwargs={"freq": "day", "codes": "all", "trade_unit": None, **case["exchange"]},
    )
    took = time.perf_counter() - began
    report, positions = portfolio["1day"]
    daily = indicators["1day"][0]
    excess = report["return"] - report["bench"]
    return {
        "seconds": took,
        "report": frame(report),
        "indicators": frame(daily),
        "held": {str(day): position.get_stock_amount_dict() for day, position in positions.items()},
        "ages": {
            str(day): {name: position.get_stock_count(name, "day") for name in position.get_stock_list()}
            for day, position in positions.items()
        },
        "risk": {mode: risk_analysis(excess, mode=mode)["risk"].to_dict() for mode in ("sum", "product")},
        "indicator_analysis": {
            method: indicator_analysis(daily, method)["value"].to_dict()
            for method in ("mean", "amount_weighted", "value_weighted")
        },
    }


def frame(table):
    table = table.astype(float)
    return {
        "index": [str(day) for day in table.index],
        "columns": list(table.columns),
        "data": table.to_numpy().tolist(),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
