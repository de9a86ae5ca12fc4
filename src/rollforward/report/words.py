"""What a report says in words: numbers as text, descriptions of the plots, and what to know before reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from rollforward.report.measures import times_covered

if TYPE_CHECKING:
    from rollforward.report.measures import Measures
    from rollforward.report.sections.base import Subject

MISSING = "\N{EN DASH}"
UNFINISHED = frozenset({"failed", "killed", "running", "scheduled"})
_MIDNIGHT = " 00:00:00"
_NAMES_SHOWN = 12


def number(value: float | None, digits: int = 4) -> str:
    """Write a number with a real minus sign; what is missing is a dash."""
    if value is None or pd.isna(value):
        return MISSING
    text = f"{value:,.{digits}f}"
    # What is rounded to zero is neither above nor below it.
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text.replace("-", "\N{MINUS SIGN}")


def short_number(value: float) -> str:
    """Write a number between -1 and 1 with two digits and without the zero before the point."""
    text = f"{abs(value):.2f}".removeprefix("0")
    return f"\N{MINUS SIGN}{text}" if value < 0 and text != ".00" else text


def day(value: pd.Timestamp | None) -> str:
    """Write a time, without the clock if it is midnight; what is missing is an open end."""
    return "open" if value is None or pd.isna(value) else str(value).removesuffix(_MIDNIGHT)


def label_value(value: float, *, percent: bool) -> str:
    """Write a mean label, as a percentage if labels are returns."""
    return f"{number(value * 100, 3)} %" if percent else number(value)


def describe_cumulative(measures: Measures) -> str:
    """Describe the plot of the running sums."""
    ends = [
        f"{name} ends at {number(float(daily.sum()), 1)}, a mean of {number(measures.summary[name])} per date"
        for name, daily in (("IC", measures.ic), ("Rank IC", measures.ric))
    ]
    low = pd.Timestamp(str(measures.ic.cumsum().idxmin()))
    return (
        f"Line chart of the running sums of IC and Rank IC from {day(measures.ic.index[0])} to "
        f"{day(measures.ic.index[-1])}. {ends[0]}; {ends[1]}. The sum of the ICs is lowest on {day(low)}."
    )


def describe_quantiles(means: pd.Series, spread: pd.Series, *, percent: bool) -> str:
    """Describe the plot of the quantiles and of the yearly difference of the outer ones."""
    groups = ", ".join(f"Q{name} {label_value(float(mean), percent=percent)}" for name, mean in means.items())
    text = f"Bar charts. Mean label by quantile of the score, lowest scores first: {groups}."
    if spread.empty:
        return text
    ordered = spread.sort_values()
    low, high = (f"{label_value(float(ordered.iloc[end]), percent=percent)} in {ordered.index[end]}" for end in (0, -1))
    above = f"in {int((spread > 0).sum())} of {len(spread)} years"
    return f"{text} The top quantile is above the bottom one {above}; the difference runs from {low} to {high}."


def describe_spread(spread: pd.Series, n_quantiles: int, *, percent: bool) -> str:
    """Describe the running sum of the difference of the outer quantiles."""
    ends = label_value(float(spread.iloc[-1]), percent=percent)
    low, high = day(pd.Timestamp(str(spread.idxmin()))), day(pd.Timestamp(str(spread.idxmax())))
    return (
        f"Line charts. Running sums of the quantiles above their mean, and of Q{n_quantiles} minus Q1, which ends at "
        f"{ends}; it is lowest on {low} and highest on {high}."
    )


def describe_steadiness(turnover: pd.DataFrame, correlation: pd.Series) -> str:
    """Describe turnover and rank autocorrelation."""
    groups = " and ".join(f"{number(float(mean) * 100, 1)} % of Q{name}" for name, mean in turnover.mean().items())
    return (
        f"Line charts. From one date to the next, {groups} are new on average. The ranks of a date correlate with "
        f"those of the date before by {number(float(correlation.mean()), 3)} on average."
    )


def describe_equity(figures: pd.DataFrame, drawdown: pd.Series) -> str:
    """Describe running results and the drawdown of the first."""
    years = ", ".join(f"{name} {label_value(row['annual'], percent=True)}" for name, row in figures.iterrows())
    low = pd.Timestamp(str(drawdown.idxmin()))
    return (
        f"Line charts of running results and of the drawdown. Mean of a year: {years}. The deepest drawdown is "
        f"{label_value(float(drawdown.min()), percent=True)}, on {day(low)}."
    )


def describe_pairs(table: pd.DataFrame, what: str) -> str:
    """Describe pairs of bars of IC and Rank IC."""
    rows = "; ".join(
        f"{name}: {number(row['IC'])}, {number(row['Rank IC'])}" for name, row in table[["IC", "Rank IC"]].iterrows()
    )
    return f"Bar chart of IC and Rank IC by {what}. {rows}."


def describe_windows(windows: pd.DataFrame) -> str:
    """Describe the timeline of the folds."""
    text = f"Timeline of {len(windows)} folds. "
    if "train_start" in windows and windows["train_start"].notna().any():
        text += f"Training begins {day(windows['train_start'].min())}. "
    return text + f"Test windows run from {day(windows['test_start'].min())} to {day(windows['test_end'].max())}."


def findings(measures: Measures, folds: pd.DataFrame | None, windows: pd.DataFrame | None) -> list[str]:
    """Say what a reader has to know about the data before the results.

    Parameters
    ----------
    measures
        Of the signal.
    folds, windows
        The folds, and their segments without open ends.
    """
    found = []
    if measures.n_undefined:
        found.append(
            f"Labelled dates without an IC: {measures.n_undefined:,} (fewer than two instruments, or no variation in "
            f"score or label). They are left out; {len(measures.ic):,} remain."
        )
    if measures.n_infinite:
        found.append(f"Infinite scores and labels: {measures.n_infinite:,}. They count as missing.")
    if folds is not None and windows is not None:
        found += _about_folds(measures, folds, windows)
    if len(measures.unscored):
        found.append(
            f"Dates with labels but without any score: {len(measures.unscored):,} between the first prediction and the "
            f"last, the first on {day(measures.unscored[0])}."
        )
    return found


def about_horizon(subject: Subject) -> list[str]:
    """Say what is missing where nobody knows how many sessions a label spans."""
    if subject.horizon is not None or subject.portfolio is not None or not subject.percent:
        return []
    note = (
        "How many sessions a label spans is not known, so there is no equity of a long-short position, and sums of "
        "labels count a session as often as labels span it. Say it: horizon=5, --horizon 5, or the run's tag "
        "label_horizon."
    )
    return [note]


def _about_folds(measures: Measures, folds: pd.DataFrame, windows: pd.DataFrame) -> list[str]:
    covered = times_covered(measures.dates, windows)
    found = [
        f"Predicted dates {where}: {len(dates):,}, the first on {day(dates[0])}."
        for where, dates in (
            ("outside every test window", measures.dates[covered == 0]),
            ("in the test windows of several folds", measures.dates[covered > 1]),
        )
        if len(dates)
    ]
    begin = measures.dates.searchsorted(windows["test_start"].to_numpy(), side="left")
    end = measures.dates.searchsorted(windows["test_end"].to_numpy(), side="right")
    status = folds["status"].astype(str) if "status" in folds else pd.Series("", index=folds.index)
    for what, chosen in (
        ("without a prediction in their test window", begin == end),
        ("that did not finish", status.str.lower().isin(UNFINISHED)),
    ):
        names = [str(name) for name in folds["name"][chosen]]
        if names:
            found.append(f"Folds {what}: {_some(names)}.")
    return found


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"
