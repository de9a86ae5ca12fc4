"""The analyses of `SigAnaRecord` beyond Qlib's: what each needs, computes, stores and logs."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from rollforward import settings
from rollforward.data.calendar import Calendar
from rollforward.errors import DataError, TaskError
from rollforward.evaluation.age import ic_by_age
from rollforward.evaluation.alpha import calc_ic, ic_summary, quantile_returns
from rollforward.evaluation.forward import forward_returns
from rollforward.evaluation.groups import ic_by_group
from rollforward.evaluation.horizon import ic_by_horizon
from rollforward.evaluation.long_short import long_short_returns
from rollforward.evaluation.monthly import monthly_ic
from rollforward.evaluation.quantiles import quantile_spread
from rollforward.evaluation.turnover import quantile_turnover, rank_autocorrelation
from rollforward.model.ens.origin import CUTOFF
from rollforward.settings.nearest import did_you_mean

Figures: TypeAlias = tuple[dict[str, float], dict[str, Any]]
Options: TypeAlias = Mapping[str, Mapping[str, Any]]

AGE = "age"
COST = 0.001  # of what is bought or sold; that of the report's pages too

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SignalInputs:
    """What the analyses work on.

    Attributes
    ----------
    score, target
        The prediction and the label, Series indexed ``(datetime, instrument)``.
    pred, label
        The frames they are columns of.
    ic
        One value per date.
    ann_scaler
        Periods per year.
    prices
        Gives one price per date and instrument; ``None`` if there are none.
    groups
        Gives the group of each instrument; ``None`` if there are none.
    load_artifact
        Loads an artifact of the run by its name.
    horizon
        Gives the sessions that a label spans, or ``None``; ``None`` if there is nobody to ask.
    """

    score: pd.Series
    target: pd.Series
    pred: pd.DataFrame
    label: pd.DataFrame
    ic: pd.Series
    ann_scaler: int
    prices: Callable[[], pd.Series] | None
    groups: Callable[[], Any] | None
    load_artifact: Callable[[str], Any]
    horizon: Callable[[], int | None] | None = None

    @cached_property
    def price(self) -> pd.Series:
        """One price per date and instrument.

        Raises
        ------
        DataError
            If there are none.
        """
        if self.prices is None:
            raise DataError("There are no prices.", "prices.", 'Give prices: "bundled:sp500_close", a file, a frame.')
        return self.prices()

    @cached_property
    def width(self) -> int:
        """The largest number of instruments of a date."""
        per_date = self.score.dropna().groupby(level="datetime").size()
        return int(per_date.max()) if len(per_date) else 0

    @cached_property
    def n_dates(self) -> int:
        """The number of dates with a prediction."""
        return int(self.score.index.get_level_values("datetime").nunique())


def quantiles(inputs: SignalInputs, *, n_quantiles: int = 5) -> Figures:
    """Average label of each quantile of the prediction, and what the highest earns more than the lowest."""
    returns = quantile_returns(inputs.score, inputs.target, n_quantiles)
    spread = quantile_spread(returns)
    return (
        {"Quantile Spread": float(spread.mean()), "Quantile Spread IR": _ratio(spread)},
        {"quantile_returns.pkl": returns},
    )


def turnover(inputs: SignalInputs, *, n_quantiles: int = 5, lag: int = 1) -> Figures:
    """Share of each quantile's instruments that were not in it ``lag`` dates before."""
    left = quantile_turnover(inputs.score, n_quantiles, lag)
    mean = left.mean()
    return (
        {"Top Quantile Turnover": float(mean.iloc[-1]), "Bottom Quantile Turnover": float(mean.iloc[0])},
        {"turnover.pkl": left},
    )


def autocorrelation(inputs: SignalInputs, *, lag: int = 1) -> Figures:
    """Rank correlation of each date's prediction with that of ``lag`` dates before."""
    values = rank_autocorrelation(inputs.score, lag)
    return {"Rank Autocorrelation": float(values.mean())}, {"rank_autocorrelation.pkl": values}


def monthly(inputs: SignalInputs) -> Figures:
    """Average IC of each calendar month, a row per year."""
    return {}, {"monthly_ic.csv": monthly_ic(inputs.ic)}


def horizons(
    inputs: SignalInputs,
    *,
    horizons: Sequence[int] = (1, 5, 10, 20),
    delay: int = 1,
    labels: Mapping[int, str | int] | None = None,
) -> Figures:
    """IC against the return of each horizon, from prices, or from several columns of the label."""
    if labels is None:
        table = ic_by_horizon(inputs.score, inputs.price, horizons, delay=delay)
    else:
        rows = [ic_summary(*calc_ic(inputs.score, _column(inputs.label, column))) for column in labels.values()]
        table = pd.DataFrame(rows, index=pd.Index([int(horizon) for horizon in labels], name="horizon"))
    metrics = {f"{name} h{horizon}": float(value) for name in _BY_HORIZON for horizon, value in table[name].items()}
    return metrics, {"ic_by_horizon.csv": table}


def groups(inputs: SignalInputs) -> Figures:
    """IC among the instruments of each group."""
    if inputs.groups is None:
        raise DataError("There are no groups.", "the group of each instrument.", "Give groups=....")
    return {}, {"ic_by_group.csv": ic_by_group(inputs.score, inputs.target, inputs.groups())}


