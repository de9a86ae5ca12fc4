"""Runs in memory, and writers that take turns at every look at the store and every write to it."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pandas as pd

from rollforward.errors import RecorderNotFoundError, TrackingError
from rollforward.workflow.online.ledger import chain as chain_module


class Killed(BaseException):
    """The process is gone: none of its writes comes through any more, not those of a ``finally`` either."""


@dataclass
class Row:
    name: str
    tags: dict
    params: dict = field(default_factory=dict)
    status: str = "RUNNING"
    is_deleted: bool = False
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))


class Store:
    """What a tracking store has of one experiment."""

    def __init__(self):
        self.rows, self.tags, self.writes = {}, {}, 0
        self._ids = (f"{number:032x}" for number in itertools.count())

    def new(self, name, tags):
        run_id = next(self._ids)
        self.rows[run_id] = Row(name, dict(tags or {}))
        return run_id


class Turns:
    """Lets one thread go at a time, as a list of numbers says; who is not in it any more goes in order."""

    def __init__(self, order, count):
        self._order, self._open = list(order), set(range(count))
        self._changed = threading.Condition()
        self._at = None
        self._next()

    def _next(self):
        while self._order:
            self._at = self._order.pop(0)
            if self._at in self._open:
                return
        self._at = min(self._open, default=None)
        if self._at is not None and len(self._open) > 1:
            # Nobody starves whoever waits for another.
            self._order = [number for number in sorted(self._open) if number != self._at]

    def step(self, number):
        """Pass the turn on, and come back when it is this one's again."""
        with self._changed:
            if self._at == number:
                self._next()
                self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._at == number, timeout=120), "nobody moves"

    def begin(self, number):
        with self._changed:
            assert self._changed.wait_for(lambda: self._at == number, timeout=120), "nobody moves"

    def leave(self, number):
        with self._changed:
            self._open.discard(number)
            if self._at == number:
                self._next()
            self._changed.notify_all()


class Hand:
    """Somebody who reads and writes; dies at its n-th write if told so, with that write done or not."""

    def __init__(self, store, turn=lambda: None, dies_at=None, is_last_done=False):
        self.store, self.writes = store, 0
        self._turn, self._dies_at, self._is_last_done = turn, dies_at, is_last_done
        self.is_dead = False

    def read(self):
        if self.is_dead:
            raise Killed
        self._turn()

    def write(self, do):
        self.read()
        self.writes += 1
        if self.writes == self._dies_at:
            self.is_dead = True
            if self._is_last_done:
                do()
            raise Killed
        return do()

    def experiment(self):
        return FakeExperiment(self)


class FakeExperiment:
    id, name = "1", "online"

    def __init__(self, hand):
        self._hand, self._store = hand, hand.store

    @property
    def tags(self):
        self._hand.read()
        return dict(self._store.tags)

    def set_tags(self, **tags):
        for key, value in tags.items():
            self._hand.write(lambda key=key, value=value: self._store.tags.update({key: str(value)}))

    def add_run(self, name, tags=None):
        return FakeRun(self._hand, self._hand.write(lambda: self._store.new(name, tags)))

    def get_recorder(self, *, recorder_id):
        self._hand.read()
        row = self._store.rows.get(recorder_id)
        if row is None or row.is_deleted:
            raise RecorderNotFoundError(recorder_id)
        return FakeRun(self._hand, recorder_id)

    def list_recorders(self, filter_string=""):
        self._hand.read()
        key, _, value = filter_string.removeprefix("tags.`").partition("` = ")
        is_wanted = (lambda row: row.tags.get(key) == value.strip("'")) if value else lambda row: True
        rows = {run_id: row for run_id, row in self._store.rows.items() if not row.is_deleted and is_wanted(row)}
        return {run_id: FakeRun(self._hand, run_id) for run_id in rows}

    def delete_recorder(self, *, recorder_id):
        def delete():
            self._store.rows[recorder_id].is_deleted = True

        self._hand.write(delete)


class FakeRun:
    """A recorder: what it was when it was read, and a way to write to it."""

    STATUS_FI = "FINISHED"

    def __init__(self, hand, run_id):
        self._hand, self.id = hand, run_id
        row = hand.store.rows[run_id]
        self.tags, self.params, self.started_at = dict(row.tags), dict(row.params), row.started_at

    @property
    def _row(self):
        return self._hand.store.rows[self.id]

    def require_id(self):
        return self.id

    def _write(self, do):
        def write():
            if self._row.is_deleted:
                raise TrackingError("deleted")
            return do()

        return self._hand.write(write)

    def set_tags(self, **tags):
        # MLflow may write the tags of one request in several transactions.
        for key, value in tags.items():
            self._write(lambda key=key, value=value: self._row.tags.update({key: value}))

    def put_param_once(self, key, value):
        return self._write(lambda: self._row.params.setdefault(key, value))

    def end_run(self, status):
        self._write(lambda: setattr(self._row, "status", status))

    def conclude(self, status, tags, objects=None):
        assert not objects
        # As a store without transactions does it: a death in between leaves tags on a run that is open.
        self.set_tags(**tags)
        self.end_run(status)


def founded():
    """Make a store with an empty ledger."""
    store = Store()
    chain_module._begin(Hand(store).experiment())
    return store


def opened(hand):
    return chain_module.Chain(hand.experiment(), hand.store.tags["online.root"])


def day(number):
    return pd.Timestamp("2020-01-01") + pd.Timedelta(days=number)
