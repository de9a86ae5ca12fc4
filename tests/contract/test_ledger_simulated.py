"""Entries of a simulation are written with fewer steps, and are worth the same."""

from __future__ import annotations

import threading
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from rollforward.errors import CalendarError, LoadObjectError, OnlineBusyError
from rollforward.workflow.mlflow_backend.store.client import client_for, store_of
from rollforward.workflow.mlflow_backend.write.new_run import create_run
from rollforward.workflow.online.ledger.book import Book
from rollforward.workflow.online.ledger.chain import NOTE_EVERY, Chain
from rollforward.workflow.online.ledger.entry import ROUTINE, Entry
from rollforward.workflow.online.ledger.links import HEAD

DAYS = pd.bdate_range("2020-01-06", periods=NOTE_EVERY + 5)


def write(chain, days):
    for day in days:
        with chain.begin(ROUTINE, day, simulated=True) as draft:
            entry = draft.commit(Entry(ROUTINE, day, simulated=True))
    return entry


@pytest.fixture
def chain(recording):
    return Chain.open("trial", create=True)


def test_others_find_the_end_and_who_is_at_work_while_it_is_noted_rarely(chain):
    with chain.lease() as lease:
        last = write(chain, DAYS[:NOTE_EVERY])
        other = Chain.open("trial")

        assert chain.experiment.tags[HEAD] != last.run_id
        assert other.head() == last
        assert [entry.session for entry in other.entries()] == list(DAYS[:NOTE_EVERY])
        assert other.holder() == lease.holder
        with pytest.raises(OnlineBusyError), other.lease(wait=False):
            pass
    assert chain.experiment.tags[HEAD] == last.run_id
    assert Chain.open("trial").holder() is None


def test_a_simulation_goes_on_after_a_kill_and_clears_away_what_was_begun(chain):
    with chain.lease():
        write(chain, DAYS[:3])
        chain.begin(ROUTINE, DAYS[3], simulated=True)  # and then it is killed
    again = Chain.open("trial")
    with again.lease(wait=False):
        last = write(again, DAYS[3:5])

    assert [entry.session for entry in Chain.open("trial").entries()] == list(DAYS[:5])
    assert last.seq == 4
    assert len(chain.experiment.list_recorders()) == 1 + 5  # the root too


def test_files_come_with_the_entry_in_one_write(chain):
    signals, mine, commits = pd.DataFrame({"score": [0.5, -0.5]}), threading.get_ident(), []

    def noted(_connection):
        if threading.get_ident() == mine:  # signs of life come from another thread
            commits.append(1)

    with chain.lease():
        write(chain, DAYS[:1])
        with chain.begin(ROUTINE, DAYS[1], simulated=True) as draft:
            event.listen(Engine, "commit", noted)
            try:
                entry = draft.commit(Entry(ROUTINE, DAYS[1], simulated=True), {"signals.parquet": signals})
            finally:
                event.remove(Engine, "commit", noted)

    assert len(commits) == 2  # the entry, and that it is the next
    for run in (draft.recorder, Chain.open("trial").recorder(entry)):
        assert run.status == run.STATUS_FI
        pd.testing.assert_frame_equal(run.load_object("signals.parquet"), signals)
    Path(run.download_artifact("signals.parquet")).write_bytes(b"something else")
    with pytest.raises(LoadObjectError, match="the content that was saved"):
        Chain.open("trial").recorder(entry).load_object("signals.parquet")


def test_what_was_just_written_is_not_listed_to_be_read(chain, monkeypatch):
    with chain.lease():
        write(chain, DAYS[:10])
    monkeypatch.setattr(chain.experiment, "list_recorders", lambda **_: pytest.fail("All runs are listed."))
    assert [entry.session for entry in chain.entries()] == list(DAYS[:10])


def test_a_live_entry_takes_the_lease_along(chain):
    with chain.lease():
        write(chain, DAYS[:2])
    with chain.lease() as lease:
        with chain.begin(ROUTINE, DAYS[2]) as draft:
            live = draft.commit(Entry(ROUTINE, DAYS[2]))
        other = Chain.open("trial")
        assert other.holder() == lease.holder
        assert other.head() == live
        with chain.begin(ROUTINE, DAYS[3]) as draft:
            draft.commit(Entry(ROUTINE, DAYS[3]))
    with Chain.open("trial").lease(wait=False):
        pass


def test_a_run_is_created_as_mlflow_does(chain):
    client, number, tags = client_for(chain.experiment.uri), chain.experiment.id, {"a": "1", "mlflow.user": "me"}
    own = create_run(store_of(client), number, "one", tags)
    theirs = client.create_run(number, tags=tags, run_name="one")

    def told(run):
        stored = client.get_run(run.info.run_id)
        assert dict(run.info) == dict(stored.info)
        assert run.data.tags == stored.data.tags
        volatile = {"run_id": "", "run_uuid": "", "start_time": 0, "artifact_uri": ""}
        place = stored.info.artifact_uri.replace(run.info.run_id, "?")
        return {**dict(stored.info), **volatile}, place, stored.data.tags, stored.data.params

    assert told(own) == told(theirs)
    client.delete_experiment(number)
    assert create_run(store_of(client), number, "one", tags) is None


def test_what_is_no_time_is_said_to_be_none():
    for given in ({"t": "foo"}, {"t": "2020-01-06", "as_known_at": "foo"}):
        with pytest.raises(CalendarError, match="foo"):
            Book([]).online_at(**given)
