"""The engine behind `PortAnaRecord`: this package's daily backtest, or any function that returns the same report."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.backtest.daily import backtest
from rollforward.backtest.exchange import Exchange
from rollforward.backtest.from_qlib import with_qlib_prices
from rollforward.backtest.result import BacktestResult
from rollforward.backtest.risk import freq_name
from rollforward.data.calendar_in_use import resolve
from rollforward.data.files import names_a_file
from rollforward.data.selection import nearest
from rollforward.errors import CalendarError, DataError, TaskError
from rollforward.instantiate import get_callable_kwargs
from rollforward.workflow.record_temp.qlib_prices import comes_from_qlib
from rollforward.workflow.record_temp.sources import COLUMN, SOURCE, find_prices, has_prices

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

FUNC, PRICES = "func", "prices"
_OURS = ("start_time", "end_time", "account", "benchmark", "exchange_kwargs", PRICES)
_NEEDED = ("return", "bench", "cost")
_ONLY = {"generate_portfolio_metrics": (True,), "trade_type": ("serial",), "verbose": (False,), "track_data": (False,)}


@dataclass(frozen=True, eq=False)
class Outcome:
    """What an engine returned; ``None`` where it gave nothing."""

    report: pd.DataFrame
    positions: Any
    indicators: pd.DataFrame | None = None
    orders: pd.DataFrame | None = None


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a backtest needs, placeholders resolved.

    Attributes
    ----------
    pred
        The stored prediction.
    strategy, executor, section
        Parts of the record's configuration; ``section`` is its part ``backtest``.
    dataset
        Gives prices if the section does not.
    load_artifact
        Loads an artifact of the run by its name.
    """

    pred: pd.DataFrame
    strategy: Any
    executor: Any
    section: Mapping[str, Any]
    dataset: Any
    load_artifact: Callable[[str], Any]


def time_per_step(executor: Any) -> str:
    """Name the step of an executor the way files are called: ``"1day"`` unless it says something else."""
    kwargs = executor.get("kwargs", {}) if isinstance(executor, Mapping) else {}
    return freq_name(kwargs.get("time_per_step", "day"))


def check_sections(section: Mapping[str, Any], executor: Any) -> None:
    """Refuse what the engine of this package does not know, as far as it is seen without a prediction.

    Raises
    ------
    TaskError
        If a name or a rule of trading is unknown, or the executor is another.
    """
    for name in section:
        if name not in _OURS:
            raise TaskError(
                f"PortAnaRecord: backtest has {name!r}.", nearest(name, (*_OURS, FUNC)), "Correct or remove it."
            )
    _check_executor(executor)
    Exchange.of(section.get("exchange_kwargs"))


def run_backtest(inputs: Inputs) -> Outcome:
    """Run the engine that the configuration names.

    Raises
    ------
    TaskError
        If this package's engine is meant and something is asked of it that it does not know, or there are no prices.
    DataError
        If an engine returns no report.
    """
    if FUNC in inputs.section:
        return _outcome(_other_engine(inputs))
    check_sections(inputs.section, inputs.executor)
    if comes_from_qlib(inputs):
        prices, section = with_qlib_prices(inputs.pred, inputs.section)
        return _outcome(backtest(_signal(inputs), prices, strategy=inputs.strategy, **section))
    section = {name: value for name, value in inputs.section.items() if name != PRICES}
    return _outcome(backtest(_signal(inputs), _prices(inputs), strategy=inputs.strategy, **section))


def _other_engine(inputs: Inputs) -> Any:
    named = inputs.section[FUNC]
    function, kwargs = get_callable_kwargs(named if isinstance(named, Mapping) else {"func": named})
    dates = inputs.pred.index.get_level_values("datetime")
    section = {name: value for name, value in inputs.section.items() if name != FUNC}
    if section.get("start_time") is None:
        section["start_time"] = dates.min()
    if section.get("end_time") is None:
        section["end_time"] = _last_but_one(dates)
    return function(_signal(inputs), strategy=inputs.strategy, executor=inputs.executor, **{**kwargs, **section})


def _last_but_one(dates: pd.Index[Any]) -> pd.Timestamp:
    """Find the session before the last date: Qlib's engine needs a session behind the one it ends on."""
    first, last = dates.min(), dates.max()
    try:
        found = resolve().shift(last, -1)
    except CalendarError:  # none is set, or it does not know the date
        found = dates[dates < last].max() if first < last else last
    found = max(pd.Timestamp(found), pd.Timestamp(first))
    logger.warning("No end_time is given: the engine ends on %s, a session before the last prediction.", found)
    return found


def _signal(inputs: Inputs) -> Any:
    kwargs = inputs.strategy.get("kwargs", {}) if isinstance(inputs.strategy, Mapping) else {}
    return kwargs.get("signal", inputs.pred)


def _prices(inputs: Inputs) -> Any:
    given = inputs.section.get(PRICES)
    if isinstance(given, str) and given.endswith(".pkl") and not names_a_file(given):
        return inputs.load_artifact(given)
    if isinstance(given, Mapping) and (SOURCE in given or COLUMN in given):
        return find_prices(given, inputs.load_artifact, inputs.dataset).to_frame("close")
    if given is not None:
        return given
    if not has_prices(inputs.dataset):
        raise TaskError(
            "PortAnaRecord: there are no prices.",
            "prices to trade at, or a dataset whose handler is a PriceHandler.",
            'Give prices=...: "bundled:sp500_close", a file, a frame, a loader, "qlib:$close" for those of Qlib\'s '
            "data, or the name of a .pkl artifact of the run.",
        )
    loader = inputs.dataset.handler.data_loader
    return loader.source.load().rename(columns={loader.field: "close"})


def _check_executor(executor: Any) -> None:
    """Refuse an executor that does more than one step a day in one go."""
    config = executor if isinstance(executor, Mapping) else {}
    kwargs = config.get("kwargs", {})
    is_simulator = str(config.get("class", "")).rpartition(".")[2] == "SimulatorExecutor"
    odd = [name for name in kwargs if name != "time_per_step" and kwargs[name] not in _ONLY.get(name, ())]
    if not is_simulator or time_per_step(executor) != "1day" or odd:
        found = f"{odd[0]}={kwargs[odd[0]]!r}" if odd else repr(executor)
        raise TaskError(
            f"PortAnaRecord: the executor has {found}.",
            "Qlib's SimulatorExecutor with time_per_step 'day': all that the daily backtest knows.",
            "Leave the section executor out, or give the engine that runs it: backtest: {'func': ...}.",
        )


def _outcome(returned: Any) -> Outcome:
    if isinstance(returned, BacktestResult):
        return Outcome(returned.report, returned.positions, returned.indicators, returned.orders)
    parts = returned if isinstance(returned, tuple) else (returned,)
    report = parts[0] if parts else None
    if len(parts) not in {2, 3} or not isinstance(report, pd.DataFrame):
        raise DataError(
            f"The engine returned {type(returned).__name__} of {[type(part).__name__ for part in parts]}.",
            "(report, positions) or (report, positions, indicators), the report a frame.",
        )
    lacking = [name for name in _NEEDED if name not in report.columns]
    if lacking or report.empty:
        found = f"lacks {', '.join(lacking)}" if lacking else "is empty"
        raise DataError(
            f"The engine's report {found}.", f"one row per session, columns {', '.join(_NEEDED)} as daily shares."
        )
    return Outcome(*parts)
