"""Any interleaving of calls, failures of the store and crashes: each call that returned is in the store, once."""

from __future__ import annotations

import threading
from contextlib import suppress
from types import SimpleNamespace

import pytest
from dictionaries import Model, Store
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    ENDPOINT_NOT_FOUND,
    RESOURCE_DOES_NOT_EXIST,
    TEMPORARILY_UNAVAILABLE,
    UNAUTHENTICATED,
)

from rollforward.errors import StoreUnreachableError, TrackingError
from rollforward.workflow.journal import Journal
from rollforward.workflow.mlflow_backend.spool import carrier as carrying
from rollforward.workflow.mlflow_backend.spool import courier, spooled
from rollforward.workflow.mlflow_backend.spool.spooled import SpoolWriter
from rollforward.workflow.mlflow_backend.store import reach
from rollforward.workflow.mlflow_backend.write import clock as clocks
from rollforward.workflow.mlflow_backend.write import operations, sending
from rollforward.workflow.mlflow_backend.write.clock import Clock

KEYS = st.sampled_from(["a", "b", "c", "bad"])
TEXTS = st.sampled_from(["1", "2", "x" * 7000])
CALLS = st.lists(
    st.one_of(
        st.tuples(
            st.just("metrics"), st.dictionaries(KEYS, st.floats(allow_nan=False)), st.integers(0, 3), st.integers(0, 2)
        ),
        st.tuples(st.just("params"), st.dictionaries(KEYS, TEXTS)),
        st.tuples(st.just("tags"), st.dictionaries(KEYS, TEXTS)),
        st.tuples(st.just("untag"), st.lists(KEYS, max_size=2)),
        st.tuples(st.sampled_from(["flush", "drain", "away", "no reply", "crash"])),
    ),
    max_size=25,
)


class Far(Store):
    """May be away, or commit and not reply."""

    def __init__(self):
        super().__init__()
        self.ends, self.name, self.sent = [], None, 0
        self.is_away = self.swallows = False

    def _meet(self):
        if self.is_away:
            raise MlflowException("away", error_code=TEMPORARILY_UNAVAILABLE)

    def _reply(self):
        if self.swallows:
            self.swallows = False
            raise MlflowException("no reply", error_code=TEMPORARILY_UNAVAILABLE)

    def log_batch(self, _run_id, metrics, params, tags):
        self._meet()
        super().log_batch(_run_id, metrics, params, tags)
        self.sent += len(metrics)
        self._reply()

    def delete_tag(self, _run_id, key):
        self._meet()
        if self.tags.pop(key, None) is None:
            raise MlflowException("no such tag", error_code=RESOURCE_DOES_NOT_EXIST)
        self._reply()

    def update_run(self, _run_id, name):
        self._meet()
        self.name = name

    def update_run_info(self, _run_id, status, milliseconds, _name):
        self._meet()
        self.ends.append((status, milliseconds))
        self._reply()

    def get_run(self, _run_id):
        self._meet()
        return super().get_run(_run_id)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Patch in a store; all else is real."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("spool")
        box = SimpleNamespace(store=None)
        for module in (sending, operations):
            patch.setattr(module, "client_for", lambda _uri: box.store)
            patch.setattr(module, "store_of", lambda client: client)
        patch.setattr(reach, "is_reachable", lambda *_: not box.store.is_away)
        patch.setattr(courier, "is_reachable", lambda *_: not box.store.is_away)
        patch.setattr(spooled, "store_folder", lambda _uri: folder)
        for name, value in {"INTERVAL": 0, "_FIRST_PAUSE": 0.001, "_LONGEST_PAUSE": 0.001}.items():
            patch.setattr(carrying, name, value)
        yield box


def artifacts():
    return SimpleNamespace(put_texts=lambda _texts: None)


def open_writer():
    return SpoolWriter("fake://", "r", artifacts, {})


def crash(writer):
    """Leave the writer as kill -9 would: the file as it is, the lock free."""
    with writer._carrier._sending:
        writer._carrier.stop()
        writer._journal.close()
    return writer.path


def replay(path):
    journal = Journal.take_over(path)
    carrier = courier.Courier("fake://", "r", journal, artifacts)
    while carrier.carry():
        pass
    journal.remove()
    return carrier


