from __future__ import annotations

import gc
import logging
import threading
import weakref

import pytest

from rollforward.errors import TrackingError
from rollforward.workflow import background
from rollforward.workflow.async_log import AsyncCaller
from rollforward.workflow.batch_queue import BatchQueue


class Sink:
    """Keeps the batches; can be held up, interrupted once, and made to fail."""

    def __init__(self):
        self.batches = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.threads = set()
        self.error = None

    def __call__(self, batch):
        self.entered.set()
        assert self.gate.wait(60)
        self.threads.add(threading.current_thread().name)
        error, self.error = self.error, None
        if error is not None:
            raise error
        self.batches.append(list(batch))

    @property
    def values(self):
        return [value for batch in self.batches for _, value in batch]


@pytest.fixture
def sink():
    return Sink()


def test_what_is_put_is_handed_on_in_order_and_in_few_batches(sink):
    queue = BatchQueue(sink, interval=60)
    for n in range(5000):
        queue.put((1, n))
    queue.drain()
    assert sink.values == list(range(5000))
    assert len(sink.batches) == 1
    queue.close()


def test_a_batch_is_never_heavier_than_the_limit_unless_one_item_is(sink):
    queue = BatchQueue(sink, batch=10, interval=60)
    sink.gate.clear()
    for weight in (4, 4, 4, 25, 1, 1):
        queue.put((weight, weight))
    sink.gate.set()
    queue.close()
    assert sink.values == [4, 4, 4, 25, 1, 1]
    assert all(sum(item[0] for item in batch) <= 10 or len(batch) == 1 for batch in sink.batches)


def test_the_thread_writes_without_being_asked(sink):
    queue = BatchQueue(sink, interval=0.001)
    queue.put((1, "a"))
    assert sink.entered.wait(60)
    queue.close()
    assert sink.values == ["a"]
    assert sink.threads == {"rollforward-log"}


def test_no_thread_before_the_first_item_and_none_after_the_end(sink):
    others = set(threading.enumerate())

    def ours():
        return [thread for thread in set(threading.enumerate()) - others if thread.name == "rollforward-log"]

    queue = BatchQueue(sink)
    queue.drain()
    assert ours() == []
    queue.put((1, "a"))
    assert [thread.daemon for thread in ours()] == [True]
    queue.close()
    assert ours() == []


def test_what_is_put_after_the_end_is_written_by_its_caller(sink):
    queue = BatchQueue(sink)
    queue.close()
    queue.put((1, "late"))
    assert sink.values == ["late"]
    assert sink.threads == {threading.current_thread().name}


def test_without_a_thread_the_caller_writes(sink, monkeypatch):
    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    queue = BatchQueue(sink)
    queue.put((1, "a"))
    assert sink.values == ["a"]


def test_callers_wait_for_room_and_are_warned_once(sink, caplog):
    queue = BatchQueue(sink, batch=10, limit=50, interval=0)
    sink.gate.clear()
    seen = []

    def fill():
        for n in range(500):
            queue.put((1, n))
            seen.append(queue._weight)

    thread = threading.Thread(target=fill)
    thread.start()
    assert sink.entered.wait(60)
    thread.join(0.05)
    assert thread.is_alive()
    assert len(seen) < 50
    sink.gate.set()
    thread.join(60)
    queue.close()
    assert sink.values == list(range(500))
    assert max(seen) <= 50
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_an_interrupted_batch_is_written_again_whole(sink):
    queue = BatchQueue(sink, interval=60)
    queue.put((1, "a"))
    queue.put((1, "b"))
    sink.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        queue.drain()
    queue.put((1, "c"))
    queue.close()
    assert sink.batches == [[(1, "a"), (1, "b")], [(1, "c")]]


def test_an_error_stops_nothing(sink, caplog):
    queue = BatchQueue(sink, interval=60)
    sink.error = ValueError("no")
    queue.put((1, "a"))
    queue.drain()
    queue.put((1, "b"))
    queue.close()
    assert sink.values == ["b"]
    assert "1 items could not be written" in caplog.text


def test_writing_that_logs_does_not_wait_for_itself():
    written = []

    def write(batch):
        written.extend(batch)
        if len(written) == 1:
            queue.put((1, "from inside"))
            queue.drain()

    queue = BatchQueue(write, interval=60)
    queue.put((1, "a"))
    queue.close()
    assert [value for _, value in written] == ["a", "from inside"]


def test_several_threads_lose_nothing_and_keep_their_order(sink):
    queue = BatchQueue(sink, batch=50, limit=200, interval=0)

    def fill(name):
        for n in range(500):
            queue.put((1, (name, n)))
            if n % 100 == 0:
                queue.drain()

    threads = [threading.Thread(target=fill, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    queue.close()
    for name in range(4):
        assert [n for who, n in sink.values if who == name] == list(range(500))


def test_after_a_fork_the_queue_is_empty_and_works(sink, monkeypatch):
    monkeypatch.setattr(BatchQueue, "_start", lambda _queue: True)
    queue = BatchQueue(sink, interval=60)
    queue.put((1, "parent's"))
    with queue._lock:
        background._fork.after_in_child()
    queue.put((1, "child's"))
    queue.close()
    assert sink.values == ["child's"]


def test_a_queue_that_nobody_holds_is_forgotten(sink):
    queue = BatchQueue(sink)
    queue.put((1, "a"))
    queue.close()
    reference = weakref.ref(queue)
    del queue
    gc.collect()
    assert reference() is None


# -- AsyncCaller --------------------------------------------------------------


def test_calls_are_made_in_order_in_another_thread():
    caller, seen = AsyncCaller(), []
    for n in range(100):
        caller(seen.append, n)
    caller(lambda **kwargs: seen.append(kwargs), a=1)
    caller.wait(close=False)
    caller(seen.append, "later")
    caller.wait()
    assert seen == [*range(100), {"a": 1}, "later"]


def test_a_call_that_fails_stops_nothing_and_is_reported_once(caplog):
    caplog.set_level(logging.CRITICAL)
    caller, seen = AsyncCaller(), []
    caller(int, "x")
    caller(seen.append, 1)
    with pytest.raises(
        TrackingError, match=r"1 of the calls in the background failed: ValueError: invalid lit"
    ) as caught:
        caller.wait(close=False)
    assert isinstance(caught.value.__cause__, ValueError)
    caller(seen.append, 2)
    caller.wait()
    assert seen == [1, 2]


def test_an_interrupted_call_is_not_made_twice():
    caller, seen = AsyncCaller(), []

    def interrupted():
        seen.append(1)
        raise KeyboardInterrupt

    caller._queue._start = lambda: True  # the waiting thread makes all calls
    caller(interrupted)
    caller(seen.append, 2)
    with pytest.raises(KeyboardInterrupt):
        caller.wait()
    caller.wait()
    assert seen == [1, 2]


def test_a_method_goes_through_the_caller_while_there_is_one():
    class Log:
        caller = None

        def __init__(self):
            self.seen = []

        @AsyncCaller.async_dec(ac_attr="caller")
        def log(self, value, *, step=None):
            """Say something."""
            self.seen.append((value, step))
            return value

    log = Log()
    assert log.log("at once", step=1) == "at once"
    log.caller = AsyncCaller()
    assert log.log("later", step=2) is None
    log.caller.wait()
    assert log.seen == [("at once", 1), ("later", 2)]
    assert Log.log.__doc__ == "Say something."
