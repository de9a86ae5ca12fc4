"""The records of backtests: Qlib's configuration, files and metrics, and other engines in the place of ours."""

from __future__ import annotations

import sys
import types

import numpy as np
import pandas as pd
import pytest

from rollforward import settings
from rollforward.backtest import BacktestResult, TopkDropoutStrategy, backtest
from rollforward.data.calendar import Calendar
from rollforward.data.dataset import DatasetH
from rollforward.data.price_handler import PriceHandler
from rollforward.errors import ColumnError, DataError, MissingArtifactError, QlibException, TaskError
from rollforward.instantiate import init_instance_by_config
from rollforward.workflow.record_temp import MultiPassPortAnaRecord, PortAnaRecord

STRATEGY = {
    "class": "TopkDropoutStrategy",
    "module_path": "qlib.contrib.strategy",
    "kwargs": {"signal": "<PRED>", "topk": 3, "n_drop": 1},
}
PARTS = ("excess_return_without_cost", "excess_return_with_cost")
FIGURES = ("mean", "std", "annualized_return", "information_ratio", "max_drawdown")
FILES = [
    f"portfolio_analysis/{name}.pkl"
    for name in (
        "indicator_analysis_1day",
        "indicators_normal_1day",
        "indicators_normal_1day_obj",
        "port_analysis_1day",
        "positions_normal_1day",
        "report_normal_1day",
    )
]


def config(signal, **section):
    return {"strategy": STRATEGY, "backtest": {"prices": signal.prices, **section}}


@pytest.fixture
def run(memory, signal):
    return memory({"pred.pkl": signal.pred})


def test_files_and_metrics_of_qlib(run, signal):
    record = PortAnaRecord(run, config(signal))
    stored = record.generate()

    assert run.list_artifacts("portfolio_analysis") == FILES
    assert sorted(record.get_path(name) for name in record.list()) == FILES
    assert set(run.metrics) == {f"1day.{part}.{figure}" for part in PARTS for figure in FIGURES} | {
        *("1day.ffr", "1day.pa", "1day.pos")
    }
    report = stored["report_normal_1day.pkl"]
    assert list(report.index) == [*signal.days, signal.prices.index[30]]
    excess = report["return"] - report["bench"] - report["cost"]
    assert run.metrics["1day.excess_return_with_cost.mean"] == pytest.approx(excess.mean())
    assert run.metrics["1day.excess_return_with_cost.max_drawdown"] == pytest.approx(
        (excess.cumsum() - excess.cumsum().cummax()).min()
    )
    assert stored["port_analysis_1day.pkl"].loc[(PARTS[0], "std"), "risk"] == pytest.approx(
        (report["return"] - report["bench"]).std()
    )
    record.check(include_self=True)
    assert PortAnaRecord(run, config(signal), skip_existing=True).generate() is None


def test_the_same_as_the_backtest_itself(run, signal):
    rules = {"open_cost": 0.001, "close_cost": 0.002, "min_cost": 1, "deal_price": "close"}
    section = {"account": 1e6, "benchmark": "S03", "exchange_kwargs": rules, "start_time": signal.days[4]}
    stored = PortAnaRecord(run, config(signal, **section)).generate()
    direct = backtest(signal.pred, signal.prices, strategy=TopkDropoutStrategy(topk=3, n_drop=1), **section)

    pd.testing.assert_frame_equal(stored["report_normal_1day.pkl"], direct.report)
    pd.testing.assert_frame_equal(stored["positions_normal_1day.pkl"], direct.positions)


def test_the_default_is_that_of_qlib(run, signal, memory):
    prices = memory({"pred.pkl": signal.pred, "prices.pkl": signal.prices})
    stored = PortAnaRecord(prices, {"backtest": {"prices": "prices.pkl"}}).generate()
    direct = backtest(signal.pred, signal.prices, strategy=TopkDropoutStrategy(topk=50, n_drop=5))

    pd.testing.assert_frame_equal(stored["report_normal_1day.pkl"], direct.report)
    assert direct.report["account"].iloc[0] == 1e8
    with pytest.raises(TaskError, match="no prices"):
        PortAnaRecord(run).generate()


