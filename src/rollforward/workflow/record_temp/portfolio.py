"""What the signal would have earned: a backtest of the stored prediction, and its figures as metrics."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from rollforward.backtest.risk import excess_risk, freq_name, indicator_analysis
from rollforward.data.selection import nearest
from rollforward.errors import DataError, TaskError
from rollforward.instantiate import fill_placeholder
from rollforward.workflow.record_temp.base import PRED, ACRecordTemp, RecordTemp, name_of
from rollforward.workflow.record_temp.engine import FUNC, PRICES, Inputs, check_sections, run_backtest, time_per_step
from rollforward.workflow.record_temp.signal import SignalRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from rollforward.workflow.record_temp.engine import Outcome

logger = logging.getLogger(__name__)

SIGNAL = "<PRED>"
STRATEGY = {"class": "TopkDropoutStrategy", "kwargs": {"signal": SIGNAL, "topk": 50, "n_drop": 5}}
EXECUTOR = {
    "class": "SimulatorExecutor",
    "module_path": "qlib.backtest.executor",
    "kwargs": {"time_per_step": "day", "generate_portfolio_metrics": True},
}
BACKTEST = {"exchange_kwargs": {"limit_threshold": 0.095}}
_SECTIONS = ("strategy", "executor", "backtest")


class _Prediction(SignalRecord):
    """The prediction alone."""

    def list(self) -> list[str]:
        return [PRED]


class PortAnaRecord(ACRecordTemp):
    """What the signal would have earned: daily report, positions and trading indicators of a backtest, and their risk.

    Stores in ``portfolio_analysis/``, for the frequency ``F`` of the executor (``1day``): ``report_normal_F.pkl``,
    ``positions_normal_F.pkl``, ``indicators_normal_F.pkl``, ``indicators_normal_F_obj.pkl`` (the orders),
    ``port_analysis_F.pkl`` (risk of the return in excess of the benchmark, without and with cost) and
    ``indicator_analysis_F.pkl``. Logs ``F.excess_return_without_cost.NAME`` and ``F.excess_return_with_cost.NAME`` for
    NAME in ``mean``, ``std``, ``annualized_return``, ``information_ratio`` and ``max_drawdown``, and ``F.ffr``,
    ``F.pa``, ``F.pos``.

    Parameters
    ----------
    recorder
        The run; holds ``pred.pkl``.
    config
        Qlib's dictionary. ``strategy``: the strategy; ``"<PRED>"`` in it is the stored prediction. ``executor``: for
        other engines; the one of this package knows the daily ``SimulatorExecutor``. ``backtest``: ``start_time``,
        ``end_time``, ``account``, ``benchmark`` and ``exchange_kwargs`` as in `rollforward.backtest.backtest`, and

        ``prices``
            Where prices come from: a frame (one row per date and one column per instrument, or with a column
            ``close``), a path, ``"bundled:sp500_close"``, a loader or its configuration, the name of an artifact of the
            run such as ``"prices.pkl"``, ``{"source": any of these, "field": the column to trade at}``, or
            ``{"column": name}``, a raw column of the dataset's handler; or ``"qlib:$close"``, Qlib's data, with the
            rules of trading of its region. May be missing if that handler is a ``PriceHandler`` or one of Qlib's.
        ``func``
            Another engine, a function or its dotted name; called as ``func(signal, strategy=..., executor=...,
            **the rest of the section)``. Without a ``start_time`` it gets the prediction's first date, without an
            ``end_time`` the session before its last one, with a warning, as in Qlib. Returns
            ``(report, positions)``, ``(report, positions, indicators)`` or a `BacktestResult`.

        A section that is missing is Qlib's: the best 50 of which at most 5 change a day, cash 1e8, cost 0.0005 to buy
        and 0.0015 to sell, at least 5. The benchmark is the mean of all instruments unless another is named.
        Without a section ``backtest`` there is Qlib's price limit of 9.5 %, otherwise only the one it names.
    risk_analysis_freq, indicator_analysis_freq
        ``None`` or the frequency of the executor.
    indicator_analysis_method
        ``"mean"``, ``"amount_weighted"`` or ``"value_weighted"``; ``None`` is the mean.
    skip_existing, optional
        As in `ACRecordTemp`.
    prices
        Where prices come from, instead of ``backtest: {"prices": ...}`` in ``config``.
    dataset
        Gives prices if nothing else does; a task gives it by itself.

    Raises
    ------
    TaskError
        If the configuration has an unknown section or frequency, or prices are given twice; when it computes: if
        there are none.
    """

    artifact_path = "portfolio_analysis"
    depend_cls = SignalRecord

    def __init__(
        self,
        recorder: Any,
        config: Mapping[str, Any] | None = None,
        risk_analysis_freq: Iterable[str] | str | None = None,
        indicator_analysis_freq: Iterable[str] | str | None = None,
        indicator_analysis_method: str | None = None,
        skip_existing: bool = False,
        *,
        optional: bool = False,
        prices: Any = None,
        dataset: Any = None,
    ) -> None:
        super().__init__(recorder=recorder, skip_existing=skip_existing, optional=optional)
        config = dict(config or {})
        for name in config:
            if name not in _SECTIONS:
                raise TaskError(f"{type(self).__name__}: config has {name!r}.", nearest(name, _SECTIONS))
        self.strategy_config: Any = config.get("strategy", STRATEGY)
        self.executor_config: Any = config.get("executor", EXECUTOR)
        self.backtest_config: dict[str, Any] = dict(config.get("backtest", BACKTEST))
        if prices is not None:
            if self.backtest_config.get(PRICES) is not None:
                raise TaskError(
                    f"{type(self).__name__}: prices are given, and config has others in backtest.", "one of the two."
                )
            self.backtest_config[PRICES] = prices
        self.freq = time_per_step(self.executor_config)
        self.risk_analysis_freq = _frequencies(risk_analysis_freq, self.freq, "risk_analysis_freq")
        self.indicator_analysis_freq = _frequencies(indicator_analysis_freq, self.freq, "indicator_analysis_freq")
        self.indicator_analysis_method = indicator_analysis_method or "mean"
        self.dataset = dataset

    @classmethod
    def check_kwargs(cls, **kwargs: Any) -> None:
        """Refuse arguments that cannot work, before a model is trained for them."""
        record = cls(recorder=None, **kwargs)
        if FUNC not in record.backtest_config:
            check_sections(record.backtest_config, record.executor_config)

    def dependency(self) -> RecordTemp:
        """Need the prediction of a `SignalRecord`; its label may be missing."""
        return _Prediction(recorder=self._recorder)

    def _generate(self) -> dict[str, Any]:
        """Run the backtest and analyse it."""
        outcome = self._run(self._pred())
        artifacts: dict[str, Any] = {
            f"report_normal_{self.freq}.pkl": outcome.report,
            f"positions_normal_{self.freq}.pkl": outcome.positions,
        }
        if self.risk_analysis_freq:
            risk = excess_risk(outcome.report, self.freq)
            artifacts[f"port_analysis_{self.freq}.pkl"] = risk
            self._log(risk_metrics(risk))
        return artifacts | self._indicators(outcome)

    def list(self) -> list[str]:
        """Name the files; those of indicators are sure to be there only with the engine of this package."""
        names = [f"report_normal_{self.freq}.pkl", f"positions_normal_{self.freq}.pkl"]
        names += [f"port_analysis_{freq}.pkl" for freq in self.risk_analysis_freq]
        if FUNC in self.backtest_config:
            return names
        names += [f"indicators_normal_{self.freq}.pkl", f"indicators_normal_{self.freq}_obj.pkl"]
        return names + [f"indicator_analysis_{freq}.pkl" for freq in self.indicator_analysis_freq]

    def _pred(self) -> pd.DataFrame:
        pred: pd.DataFrame = self.load(PRED)
        if pred.empty:
            raise DataError(
                f"{type(self).__name__}: the prediction of the run {name_of(self.recorder)} is empty.",
                "at least one row.",
                "Let the model predict at least one row.",
            )
        return pred

    def _run(self, pred: pd.DataFrame) -> Outcome:
        sections = {"strategy": self.strategy_config, "executor": self.executor_config}
        filled = fill_placeholder(sections, {SIGNAL: pred})
        return run_backtest(
            Inputs(pred, **filled, section=self.backtest_config, dataset=self.dataset, load_artifact=self.load)
        )

    def _indicators(self, outcome: Outcome) -> dict[str, Any]:
        if outcome.indicators is None:
            logger.info("%s: the engine gave no indicators", type(self).__name__)
            return {}
        artifacts: dict[str, Any] = {f"indicators_normal_{self.freq}.pkl": outcome.indicators}
        if outcome.orders is not None:
            artifacts[f"indicators_normal_{self.freq}_obj.pkl"] = outcome.orders
        if self.indicator_analysis_freq:
            analysis = indicator_analysis(outcome.indicators, self.indicator_analysis_method)
            artifacts[f"indicator_analysis_{self.freq}.pkl"] = analysis
            self._log({str(name): float(value) for name, value in analysis["value"].items()})
        return artifacts

    def _log(self, metrics: Mapping[str, float]) -> None:
        self.recorder.log_metrics(**{f"{self.freq}.{name}": value for name, value in metrics.items()})
        logger.info("Portfolio: %s", ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()))


def _frequencies(given: Iterable[str] | str | None, step: str, where: str) -> list[str]:
    """Write frequencies the way files are called; there is only that of the executor."""
    names = [given] if isinstance(given, str) else [step] if given is None else list(given)
    frequencies = [freq_name(name) for name in names]
    for freq in frequencies:
        if freq != step:
            raise TaskError(
                f"PortAnaRecord: {where} is {freq!r}.", f"{step!r}, the step of the executor.", "Leave it out."
            )
    return frequencies


def risk_metrics(risk: pd.DataFrame) -> dict[str, float]:
    """Name the figures of `excess_risk` the way they are logged, ``"excess_return_with_cost.mean"``."""
    return {".".join(map(str, key)): float(value) for key, value in zip(risk.index, risk["risk"], strict=True)}
