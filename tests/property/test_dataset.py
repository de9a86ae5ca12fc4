"""Segments and windows on any panel, against plain pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rollforward.data.dataset import DatasetH, TSDatasetH
from rollforward.data.handler import DataHandlerLP
from rollforward.data.sampler import TSDataSampler

DAYS = pd.bdate_range("2020-01-01", periods=9, unit="ns")
COLUMNS = pd.MultiIndex.from_tuples([("feature", "x"), ("label", "y")])


@st.composite
def panels(draw):
    """Rows (datetime, instrument), some absent; every value is different and says which row it is of."""
    n_names = draw(st.integers(1, 4))
    cells = [(day, name) for day in range(len(DAYS)) for name in range(n_names)]
    kept = sorted(draw(st.sets(st.sampled_from(cells), min_size=1)))
    index = pd.MultiIndex.from_tuples([(DAYS[day], f"S{name}") for day, name in kept], names=["datetime", "instrument"])
    values = np.array([[100.0 * day + name, -100.0 * day - name] for day, name in kept])
    return pd.DataFrame(values, index=index, columns=COLUMNS)


bounds = st.tuples(st.one_of(st.none(), st.integers(-2, 13)), st.one_of(st.none(), st.integers(-2, 13))).map(
    lambda pair: tuple(None if day is None else pd.Timestamp("2020-01-01") + pd.Timedelta(days=day) for day in pair)
)


def mask_of(index, start, end):
    times = index.get_level_values(0)
    mask = np.ones(len(times), dtype=bool)
    mask &= True if start is None else times >= start
    return mask & (True if end is None else times <= end)


def naive_window(frame, sessions, time, name, step_len, fillna_type):
    """The window by reindexing one instrument to the sessions; rows are missing whole, so filling values fills rows."""
    own = frame.xs(name, level=1).reindex(sessions)
    position = sessions.get_loc(time)
    rows = own.iloc[max(0, position - step_len + 1) : position + 1]
    padding = pd.DataFrame(np.nan, index=range(step_len - len(rows)), columns=rows.columns)
    rows = pd.concat([padding, rows]) if len(padding) else rows
    if fillna_type != "none":
        rows = rows.ffill()
    if fillna_type == "ffill+bfill":
        rows = rows.bfill()
    return rows.to_numpy()


@settings(deadline=None, max_examples=80)
@given(panels(), bounds)
def test_segment_is_what_a_mask_selects(frame, segment):
    assume(None in segment or segment[0] <= segment[1])
    mask = mask_of(frame.index, *segment)
    assume(mask.any())
    dataset = DatasetH(DataHandlerLP(data_loader=frame), {"one": segment})
    pd.testing.assert_frame_equal(dataset.prepare("one", col_set="__raw"), frame[mask])


@settings(deadline=None, max_examples=80)
@given(panels(), bounds, st.integers(1, 5), st.sampled_from(["none", "ffill", "ffill+bfill"]))
def test_windows_are_those_of_reindexing(frame, segment, step_len, fillna_type):
    assume(None in segment or segment[0] <= segment[1])
    mask = mask_of(frame.index, *segment)
    assume(mask.any())
    dataset = TSDatasetH(step_len, handler=DataHandlerLP(data_loader=frame), segments={"one": segment})
    sampler = dataset.prepare("one", col_set=["feature", "label"])
    sampler.config(fillna_type=fillna_type)
    assert sampler.get_index().equals(frame.index[mask])
    sessions = frame.index.get_level_values(0).unique()
    batch = sampler[list(range(len(sampler)))]
    for number, (time, name) in enumerate(sampler.get_index()):
        expected = naive_window(frame, sessions, time, name, step_len, fillna_type)
        np.testing.assert_array_equal(sampler[number], expected)
        np.testing.assert_array_equal(batch[number], expected)
        np.testing.assert_array_equal(sampler[time, name], expected)


@settings(deadline=None, max_examples=40)
@given(panels(), st.integers(0, 8), st.integers(1, 5), st.sampled_from(["none", "ffill", "ffill+bfill"]))
def test_window_knows_nothing_after_its_row(frame, day, step_len, fillna_type):
    past = frame[mask_of(frame.index, None, DAYS[day])]
    assume(len(past))
    whole = TSDataSampler(frame, None, DAYS[day], step_len, fillna_type=fillna_type)
    np.testing.assert_array_equal(whole[:], TSDataSampler(past, None, None, step_len, fillna_type=fillna_type)[:])
