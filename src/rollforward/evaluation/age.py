"""How a model wears: information coefficients by the time since it was trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rollforward.data.calendar import Calendar
from rollforward.errors import ColumnError, DataError
from rollforward.evaluation.alpha import IC, ICIR, RANK_IC, RANK_ICIR, ROUNDING, daily_ic
from rollforward.evaluation.bydate import CUTOFF, Panel, alone, check_zones
from rollforward.evaluation.places import Places, unique

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = (IC, ICIR, RANK_IC, RANK_ICIR, f"{IC} excess", f"{RANK_IC} excess", "n_folds", "n_dates", "n_obs")


def ic_by_age(
    preds: Mapping[Any, pd.Series | pd.DataFrame] | pd.DataFrame,
    label: pd.Series | pd.DataFrame,
    calendar: Any = None,
    *,
    cutoffs: Mapping[Any, Any] | None = None,
    width: int = 1,
    date_col: str = "datetime",
) -> pd.DataFrame:
    """Condense the ICs of many models by the sessions between the end of their training and the predicted date.

    Without overlap each age is seen on other dates, so a curve over age may show the market instead of the models. If
    several models predict the same dates, the columns ``excess`` compare them there.

    Parameters
    ----------
    preds
        Predictions of each model, by any key: a column ``cutoff`` holds the last session of training, or ``cutoffs``
        does. Or one frame, merged from many models, with the column ``cutoff``.
    label
        One column, indexed ``(datetime, instrument)``.
    calendar
        The sessions that ages are counted in: anything `Calendar.of` takes. ``None``: the dates of label and
        predictions.
    cutoffs
        Last session of training of each key of ``preds``.
    width
        Sessions per row of the result.
    date_col
        Index level with the dates.

    Returns
    -------
    pd.DataFrame
        Index ``age``: sessions after the cutoff, 1 for the first one; with ``width`` *w* the first age of each row (1,
        1 + *w*, ...). Zero and below are dates that the model was trained on, or before them. Columns ``IC``, ``ICIR``,
        ``Rank IC``, ``Rank ICIR`` over all pairs of model and date of that age; ``IC excess`` and ``Rank IC excess``:
        mean difference to the average of all models on the same date, NaN where no date has several models;
        ``n_folds``: models, ``n_dates``: pairs of model and date that have an IC, ``n_obs``: their rows. Ages without
        an IC are left out.

    Raises
    ------
    ColumnError
        If neither ``cutoff`` nor ``cutoffs`` tells a model's end of training, or an index has no level ``date_col``.
    DataError
        If a cutoff or a prediction lies outside the calendar, a row is there twice, time zones differ, there are no
        predictions, or ``width`` is below 1.
    """
    if width < 1:
        raise DataError(f"width is {width}.", "at least one session.", "width=1 gives one row per age.")
    if not len(preds):
        raise DataError("preds is empty.", "the predictions of at least one model.", "Collect the predictions first.")
    known = alone(label, date_col, "label")
    folds = [(cutoff, unique(alone(part, date_col), "pred")) for cutoff, part in _folds(preds, cutoffs)]
    check_zones(known.dates, *(time for cutoff, panel in folds for time in (cutoff, panel.dates)))
    table = _daily(folds, Places.of(known, "label"))
    sessions = _sessions(calendar, [known, *(panel for _, panel in folds)])
    table["age"] = _ages(table, sessions)
    table["age"] -= (table["age"] - 1) % width
    return _condensed(table)


def _folds(
    preds: Mapping[Any, pd.Series | pd.DataFrame] | pd.DataFrame, cutoffs: Mapping[Any, Any] | None
) -> Iterator[tuple[pd.Timestamp, pd.Series | pd.DataFrame]]:
    for key, pred in preds.items() if isinstance(preds, Mapping) else [("preds", preds)]:
        if cutoffs is not None and key in cutoffs:
            yield pd.Timestamp(cutoffs[key]), pred
        elif isinstance(pred, pd.DataFrame) and CUTOFF in pred and pred[CUTOFF].notna().all():
            for cutoff, part in pred.groupby(CUTOFF, sort=False, observed=True):
                yield pd.Timestamp(str(cutoff)), part
        else:
            raise ColumnError(
                f"The predictions of {key!r} do not say when their training ended.",
                f"a column {CUTOFF!r} without missing values, or an entry in cutoffs.",
                "Pass cutoffs={key: last session of training, ...}.",
            )


def _daily(folds: list[tuple[pd.Timestamp, Panel]], label: Places) -> pd.DataFrame:
    """One row per model and date that has an IC."""
    judged = [
        daily_ic(replace(panel, label=np.append(label.panel.pred, np.nan)[label.find(panel)]), dropna=True)
        for _, panel in folds
    ]
    n_dates = [len(ic) for ic, _, _ in judged]
    columns = {name: np.concatenate([part[at] for part in judged]) for at, name in enumerate((IC, RANK_IC, "n_obs"))}
    dates = pd.DatetimeIndex(np.concatenate([ic.index for ic, _, _ in judged]))
    cutoffs = pd.DatetimeIndex([cutoff for cutoff, _ in folds]).repeat(n_dates)
    return pd.DataFrame(
        {"date": dates, "cutoff": cutoffs, "fold": np.repeat(np.arange(len(folds)), n_dates), **columns}
    )


def _sessions(calendar: Any, panels: list[Panel]) -> pd.DatetimeIndex:
    if calendar is not None:
        return pd.DatetimeIndex(Calendar.of(calendar).sessions(future=True))
    dates = [panel.dates for panel in panels if panel.n_dates]
    return pd.DatetimeIndex(np.unique(np.concatenate(dates))) if dates else pd.DatetimeIndex([])


def _ages(table: pd.DataFrame, sessions: pd.DatetimeIndex) -> pd.Series:
    """Count the sessions after the cutoff, up to and including the date."""
    cutoff, date = table["cutoff"], table["date"]
    if len(table) and (cutoff.min() < sessions[0] or date.min() < sessions[0] or date.max() > sessions[-1]):
        raise DataError(
            f"Cutoffs start on {cutoff.min()}, predictions go from {date.min()} to {date.max()}; the sessions that are "
            f"known go from {sessions[0]} to {sessions[-1]}.",
            "a calendar that holds them all.",
            "Pass the calendar that the models were trained by, for example calendar=job.calendar or a data file.",
        )
    elapsed = sessions.searchsorted(date, side="right") - sessions.searchsorted(cutoff, side="right")
    return pd.Series(elapsed, index=table.index)


def _condensed(table: pd.DataFrame) -> pd.DataFrame:
    for name in (IC, RANK_IC):
        models = table.groupby("date")[name]
        table[f"{name} excess"] = (table[name] - models.transform("mean")).where(models.transform("count") > 1)
    by_age = table.groupby("age")
    means = by_age[[IC, RANK_IC, f"{IC} excess", f"{RANK_IC} excess"]].mean()
    mean, deviation = means[[IC, RANK_IC]], by_age[[IC, RANK_IC]].std(ddof=1)
    ratios = (mean / deviation.where(deviation > ROUNDING * mean.abs())).set_axis([ICIR, RANK_ICIR], axis=1)
    counts = by_age.agg(n_folds=("fold", "nunique"), n_dates=(IC, "count"), n_obs=("n_obs", "sum"))
    return means.join(ratios).join(counts)[list(COLUMNS)]
