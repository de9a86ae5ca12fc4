"""How much of a backtest's result is luck of the first day: many passes, each from another first portfolio."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rollforward.backtest.coverage import warned_already
from rollforward.backtest.risk import excess_risk
from rollforward.errors import TaskError
from rollforward.workflow.record_temp.portfolio import SIGNAL, PortAnaRecord, risk_metrics

if TYPE_CHECKING:
    from numpy.random import Generator

logger = logging.getLogger(__name__)

FIGURES = ["annualized_return", "information_ratio"]
SINGLE = "pass"
STATISTICS = ["mean", "std", "mean_std"]


class MultiPassPortAnaRecord(PortAnaRecord):
    """Repeat the backtest of `PortAnaRecord`, the scores of its first day shuffled: the first portfolio is random.

    Stores ``portfolio_analysis/multi_pass_port_analysis_F.pkl``: ``mean``, ``std`` (``ddof=1``) and ``mean_std`` (their
    ratio) over the passes, of ``annualized_return`` and ``information_ratio``, without and with cost. Logs them as
    ``mean.excess_return_with_cost.annualized_return`` and so on; the figures of the single passes are the steps of
    ``pass.F.excess_return_with_cost.annualized_return`` and so on. The metrics of `PortAnaRecord` are not touched.

    Parameters
    ----------
    recorder
        The run; holds ``pred.pkl``.
    pass_num
        Number of passes.
    shuffle_init_score
        Shuffle the scores that the first session trades on: those of the last date of the prediction before
        ``start_time``, or of its first date if there is none. Otherwise all passes are the same.
    seed
        Of the shuffling; pass ``i`` is the same in every run.
    **kwargs
        As of `PortAnaRecord`. The strategy must be a dictionary with a keyword ``signal``; it is shuffled where that is
        ``"<PRED>"``.

    Raises
    ------
    TaskError
        If the strategy is not such a dictionary, or ``pass_num`` is less than 1.
    """

    def __init__(
        self, recorder: Any, pass_num: int = 10, shuffle_init_score: bool = True, *, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(recorder, **kwargs)
        if pass_num < 1:
            raise TaskError(f"pass_num is {pass_num!r}.", "a number from 1.")
        strategy = self.strategy_config
        if not isinstance(strategy, Mapping) or "signal" not in strategy.get("kwargs", {}):
            raise TaskError(
                f"{type(self).__name__}: the strategy is {strategy!r}.",
                "a dictionary whose kwargs have a signal.",
                f"Give strategy={{'class': ..., 'kwargs': {{'signal': {SIGNAL!r}, ...}}}}.",
            )
        self.pass_num = pass_num
        self.shuffle_init_score = shuffle_init_score
        self.seed = seed

    def _generate(self) -> dict[str, Any]:
        """Run all passes and condense them."""
        pred = self._pred()
        risks = []
        for number in range(self.pass_num):
            generator = np.random.default_rng([self.seed, number])
            scores = self._shuffled(pred, generator) if self.shuffle_init_score else pred
            with warned_already() if number else nullcontext():
                risk = excess_risk(self._run(scores).report, self.freq)
            named = {f"{SINGLE}.{self.freq}.{name}": value for name, value in risk_metrics(risk).items()}
            self.recorder.log_metrics(step=number, **named)
            risks.append(risk)
        table = _condensed(risks)
        figures = {statistic: risk_metrics(table[[statistic]].set_axis(["risk"], axis=1)) for statistic in STATISTICS}
        self.recorder.log_metrics(
            **{f"{statistic}.{name}": value for statistic, found in figures.items() for name, value in found.items()}
        )
        logger.info("%d passes:\n%s", self.pass_num, table)
        return dict.fromkeys(self.list(), table)

    def list(self) -> list[str]:
        """Name the file."""
        return [f"multi_pass_port_analysis_{self.freq}.pkl"]

    def _shuffled(self, pred: pd.DataFrame, generator: Generator) -> pd.DataFrame:
        """Shuffle the scores that are traded first among their instruments, in a copy."""
        dates = pred.index.get_level_values("datetime")
        start = self.backtest_config.get("start_time")
        earlier = dates[:0] if start is None else dates[dates < pd.Timestamp(start)]
        rows = np.flatnonzero(dates == (dates.min() if earlier.empty else earlier.max()))
        shuffled = pred.copy()
        shuffled.iloc[rows, 0] = generator.permutation(pred.iloc[rows, 0].to_numpy())
        return shuffled


def _condensed(risks: list[pd.DataFrame]) -> pd.DataFrame:
    passes = pd.concat([risk["risk"] for risk in risks], axis=1)
    rows = sorted(key for key in passes.index if key[1] in FIGURES)
    mean, deviation = passes.loc[rows].mean(axis=1), passes.loc[rows].std(axis=1, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return pd.DataFrame({"mean": mean, "std": deviation, "mean_std": mean / deviation})[STATISTICS]
