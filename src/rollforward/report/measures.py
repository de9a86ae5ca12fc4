"""The numbers of a signal report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rollforward.errors import DataError
from rollforward.evaluation.alpha import ALL_YEARS, calc_ic, ic_summary, ic_table_by_year, quantile_returns

if TYPE_CHECKING:
    from numpy.typing import NDArray

_QUANTILES = 5


@dataclass(frozen=True, eq=False)
class Measures:
    """What was measured on one signal.

    Attributes
    ----------
    ic, ric
        Per date, without the dates that have none.
    summary
        ``IC``, ``ICIR``, ``Rank IC``, ``Rank ICIR`` over all dates.
    by_year
        As `ic_table_by_year` returns it; the last row is all dates.
    quantile_means
        Mean label over all dates, indexed by quantile.
    spread
        Mean of top minus bottom quantile, indexed by year.
    dates
        The dates that have a score, ascending.
    n_undefined
        Dates with pairs of score and label, but without an IC.
    n_infinite
        Scores and labels that are infinite; they count as missing.
    n_instruments, n_scores, n_pairs
        Instruments and values with a score; values with score and label.
    per_date
        Instruments with score and label on a typical (median) date.
    """

    ic: pd.Series
    ric: pd.Series
    summary: dict[str, float]
    by_year: pd.DataFrame
    quantile_means: pd.Series
    spread: pd.Series
    dates: pd.DatetimeIndex
    n_undefined: int
    n_infinite: int
    n_instruments: int
    n_scores: int
    n_pairs: int
    per_date: int

    @property
    def years(self) -> pd.DataFrame:
        """The table by year without its last row."""
        return self.by_year.drop(index=ALL_YEARS)

    @property
    def positive_share(self) -> float:
        """Share of the dates whose IC is above zero."""
        return float((self.ic > 0).mean())


def measure(score: pd.Series, label: pd.Series) -> Measures:
    """Measure a signal.

    Parameters
    ----------
    score, label
        As `inputs.signal_column` returns them.

    Raises
    ------
    DataError
        If no date has an IC.
    """
    n_infinite = int(np.isinf(score).sum() + np.isinf(label).sum())
    score, label = (side.replace([np.inf, -np.inf], np.nan).dropna() for side in (score, label))
    pairs = pd.DataFrame({"score": score, "label": label}).dropna()
    if pairs.empty:
        raise DataError(
            "No row has both a score and a label.",
            "a label for at least some of the predicted (datetime, instrument) pairs.",
            "Check that both speak of the same dates and instruments.",
        )
    ic, ric = (series.dropna() for series in calc_ic(pairs["score"], pairs["label"]))
    if ic.empty:
        raise DataError(
            "No date has an information coefficient.",
            "a date with two instruments or more whose scores and labels differ.",
            "Check that the score is not constant within each date.",
        )
    quantiles = _quantiles(pairs)
    spread = (quantiles.iloc[:, -1] - quantiles.iloc[:, 0]).dropna()
    per_date = pairs.groupby(level="datetime").size()
    return Measures(
        ic=ic,
        ric=ric,
        summary=ic_summary(ic, ric),
        by_year=ic_table_by_year(pairs["score"], pairs["label"]),
        quantile_means=quantiles.mean(),
        spread=spread.groupby(pd.DatetimeIndex(spread.index).year).mean(),
        dates=pd.DatetimeIndex(score.index.unique("datetime")).sort_values(),
        n_undefined=len(per_date) - len(ic),
        n_infinite=n_infinite,
        n_instruments=score.index.get_level_values("instrument").nunique(),
        n_scores=len(score),
        n_pairs=len(pairs),
        per_date=int(per_date.median()),
    )


def add_fold_ics(folds: pd.DataFrame, windows: pd.DataFrame, measures: Measures) -> pd.DataFrame:
    """Fill in each fold's mean IC and Rank IC over its test window, unless the caller brought them.

    Parameters
    ----------
    folds
        As `inputs.tidy_folds` returns them.
    windows
        The same segments without open ends.
    measures
        Of the merged signal; where test windows overlap, a fold is judged by the merged prediction.
    """
    added = {}
    for name, daily in (("IC", measures.ic), ("Rank IC", measures.ric)):
        if name not in folds:
            added[name] = [
                float(daily[start:end].mean())
                for start, end in zip(windows["test_start"], windows["test_end"], strict=True)
            ]
    return folds.assign(**added)


def times_covered(dates: pd.DatetimeIndex, windows: pd.DataFrame) -> NDArray[np.intp]:
    """Count, for each date, the folds whose test window holds it."""
    begun = np.searchsorted(np.sort(windows["test_start"].to_numpy()), dates.to_numpy(), side="right")
    ended = np.searchsorted(np.sort(windows["test_end"].to_numpy()), dates.to_numpy(), side="left")
    return np.asarray(begun - ended, dtype=np.intp)


def _quantiles(pairs: pd.DataFrame) -> pd.DataFrame:
    n_instruments = pairs.index.get_level_values("instrument").nunique()
    return quantile_returns(pairs["score"], pairs["label"], max(2, min(_QUANTILES, n_instruments)))
