"""Processors that look at single values: missing, infinite or far out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rollforward.data.processor.base import PureProcessor, positions_of, values_at, with_values
from rollforward.data.selection import DATETIME
from rollforward.errors import DataError


class DropnaProcessor(PureProcessor):
    """Drop the rows that miss a value in a group.

    Parameters
    ----------
    fields_group
        The group looked at; ``None`` is every column.
    """

    def __init__(self, fields_group: Any = None) -> None:
        self.fields_group = fields_group

    def __call__(self, df: pd.DataFrame) -> pd.DataFrame:
        """Return the complete rows."""
        missing = df.iloc[:, positions_of(df, self.fields_group)].isna().any(axis=1)
        return df[~missing] if missing.any() else df


class DropnaLabel(DropnaProcessor):
    """Drop the rows without a label. Not for inference: whether there is a label is not known in time.

    Parameters
    ----------
    fields_group
        The group of the labels.
    """

    def __init__(self, fields_group: Any = "label") -> None:
        super().__init__(fields_group=fields_group)

    def is_for_infer(self) -> bool:
        """Return false."""
        return False


class Fillna(PureProcessor):
    """Fill missing values with a number.

    Parameters
    ----------
    fields_group
        The group filled; ``None`` is every column, the labels too.
    fill_value
        The number.
    """

    def __init__(self, fields_group: Any = None, fill_value: float = 0) -> None:
        self.fields_group = fields_group
        self.fill_value = fill_value

    def __call__(self, df: pd.DataFrame) -> pd.DataFrame:
        """Return the filled frame."""
        positions = positions_of(df, self.fields_group)
        values = values_at(df, positions)
        missing = pd.isna(values)
        return with_values(df, positions, np.where(missing, self.fill_value, values)) if missing.any() else df


class Clip(PureProcessor):
    """Cut values to a range; missing values stay missing.

    Parameters
    ----------
    lower, upper
        Bounds; ``None`` is open.
    fields_group
        The group cut; ``None`` is every column.

    Raises
    ------
    DataError
        If the bounds are in the wrong order, or both open.
    """

    def __init__(self, lower: float | None = -3.0, upper: float | None = 3.0, fields_group: Any = "feature") -> None:
        if (lower is None and upper is None) or (lower is not None and upper is not None and lower > upper):
            raise DataError(f"Clip cannot cut to [{lower}, {upper}].", "lower <= upper, at most one of them None.")
        self.lower = lower
        self.upper = upper
        self.fields_group = fields_group

    def __call__(self, df: pd.DataFrame) -> pd.DataFrame:
        """Return the frame with its values in the range."""
        positions = positions_of(df, self.fields_group)
        return with_values(df, positions, np.clip(values_at(df, positions), self.lower, self.upper))


class TanhProcess(PureProcessor):
    """Replace x by tanh(x - 1) in every column that is no label; meant for ratios around one.

    A label is a column of the group ``label``, or one with ``LABEL`` in its name.
    """

    def __call__(self, df: pd.DataFrame) -> pd.DataFrame:
        """Return the squeezed frame."""
        names = df.columns.get_level_values(-1)
        groups = df.columns.get_level_values(0)
        is_label = [group == "label" or "LABEL" in str(name) for group, name in zip(groups, names, strict=True)]
        positions = np.flatnonzero(~np.array(is_label, dtype=bool))
        return with_values(df, positions, np.tanh(values_at(df, positions) - 1))


class ProcessInf(PureProcessor):
    """Replace an infinite value by the mean of the finite ones of its column and time; missing if there is none."""

    def __call__(self, df: pd.DataFrame) -> pd.DataFrame:
        """Return the frame without infinities."""
        if not np.isinf(df.to_numpy()).any():
            return df
        finite = df.where(~np.isinf(df))
        means = finite.groupby(level=DATETIME).transform("mean")
        return df.where(~np.isinf(df), means)
