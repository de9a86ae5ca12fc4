"""The numbers of a signal report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rollforward.errors import DataError
from rollforward.evaluation.alpha import ALL_YEARS, calc_ic, ic_summary, ic_table_by_year, quantile_returns
from rollforward.evaluation.quantiles import quantile_spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

_QUANTILES = 5
FEW_DATES = 20  # a year with fewer tells nothing, and sets no scale


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
    quantiles
        Mean label of each quantile of the score, per date that has all of them; columns ascending.
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
    unscored
        Dates between the first and the last score that have labels but no score.
    """

    ic: pd.Series
    ric: pd.Series
    summary: dict[str, float]
    by_year: pd.DataFrame
    quantiles: pd.DataFrame
    dates: pd.DatetimeIndex
    n_undefined: int
    n_infinite: int
    n_instruments: int
    n_scores: int
    n_pairs: int
    per_date: int
    unscored: pd.DatetimeIndex

    @property
    def years(self) -> pd.DataFrame:
        """The table by year without its last row."""
        return self.by_year.drop(index=ALL_YEARS)

    @property
    def thin_years(self) -> list[int]:
        """The years of few dates, unless all are."""
        few = self.years.index[self.years["n_dates"] < FEW_DATES]
        return [] if len(few) == len(self.years) else [int(year) for year in few]

    @property
    def quantile_means(self) -> pd.Series:
        """Mean label over all dates, indexed by quantile."""
        return self.quantiles.mean()

    @property
    def spread(self) -> pd.Series:
        """Top minus bottom quantile, per date that has both."""
        return quantile_spread(self.quantiles).dropna()

    @property
    def yearly_spread(self) -> pd.Series:
        """Mean of top minus bottom quantile, indexed by year."""
        spread = self.spread
        return spread.groupby(pd.DatetimeIndex(spread.index).year).mean()

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
    dates = pd.DatetimeIndex(score.index.unique("datetime")).sort_values()
    per_date = pairs.groupby(level="datetime").size()
    return Measures(
        ic=ic,
        ric=ric,
        summary=ic_summary(ic, ric),
        by_year=ic_table_by_year(pairs["score"], pairs["label"]),
        quantiles=_quantiles(pairs),
        dates=dates,
        n_undefined=len(per_date) - len(ic),
        n_infinite=n_infinite,
        n_instruments=score.index.get_level_values("instrument").nunique(),
        n_scores=len(score),
        n_pairs=len(pairs),
        per_date=int(per_date.median()),
        unscored=_unscored(dates, pd.DatetimeIndex(label.index.unique("datetime"))),
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


def _unscored(dates: pd.DatetimeIndex, labelled: pd.DatetimeIndex) -> pd.DatetimeIndex:
    inside = labelled[(labelled >= dates[0]) & (labelled <= dates[-1])]
    return inside.difference(dates)


def _quantiles(pairs: pd.DataFrame) -> pd.DataFrame:
    n_instruments = pairs.index.get_level_values("instrument").nunique()
    return quantile_returns(pairs["score"], pairs["label"], max(2, min(_QUANTILES, n_instruments)))
