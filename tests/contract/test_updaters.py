"""Updaters in the indices of the contract: what is missing is computed, everything else stays as it was."""

from __future__ import annotations

import logging
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from rollforward import settings
from rollforward.data.calendar import Calendar
from rollforward.data.dataset import DatasetH, TSDatasetH
from rollforward.data.handler import DataHandler, DataHandlerLP
from rollforward.data.loader import CallableLoader
from rollforward.data.price_handler import PriceHandler
from rollforward.data.processor import Processor
from rollforward.errors import EmptySegmentError, LoadObjectError, ModelError, UpdateError
from rollforward.instantiate import init_instance_by_config
from rollforward.workflow import R
from rollforward.workflow.online.update import (
    LabelUpdater,
    PredUpdater,
    RecordUpdater,
    RMDLoader,
    update_many,
)

CAL = pd.bdate_range("2020-01-01", "2020-02-28")
NAMES = list("ABC")
loads: list[tuple] = []


def frame(n_days=43):
    """Feature and label are their own position, so that every value says where it comes from."""
    index = pd.MultiIndex.from_product([CAL[:n_days], NAMES], names=["datetime", "instrument"])
    day = np.repeat(np.arange(n_days, dtype=float), len(NAMES))
    columns = pd.MultiIndex.from_tuples([("feature", "x"), ("label", "LABEL0")])
    return pd.DataFrame(np.column_stack([day, day / 100]), index, columns)


def source(instruments, start, end):
    loads.append((start, end))
    return frame()


class Day:
    """Predicts the feature."""

    times = 1.0

    def predict(self, dataset, segment="test"):
        x = dataset.prepare(segment, col_set="feature", data_key="infer").iloc[:, 0]
        return (x * self.times).rename(None)


class Tens(Day):
    times = 10.0


class Frames(Day):
    def predict(self, dataset, segment="test"):
        return super().predict(dataset, segment).to_frame("other")


class TwoColumns(Day):
    def predict(self, dataset, segment="test"):
        scores = super().predict(dataset, segment)
        return pd.DataFrame({"b": scores, "score": scores})


class Eager(Day):
    """Also gives the rows before the segment."""

    def predict(self, dataset, segment="test"):
        return super().predict(dataset, slice(None))


class Wrong(Day):
    def predict(self, dataset, segment="test"):
        return [1.0]


class Windows(Day):
    """Predicts the oldest day of each window."""

    def predict(self, dataset, segment="test"):
        sampler = dataset.prepare(segment, col_set="feature")
        return pd.Series([window[0, 0] for window in sampler], sampler.get_index(), dtype=float)


class Memory(Processor):
    """The value of three sessions before; a missing one counts as -1."""

    said: ClassVar[int | None] = None

    def __call__(self, df):
        df["feature", "x"] = df["feature", "x"].groupby(level=1).shift(3).fillna(-1.0)
        return df


class Honest(Memory):
    lookback = 3


@pytest.fixture(autouse=True)
def use_calendar(tracking_uri):
    loads.clear()

    def use(sessions=CAL, **kwargs):
        settings.init(uri=tracking_uri, calendar=Calendar(sessions, **kwargs))

    use()
    return use


@pytest.fixture
def recording():
    return R


def at(*range_):
    return {"test": (CAL[range_[0]], CAL[range_[1]])}


@pytest.fixture
def trained(recording):
    """Make a run that predicted up to day 30, by hand."""

    def make(model=None, cls=DataHandlerLP, last=30, pred=None, dataset=DatasetH, handler=None, **kwargs):
        made = cls(data_loader=CallableLoader(source), init_data=False, **(handler or {}))
        data = dataset(handler=made, segments=at(15, 30), **kwargs)
        days = frame().iloc[15 * 3 : (last + 1) * 3]
        with recording.start(experiment_name="exp"):
            recorder = recording.get_recorder()
            recorder.save_objects(
                **{
                    "dataset": data,
                    "params.pkl": model or Day(),
                    "pred.pkl": days["feature"].set_axis(["score"], axis=1) if pred is None else pred,
                    "label.pkl": days["label"],
                }
            )
        return recorder

    return make


def days_of(table):
    dates = table.index.get_level_values("datetime").unique()
    return int(CAL.get_loc(dates[0])), int(CAL.get_loc(dates[-1])), len(dates)