def test_prices_of_the_dataset(memory):
    handler = PriceHandler(
        source="bundled:sp500_close", start_time="2020-01-01", end_time="2020-06-30", features=["REV1"]
    )
    dataset = DatasetH(handler, {"test": ("2020-01-01", "2020-06-30")})
    pred = dataset.prepare("test", col_set="feature").iloc[:, [0]]
    record = init_instance_by_config(
        {"class": "PortAnaRecord", "kwargs": {"config": {"strategy": STRATEGY}}},
        default_module="qlib.workflow.record_temp",
        recorder=memory({"pred.pkl": pred}),
        try_kwargs={"model": None, "dataset": dataset},
    )
    rows = record.generate()["report_normal_1day.pkl"]

    expected = backtest(
        pred,
        "bundled:sp500_close",
        strategy=TopkDropoutStrategy(topk=3, n_drop=1),
        exchange_kwargs={"limit_threshold": 0.095},
    ).report
    pd.testing.assert_frame_equal(rows, expected)


def test_the_configuration_is_not_changed(run, signal):
    given = config(signal)
    PortAnaRecord(run, given).generate()

    assert given["strategy"]["kwargs"]["signal"] == "<PRED>"
    assert list(given["backtest"]) == ["prices"]


def test_another_engine(run, signal, caplog):
    seen = {}

    def engine(signal, *, strategy, executor, **rest):
        seen.update(strategy=strategy, executor=executor, rest=rest, signal=signal)
        frame = pd.DataFrame({"return": [0.01, 0.03], "bench": [0.0, 0.01], "cost": [0.001, 0.0]})
        return frame, {"any": "positions"}

    record = PortAnaRecord(run, {"strategy": STRATEGY, "backtest": {"func": engine, "account": 5, "leverage": 2}})
    record.generate()

    assert seen["rest"] == {
        "account": 5,
        "leverage": 2,
        "start_time": signal.days[0],
        "end_time": signal.days[-2],
    }
    assert f"the engine ends on {signal.days[-2]}" in caplog.text
    assert seen["signal"] is signal.pred
    assert seen["strategy"]["kwargs"]["signal"] is signal.pred
    assert seen["executor"]["class"] == "SimulatorExecutor"
    assert run.metrics["1day.excess_return_with_cost.mean"] == pytest.approx(0.0145)
    assert "1day.ffr" not in run.metrics
    record.check(include_self=True)


@pytest.mark.parametrize(
    ("given", "sessions", "rows", "end"),
    [
        ({}, pd.date_range("2024-01-01", periods=60), slice(None), "2024-02-11"),  # the calendar knows better
        ({}, pd.date_range("2020-01-01", periods=9), slice(None), "2024-02-09"),  # not this one
        ({}, None, slice(1), "2024-01-02"),  # there is no session before
        ({"end_time": "2024-02-12"}, None, slice(None), "2024-02-12"),
    ],
)
def test_where_another_engine_ends(memory, signal, given, sessions, rows, end):
    pred = signal.pred[signal.pred.index.get_level_values(0).isin(signal.days[rows])]
    report, seen = pd.DataFrame({"return": [0.1, 0.2], "bench": 0.0, "cost": 0.0}), {}

    def engine(signal, **rest):
        seen.update(rest)
        return report, {}

    with settings.override(calendar=None if sessions is None else Calendar(sessions, sessions[-1])):
        PortAnaRecord(memory({"pred.pkl": pred}), {"backtest": {"func": engine, **given}}).generate()
    assert pd.Timestamp(seen["end_time"]) == pd.Timestamp(end)
    assert seen["start_time"] == signal.days[0]


