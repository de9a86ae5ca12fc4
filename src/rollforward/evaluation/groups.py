"""Where a signal works: its information coefficients inside groups of instruments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rollforward.errors import DataError
from rollforward.evaluation.alpha import daily_ic, ic_row
from rollforward.evaluation.bydate import alone, panel_of
from rollforward.evaluation.places import Places

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from rollforward.evaluation.bydate import Ints, Panel


def ic_by_group(
    pred: pd.Series | pd.DataFrame,
    label: pd.Series | pd.DataFrame,
    groups: Mapping[Any, Any] | pd.Series | pd.DataFrame,
    date_col: str = "datetime",
) -> pd.DataFrame:
    """Correlate prediction and label among the instruments of each group, date by date, and condense.

    Parameters
    ----------
    pred, label, date_col
        As for `calc_ic`.
    groups
        Group of each instrument: a mapping or a series by instrument, or one column indexed ``(datetime, instrument)``
        for groups that change. Rows without a group are left out.

    Returns
    -------
    pd.DataFrame
        Index ``group``, sorted; columns as in `ic_by_horizon`. A group on which no date has an IC has NaN and zeros.

    Raises
    ------
    ColumnError
        If an index has no level ``date_col``.
    DataError
        As `calc_ic`; or if no row has a group.
    """
    panel = panel_of(pred, label, date_col).pairs()
    code, names = _groups_of(panel, groups, date_col)
    if len(code) and (code < 0).all():
        raise DataError(
            f"None of the instruments {panel.instruments[:3].tolist()}, ... has a group.",
            "groups of the instruments of pred.",
            f"Name the instruments as pred does; groups knows {list(names)[:3]}.",
        )
    rows = [ic_row(*daily_ic(panel.keep(code == number))) for number in range(len(names))]
    columns = list(ic_row(*daily_ic(panel.keep(code < -1))))
    return pd.DataFrame(rows, index=pd.Index(names, name="group"), columns=columns)


def _groups_of(
    panel: Panel, groups: Mapping[Any, Any] | pd.Series | pd.DataFrame, date_col: str
) -> tuple[Ints, pd.Index]:
    """Find the group of each row as a number (-1: none), and the names of the numbers."""
    column = groups.iloc[:, 0] if isinstance(groups, pd.DataFrame) else pd.Series(groups)
    number, names = pd.factorize(column, sort=True)
    if isinstance(column.index, pd.MultiIndex):
        known = alone(pd.Series(number, column.index), date_col, "groups")
        found = Places.of(known, "groups").find(panel)
        return np.append(known.pred, -1).astype(np.intp)[found], names
    if not column.index.is_unique:
        raise DataError("groups names an instrument twice.", "one group per instrument.", "Drop the duplicates.")
    place = np.append(column.index.get_indexer(panel.instruments), -1)[panel.instrument]
    return np.append(number, -1)[place], names  # -1 reads the last: what is not found has no group
