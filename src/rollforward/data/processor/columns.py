"""Processors that choose columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rollforward.data.processor.base import PureProcessor, positions_of
from rollforward.data.selection import nearest
from rollforward.errors import ColumnError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


class DropCol(PureProcessor):
    """Drop columns by name, in whichever group they are.

    Parameters
    ----------
    col_list
        Names, without the group.

    Raises
    ------
    ColumnError
        When called, if a name is not there.
    """

    def __init__(self, col_list: Sequence[str] = ()) -> None:
        self.col_list = list(col_list)

    def __call__(self, df: pd.DataFrame) -> pd.DataFrame:
        """Return the frame without these columns."""
        names = _names(df)
        _check(self.col_list, names)
        return df.loc[:, ~names.isin(self.col_list)]


class FilterCol(PureProcessor):
    """Keep only the named columns of a group; other groups stay whole.

    Parameters
    ----------
    fields_group
        The group that is filtered.
    col_list
        Names of the columns to keep, without the group.

    Raises
    ------
    ColumnError
        When called, if the group or a name in it is not there.
    """

    def __init__(self, fields_group: str | None = "feature", col_list: Sequence[str] = ()) -> None:
        self.fields_group = fields_group
        self.col_list = list(col_list)

    def __call__(self, df: pd.DataFrame) -> pd.DataFrame:
        """Return the frame with the group reduced to these columns."""
        names, group = _names(df), positions_of(df, self.fields_group)
        _check(self.col_list, names[group])
        dropped = np.zeros(df.shape[1], dtype=bool)
        dropped[group] = ~names[group].isin(self.col_list)
        return df.loc[:, ~dropped]


def _names(df: pd.DataFrame) -> pd.Index:
    return df.columns.get_level_values(-1)


def _check(wanted: Sequence[str], names: pd.Index) -> None:
    for name in wanted:
        if name not in names:
            raise ColumnError(f"There is no column {name!r}.", nearest(name, names))