def test_another_engine_by_name(run, signal, monkeypatch):
    module = types.ModuleType("my_engine")
    module.run = lambda pred, strategy, executor, start_time, end_time, prices: backtest(
        pred, prices, strategy=strategy
    )
    monkeypatch.setitem(sys.modules, "my_engine", module)
    stored = PortAnaRecord(run, config(signal, func="my_engine.run")).generate()

    assert run.list_artifacts("portfolio_analysis") == FILES
    assert isinstance(backtest(signal.pred, signal.prices), BacktestResult)
    assert stored["indicators_normal_1day.pkl"]["count"].sum() == len(stored["indicators_normal_1day_obj.pkl"])


@pytest.mark.parametrize(
    ("returned", "error"),
    [
        (None, DataError),
        ((pd.DataFrame({"return": [0.1]}), {}), DataError),
        ((pd.DataFrame({"return": [], "bench": [], "cost": []}), {}), DataError),
        ((pd.DataFrame({"return": [0.1], "bench": [0.1], "cost": [0.1]}), {}, pd.DataFrame({"pa": [1]})), ColumnError),
    ],
)
def test_an_engine_without_a_report(run, returned, error):
    with pytest.raises(error):
        PortAnaRecord(run, {"backtest": {"func": lambda *_, **__: returned}}).generate()


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"strategie": STRATEGY}, "strategy"),
        ({"executor": {"class": "NestedExecutor", "kwargs": {"time_per_step": "day"}}}, "executor"),
        ({"executor": {"class": "SimulatorExecutor", "kwargs": {"time_per_step": "5min"}}}, "executor"),
        (
            {"executor": {"class": "SimulatorExecutor", "kwargs": {"time_per_step": "day", "trade_type": "parallel"}}},
            "parallel",
        ),
        ({"backtest": {"prices": "bundled:sp500_close", "acount": 1}}, "account"),
    ],
)
def test_refused(run, given, match):
    with pytest.raises(TaskError, match=match):
        PortAnaRecord(run, given).generate()


def test_unknown_arguments(run):
    for record in (PortAnaRecord, MultiPassPortAnaRecord):
        with pytest.raises(TypeError):
            record(run, model=1)
    with pytest.raises(TaskError, match="step of the executor"):
        PortAnaRecord(run, risk_analysis_freq=["week"])
    with pytest.raises(MissingArtifactError, match=r"pred\.pkl"):
        PortAnaRecord(type(run)({})).generate()
    assert PortAnaRecord(type(run)({}), optional=True).generate() is None


def test_passes_begin_differently_and_are_repeatable(run, signal, memory):
    given = config(signal)
    first = MultiPassPortAnaRecord(run, pass_num=4, config=given)
    table = first.generate()["multi_pass_port_analysis_1day.pkl"]
    other = memory({"pred.pkl": signal.pred})
    again = MultiPassPortAnaRecord(other, pass_num=4, config=given)
    pd.testing.assert_frame_equal(again.generate()["multi_pass_port_analysis_1day.pkl"], table)

    assert list(table.columns) == ["mean", "std", "mean_std"]
    assert list(table.index) == [
        (part, figure) for part in sorted(PARTS) for figure in ("annualized_return", "information_ratio")
    ]
    assert (table["std"] > 0).all()
    assert table["mean_std"].tolist() == pytest.approx((table["mean"] / table["std"]).tolist())
    names = {f"{part}.{figure}" for part, figure in table.index}
    assert not [name for name in run.metrics if name.startswith("1day.")]  # those are of PortAnaRecord
    assert {f"pass.1day.{name}" for name in names} <= set(run.metrics)
    assert {name for name in run.metrics if not name.startswith("pass.")} == {
        f"{statistic}.{name}" for statistic in table.columns for name in names
    }
    assert run.list_artifacts("portfolio_analysis") == ["portfolio_analysis/multi_pass_port_analysis_1day.pkl"]
    reseeded = MultiPassPortAnaRecord(memory({"pred.pkl": signal.pred}), pass_num=4, seed=1, config=given)
    assert not reseeded.generate()["multi_pass_port_analysis_1day.pkl"].equals(table)
    pd.testing.assert_frame_equal(run.load_object("pred.pkl"), signal.pred)


