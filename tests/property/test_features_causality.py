"""What happens after a session changes not one bit of its features, nor does the label of a row know less than it says."""

# ruff: noqa: PD010 - the reference is computed on wide frames
from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rollforward.data.features import DEFAULT_FEATURES, compute_features
from rollforward.data.price_handler import PriceHandler

NAMES = (
    *("REV2", "MOM5", "MOM5_2", "VOL3", "VOLR2_5", "MA5", "MAX4", "MIN4", "MDD3", "RSI3", "UP4", "MAXRET3", "SKEW4"),
    *("BETA4", "IVOL4", "RES3", "RANK_REV2", "RANK_VOL3"),
)
panels = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 30), st.integers(1, 12)),
    elements=st.one_of(st.floats(0.01, 1e4), st.just(np.nan)),
)


@settings(deadline=None, max_examples=60)
@given(panels, st.data())
def test_cutting_what_follows_changes_nothing(close, data):
    cut = data.draw(st.integers(1, len(close)))
    whole, past = compute_features(close, NAMES), compute_features(close[:cut], NAMES)
    np.testing.assert_array_equal(whole[:, :cut].view(np.uint64), past.view(np.uint64))


def test_cutting_real_data_changes_nothing():
    rng = np.random.default_rng(3)
    close = 20 * np.exp(np.cumsum(rng.standard_t(3, (700, 21)) / 100, axis=0))
    close[rng.random(close.shape) < 0.01] = np.nan
    whole = compute_features(close, DEFAULT_FEATURES)
    for cut in (1, 2, 255, 256, 431, 699):
        past = compute_features(close[:cut], DEFAULT_FEATURES)
        np.testing.assert_array_equal(whole[:, :cut].view(np.uint64), past.view(np.uint64))


@settings(deadline=None, max_examples=25)
@given(horizon=st.integers(1, 6), n=st.integers(10, 25), at=st.integers(0, 24))
def test_label_uses_exactly_the_sessions_it_says(horizon, n, at):
    """Changing a close changes labels at most ``label_lookahead`` sessions before it, and that one among them."""
    rng = np.random.default_rng(n)
    times = pd.date_range("2020-01-01", periods=n)
    close = pd.DataFrame(rng.uniform(1, 2, (n, 2)), index=times, columns=["A", "B"])
    at = min(at, n - 1)
    changed = close.copy()
    changed.iloc[at, 0] *= 1.5
    handlers = [
        PriceHandler(source=frame, horizon=horizon, features=["MOM1"], learn_processors=[])
        for frame in (close, changed)
    ]
    labels = [handler.fetch(col_set="label", data_key="raw")["LABEL0"].unstack()["A"] for handler in handlers]
    differs = np.flatnonzero(~((labels[0] == labels[1]) | (labels[0].isna() & labels[1].isna())))
    lookahead = handlers[0].label_lookahead
    assert lookahead == horizon + 1
    assert all(at - lookahead <= row < at for row in differs)
    if at >= lookahead:
        assert at - lookahead in differs