def test_only_missing_dates_are_predicted(trained, use_calendar):
    recorder = trained()
    use_calendar(CAL[:33])
    assert PredUpdater(recorder).update() is None
    assert days_of(recorder.load_object("pred.pkl")) == (15, 32, 18)
    assert loads == [(CAL[31], CAL[32])]

    use_calendar()
    new = PredUpdater(recorder, to_date=CAL[38]).update(write=False, ret_new=True)
    assert days_of(new) == (15, 38, 24)
    assert list(new.columns) == ["score"]
    assert new["score"].tolist() == np.repeat(np.arange(15.0, 39.0), 3).tolist()
    assert days_of(recorder.load_object("pred.pkl")) == (15, 32, 18)


@pytest.mark.parametrize(("hist_ref", "first"), [(0, 33), (1, 32), (5, 28), (100, 0)])
def test_hist_ref(trained, hist_ref, first):
    updater = PredUpdater(trained(last=32), hist_ref=hist_ref)
    dataset = updater.prepare_data()
    assert (dataset.handler.start_time, dataset.handler.end_time) == (CAL[first], CAL[42])
    assert dataset.segments == {"test": (CAL[33], CAL[42])}
    assert days_of(updater.update(dataset, ret_new=True)) == (15, 42, 28)


def test_a_range_is_computed_anew(trained):
    recorder = trained(Tens(), last=32)
    before = recorder.load_object("pred.pkl")
    updater = PredUpdater(recorder, from_date=CAL[20], to_date=CAL[24])
    assert (updater.last_end, updater.start, updater.to_date) == (CAL[19], CAL[20], CAL[24])
    after = updater.update(ret_new=True)
    changed = (after["score"] != before["score"]).groupby(level=0).all()
    assert np.flatnonzero(changed).tolist() == [5, 6, 7, 8, 9]
    assert after.index.equals(before.index)


def test_from_a_saturday_and_from_the_first_day(trained):
    recorder = trained(last=32)
    assert PredUpdater(recorder, from_date="2020-02-01").last_end == pd.Timestamp("2020-01-31")
    first = PredUpdater(recorder, from_date="2019-12-01", to_date=CAL[0])
    assert (first.last_end, first.start) == (None, CAL[0])
    assert days_of(first.update(ret_new=True)) == (0, 32, 19)
    assert PredUpdater(recorder, from_date="2021-01-01").is_current


def test_nothing_is_missing(trained, caplog):
    recorder = trained(last=42)
    before = recorder.list_tags()
    caplog.set_level(logging.INFO)
    updater = PredUpdater(recorder)
    assert updater.is_current
    assert updater.update() is None
    assert updater.update(ret_new=True) is updater.old_data
    assert "complete up to 2020-02-28" in caplog.text
    assert (recorder.list_tags(), loads) == (before, [])
    # A calendar that has grown past its end, and a date before what is there.
    assert PredUpdater(recorder, to_date=CAL[20]).is_current


def test_dates_the_calendar_does_not_have(trained, caplog, use_calendar):
    recorder = trained()
    assert PredUpdater(recorder, to_date="2020-02-22").to_date == pd.Timestamp("2020-02-21")
    assert not caplog.records
    assert PredUpdater(recorder, to_date="2020-03-22").to_date == CAL[-1]
    assert "updating to 2020-02-28" in caplog.text
    with pytest.raises(UpdateError, match="before the calendar"):
        PredUpdater(recorder, to_date="2019-01-01")
    # What is known to come is not there yet.
    use_calendar(current_end=CAL[40])
    assert PredUpdater(recorder).to_date == CAL[40]


@pytest.mark.parametrize("old", [frame()["feature"].iloc[45:93] * np.nan, frame()["feature"].iloc[:0], pd.DataFrame()])
def test_old_data_without_a_value(trained, old):
    recorder = trained(pred=old)
    updater = PredUpdater(recorder, to_date=CAL[35])
    assert (updater.last_end, updater.start) == (None, None)
    assert days_of(updater.update(ret_new=True)) == (15, 35, 21)


def test_nothing_to_begin_with(trained, recording):
    recorder = trained(pred=pd.DataFrame())
    dataset = recorder.load_object("dataset")
    dataset.config(segments={"train": (CAL[0], CAL[5])})
    recorder.save_objects(dataset=dataset)
    with pytest.raises(UpdateError, match="no test segment"):
        PredUpdater(recorder).update()
    with recording.start(experiment_name="exp"):
        empty = recording.get_recorder()
    with pytest.raises(LoadObjectError, match=r"(?s)pred\.pkl.*SignalRecord"):
        PredUpdater(empty)