def test_passes_leave_the_figures_of_the_backtest_alone(run, signal):
    PortAnaRecord(run, config=config(signal)).generate()
    before = dict(run.metrics)
    MultiPassPortAnaRecord(run, pass_num=3, config=config(signal)).generate()
    assert {name: run.metrics[name] for name in before} == before


def test_what_all_passes_have_in_common_is_a_warning_once(run, signal, caplog):
    given = config(signal)
    given["strategy"] = {"class": "TopkDropoutStrategy", "kwargs": {"signal": "<PRED>", "topk": 500, "n_drop": 1}}
    MultiPassPortAnaRecord(run, pass_num=3, config=given).generate()
    assert [record.message for record in caplog.records if "topk" in record.message] == [
        "topk is 500, and there are 12 instruments to buy: the signal chooses nothing"
    ]


def test_prices_beside_the_configuration(run, signal, memory):
    expected = PortAnaRecord(run, config=config(signal)).generate()["report_normal_1day.pkl"]
    stock = dict(config(signal))
    stock["backtest"] = {name: value for name, value in stock["backtest"].items() if name != "prices"}
    long = signal.prices.rename_axis(index="datetime", columns="instrument").stack().rename("Adj Close").to_frame()
    run.objects["prices.pkl"] = signal.prices
    for prices in (signal.prices, "prices.pkl", {"source": long, "field": "Adj Close"}):
        found = PortAnaRecord(run, config=stock, prices=prices).generate()["report_normal_1day.pkl"]
        pd.testing.assert_frame_equal(found, expected)
    with pytest.raises(TaskError, match="others in backtest"):
        PortAnaRecord(run, config=config(signal), prices=signal.prices)


@pytest.mark.parametrize(("start", "day"), [(None, 0), (0, 0), (3, 2), (29, 28)])
def test_only_what_is_traded_first_is_shuffled(run, signal, start, day):
    section = {} if start is None else {"start_time": signal.days[start]}
    record = MultiPassPortAnaRecord(run, config=config(signal, **section))
    shuffled = record._shuffled(signal.pred, np.random.default_rng(0))
    changed = (shuffled != signal.pred)["score"]

    assert set(changed[changed].index.get_level_values("datetime")) == {signal.days[day]}
    assert sorted(shuffled.loc[signal.days[day], "score"]) == sorted(signal.pred.loc[signal.days[day], "score"])


def test_the_first_portfolio_differs_from_pass_to_pass_with_a_start_too(run, signal):
    record = MultiPassPortAnaRecord(run, config=config(signal, start_time=signal.days[3]))
    first = set()
    for seed in range(4):
        positions = record._run(record._shuffled(signal.pred, np.random.default_rng(seed))).positions
        held = positions.xs(positions.index.get_level_values("datetime").min(), level="datetime")
        first.add(tuple(sorted(map(str, held.index))))
    assert len(first) > 1


def test_without_shuffling_all_passes_are_the_same(run, signal):
    table = MultiPassPortAnaRecord(run, 3, False, config=config(signal)).generate()["multi_pass_port_analysis_1day.pkl"]

    assert table["std"].max() < 1e-12


def test_passes_need_a_strategy_with_a_signal(run):
    for strategy in (TopkDropoutStrategy(topk=1, n_drop=1), {"class": "TopkDropoutStrategy", "kwargs": {"topk": 1}}):
        with pytest.raises(QlibException, match="signal"):
            MultiPassPortAnaRecord(run, config={"strategy": strategy})
    with pytest.raises(TaskError, match="pass_num"):
        MultiPassPortAnaRecord(run, pass_num=0)
