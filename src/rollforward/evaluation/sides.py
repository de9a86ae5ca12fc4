"""The best and the worst of a date: who is bought and who is sold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rollforward.evaluation.bydate import Floats, Ints, Panel


def side_size(panel: Panel, quantile: float) -> Ints:
    """Count the instruments that a share of each date's rows makes, rounded down."""
    return (panel.count() * quantile).astype(np.intp)


def first_rows(panel: Panel, key: Floats, size: Ints) -> NDArray[np.bool_]:
    """Mark the first ``size`` rows of each date in ascending order of the key; ties go to the first rows."""
    picked = np.zeros(len(key), dtype=bool)
    picked[panel.order(key)] = panel.position() < size[panel.code]
    return picked