@given(CALLS)
@settings(deadline=None, max_examples=25)
def test_the_store_ends_up_as_dictionaries_would(stores, calls):
    store, model = Far(), Model()
    stores.store = store
    writer = open_writer()
    begun = 0
    for call in calls:
        if call[0] == "crash":
            begun += 10  # another process is later
            path = crash(writer)
            store.is_away = store.swallows = False
            replay(path)
            writer = open_writer()
        else:
            apply(writer, store, model, begun, *call)
    store.is_away = store.swallows = False
    refused = writer.finish("FINISHED", 5)

    model.tags |= {"logging_errors": store.tags["logging_errors"]} if "logging_errors" in store.tags else {}
    assert store.metrics() == model.metrics()
    assert (store.params, store.tags) == (model.params, model.tags)
    assert set(store.ends) == {(3, 5)}
    assert refused is None or model.is_refused
    assert not writer.path.exists()


def apply(writer, store, model, begun, kind, values=None, time=0, step=0):
    if kind == "away":
        store.is_away = True
    elif kind == "no reply":
        store.swallows = True
    elif kind == "drain":
        store.is_away = False
        writer.drain()
    elif kind == "flush":
        store.is_away = False
        with suppress(TrackingError):
            writer.flush()
    elif kind == "untag":
        for key in values:
            model.tags.pop(key, None)
        writer.delete_tags(values)
    elif kind == "metrics":
        model.put(kind, values, step)
        writer.put_metrics(begun + time, step, dict(values))
    else:
        model.put(kind, values)
        (writer.put_params if kind == "params" else writer.put_tags)(dict(values))


EMPTY = {
    "metrics": lambda writer: writer.put_metrics(3, 1, {}),
    "params": lambda writer: writer.put_params({}),
    "tags": lambda writer: writer.put_tags({}),
    "untag": lambda writer: writer.delete_tags([]),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_a_call_with_nothing_in_it_is_waited_for_by_nobody(stores, kind, monkeypatch):
    monkeypatch.setattr(spooled, "PATIENCE", 20.0)
    stores.store = Far()
    writer = open_writer()
    EMPTY[kind](writer)
    writer.flush()
    writer.put_metrics(4, 1, {"x": 1.0})
    EMPTY[kind](writer)
    writer.flush()
    assert stores.store.metrics() == {"x": [1.0]}
    writer.finish("FINISHED", 5)


@pytest.mark.parametrize("before", ["", '["t",{"a":"1"}]\n', '["d",["a"]]\n'])
def test_a_journal_with_lines_that_hold_nothing_is_sent_to_its_end(stores, tmp_path, before):
    """As an earlier version wrote them."""
    stores.store = Far()
    journal = Journal.create(tmp_path, "r", {})
    journal.append(f'{before}["m",3,1,{{}}]\n["p",{{}}]\n'.encode())
    carrier = courier.Courier("fake://", "r", journal, artifacts)
    while carrier.carry():
        pass
    assert carrier.is_done
    assert journal.sent == journal.end
    journal.remove()


def test_whoever_waits_and_whoever_puts_share_one_thread(stores, monkeypatch):
    """Both may find that there is none yet."""
    stores.store = Far()
    writer = open_writer()
    carrier = writer._carrier
    both = threading.Barrier(2)
    begun = []

    class Slow(threading.Thread):
        def start(self):
            with suppress(threading.BrokenBarrierError):
                both.wait(0.2)
            begun.append(self)
            super().start()

    monkeypatch.setattr(carrying, "threading", SimpleNamespace(**vars(threading) | {"Thread": Slow}))
    others = [threading.Thread(target=carrier.rouse) for _ in range(2)]
    for each in others:
        each.start()
    for each in others:
        each.join()
    writer.put_metrics(1, 1, {"x": 1.0})
    writer.finish("FINISHED", 5)
    assert len(begun) == 1
    begun[0].join(60)
    assert not begun[0].is_alive()


def test_a_journal_of_which_everything_is_sent_does_not_stay_behind(stores, monkeypatch):
    """Of a writer that does not own the run; it looks just while the thread takes note of what was sent."""
    stores.store = Far()
    writer = SpoolWriter("fake://", "r", artifacts, {}, is_owner=False)
    journal, noted = writer._journal, threading.Event()
    acknowledge = journal.acknowledge

    def slowly(position):
        acknowledge(position)
        noted.wait(0.5)

    monkeypatch.setattr(journal, "acknowledge", slowly)
    writer.put_tags({"a": "1"})
    writer.leave()
    assert not writer.path.exists()
    assert stores.store.tags == {"a": "1"}


def test_files_of_a_run_that_has_ended_are_refused_and_leave_nothing(stores):
    stores.store = Far()
    writer = open_writer()
    writer.finish("FINISHED", 5)
    with pytest.raises(StoreUnreachableError, match="has ended"):
        writer.stage(lambda folder: (folder / "a.txt").write_text("a"))
    assert writer.staged == []
    assert not writer._journal.files.exists()


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.sets(st.sampled_from("ab"), min_size=1)), max_size=60)
)
def test_points_of_a_key_and_step_have_times_that_grow(calls):
    clock, latest = Clock(), {}
    for time, step, keys in calls:
        placed = clock.place(time, step, dict.fromkeys(keys, 0.0))
        assert sorted(key for part in placed.values() for key in part) == sorted(keys)
        for at, part in placed.items():
            for key in part:
                assert at >= time
                assert at > latest.get((key, step), -1)
                latest[key, step] = at


