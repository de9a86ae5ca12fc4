"""What a comparison says in words; plainly, and not more than the figures hold."""

from __future__ import annotations

from math import isnan, sqrt
from typing import TYPE_CHECKING, Any, cast

from rollforward.report.equity import YEAR
from rollforward.report.words import number
from rollforward.workflow.comparison.statistics import GIVEN, NOISE, RESULTS

if TYPE_CHECKING:
    from rollforward.workflow.comparison.result import Comparison

NAMES = {
    "long_short": "the long-short return net of costs",
    "ic": "the daily IC",
}
_SURE, _EVEN, _HOLDS = 0.95, 0.5, 0.1
_HOW = {
    RESULTS: "as these results do",
    NOISE: "as attempts without skill do over {n_periods:,} periods, which is the least that is reckoned with",
    GIVEN: "as was given by hand",
}


def annual(ratio: Any, span: int) -> Any:
    """Annualise Sharpe ratios of periods of some sessions."""
    return ratio * sqrt(YEAR / span)


def per_period(ratio: float, span: int) -> float:
    """Undo `annual`."""
    return ratio / sqrt(YEAR / span)


def sentences(comparison: Comparison) -> list[str]:
    """Say who is best, what choosing may have done, and what is not known here."""
    said = [_about_best(comparison), *_about_choice(comparison), _about_overfitting(comparison)]
    said.append(
        "Not counted: what was tried elsewhere, with other data or by other people, and what was purged from the store."
        " Trials that resemble each other count in full, which is the careful side; give the number you believe in with"
        " --trials N (n_trials=N)."
    )
    return [sentence for sentence in said if sentence]


def _about_best(comparison: Comparison) -> str:
    basis = NAMES[comparison.basis]
    if comparison.best is None:
        return f"No result has a Sharpe ratio of {basis}: it does not vary."
    ratio = cast(float, comparison.table.loc[comparison.best, "annual_sharpe"])
    which = "The only result" if len(comparison.table) == 1 else f"The best of {len(comparison.table)} results"
    return f"{which} by Sharpe ratio of {basis} is {comparison.best}: {number(ratio, 2)} a year."


def _about_choice(comparison: Comparison) -> list[str]:
    if comparison.best is None or isnan(comparison.dsr):
        return []
    verdict, n_trials = comparison.verdict, comparison.n_trials
    luck = annual(verdict.expected_best, comparison.span)
    if float(comparison.table["annual_sharpe"][comparison.best]) <= 0:
        return ["Its ratio is not above zero, so there is no success that luck could explain."]
    if n_trials == 1:
        chance = f"{number(comparison.dsr, 2)}. {_rating(comparison.dsr)}"
        return [f"With one trial nothing was chosen: its true ratio is above zero with a probability of {chance}"]
    how = _HOW[verdict.deviation_of].format(n_periods=verdict.n_periods)
    chosen = f"It was chosen from {n_trials:,} trials. Without any skill, the best of so many would show about"
    deflated = "Deflated Sharpe Ratio: its true ratio is above that luck with a probability of"
    return [
        f"{chosen} {number(luck, 2)} a year, if attempts differ {how}.",
        f"{deflated} {number(comparison.dsr, 2)}. {_rating(comparison.dsr)}",
    ]


def _rating(probability: float) -> str:
    if probability >= _SURE:
        return "That is evidence, if the count is right."
    if probability >= _EVEN:
        return "That is short of evidence; 0.95 is the usual mark."
    return "Luck explains it as well."


def _about_overfitting(comparison: Comparison) -> str:
    if comparison.pbo is None:
        lack = "one result" if len(comparison.table) == 1 else f"{comparison.verdict.n_periods} periods"
        return f"The probability of backtest overfitting needs more than {lack}."
    if comparison.pbo <= _HOLDS:
        rating = "The choice holds in the other half."
    elif comparison.pbo < _EVEN:
        rating = "The choice is better than drawing lots, and not safe."
    else:
        rating = "Choosing by the past was no better than drawing lots."
    return (
        f"Probability of backtest overfitting: in {number(comparison.pbo * 100, 0)} % of the ways to halve the common "
        f"time, the best of one half was below the median of the other. {rating} It knows only the "
        f"{len(comparison.table)} results that are compared."
    )
