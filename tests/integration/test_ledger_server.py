"""A ledger behind a real server: processes that record at once, and how many requests it takes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pandas as pd
import pytest
import requests

from conftest import SOURCE
from rollforward import settings
from rollforward.errors import TrackingError
from rollforward.workflow import R
from rollforward.workflow.online.ledger.chain import Chain
from rollforward.workflow.online.ledger.entry import Entry, StrategyState

DAY = pd.Timestamp("2020-01-06")
COUNT = 4

# Each records until it has done so COUNT times, and tells how often somebody else was faster.
RECORDER = """
import sys
import pandas as pd
from rollforward import settings
from rollforward.errors import LedgerError
from rollforward.workflow.online.ledger.chain import Chain
from rollforward.workflow.online.ledger.entry import Entry
uri, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
settings.init(uri=uri)
day = pd.Timestamp("2020-01-06")
chain = Chain.open(name, create=True)
print("ready", flush=True)
sys.stdin.readline()
done = []
while len(done) < count:
    try:
        with chain.begin("routine", day) as draft:
            done.append(draft.commit(Entry("routine", day)).run_id)
    except LedgerError:
        pass
print(" ".join(done), flush=True)
"""


@pytest.fixture
def name():
    return f"online {os.urandom(4).hex()}"


@pytest.fixture
def uri(mlflow_server, tmp_path):
    settings.init(uri=mlflow_server.uri, spool_dir=tmp_path / "spool")
    return mlflow_server.uri


def recording_processes(uri, name, count):
    command = [sys.executable, "-c", RECORDER, uri, name, str(COUNT)]
    variables = {**os.environ, "PYTHONPATH": str(SOURCE)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, env=variables, **pipes) for _ in range(count)]
    try:
        # All have opened, and perhaps created, the same ledger.
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * count
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        return [process.communicate(timeout=300)[0].split() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_processes_that_record_at_once_make_one_chain(uri, name):
    found = recording_processes(uri, name, 3)
    chain = Chain.open(name)
    entries = chain.entries()
    assert sorted(entry.run_id for entry in entries) == sorted(run_id for each in found for run_id in each)
    assert [entry.seq for entry in entries] == list(range(3 * COUNT))
    assert chain.head() == entries[-1]
    assert sum(R.list_experiments()[key].name == name for key in R.list_experiments()) == 1


def record(chain, number):
    session = DAY + pd.Timedelta(days=number)
    definition = {"kwargs": {"columns": [f"column {each}" for each in range(900)]}}
    with chain.begin("routine", session) as draft:
        return draft.commit(Entry("routine", session, (StrategyState("a", definition=definition),)))


def test_the_head_costs_as_much_after_many_entries_as_after_two(uri, name, monkeypatch):
    sent, original, here = [], requests.Session.send, threading.get_ident()

    def send(session, request, **kwargs):
        # Not what another test has left behind, and goes on in the background.
        if threading.get_ident() == here:
            sent.append(request.url)
        return original(session, request, **kwargs)

    monkeypatch.setattr(requests.Session, "send", send)
    chain, costs = Chain.open(name, create=True), []
    for number in range(12):
        with chain.lease():
            sent.clear()
            record(chain, number)
            commit = len(sent)
        sent.clear()
        chain.head()
        known = len(sent)
        stranger = Chain.open(name)
        sent.clear()
        stranger.head()
        costs.append((commit, known, len(sent)))
    # A run, the tags of its entry, the lease on it, its end, `next`, the note of the head; head and leftovers before.
    assert max(commit for commit, _, _ in costs) <= 9
    assert {known for _, known, _ in costs} == {1}
    # One more for the state that lies in the first entry.
    assert max(new for _, _, new in costs) <= 3
    sent.clear()
    assert len(stranger.entries()) == 12
    assert len(sent) <= 9


def test_the_first_value_stands_behind_a_server(uri, name):
    experiment = R.get_exp(experiment_name=name)
    run = experiment.add_run("a run", {"kind": "a"})
    run.end_run("FINISHED")
    assert run.put_param_once("next", "a") == "a"
    assert experiment.get_recorder(recorder_id=run.id).put_param_once("next", "b") == "a"
    experiment.set_tags(**{"online.head": "x" * 5000})
    assert experiment.tags == {"online.head": "x" * 5000}
    experiment.delete_recorder(recorder_id=run.id)
    with pytest.raises(TrackingError):
        run.put_param_once("other", "a")