def test_times_are_those_of_the_calls_when_these_differ():
    clock = Clock()
    assert [list(clock.place(time, 0, {"a": 1.0})) for time in (5, 6, 9)] == [[5], [6], [9]]


def test_a_clock_that_was_set_back_costs_bounded_memory(monkeypatch):
    monkeypatch.setattr(clocks, "_MANY_STEPS", 50)
    clock = Clock()
    clock.place(1000, 0, {"a": 1.0})
    times = [next(iter(clock.place(10, step, {"a": 1.0}))) for step in range(500)]
    assert len(clock._seen) <= 51
    assert min(times) >= 1000


def test_hours_with_the_store_away_are_on_disk_and_not_in_memory(stores):
    """A call a second for six hours; then all of it arrives in full batches."""
    import tracemalloc

    store = stores.store = Far()
    store.is_away = True
    writer = open_writer()
    writer.put_metrics(0, 0, {"a": 0.0})
    tracemalloc.start()
    try:
        for step in range(21_600):
            writer.put_metrics(1000 * step, step, {"x": 1.0})
        assert tracemalloc.get_traced_memory()[1] < 1_500_000
    finally:
        tracemalloc.stop()
    assert writer.path.stat().st_size > 500_000
    store.is_away = False
    writer.drain()
    writer.finish("FINISHED", 5)
    assert len(store.points["x"]) == store.sent - 1 == 21_600


def test_an_end_while_the_store_is_away_is_kept_and_done_later(stores, caplog, monkeypatch):
    monkeypatch.setattr(carrying, "FAREWELL", 0)
    store = stores.store = Far()
    store.is_away = True
    writer = open_writer()
    writer.put_metrics(1, 1, {"x": 1.0})
    writer.rename("other")
    assert writer.finish("FAILED", 7) is None
    assert "rollforward sync" in caplog.text
    path = crash(writer)
    store.is_away = False
    carrier = replay(path)
    assert carrier.ending == ("FAILED", 7)
    assert (store.metrics(), store.name, store.ends) == ({"x": [1.0]}, "other", [(4, 7)])


def test_a_request_that_makes_the_server_fail_does_not_stop_the_rest(stores, monkeypatch):
    """The server is well, and fails whenever it sees one value; all others arrive."""
    monkeypatch.setattr(courier, "PATIENCE", 0)
    store = stores.store = Far()
    log_batch = store.log_batch

    def fail(run_id, metrics, params, tags):
        if any(param.value == "poison" for param in params):
            raise MlflowException("internal")
        log_batch(run_id, metrics, params, tags)

    monkeypatch.setattr(store, "log_batch", fail, raising=False)
    writer = open_writer()
    writer.put_params({"a": "1", "p": "poison", "b": "2"})
    writer.put_metrics(1, 0, {"x": 1.0})
    with pytest.raises(TrackingError, match=r"param 'p' = 'poison': .*internal"):
        writer.flush()
    assert (store.params, store.metrics()) == ({"a": "1", "b": "2"}, {"x": [1.0]})
    writer.finish("FINISHED", 1)


@pytest.mark.parametrize("code", [UNAUTHENTICATED, ENDPOINT_NOT_FOUND], ids=["credentials", "not MLflow"])
def test_whoever_answers_that_nothing_can_be_had_here_loses_nothing(stores, code):
    store = stores.store = Far()
    log_batch, calls = store.log_batch, []

    def refuse(*args):
        calls.append(args)
        if len(calls) < 4:
            raise MlflowException("<h1>No</h1>", error_code=code)
        log_batch(*args)

    def refuse_the_end(*args):
        calls.append(args)
        if len(calls) < 8:
            raise MlflowException("<h1>No</h1>", error_code=code)
        Far.update_run_info(store, *args)

    store.log_batch, store.update_run_info = refuse, refuse_the_end
    writer = open_writer()
    writer.put_metrics(1, 0, {"x": 1.0})
    writer.flush()
    assert store.metrics() == {"x": [1.0]}
    assert writer.finish("FINISHED", 1) is None
    assert store.ends == [(3, 1)]
