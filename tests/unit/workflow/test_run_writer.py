from __future__ import annotations

from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException

from rollforward.errors import TrackingError
from rollforward.workflow.mlflow_backend import writer
from rollforward.workflow.mlflow_backend.writer import Point, RunWriter


class FakeClient:
    """Keeps what is written, and refuses what a run has with another value already, as MLflow does."""

    def __init__(self):
        self.batches = []
        self.params = {}

    def log_batch(self, run_id, metrics, params, tags):
        assert run_id == "r1"
        for param in params:
            if self.params.get(param.key, param.value) != param.value:
                raise MlflowException("changed", error_code=1000)  # INVALID_PARAMETER_VALUE
        self.params |= {param.key: param.value for param in params}
        self.batches.append((len(metrics), len(params), len(tags)))
        self.metrics = metrics

    def get_run(self, _run_id):
        return SimpleNamespace(data=SimpleNamespace(params=self.params))


@pytest.fixture
def client(monkeypatch):
    client = FakeClient()
    monkeypatch.setattr(writer, "client_for", lambda _uri: client)
    return client


@pytest.fixture
def run_writer():
    return RunWriter("sqlite://", "r1")


def points(n, **kwargs):
    return [Point(**({"key": f"k{i}", "value": 1.0, "time": 5, "step": 0} | kwargs)) for i in range(n)]


def test_one_call_is_one_request(client, run_writer):
    run_writer.put(points=points(10), params={"a": "1"}, tags={"t": "x"})
    assert client.batches == [(10, 1, 1)]


def test_nothing_is_no_request(client, run_writer):
    run_writer.put()
    assert client.batches == []


def test_large_calls_are_split_at_mlflows_limits(client, run_writer):
    run_writer.put(points=points(2500), params={f"p{i}": "1" for i in range(250)}, tags={f"t{i}": "1" for i in range(150)})
    assert client.batches == [(800, 100, 100), (850, 100, 50), (850, 50, 0)]
    assert sum(batch[0] for batch in client.batches) == 2500


def test_a_changed_param_is_named_and_everything_else_is_written(client, run_writer):
    run_writer.put(params={"alpha": "1"})
    with pytest.raises(TrackingError, match="'alpha' is '1', and '2' was logged"):
        run_writer.put(points=points(1), params={"alpha": "2", "beta": "3"}, tags={"t": "x"})
    assert client.params == {"alpha": "1", "beta": "3"}
    assert client.batches[-1] == (1, 1, 1)


def test_the_same_param_again_is_fine(client, run_writer):
    run_writer.put(params={"alpha": "1"})
    run_writer.put(params={"alpha": "1"})


def test_the_last_of_several_values_in_one_millisecond_has_the_latest_time(client, run_writer):
    run_writer.put(points=points(3, key="loss"))
    assert [metric.timestamp for metric in client.metrics] == [5, 6, 7]
    run_writer.put(points=points(1, key="loss", step=1))
    assert [metric.timestamp for metric in client.metrics] == [5]


def test_what_the_store_refuses_otherwise_is_our_error(client, run_writer, monkeypatch):
    def refuse(*_):
        raise MlflowException("https://me:pw@host is away", error_code=2)  # TEMPORARILY_UNAVAILABLE

    monkeypatch.setattr(client, "log_batch", refuse)
    with pytest.raises(TrackingError) as caught:
        run_writer.put(params={"a": "1"})
    assert "Could not log to run r1" in str(caught.value)
    assert "pw" not in str(caught.value)
