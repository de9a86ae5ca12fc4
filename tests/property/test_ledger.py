"""The ledger under writers that take turns at every step and die at any: no fork, nothing half, nothing lost."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from unittest import mock

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_rig import Hand, Killed, Turns, day, founded, opened

from rollforward.errors import LedgerError, OnlineBusyError
from rollforward.workflow.online.ledger import lease as lease_module
from rollforward.workflow.online.ledger.book import Book
from rollforward.workflow.online.ledger.entry import KINDS, Entry, ModelRef, Publication, StrategyState, Switch

DEFINITION = {"task": {"model": {"class": "Linear", "kwargs": {"a": list(range(9))}}}}


def model(number):
    return ModelRef(f"{number:032x}", "7", "linear", "Linear", test=(day(number), None))


def next_entry(previous, who, number):
    """Say something that shows who wrote it, with a new set of models now and then."""
    state = StrategyState("linear", definition=DEFINITION) if previous is None else previous.states[0]
    session = day(0 if previous is None else previous.seq + 1)
    switches = (Switch("linear", (model(number),), session, f"by {who}"),) if number % 3 == 0 else ()
    state = replace(state.after(switches, session), published_to=session)
    # Long enough for several tags.
    return Entry("routine", session, (state,), switches, extra={"by": who, "text": str(number) * 9000})


class Writer:
    """Records entries as routines do, one after another."""

    def __init__(self, hand, who, count, *, with_lease):
        self.hand, self.who, self.count, self.with_lease = hand, who, count, with_lease
        self.done, self.refused, self.failure = [], 0, None

    def run(self):
        try:
            for number in range(self.count):
                self._record(number)
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001  # raised again by the test
            self.failure = error

    def _record(self, number):
        chain = opened(self.hand)
        if self.with_lease:
            with chain.lease():
                self._commit(chain, number)
        else:
            self._commit(chain, number)

    def _commit(self, chain, number):
        try:
            with chain.begin("routine", day(number)) as draft:
                self.done.append(draft.commit(next_entry(draft.previous, self.who, number)))
        except LedgerError:
            self.refused += 1


def whole_chain(store):
    """Read all entries as a stranger who has seen nothing yet."""
    return opened(Hand(store)).entries()


class Witness:
    """Looks at the ledger after every write: it only ever grows at its end, and is whole."""

    def __init__(self, store):
        self.store, self.seen = store, []

    def look(self):
        entries = whole_chain(self.store)
        assert entries[: len(self.seen)] == self.seen
        assert [entry.seq for entry in entries] == list(range(len(entries)))
        assert opened(Hand(self.store)).head() == (entries[-1] if entries else None)
        assert all(entry.extra["text"] for entry in entries)
        assert all(entry.states[0].definition == DEFINITION for entry in entries)
        self.seen = entries


def play(order, deaths, *, with_lease=False, count=3):
    store = founded()
    witness, turns = Witness(store), Turns(order, len(deaths))

    def turn(number):
        def step():
            turns.step(number)
            witness.look()

        return step

    writers = [
        Writer(Hand(store, turn(number), *death), f"writer {number}", count, with_lease=with_lease)
        for number, death in enumerate(deaths)
    ]

    def live(number):
        turns.begin(number)
        try:
            writers[number].run()
        finally:
            turns.leave(number)

    if with_lease:
        for number, writer in enumerate(writers):
            writer.rest = turn(number)
    threads = [threading.Thread(target=live, args=(number,)) for number in range(len(writers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for writer in writers:
        if writer.failure is not None:
            raise writer.failure
    return store, writers, witness


DEATHS = st.tuples(st.none() | st.integers(1, 40), st.booleans())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 1), max_size=120), st.tuples(DEATHS, DEATHS))
def test_two_writers_that_die_anywhere_never_fork_the_chain(order, deaths):
    store, writers, witness = play(order, deaths)
    witness.look()
    entries = whole_chain(store)
    by_id = {entry.run_id: entry for entry in entries}
    for writer in writers:
        # What commit returned is recorded, just so, and for good.
        assert all(by_id[entry.run_id] == entry for entry in writer.done)
        if not writer.hand.is_dead:
            assert len(writer.done) + writer.refused == writer.count
    # A dead one may have recorded one entry more than it could tell.
    told = sum(len(writer.done) for writer in writers)
    assert told <= len(entries) <= told + sum(writer.hand.is_dead for writer in writers)
    for before, after in pairwise(entries):
        assert after.previous == before.run_id
        assert after.recorded_at >= before.recorded_at


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 1), max_size=60), st.tuples(DEATHS, DEATHS))
def test_who_comes_after_them_finds_everything_and_leaves_nothing_behind(order, deaths):
    store, _, _ = play(order, deaths)
    before = whole_chain(store)
    last = Writer(Hand(store), "last", 2, with_lease=False)
    last.run()
    assert last.failure is None
    assert whole_chain(store) == [*before, *last.done]
    left = {run_id for run_id, row in store.rows.items() if not row.is_deleted}
    recorded = {entry.run_id for entry in whole_chain(store)} | {store.tags["online.root"]}
    # Leftovers after entries that are not the head were cleared by whoever recorded the next one, if it lived.
    if not any(death[0] for death in deaths):
        assert left == recorded
    assert recorded <= left


@pytest.mark.parametrize("is_done", [False, True])
def test_a_writer_that_dies_at_each_of_its_writes_in_turn(is_done):
    whole = Writer(Hand(founded()), "one", 1, with_lease=False)
    whole.run()
    assert whole.hand.writes > 6
    for place in range(1, whole.hand.writes + 1):
        store = founded()
        dying = Writer(Hand(store, dies_at=place, is_last_done=is_done), "dying", 1, with_lease=False)
        dying.run()
        Witness(store).look()
        heir = Writer(Hand(store), "heir", 1, with_lease=False)
        heir.run()
        entries = whole_chain(store)
        assert entries[-1:] == heir.done
        assert {run_id for run_id, row in store.rows.items() if not row.is_deleted} == {
            store.tags["online.root"],
            *(entry.run_id for entry in entries),
        }


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 1), max_size=150), st.tuples(DEATHS, DEATHS))
def test_with_a_lease_nobody_works_for_nothing(order, deaths):
    with mock.patch.multiple(lease_module, _SHORTEST=0, _LONGEST=0, _own=set()):
        _, writers, _ = play(order, deaths, with_lease=True, count=2)
    assert [writer.refused for writer in writers] == [0, 0]
    for writer in writers:
        assert writer.hand.is_dead or len(writer.done) == writer.count


# -- the text of an entry -----------------------------------------------------

TEXT = st.text(max_size=8)
DAYS = st.integers(0, 60).map(day)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.dictionaries(TEXT, JSON, max_size=3)
OPEN = st.none() | DAYS
MODELS = st.builds(ModelRef, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, st.tuples(OPEN, OPEN), OPEN)
SWITCHES = st.builds(
    Switch, st.sampled_from("ab"), st.lists(MODELS, max_size=2).map(tuple), DAYS, TEXT, st.none() | TEXT
)
SOME = st.lists(SWITCHES, max_size=3).map(tuple)
STATES = st.builds(StrategyState, TEXT, st.sampled_from(["serving", "shadow"]), OBJECTS, SOME, OPEN, OBJECTS)
PUBLICATIONS = st.builds(
    *(Publication, TEXT, OPEN, OPEN, st.integers(0), TEXT, st.lists(DAYS, max_size=2).map(tuple)),
    st.dictionaries(TEXT, TEXT, max_size=2),
)
ENTRIES = st.builds(
    Entry,
    st.sampled_from(KINDS),
    DAYS,
    st.lists(STATES, max_size=2).map(tuple),
    SOME,
    st.lists(PUBLICATIONS, max_size=2).map(tuple),
    st.lists(MODELS, max_size=2).map(tuple),
    st.booleans(),
    OBJECTS,
    st.integers(-1, 9),
    st.none() | MOMENTS,
    TEXT,
    st.none() | TEXT,
    TEXT,
)


@settings(max_examples=100, deadline=None)
@given(ENTRIES)
def test_an_entry_is_what_its_text_says(entry):
    text = entry.to_json()
    assert Entry.from_json(text) == entry
    assert Entry.from_json(text).to_json() == text
    assert text.isascii()


@settings(max_examples=50, deadline=None)
@given(JSON)
def test_any_other_text_is_refused(value):
    with pytest.raises(LedgerError):
        Entry.from_json(json.dumps(value))


# -- two times ----------------------------------------------------------------


def recorded(batches):
    """Make entries of switches, one a minute."""
    start = datetime(2020, 1, 1, tzinfo=UTC)
    return [
        Entry("routine", day(number), switches=switches, seq=number, recorded_at=start + timedelta(minutes=number))
        for number, switches in enumerate(batches)
    ]


def plainly_online(entries, session, strategy):
    """Write one session after another onto a list, as somebody with a pencil would."""
    line = {}
    for entry in entries:
        mine = {switch.effective: switch.models for switch in entry.switches if switch.strategy == strategy}
        if mine:
            line = {at: models for at, models in line.items() if at < min(mine)} | mine
    begun = [at for at in line if at <= session]
    return line[max(begun)] if begun else ()


@settings(max_examples=150, deadline=None)
@given(st.lists(SOME, max_size=8), DAYS, st.integers(-1, 9))
def test_the_book_says_what_was_known(batches, session, minutes):
    entries = recorded(batches)
    moment = datetime(2020, 1, 1, 0, 0, 30, tzinfo=UTC) + timedelta(minutes=minutes)
    book, known = Book(entries), entries[: minutes + 1]
    for strategy in "ab":
        expected = plainly_online(known, session, strategy)
        assert book.set_at(session, strategy, moment) == expected
        assert Book(known).set_at(session, strategy) == expected
    timeline = book.switches("a", moment)
    assert all(book.set_at(switch.effective, "a", moment) == switch.models for switch in timeline)
    history = book.history(moment)
    assert len(history) == sum(len({(s.strategy, s.effective) for s in entry.switches}) for entry in known)
    assert len(history) - history["replaced"].sum() == len(book.switches(as_known_at=moment))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(SOME, st.integers(0, 5)), max_size=8))
def test_the_state_that_is_carried_on_agrees_with_the_book(steps):
    state, now, batches = StrategyState("a"), 0, []
    for switches, ahead in steps:
        now += ahead
        mine = tuple(replace(s, strategy="a", effective=max(s.effective, day(now))) for s in switches)
        batches.append(mine)
        state = state.after(mine, day(now))
        book = Book(recorded(batches))
        for later in range(now, 62):
            assert state.at(day(later)) == book.set_at(day(later), "a")
        assert len([s for s in state.switches if s.effective <= day(now)]) <= 1


def test_a_lease_that_is_lost_is_noticed():
    store = founded()
    first, second = opened(Hand(store)), opened(Hand(store))
    with first.lease() as lease:
        lease_module._own.clear()  # as if the process were gone
        with second.lease() as other:
            other.check()
            with pytest.raises(OnlineBusyError, match="process"):
                lease.check()
            with pytest.raises(OnlineBusyError):
                first.begin("routine", pd.Timestamp("2020-01-01"))
