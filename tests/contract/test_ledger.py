"""The ledger on a real store: what is in it, who may write, and what happens to what was begun and not finished."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest

from rollforward.errors import ExperimentNotFoundError, LedgerError, OnlineBusyError, StoreUnreachableError
from rollforward.workflow.online.ledger import lease as lease_module
from rollforward.workflow.online.ledger.book import Book
from rollforward.workflow.online.ledger.chain import Chain
from rollforward.workflow.online.ledger.entry import Entry, ModelRef, Publication, StrategyState, Switch
from rollforward.workflow.online.ledger.lease import Lease

DAY = pd.Timestamp("2020-01-06")
SIGNALS = pd.DataFrame({"score": [0.5, -0.5]})


def model(number):
    return ModelRef(f"{number:032x}", "7", "linear", "Linear", "t" * 64, "d" * 64, (DAY, None), DAY)


def state(definition=None, **kwargs):
    return StrategyState("linear", definition=definition or {"class": "RollingStrategy", "kwargs": {"a": 1}}, **kwargs)


def record(chain, session=DAY, states=(), switches=(), kind="routine", **kwargs):
    with chain.begin(kind, session) as draft:
        draft.recorder.save_objects(**{"signals.parquet": SIGNALS})
        return draft.commit(Entry(kind, session, tuple(states), tuple(switches), **kwargs))


@pytest.fixture
def chain(recording):
    return Chain.open("online", create=True)


def runs_of(chain):
    return {recorder.name: recorder for recorder in chain.experiment.list_recorders(rtype="list")}


def test_a_ledger_that_is_not_there_is_not_created_by_reading(recording):
    with pytest.raises(ExperimentNotFoundError):
        Chain.open("online")
    assert sorted(recording.list_experiments()) == ["Default"]


def test_a_new_ledger_is_empty(recording):
    chain = Chain.open("online", create=True)
    assert (chain.name, chain.head(), chain.entries(), chain.holder()) == ("online", None, [], None)
    assert Chain.open("online").experiment.id == Chain.open("online", create=True).experiment.id


def test_an_experiment_of_somebody_else_is_no_ledger(recording):
    recording.get_exp(experiment_name="mine")
    with pytest.raises(LedgerError, match="'mine' is no ledger"):
        Chain.open("mine", create=True)


def test_nothing_stands_in_for_a_server_that_is_away(recording, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with recording.uri_context("http://127.0.0.1:9"), pytest.raises(StoreUnreachableError):
        Chain.open("online", create=True)


def test_what_is_recorded_is_read_by_anybody(chain):
    switch = Switch("linear", (model(1), model(2)), DAY, "first training")
    published = Publication("", DAY, DAY, 2, "f" * 64, (DAY,), {"2020-01-07": "too few instruments"})
    own = record(
        chain, DAY, [state(switches=(switch,), published_to=DAY)], [switch], "first_train", publications=(published,)
    )
    assert (own.seq, own.previous, own.kind, own.publications) == (0, None, "first_train", (published,))
    assert own.switches == own.states[0].switches == (replace(switch, entry=own.run_id),)
    stranger = Chain.open("online")
    assert stranger.head() == own
    assert stranger.entries() == [own]
    assert stranger.recorder(own).load_object("signals.parquet").equals(SIGNALS)
    recorder = runs_of(chain)["first train 2020-01-06"]
    assert (recorder.status, recorder.tags["online.kind"]) == ("FINISHED", "first_train")


def test_entries_follow_each_other(chain):
    found = [record(chain, DAY + timedelta(days=number)) for number in range(9)]
    assert [entry.seq for entry in found] == list(range(9))
    assert [entry.previous for entry in found] == [None, *(entry.run_id for entry in found[:-1])]
    assert chain.entries() == Chain.open("online").entries() == found
    assert chain.entries(since=found[6]) == chain.entries(since=6) == found[7:]
    other = Chain.open("online")
    assert other.entries() == found
    found.append(record(chain))
    assert other.head() == found[-1]
    assert other.entries(since=8) == found[-1:]


def test_the_note_of_the_head_may_be_old_or_wrong(chain):
    found = [record(chain) for _ in range(3)]
    chain.experiment.set_tags(**{"online.head": found[0].run_id})
    assert Chain.open("online").head() == found[-1]
    chain.experiment.set_tags(**{"online.head": chain.experiment.tags["online.root"]})
    assert Chain.open("online").head() == found[-1]


def test_a_state_that_stays_is_written_once(chain):
    large = {"kwargs": {"columns": [f"column {number}" for number in range(2000)]}}
    switch = Switch("linear", (model(1),), DAY, "first")
    record(chain, DAY, [state(large, switches=(switch,))], [switch])
    for number in range(1, 4):
        before = chain.head().states[0]
        record(chain, DAY + timedelta(days=number), [replace(before, published_to=DAY + timedelta(days=number))])
    later = Chain.open("online").head()
    assert later.states[0].definition == large
    assert later.states[0].switches[0].models == (model(1),)
    sizes = [
        len("".join(v for k, v in run.tags.items() if k.startswith("online.entry."))) for run in runs_of(chain).values()
    ]
    assert sum(size > 20_000 for size in sizes) == 1
    assert sum(size < 1000 for size in sizes) == 4
    changed = record(chain, DAY, [state(large, switches=(switch,), role="shadow")])
    assert Chain.open("online").head() == changed


def test_who_is_second_is_told_and_leaves_nothing(chain):
    other = Chain.open("online")
    first, second = chain.begin("routine", DAY), other.begin("routine", DAY)
    with second:
        won = first.commit(Entry("routine", DAY))
        with pytest.raises(LedgerError, match=won.run_id):
            second.commit(Entry("routine", DAY))
    assert Chain.open("online").entries() == [won]
    assert set(chain.experiment.list_recorders()) == {won.run_id, chain.experiment.tags["online.root"]}


def test_what_a_killed_routine_left_is_cleared_by_the_next(chain):
    killed = [chain.begin("routine", DAY).run_id for _ in range(2)]
    assert Chain.open("online").entries() == []
    own = record(chain)
    left = set(chain.experiment.list_recorders())
    assert left == {own.run_id, chain.experiment.tags["online.root"]}
    assert not left & set(killed)


def test_what_raised_is_thrown_away(chain):
    with pytest.raises(ValueError, match="why"), chain.begin("routine", DAY):
        raise ValueError("why")
    assert list(runs_of(chain)) == ["root"]


def test_what_is_no_entry_is_refused(chain):
    with pytest.raises(LedgerError, match="one of first_train"):
        chain.begin("dance", DAY)
    with pytest.raises(LedgerError, match="cannot be written"), chain.begin("routine", DAY) as draft:
        draft.commit(Entry("routine", DAY, extra={"a": object()}))
    with pytest.raises(LedgerError, match="cannot be written"), chain.begin("routine", DAY) as draft:
        draft.commit(Entry("routine", DAY, extra={"a": float("nan")}))
    assert chain.head() is None


def test_who_changes_an_entry_is_found_out(chain):
    own = record(chain, extra={"a": "what was written"})
    recorder = chain.recorder(own)
    recorder.set_tags(**{"online.entry.0": recorder.tags["online.entry.0"].replace("written", "invented")})
    with pytest.raises(LedgerError, match="changed after it was written"):
        Chain.open("online").head()
    recorder.delete_tags("online.entry.0")
    with pytest.raises(LedgerError, match="not whole"):
        Chain.open("online").head()


def test_an_entry_that_was_deleted_is_missed_and_can_be_brought_back(chain):
    found = [record(chain) for _ in range(2)]
    chain.experiment.delete_recorder(recorder_id=found[0].run_id)
    with pytest.raises(LedgerError, match="restore_recorder"):
        Chain.open("online").entries()
    chain.experiment.restore_recorder(found[0].run_id)
    assert Chain.open("online").entries() == found


def test_times_never_go_back(chain):
    first = record(chain)
    ahead = replace(first, recorded_at=first.recorded_at + timedelta(days=1))
    stored = chain._stored[first.run_id]
    chain._stored[first.run_id] = replace(stored, entry=ahead)
    assert record(chain).recorded_at == ahead.recorded_at


# -- the book -----------------------------------------------------------------


def test_the_book_tells_what_was_known_when(chain):
    old, new, again = (Switch("linear", (model(n),), DAY + timedelta(days=d), r) for n, d, r in (
        (1, 0, "first"), (2, 7, "fold 2"), (1, 8, "rollback")
    ))  # fmt: skip
    entries = [record(chain, DAY, [state(switches=(s,))], [s]) for s in (old, new, again)]
    book = chain.book()
    ids = [book.set_at(DAY + timedelta(days=d), "linear")[0].recorder_id[-1] for d in (0, 6, 7, 8, 30)]
    assert ids == ["1", "1", "2", "1", "1"]
    assert book.online_at("2020-01-15", as_known_at=entries[1].recorded_at)["linear"] == (model(2),)
    assert book.online_at("2020-01-05") == {}
    assert book.online_at(DAY, as_known_at="2000-01-01") == {}
    history = book.history()
    assert list(history["reason"]) == ["first", "fold 2", "rollback"]
    assert list(history["until"][:2]) == [new.effective, again.effective]
    assert history["until"].isna().to_list() == [False, False, True]
    assert str(history["recorded_at"].dtype).endswith("UTC]")
    assert list(Book([]).history().columns) == list(history.columns)


# -- the lease ----------------------------------------------------------------


def test_only_one_is_at_work(chain):
    other = Chain.open("online")
    with chain.lease():
        assert other.holder().is_gone is False
        with pytest.raises(OnlineBusyError, match=f"process {other.holder().pid} on {other.holder().host}"):
            other.lease(wait=False).__enter__()
        record(chain)
        # It has moved on with the head.
        with pytest.raises(OnlineBusyError):
            other.lease(wait=False).__enter__()
        record(chain)
    assert other.holder() is None
    with other.lease(wait=False):
        record(other)
    assert [entry.seq for entry in chain.entries()] == [0, 1, 2]


def test_a_process_that_is_gone_holds_nothing(chain):
    with chain.lease() as lease:
        lease_module._own.discard(lease.holder.nonce)
        assert chain.holder() is None
        with Chain.open("online").lease(wait=False), pytest.raises(OnlineBusyError):
            chain.begin("routine", DAY)


def test_who_waits_takes_over_when_no_sign_of_life_comes(chain):
    other, now, rests = Chain.open("online"), [0.0], []

    def rest(seconds):
        rests.append(seconds)
        now[0] += 10.0

    with chain.lease() as lease:
        waiting = Lease(other._tip, 60.0, clock=lambda: now[0], rest=rest)
        # A sign of life in the middle begins the time anew.
        signs = iter([*[None] * 3, lease._sign])
        waiting._rest = lambda seconds: ((next(signs, None) or (lambda: None))(), rest(seconds))
        waiting.take(wait=True)
        assert 60.0 < now[0] <= 110.0
        with pytest.raises(OnlineBusyError):
            lease.check()
        waiting.release()


def test_who_waits_goes_on_when_the_other_is_done(chain):
    with chain.lease() as lease:
        waiting = Lease(Chain.open("online")._tip, rest=lambda _: lease.release())
        waiting.take(wait=True)
        waiting.check()
    waiting.release()
