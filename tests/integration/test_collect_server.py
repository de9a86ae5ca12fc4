"""Collecting from a real server: few requests, nothing fetched twice, an answer or an error and never a part."""

from __future__ import annotations

import os
import pickle
import tempfile
from pathlib import Path

import pandas as pd
import pytest
import requests

from rollforward import settings
from rollforward.errors import StoreUnreachableError
from rollforward.workflow import R
from rollforward.workflow.file_cache import cache_dir
from rollforward.workflow.task.collect import RecorderCollector, clear_cache

COUNT = 6


class Stranger:
    """A class of the tests."""


@pytest.fixture
def sent(monkeypatch):
    """The addresses of the HTTP requests of this process."""
    found, original = [], requests.Session.send

    def send(self, request, **kwargs):
        found.append(f"{request.method} {request.url}")
        return original(self, request, **kwargs)

    monkeypatch.setattr(requests.Session, "send", send)
    return found


def filled(server, tmp_path, objects):
    """Make an experiment with a run for each dictionary of objects, and return its name."""
    settings.init(uri=server.uri, provenance=False, capture_output=False, heartbeat=0, spool_dir=tmp_path / "spool")
    name = f"collect {os.urandom(4).hex()}"
    for number, named in enumerate(objects):
        with R.start(experiment_name=name):
            R.set_tags(number=str(number))
            R.save_objects(**named)
    return name


def prediction(number):
    return pd.DataFrame({"score": [float(number)] * 3})


@pytest.fixture
def experiment(mlflow_server, tmp_path):
    return filled(mlflow_server, tmp_path, [{"pred.pkl": prediction(n)} for n in range(COUNT)])


def number_of(recorder):
    return int(recorder.list_tags()["number"])


def fetched(sent):
    return [request for request in sent if "pred.pkl" in request]


def test_one_listing_and_one_request_for_each_artifact_and_none_the_second_time(experiment, sent):
    collector = RecorderCollector(
        experiment, rec_key_func=number_of, rec_filter_func=lambda recorder: number_of(recorder) > 0
    )
    first = collector.collect()["pred"]
    assert list(first) == [5, 4, 3, 2, 1]
    assert all(first[n].equals(prediction(n)) for n in first)
    assert len(fetched(sent)) == COUNT - 1
    assert len(sent) == COUNT - 1 + 2  # the experiment by its name, one page of runs
    sent.clear()
    again = collector.collect()["pred"]
    assert list(again) == list(first)
    assert all(again[n].equals(first[n]) for n in first)
    assert len(sent) == 2
    assert clear_cache() > 0
    sent.clear()
    collector.collect()
    assert len(fetched(sent)) == COUNT - 1
    assert not list(Path(tempfile.gettempdir()).glob("rollforward-*/pred.pkl"))


def test_lazy_values_are_fetched_when_asked_for(experiment, sent):
    lazy = RecorderCollector(experiment, rec_key_func=number_of).collect(lazy=True)["pred"]
    assert fetched(sent) == []
    assert lazy[3]().equals(prediction(3))
    assert lazy[3].load().equals(prediction(3))
    assert len(fetched(sent)) == 1


def test_what_is_replaced_is_fetched_again(experiment, sent):
    collector = RecorderCollector(experiment, rec_key_func=number_of)
    collector.collect()
    recorder = R.list_recorders(experiment_name=experiment, rtype="list")[0]
    recorder.save_objects(**{"pred.pkl": prediction(100)})
    sent.clear()
    assert collector.collect()["pred"][5].equals(prediction(100))
    assert len([request for request in fetched(sent) if request.startswith("GET")]) == 1


def test_a_recorder_of_before_does_not_get_an_old_copy(experiment):
    """Only who has just listed the runs knows what they should contain."""
    collector = RecorderCollector(experiment, rec_key_func=number_of)
    collector.collect()
    before, again = (R.list_recorders(experiment_name=experiment, rtype="list")[0] for _ in range(2))
    again.save_objects(**{"pred.pkl": prediction(100)})
    assert before.load_object("pred.pkl").equals(prediction(100))


def test_a_damaged_copy_is_fetched_again(experiment):
    collector = RecorderCollector(experiment, rec_key_func=number_of)
    whole = collector.collect()["pred"]
    copies = sorted(cache_dir().glob("??/*"))
    assert len(copies) == COUNT
    copies[0].write_bytes(b"")
    copies[1].write_bytes(copies[1].read_bytes()[:-1] + b"?")
    again = collector.collect()["pred"]
    assert all(again[n].equals(whole[n]) for n in whole)
    assert not collector.missing


def test_copies_are_not_trusted_more_than_the_server(mlflow_server, tmp_path):
    name = filled(mlflow_server, tmp_path, [{"pred.pkl": Stranger()}])
    collector = RecorderCollector(name)
    assert len(collector.collect()["pred"]) == 1
    with settings.override(trusted_classes=[]):
        assert collector.collect() == {}
    (refused,) = collector.missing
    assert refused.kind == "refused"
    assert "Stranger" in refused.reason


def test_without_the_hash_of_a_content_nothing_is_kept(mlflow_server, tmp_path):
    name = filled(mlflow_server, tmp_path, [{"other.pkl": 0}])
    (recorder,) = R.list_recorders(experiment_name=name, rtype="list")
    (tmp_path / "pred.pkl").write_bytes(pickle.dumps(1))
    recorder.log_artifact(tmp_path / "pred.pkl")
    assert list(RecorderCollector(name).collect()["pred"].values()) == [1]
    assert not list(cache_dir().glob("??/*"))


def test_missing_is_told_from_away(own_server, tmp_path, monkeypatch):
    name = filled(own_server, tmp_path, [{"pred.pkl": 1}, {"other.pkl": 0}, {"pred.pkl": 3}])
    collector = RecorderCollector(name, rec_key_func=number_of)
    assert collector.collect()["pred"] == {2: 3, 0: 1}
    assert [lost.kind for lost in collector.missing] == ["missing"]
    clear_cache()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    recorders = list(collector.collect(artifacts_key="__raw")["__raw"].values())
    own_server.kill()
    with pytest.raises(StoreUnreachableError):
        RecorderCollector(lambda: recorders).collect()
    with pytest.raises(StoreUnreachableError):
        collector.collect()
    assert collector.report is None
