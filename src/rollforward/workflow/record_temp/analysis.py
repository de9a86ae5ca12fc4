"""How good the signal is, as figures in its run."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from rollforward.errors import DataError
from rollforward.evaluation.alpha import calc_ic, calc_long_short_return, ic_summary
from rollforward.workflow.record_temp.analyses import AGE, ANALYSES, SignalInputs, checked_analyses
from rollforward.workflow.record_temp.base import is_child, name_of
from rollforward.workflow.record_temp.judging import JudgingRecord
from rollforward.workflow.record_temp.sources import find_groups, find_horizon, find_prices, has_prices

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

logger = logging.getLogger(__name__)


class SigAnaRecord(JudgingRecord):
    """How good the signal is: daily IC and Rank IC, their summary as metrics, and more where the input allows.

    Stores in ``sig_analysis/`` ``ic.pkl`` and ``ric.pkl``, with ``ana_long_short`` also ``long_short_r.pkl`` and
    ``long_avg_r.pkl`` (Series indexed by date). Logs ``IC``, ``ICIR``, ``Rank IC``, ``Rank ICIR``, with
    ``ana_long_short`` also ``Long-Short Ann Return``, ``Long-Short Ann Sharpe``, ``Long-Avg Ann Return`` and
    ``Long-Avg Ann Sharpe``. Each of the `analyses` adds a file:

    ===================  =============================  ========================================  ===================
    analysis             file                           metrics                                   options
    ===================  =============================  ========================================  ===================
    ``quantiles``        ``quantile_returns.pkl``       ``Quantile Spread``,                      ``n_quantiles=5``
                                                        ``Quantile Spread IR``
    ``turnover``         ``turnover.pkl``               ``Top Quantile Turnover``,                ``n_quantiles=5``,
                                                        ``Bottom Quantile Turnover``              ``lag=1``
    ``autocorrelation``  ``rank_autocorrelation.pkl``   ``Rank Autocorrelation``                  ``lag=1``
    ``horizons``         ``ic_by_horizon.csv``          ``IC h5``, ``Rank IC h5``, ...            ``horizons``,
                                                                                                  ``delay=1``,
                                                                                                  ``labels``
    ``groups``           ``ic_by_group.csv``
    ``long_short``       ``long_short_net.pkl``         ``Long-Short Net Ann Return``,            ``quantile=0.2``,
                                                        ``Long-Short Net Ann Sharpe``,            ``cost=0.001``,
                                                        ``Long-Short Turnover``                   ``holding``,
                                                                                                  ``delay=1``
    ``age``              ``ic_by_age.csv``                                                        ``preds``,
                                                                                                  ``calendar``,
                                                                                                  ``cutoffs``,
                                                                                                  ``width=1``
    ``monthly``          ``monthly_ic.csv``
    ===================  =============================  ========================================  ===================

    Parameters
    ----------
    recorder
        The run; holds ``pred.pkl`` and ``label.pkl``.
    ana_long_short
        Analyse the long-short return too; the label must be a return.
    ann_scaler
        Periods per year, to annualise with.
    label_col
        Position of the label's column.
    skip_existing, optional
        As in `ACRecordTemp`.
    analyses
        Names, or a dictionary of options by name; an analysis that is named here and has no input is an error, but
        ``age`` in the fold of a job, which computes it itself.
        ``None`` takes all but the last two where the input allows: quantiles with as many instruments,
        ``horizons`` and ``long_short`` with `prices`, ``groups`` with `groups`. ``()`` takes none.
    prices
        What ``horizons`` and ``long_short`` count their returns from: a frame, a file, ``"bundled:..."`` or an artifact
        of the run; see `find_prices`. ``None``, if one of them is asked for, are the closes of the dataset's
        `PriceHandler`.
        The long-short portfolio of a date is held for ``holding`` sessions, by default as many as the label spans, 1 if
        that is not known; ``cost`` is paid of everything bought or sold.
    groups
        Group by instrument, for ``groups``: a dictionary, a Series, a file or an artifact; see `find_groups`.
    dataset
        Where prices are looked for; the trainer gives it.

    Raises
    ------
    TaskError
        If there is no such analysis, or it has no such option.
    """

    artifact_path = "sig_analysis"

    def __init__(
        self,
        recorder: Any,
        ana_long_short: bool = False,
        ann_scaler: int = 252,
        label_col: int = 0,
        skip_existing: bool = False,
        *,
        analyses: Sequence[str] | Mapping[str, Any] | None = None,
        prices: Any = None,
        groups: Any = None,
        dataset: Any = None,
        optional: bool = False,
    ) -> None:
        super().__init__(recorder, label_col, skip_existing, optional=optional)
        self.ana_long_short = ana_long_short
        self.ann_scaler = ann_scaler
        self.analyses = checked_analyses(analyses)
        self.prices = prices
        self.groups = groups
        self.dataset = dataset

    def list(self) -> list[str]:
        """Name the files that are always there: Qlib's, and those of the analyses that are asked for by name."""
        names = [name for name in self.analyses or () if name != AGE or not is_child(self._recorder)]
        asked = [file for name in names for file in ANALYSES[name].files]
        return ["ic.pkl", "ric.pkl", *(["long_short_r.pkl", "long_avg_r.pkl"] if self.ana_long_short else []), *asked]

    def _require(self, label: Any = None) -> None:
        # A label that is given takes the place of the stored one; without a prediction, loading it fails.
        if label is None:
            self.check()

    def _generate(self, label: Any = None) -> dict[str, Any]:
        """Judge the stored prediction.

        Parameters
        ----------
        label
            Judge by this label instead of the stored one.
        """
        pred, label = self._pred(), self._label(label)
        score, target = pred.iloc[:, 0], self._target(label)
        ic, ric = calc_ic(score, target)
        if ic.isna().all():
            logger.warning("No date has an IC: %d predictions, %d labels", score.count(), target.count())
        metrics, artifacts = ic_summary(ic, ric), {"ic.pkl": ic, "ric.pkl": ric}
        if self.ana_long_short:
            spread, average = calc_long_short_return(score, target)
            metrics |= self._annualised("Long-Short", spread) | self._annualised("Long-Avg", average)
            artifacts |= {"long_short_r.pkl": spread, "long_avg_r.pkl": average}
        more_metrics, more_artifacts = self._analyse(self._inputs(score, target, pred, label, ic))
        metrics |= more_metrics
        self.recorder.log_metrics(**metrics)
        logger.info("Signal: %s", ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
        return artifacts | more_artifacts

    def _analyse(self, inputs: SignalInputs) -> tuple[dict[str, float], dict[str, Any]]:
        metrics: dict[str, float] = {}
        artifacts: dict[str, Any] = {}
        cheap: dict[str, Mapping[str, Any]] = {name: {} for name, analysis in ANALYSES.items() if analysis.is_cheap}
        for name, options in (cheap if self.analyses is None else self.analyses).items():
            lack = ANALYSES[name].lack(inputs, options)
            if lack and self.analyses is None:
                logger.info("The analysis %r is left out: %s", name, lack)
                continue
            if lack and name == AGE and is_child(self.recorder):
                logger.info("The analysis %r is left out, it is one of the whole job: %s", name, lack)
                continue
            if lack:
                raise DataError(
                    f"{type(self).__name__} of the run {name_of(self.recorder)}, analysis {name!r}: {lack}.",
                    "what the analysis works on.",
                    "Give it, or take the analysis out of analyses.",
                )
            one_metrics, one_artifacts = ANALYSES[name].compute(inputs, **options)
            metrics |= one_metrics
            artifacts |= one_artifacts
        return metrics, artifacts

    def _inputs(
        self, score: pd.Series, target: pd.Series, pred: pd.DataFrame, label: pd.DataFrame, ic: pd.Series
    ) -> SignalInputs:
        load = self.recorder.load_object
        prices: Callable[[], pd.Series] | None = None
        if self.prices is not None or (self.analyses is not None and has_prices(self.dataset)):
            prices = partial(find_prices, self.prices, load, self.dataset)
        groups = None if self.groups is None else partial(find_groups, self.groups, load)
        horizon = partial(find_horizon, self.recorder, self.dataset)
        return SignalInputs(score, target, pred, label, ic, self.ann_scaler, prices, groups, load, horizon)

    def _annualised(self, name: str, returns: pd.Series) -> dict[str, float]:
        mean, deviation = float(returns.mean()), float(returns.std(ddof=1))
        sharpe = mean / deviation * float(np.sqrt(self.ann_scaler)) if deviation > 0 else float("nan")
        return {f"{name} Ann Return": mean * self.ann_scaler, f"{name} Ann Sharpe": sharpe}
