"""Signals with every irregularity, and figures of them date by date, in plain pandas and scipy."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import strategies as st

NAMES = [f"S{i:02d}" for i in range(12)]


@st.composite
def panels(draw):
    """Prediction and label with ties, missing values, constant dates, missing rows and shuffled order."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_dates, n_levels = draw(st.integers(1, 6)), draw(st.sampled_from([1, 2, 3, 1000]))
    index = pd.MultiIndex.from_product(
        [pd.bdate_range("2024-01-02", periods=n_dates), NAMES], names=["datetime", "instrument"]
    )
    columns = []
    for _ in range(2):
        values = rng.integers(0, n_levels, len(index)) * 0.1
        values[rng.random(len(index)) < draw(st.sampled_from([0.0, 0.2, 0.9]))] = np.nan
        order = rng.permutation(len(index))[: rng.integers(1, len(index) + 1)]
        columns.append(pd.Series(values, index).iloc[order])
    return tuple(columns)


def by_date(pred, label, func):
    frame = pd.DataFrame({"pred": pred, "label": label})
    return pd.Series({date: func(part) for date, part in frame.groupby(level="datetime")}, dtype=float)


def pairwise(corr):
    def figure(part):
        part = part.dropna()
        if len(part) < 2 or (part.max() == part.min()).any():
            return np.nan
        return corr(part["pred"], part["label"]).statistic

    return figure


def assert_close(result, expected):
    assert list(result.index) == list(expected.index)
    np.testing.assert_allclose(result.to_numpy(), expected.to_numpy(), rtol=1e-9, atol=1e-12)