@pytest.mark.parametrize(
    ("model", "old"),
    [
        (Frames(), None),
        (Day(), frame()["feature"].iloc[45:93].set_axis(["my score"], axis=1)),
        (Eager(), None),
        (TwoColumns(), frame()["feature"].iloc[45:93].set_axis(["score"], axis=1).assign(b=1.0)),
        (Day(), frame()["feature"].iloc[45:93]["x"].rename("a series")),
        (Day(), frame()["feature"].iloc[45:93].swaplevel()),
    ],
)
def test_forms_of_predictions(trained, model, old):
    recorder = trained(model, pred=old)
    stored = recorder.load_object("pred.pkl")
    new = PredUpdater(recorder).update(ret_new=True)
    assert type(new) is type(stored)
    if isinstance(new, pd.Series):
        assert new.name == "a series"
        new, stored = new.to_frame(), stored.to_frame()
    assert list(new.columns) == list(stored.columns)
    assert days_of(new) == (15, 42, 28)
    assert new.iloc[:, 0].tolist() == np.repeat(np.arange(15.0, 43.0), 3).tolist()


def test_predictions_that_do_not_fit(trained):
    with pytest.raises(UpdateError, match="b"):
        PredUpdater(trained(TwoColumns())).update()
    with pytest.raises(ModelError, match="list"):
        PredUpdater(trained(Wrong())).update()
    with pytest.raises(UpdateError, match="int"):
        PredUpdater(trained(pred=3))
    with pytest.raises(UpdateError, match="index"):
        PredUpdater(trained(pred=pd.DataFrame({"score": [1.0]})))


def test_a_column_that_is_never_known_is_no_gap(trained):
    old = frame()["feature"].iloc[45:93].set_axis(["score"], axis=1).assign(b=np.nan)
    assert PredUpdater(trained(TwoColumns(), pred=old)).last_end == CAL[30]


def test_rows_are_once_and_sorted(trained):
    old = frame()["feature"].iloc[45:93].set_axis(["score"], axis=1)
    recorder = trained(pred=pd.concat([old, old.iloc[:6]]).iloc[::-1])
    new = PredUpdater(recorder).update(ret_new=True)
    assert new.index.is_unique
    assert new.index.is_monotonic_increasing
    assert days_of(new) == (15, 42, 28)


def test_a_plain_handler(trained):
    """It has no state to load."""
    recorder = trained(cls=DataHandler)
    assert days_of(PredUpdater(recorder).update(ret_new=True)) == (15, 42, 28)


def test_windows_get_their_history(trained):
    recorder = trained(Windows(), dataset=TSDatasetH, step_len=5)
    new = PredUpdater(recorder).update(ret_new=True)
    assert new["score"].iloc[-36:].tolist() == np.repeat(np.arange(27.0, 39.0), 3).tolist()
    assert loads == [(CAL[27], CAL[42])]


@pytest.mark.parametrize(("processor", "first"), [(Honest(), 28), (Memory(), 0)])
def test_processors_get_their_history(trained, processor, first, caplog):
    caplog.set_level(logging.INFO)
    recorder = trained(handler={"infer_processors": [processor]})
    new = PredUpdater(recorder).update(ret_new=True)
    assert new["score"].iloc[-36:].tolist() == np.repeat(np.arange(28.0, 40.0), 3).tolist()
    assert loads == [(CAL[first], CAL[42])]
    assert ("Memory does not say how far" in caplog.text) is (first == 0)


def test_all_history_begins_where_that_of_the_training_did(trained):
    recorder = trained(handler={"infer_processors": [Memory()], "start_time": CAL[10]})
    PredUpdater(recorder).update()
    assert loads == [(CAL[10], CAL[42])]


def test_no_data_yet(trained, use_calendar):
    recorder = trained(last=42)
    use_calendar(pd.bdate_range(CAL[0], periods=44))
    with pytest.raises(EmptySegmentError, match="2020-03-02"):
        PredUpdater(recorder).update()


def test_loader_of_ones_own(trained):
    class Mine(RMDLoader):
        def get_model(self):
            return Tens()

    new = PredUpdater(trained(), loader_cls=Mine).update(ret_new=True)
    assert new["score"].iloc[-1] == 420.0
    assert issubclass(PredUpdater, RecordUpdater)


def test_rmd_loader(trained):
    loader = RMDLoader(trained())
    dataset = loader.get_dataset(CAL[3], CAL[9])
    assert dataset.segments == {"test": (CAL[3], CAL[9])}
    assert days_of(dataset.prepare("test")) == (3, 9, 7)
    mine = DatasetH(DataHandler(data_loader=frame(), init_data=False), at(0, 1))
    assert loader.get_dataset(CAL[3], CAL[9], at(4, 5), mine) is mine
    assert days_of(mine.prepare("test")) == (4, 5, 2)
    assert isinstance(loader.get_model(), Day)


