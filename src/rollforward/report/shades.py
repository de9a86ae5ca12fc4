"""Colours for values around zero: cold ones above, warm ones below, deeper the farther away."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_STEPS = 3
_SHARE = 0.8


def shade_of(value: float, bound: float) -> str:
    """Name the role of a value's colour; empty for a missing one.

    Parameters
    ----------
    value
        Any number.
    bound
        Above zero; what lies beyond it, either way, has the deepest colour.
    """
    if value is None or math.isnan(value):
        return ""
    step = min(int(abs(value) / bound * (_STEPS - 1)) + 1, _STEPS)
    return f"{'warm' if value < 0 else 'cold'}{step}"


def bound_of(table: pd.DataFrame) -> float:
    """Return the bound for a table of values: one in five is beyond it."""
    known = np.abs(table.to_numpy(float))
    known = known[~np.isnan(known)]
    bound = float(np.quantile(known, _SHARE)) if known.size else 0.0
    return bound if bound > 0 else 1.0
