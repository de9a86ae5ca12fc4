"""The backtest gives Qlib's report, positions and figures, on Qlib's own data files.

Of the return of the benchmark Qlib keeps single precision; everything else agrees to the last digits.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from against_qlib.backtest_cases import CASES, COLUMNS, markets, period
from filelock import FileLock

from rollforward.backtest import backtest, indicator_analysis, risk_analysis
from rollforward.data.files import resolve_source

HERE = Path(__file__).resolve().parent
CLOSES = resolve_source("bundled:sp500_close")
SINGLE = 3e-7  # absolute, of a return


@pytest.fixture(scope="session")
def answers(oracle, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    done = folder / "backtests.json"
    with FileLock(folder / "backtests.lock"):
        if not done.exists():
            ask(oracle, folder / "markets", done)
    return json.loads(done.read_text())


def ask(oracle, folder, done):
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MLFLOW", "_QLIB"))}
    found = subprocess.run(
        [oracle, "-W", "ignore", "-m", "against_qlib.backtest_oracle", str(CLOSES), str(folder), str(done)],
        env=keep | {"PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-3000:]


@pytest.fixture(scope="session")
def made():
    return markets(pd.read_csv(CLOSES, index_col=0, parse_dates=True))


def ours(columns, case):
    index = ["datetime", "instrument"]
    by_row = {name: table.T.stack() for name, table in columns.items() if name != "score"}
    prices = pd.DataFrame(by_row).rename_axis(index[::-1])
    start, end = period(columns)
    return backtest(
        columns["score"].stack().rename("score").rename_axis(index).dropna(),
        prices,
        strategy={"class": "qlib.contrib.strategy.TopkDropoutStrategy", "kwargs": case["strategy"]},
        start_time=start,
        end_time=end,
        account=case["account"],
        benchmark=case["benchmark"],
        exchange_kwargs=case["exchange"],
    )


def table_of(given):
    return pd.DataFrame(given["data"], pd.DatetimeIndex(given["index"]), given["columns"])


@pytest.mark.parametrize("name", CASES)
def test_same_books(name, answers, made):
    case = CASES[name]
    theirs, result = answers[name], ours(made[case["market"]], case)
    expected = table_of(theirs["report"])

    assert list(result.report.columns) == list(expected.columns) == COLUMNS
    assert list(result.report.index) == list(expected.index)
    assert len(result.orders) > 20
    scale = np.maximum(expected.abs().max(), 1e-12)
    for column in COLUMNS[:-1]:
        difference = (result.report[column] - expected[column]).abs().max() / scale[column]
        assert difference < 1e-9, (column, difference)
    np.testing.assert_allclose(result.report["bench"], expected["bench"], atol=SINGLE)
    for day, held in theirs["held"].items():
        rows = result.positions.xs(pd.Timestamp(day), level="datetime") if held else {}
        assert sorted(held) == sorted(rows.index if held else [])
        for instrument, amount in held.items():
            assert rows["amount"][instrument] == pytest.approx(amount, rel=1e-9)
            assert rows["count_day"][instrument] == theirs["ages"][day][instrument]


@pytest.mark.parametrize("name", CASES)
def test_same_figures(name, answers, made):
    case = CASES[name]
    theirs, result = answers[name], ours(made[case["market"]], case)

    expected = table_of(theirs["indicators"])
    assert list(result.indicators.columns) == list(expected.columns)
    np.testing.assert_allclose(result.indicators.to_numpy(), expected.to_numpy(), rtol=1e-9)
    for method, figures in theirs["indicator_analysis"].items():
        assert indicator_analysis(result.indicators, method)["value"].to_dict() == pytest.approx(figures)
    excess = result.report["return"] - result.report["bench"]
    for mode, figures in theirs["risk"].items():
        assert risk_analysis(excess, mode=mode)["risk"].to_dict() == pytest.approx(figures, rel=1e-4, abs=1e-6)