def long_short(
    inputs: SignalInputs, *, quantile: float = 0.2, cost: float = COST, holding: int | None = None, delay: int = 1
) -> Figures:
    """Daily return of a long-short portfolio before and after costs, from prices; held as long as a label spans."""
    if holding is None:
        holding = (inputs.horizon() if inputs.horizon else None) or 1
    logger.info("Long-short: each choice is held for %d sessions, trading costs %g of its value", holding, cost)
    returns = forward_returns(inputs.price, [1], delay=delay)[1]
    table = long_short_returns(inputs.score, returns, quantile, cost, holding=holding)
    net = table["net"]
    metrics = {
        "Long-Short Net Ann Return": float(net.mean()) * inputs.ann_scaler,
        "Long-Short Net Ann Sharpe": _ratio(net) * float(np.sqrt(inputs.ann_scaler)),
        "Long-Short Turnover": float(table["turnover"].mean()),
    }
    return metrics, {"long_short_net.pkl": table}


def age(
    inputs: SignalInputs, *, preds: Any = None, calendar: Any = None, cutoffs: Any = None, width: int = 1
) -> Figures:
    """IC by the number of sessions since the model's last training session."""
    preds = inputs.load_artifact(preds) if isinstance(preds, str) else preds
    preds = inputs.pred if preds is None else preds
    if calendar is None:
        calendar = settings.current().calendar if inputs.prices is None else Calendar.of(inputs.price)
    table = ic_by_age(preds, inputs.target, calendar, cutoffs=cutoffs, width=width)
    return {}, {"ic_by_age.csv": table}


@dataclass(frozen=True)
class Analysis:
    """One analysis.

    Attributes
    ----------
    compute
        Computes metrics and artifacts; its keyword arguments are the options.
    files
        What it stores.
    lack
        Says what is missing for it, from the inputs and the options; empty if nothing is.
    is_cheap
        Whether it is computed without being asked for, where the input allows.
    """

    compute: Callable[..., Figures]
    files: tuple[str, ...]
    lack: Callable[[SignalInputs, Mapping[str, Any]], str]
    is_cheap: bool = True


def _few_instruments(inputs: SignalInputs, options: Mapping[str, Any]) -> str:
    needed = int(options.get("n_quantiles", 5))
    return "" if inputs.width >= needed else f"no date has {needed} predictions"


def _few_dates(inputs: SignalInputs, options: Mapping[str, Any]) -> str:
    if not inputs.score.index.is_unique:
        return "rows of the prediction are there twice"
    lag = int(options.get("lag", 1))
    return "" if inputs.n_dates > lag else f"the prediction has {inputs.n_dates} dates"


def _few_of_both(inputs: SignalInputs, options: Mapping[str, Any]) -> str:
    return _few_instruments(inputs, options) or _few_dates(inputs, options)


def _no_prices(inputs: SignalInputs, options: Mapping[str, Any]) -> str:
    return "" if inputs.prices is not None or options.get("labels") else "there are no prices"


def _no_groups(inputs: SignalInputs, _: Mapping[str, Any]) -> str:
    return "" if inputs.groups is not None else "there are no groups"


def _no_cutoffs(inputs: SignalInputs, options: Mapping[str, Any]) -> str:
    known = options.get("preds") is not None or CUTOFF in inputs.pred.columns
    return "" if known else f"the prediction has no column {CUTOFF!r} with the last training session"


ANALYSES = {
    "quantiles": Analysis(quantiles, ("quantile_returns.pkl",), _few_instruments),
    "turnover": Analysis(turnover, ("turnover.pkl",), _few_of_both),
    "autocorrelation": Analysis(autocorrelation, ("rank_autocorrelation.pkl",), _few_dates),
    "horizons": Analysis(horizons, ("ic_by_horizon.csv",), _no_prices),
    "groups": Analysis(groups, ("ic_by_group.csv",), _no_groups),
    "long_short": Analysis(long_short, ("long_short_net.pkl",), _no_prices),
    AGE: Analysis(age, ("ic_by_age.csv",), _no_cutoffs, is_cheap=False),
    "monthly": Analysis(monthly, ("monthly_ic.csv",), lambda *_: "", is_cheap=False),
}
_BY_HORIZON = ("IC", "Rank IC")


def checked_analyses(given: Any) -> Options | None:
    """Check which analyses are asked for, and with which options.

    Parameters
    ----------
    given
        ``None``, names, or options by name.

    Returns
    -------
    dict or None
        Options by name; ``None`` if it is left to the input.

    Raises
    ------
    TaskError
        If there is no such analysis, or it has no such option.
    """
    if given is None:
        return None
    names = [given] if isinstance(given, str) else list(given)
    options = {name: given[name] or {} if isinstance(given, Mapping) else {} for name in names}
    for name, values in options.items():
        if name not in ANALYSES:
            raise TaskError(
                f"There is no analysis {name!r}.",
                f"one of {', '.join(ANALYSES)}.",
                did_you_mean(name, ANALYSES, "Correct analyses."),
            )
        known = [key for key in inspect.signature(ANALYSES[name].compute).parameters if key != "inputs"]
        for key in values:
            if key not in known:
                raise TaskError(
                    f"The analysis {name!r} has no option {key!r}.",
                    f"one of {', '.join(known)}." if known else "no options.",
                    did_you_mean(key, known, "Correct analyses."),
                )
    return options


def _column(label: pd.DataFrame, column: str | int) -> pd.Series:
    names = list(label.columns)
    if column in names:
        return label[column]
    if isinstance(column, int) and -len(names) <= column < len(names):
        return label.iloc[:, column]
    raise DataError(
        f"The label has no column {column!r}; it has {names}.",
        "labels of the analysis 'horizons': a column's name or position by horizon.",
        "Correct labels.",
    )


def _ratio(values: pd.Series) -> float:
    deviation = float(values.std(ddof=1))
    return float(values.mean()) / deviation if deviation > 0 else float("nan")
