"""However a table is brought up to date, it is the same table in the end."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from rollforward.data.calendar import Calendar
from rollforward.data.cut import data_cut_at
from rollforward.data.dataset import DatasetH
from rollforward.data.loader import FrameLoader
from rollforward.data.price_handler import PriceHandler
from rollforward.workflow.online.update import PredUpdater, update_many
from rollforward.workflow.online.update.merging import replace_range

DAYS = pd.bdate_range("2020-01-01", periods=60)
CLOSE = pd.DataFrame(np.exp(np.random.default_rng(2).normal(0, 0.02, (60, 4)).cumsum(0)), DAYS, list("ABCD"))
CALENDAR = Calendar(DAYS)
FEATURES = ["REV1", "MA5", "RANK_REV5"]


class Sum:
    def __init__(self, weight):
        self.weight = weight

    def predict(self, dataset, segment="test"):
        return dataset.prepare(segment, col_set="feature").sum(axis=1) * self.weight


class Shelf:
    """A run that holds its objects in memory."""

    def __init__(self, number, **objects):
        self.id = f"run {number}"
        self.objects = objects
        self.n_writes = 0

    def require_id(self):
        return self.id

    def load_object(self, name):
        found = self.objects[name]
        return found() if callable(found) else found

    def save_objects(self, **objects):
        self.n_writes += 1
        self.objects.update(objects)


def run(number, last, fit_end=20):
    def dataset():
        window = {"fit_start_time": DAYS[0], "fit_end_time": DAYS[fit_end]}
        handler = PriceHandler(source=FrameLoader(CLOSE), features=FEATURES, **window)
        return DatasetH(handler, {"test": (DAYS[25], DAYS[40])})

    whole = dataset()
    whole.config(segments={"test": (DAYS[25], DAYS[last])})
    weight = 1.0 + number
    pred = Sum(weight).predict(whole).to_frame("score")
    return Shelf(number, dataset=dataset, **{"params.pkl": Sum(weight), "pred.pkl": pred})


# Building handlers is what takes the time: once for all examples.
WHOLE = run(0, 59).load_object("pred.pkl")


@settings(max_examples=15, deadline=None)
@given(last=st.integers(25, 58), steps=st.lists(st.integers(0, 59), max_size=5))
def test_day_by_day_is_all_at_once(last, steps):
    shelf = run(0, last)
    for step in [*steps, 59]:
        PredUpdater(shelf, DAYS[step], calendar=CALENDAR).update()
    pd.testing.assert_frame_equal(shelf.load_object("pred.pkl"), WHOLE, check_exact=True)
    assert shelf.n_writes == len({max(last, *steps[: i + 1]) for i in range(len(steps))} - {last} | {59})


@settings(max_examples=10, deadline=None)
@given(lasts=st.lists(st.tuples(st.sampled_from([30, 31, 59]), st.sampled_from([20, 22])), min_size=1, max_size=4))
def test_together_is_alone(lasts):
    together = [run(number, last, fit_end) for number, (last, fit_end) in enumerate(lasts)]
    alone = [run(number, last, fit_end) for number, (last, fit_end) in enumerate(lasts)]
    done = update_many(together, DAYS[57], calendar=CALENDAR)
    for one, other in zip(together, alone, strict=True):
        expected = PredUpdater(other, DAYS[57], calendar=CALENDAR).update(ret_new=True)
        pd.testing.assert_frame_equal(done[one.id].data, expected, check_exact=True)
        pd.testing.assert_frame_equal(one.load_object("pred.pkl"), expected, check_exact=True)


@settings(max_examples=15, deadline=None)
@given(first=st.integers(25, 59), last=st.integers(25, 59), cut=st.integers(25, 59))
def test_inside_a_cut_it_is_the_past(first, last, cut):
    """Predictions of a day do not depend on what is there after it, nor on the calendar knowing more."""
    shelf = run(0, 59)
    with data_cut_at(DAYS[cut]):
        updater = PredUpdater(shelf, DAYS[last], from_date=DAYS[first], calendar=CALENDAR)
        assert updater.to_date == DAYS[min(last, cut)]
        new = updater.update(ret_new=True)
    pd.testing.assert_frame_equal(new, WHOLE, check_exact=True)


rows = st.lists(st.tuples(st.integers(0, 12), st.sampled_from("ABC"), st.integers(0, 99)), max_size=25)


@given(old=rows, new=rows.filter(bool))
def test_replaced_is_what_a_dictionary_would_hold(old, new):
    def table(items):
        index = pd.MultiIndex.from_tuples(
            [(DAYS[day], name) for day, name, _ in items], names=["datetime", "instrument"]
        )
        frame = pd.DataFrame({"score": [float(value) for *_, value in items]}, index)
        return frame.sort_index(kind="stable")

    first, last = min(day for day, *_ in new), max(day for day, *_ in new)
    kept = {(day, name): value for day, name, value in old if not first <= day <= last}
    expected = kept | {(day, name): value for day, name, value in new}
    before = table(old) if old else pd.DataFrame({"score": []}, dtype=float)
    found = replace_range(before, table(new))
    assert found.index.is_monotonic_increasing
    assert {(DAYS.get_loc(day), name): value for (day, name), value in found["score"].items()} == expected