def test_labels_become_known(recording):
    """``close[t + 3] / close[t + 1] - 1``: those of the last three days are missing."""
    close = pd.DataFrame(np.exp(np.random.default_rng(0).normal(0, 0.02, (43, 3)).cumsum(0)), CAL, NAMES)
    full = PriceHandler(source=close, horizon=2, features=["REV1"]).fetch(col_set="label", data_key="raw")
    dataset = DatasetH(PriceHandler(source=close, horizon=2, features=["REV1"], init_data=False), at(15, 30))
    old = full.loc[CAL[15] : CAL[30]].copy()
    old.loc[CAL[28] :] = np.nan
    with recording.start(experiment_name="exp"):
        recorder = recording.get_recorder()
        recorder.save_objects(**{"dataset": dataset, "label.pkl": old})

    updater = LabelUpdater(recorder, CAL[34])
    assert (updater.last_end, updater.to_date) == (CAL[27], CAL[34])
    known = updater.update(ret_new=True)
    assert days_of(known) == (15, 34, 20)
    assert np.flatnonzero(known["LABEL0"].isna().groupby(level=0).all()).tolist() == [17, 18, 19]
    pd.testing.assert_frame_equal(known.dropna(), full.loc[CAL[15] : CAL[31]], check_exact=True)

    LabelUpdater(recorder).update()
    pd.testing.assert_frame_equal(recorder.load_object("label.pkl"), full.loc[CAL[15] :], check_exact=True)
    assert LabelUpdater(recorder).last_end == CAL[39]


def test_labels_that_nobody_can_give(trained):
    with pytest.raises(UpdateError, match="drop_raw"):
        LabelUpdater(trained(handler={"drop_raw": True})).update()


def test_many_load_their_data_once(trained):
    models = [Day(), Tens(), Day(), Tens()]
    handlers = [{}, {}, {"infer_processors": [Honest()]}, {}]
    lasts = [30, 30, 31, 28]
    runs = [
        trained(model, last=last, handler=handler) for model, last, handler in zip(models, lasts, handlers, strict=True)
    ]
    alone = [PredUpdater(run).update(write=False, ret_new=True) for run in runs]
    loads.clear()
    done = update_many([*runs, runs[0]])
    assert loads == [(CAL[29], CAL[42])]
    assert list(done) == [run.id for run in runs]
    for run, one in zip(runs, alone, strict=True):
        update = done[run.id]
        pd.testing.assert_frame_equal(update.data, one, check_exact=True)
        pd.testing.assert_frame_equal(run.load_object("pred.pkl"), one, check_exact=True)
        assert (update.last, update.written, update.error) == (CAL[42], True, None)
    assert [done[run.id].first for run in runs] == [CAL[31], CAL[31], CAL[32], CAL[29]]
    assert [done[run.id].n_new for run in runs] == [36, 36, 33, 42]
    loads.clear()
    again = update_many({"any": runs[0], "key": runs[1]})
    assert [(one.n_new, one.written, days_of(one.data)) for one in again.values()] == [(0, False, (15, 42, 28))] * 2
    assert loads == []


def test_datasets_that_are_one_are_processed_once(trained, monkeypatch):
    done = []
    real = DataHandlerLP.process_data
    monkeypatch.setattr(DataHandlerLP, "process_data", lambda self, **kw: (done.append(self), real(self, **kw))[1])
    runs = [trained(model, handler={"infer_processors": [Honest()]}) for model in (Day(), Tens(), Frames())]
    runs.append(trained(handler={"infer_processors": [Memory()]}))
    update_many(runs)
    assert len(done) == 2


def test_one_failure_of_many(trained, caplog):
    runs = [trained(), trained(Wrong()), trained(pred=3), trained()]
    done = update_many(runs, CAL[33], errors="keep")
    assert [type(one.error) for one in done.values()] == [type(None), ModelError, UpdateError, type(None)]
    assert [one.n_new for one in done.values()] == [9, 0, 0, 9]
    assert caplog.text.count("is not updated") == 2
    with pytest.raises(UpdateError, match="goes on with the others") as caught:
        update_many(runs)
    assert isinstance(caught.value.__cause__, UpdateError)
    with pytest.raises(UpdateError, match="unknown"):
        update_many(runs, errors="ignore")


def test_many_labels(trained):
    done = update_many([trained(), trained()], updater=LabelUpdater, calendar=CAL[:35])
    assert [days_of(one.data) for one in done.values()] == [(15, 34, 20)] * 2


def test_name_of_qlib(trained):
    config = {"class": "PredUpdater", "module_path": "qlib.workflow.online.update"}
    assert type(init_instance_by_config(config, record=trained())) is PredUpdater
