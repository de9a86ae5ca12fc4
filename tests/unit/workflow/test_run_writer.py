from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from mlflow.entities import Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, PERMISSION_DENIED, TEMPORARILY_UNAVAILABLE

from rollforward.errors import TrackingError
from rollforward.workflow.mlflow_backend.store.client import client_for, store_of
from rollforward.workflow.mlflow_backend.write import refused as refused_module
from rollforward.workflow.mlflow_backend.write import sending, sqlite, writer
from rollforward.workflow.mlflow_backend.write.writer import RunWriter, SyncWriter


def no_artifacts():
    pytest.fail("nothing is written to artifacts here")


class FakeStore:
    """Keeps what is written, and refuses as MLflow does: a changed param, and keys that are listed as bad."""

    def __init__(self):
        self.requests = []
        self.params, self.tags, self.metrics = {}, {}, []
        self.bad = set()
        self.errors = []
        self.stage = "active"

    def log_batch(self, run_id, metrics, params, tags):
        assert run_id == "r1"
        self.requests.append((len(metrics), len(params), len(tags)))
        if self.errors:
            raise self.errors.pop(0)
        if {item.key for item in (*metrics, *params, *tags)} & self.bad:
            raise MlflowException("bad key", error_code=INVALID_PARAMETER_VALUE)
        if any(self.params.get(param.key, param.value) != param.value for param in params):
            raise MlflowException("changed", error_code=INVALID_PARAMETER_VALUE)
        self.params |= {param.key: param.value for param in params}
        self.tags |= {tag.key: tag.value for tag in tags}
        self.metrics += [(metric.key, metric.value, metric.timestamp, metric.step) for metric in metrics]

    def get_run(self, _run_id):
        data = SimpleNamespace(params=self.params)
        return SimpleNamespace(data=data, info=SimpleNamespace(lifecycle_stage=self.stage))


@pytest.fixture
def store(monkeypatch):
    store = FakeStore()
    monkeypatch.setattr(sending, "client_for", lambda _uri: store)
    monkeypatch.setattr(sending, "store_of", lambda client: client)
    monkeypatch.setattr(sending, "time", SimpleNamespace(monotonic=Clock(), sleep=lambda _seconds: None))
    return store


class Clock:
    """Goes on by ten seconds at every look."""

    def __init__(self):
        self.now = 0

    def __call__(self):
        self.now += 10
        return self.now


@pytest.fixture
def log():
    """A writer whose thread never gets round to anything: what is written is written by the test."""
    log = RunWriter("sqlite://", "r1", no_artifacts)
    log._queue._interval = 600
    yield log
    log.close()


def numbers(n, prefix="k"):
    return {f"{prefix}{i}": float(i) for i in range(n)}


def texts(n, prefix):
    return {f"{prefix}{i}": "1" for i in range(n)}


def test_many_calls_are_one_request(store, log):
    for step in range(80):
        log.put_metrics(step, step, numbers(10))
    log.put_params({"a": "1"})
    log.put_tags({"t": "x"})
    assert store.requests == []
    log.flush()
    assert store.requests == [(800, 1, 1)]
    assert store.metrics[:2] == [("k0", 0.0, 0, 0), ("k1", 1.0, 0, 0)]


def test_requests_are_cut_at_mlflows_limits(store, log):
    log.put_metrics(5, 0, numbers(2500))
    log.put_params(texts(250, "p"))
    log.put_tags(texts(150, "t"))
    log.flush()
    assert store.requests == [(800, 100, 100), (850, 100, 50), (850, 50, 0)]


def test_requests_are_cut_at_a_size_too(store, log):
    log.put_params({f"p{i}": "x" * 6000 for i in range(100)})
    log.put_tags({f"t{i}": "x" * 8000 for i in range(40)})
    log.flush()
    assert store.requests == [(0, 41, 31), (0, 41, 9), (0, 18, 0)]


def test_nothing_is_no_request(store, log):
    log.put_metrics(5, 0, {})
    log.flush()
    assert store.requests == []


def test_a_changed_param_is_named_and_everything_else_is_written(store, log):
    log.put_params({"alpha": "1"})
    log.flush()
    log.put_params({"alpha": "2", "beta": "3"})
    log.put_tags({"t": "x"})
    log.put_metrics(5, 0, numbers(1))
    with pytest.raises(TrackingError, match="run r1: param 'alpha' is '1', and '2' was logged"):
        log.flush()
    assert (store.params, store.tags) == ({"alpha": "1", "beta": "3"}, {"t": "x"})
    assert len(store.metrics) == 1
    log.flush()  # reported once
    assert "param 'alpha' is '1', and '2' was logged" in log.close().text


def test_two_values_of_a_param_in_one_batch(store, log):
    log.put_params({"alpha": "1"})
    log.put_params({"alpha": "2"})
    log.put_params({"alpha": "1"})
    with pytest.raises(TrackingError, match="'alpha' is '1', and '2' was logged"):
        log.flush()
    assert store.params == {"alpha": "1"}


def test_the_last_of_two_values_of_a_tag_counts(store, log):
    log.put_tags({"t": "1"})
    log.put_tags({"t": "2"})
    log.flush()
    assert store.tags == {"t": "2"}


def test_a_refused_batch_is_split_down_to_what_is_to_blame(store, log):
    store.bad = {"k17", "k600", "t3"}
    log.put_metrics(5, 7, numbers(800))
    log.put_params(texts(5, "p"))
    log.put_tags(texts(5, "t"))
    with pytest.raises(TrackingError) as caught:
        log.flush()
    assert "metric 'k17' = 17.0 at step 7: bad key" in str(caught.value)
    assert "metric 'k600'" in str(caught.value)
    assert "tag 't3' = '1'" in str(caught.value)
    assert [key for key, *_ in store.metrics] == [key for key in numbers(800) if key not in store.bad]
    assert (len(store.params), len(store.tags)) == (5, 4)
    assert len(store.requests) < 80


def test_a_deleted_run_is_no_reason_to_try_each_value(store, log):
    store.bad, store.stage = set(numbers(500)), "deleted"
    log.put_metrics(5, 0, numbers(500))
    with pytest.raises(TrackingError, match=r"500 values \(metrics k0, k1.*, \.\.\.\): bad key"):
        log.flush()
    assert len(store.requests) == 1


def test_a_store_that_is_away_for_a_while_loses_nothing(store, log):
    store.errors = [MlflowException("locked", error_code=TEMPORARILY_UNAVAILABLE) for _ in range(3)]
    log.put_tags({"t": "1"})
    log.flush()
    assert store.tags == {"t": "1"}


def test_a_store_that_stays_away_is_given_up_and_later_values_are_tried_once(store, log):
    store.errors = [MlflowException("https://me:pw@host away", error_code=TEMPORARILY_UNAVAILABLE) for _ in range(9)]
    log.put_tags({"t": "1"})
    with pytest.raises(TrackingError, match=r"1 values \(tags t\): https://\*\*\*@host away") as caught:
        log.flush()
    assert "pw" not in str(caught.value)
    tried = len(store.requests)
    log.put_tags({"t": "2"})
    with pytest.raises(TrackingError):
        log.flush()
    assert len(store.requests) == tried + 1
    store.errors = []
    log.put_tags({"t": "3"})
    log.flush()
    assert store.tags == {"t": "3"}


@pytest.mark.parametrize("error", [MlflowException("no", error_code=PERMISSION_DENIED), OSError("no route")])
def test_any_other_error_is_reported_and_the_writer_lives_on(store, log, error):
    store.errors = [error]
    log.put_metrics(5, 0, numbers(2))
    with pytest.raises(TrackingError, match=r"2 values \(metrics k0, k1\): .*no"):
        log.flush()
    log.put_metrics(5, 1, numbers(2))
    log.flush()
    assert len(store.metrics) == 2


def test_an_interrupted_request_is_sent_again_as_it_was(store, log):
    log.put_metrics(5, 0, {"loss": 1.0})
    log.put_metrics(5, 0, {"loss": 2.0})
    store.errors = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        log.flush()
    log.flush()
    assert store.metrics == [("loss", 1.0, 5, 0), ("loss", 2.0, 6, 0)]


def test_the_last_of_several_values_in_one_millisecond_has_the_latest_time(store, log):
    for value in (3.0, 1.0, 2.0):
        log.put_metrics(5, 0, {"loss": value})
    log.put_metrics(5, 1, {"loss": 0.0})
    log.flush()
    assert [time for _, _, time, _ in store.metrics] == [5, 6, 7, 5]


def test_very_many_refusals_take_little_room(monkeypatch):
    monkeypatch.setattr(refused_module, "_KEPT", 20)
    refused = writer.Refused("r1")
    assert refused.is_empty
    for n in range(100):
        refused.add([f"line {n}"])
    assert refused.text.splitlines()[-2:] == ["line 19", "... and 80 more"]
    assert refused.summary.endswith("line 9; and 90 more")
    assert str(refused.error()).count("line") == 10
    assert refused.error() is None


# -- at once ------------------------------------------------------------------


def test_at_once_means_at_once(store):
    log = SyncWriter("sqlite://", "r1", no_artifacts)
    log.put_metrics(5, 0, numbers(1))
    log.put_params({"alpha": "1"})
    log.put_tags({"t": "x"})
    assert store.requests == [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    with pytest.raises(TrackingError, match="'alpha' is '1', and '2' was logged"):
        log.put_params({"alpha": "2", "beta": "3"})
    assert store.params == {"alpha": "1", "beta": "3"}
    log.flush()
    log.drain()


def test_at_once_what_the_store_refuses_otherwise_is_our_error(store):
    store.errors = [MlflowException("https://me:pw@host is away", error_code=TEMPORARILY_UNAVAILABLE)]
    with pytest.raises(TrackingError) as caught:
        SyncWriter("sqlite://", "r1", no_artifacts).put_params({"a": "1"})
    assert "Could not log to run r1" in str(caught.value)
    assert "pw" not in str(caught.value)


# -- the short way into SQLite ------------------------------------------------


@pytest.fixture
def run(recording):
    with recording.start(experiment_name="demo"):
        yield recording.get_recorder()


POINTS = [
    ("a", 1.5, 10, 0),
    ("a", 0.1 + 0.2, 10, 1),
    ("a", -1.0, 11, 1),
    ("a", 7.0, 9, 1),
    ("b", math.nan, 5, -3),
    ("c", math.inf, 5, 2**63 - 1),
    ("d", -math.inf, 5, 0),
    ("e", 1.0, 5, 0),
    ("e", 2.0, 5, 0),
    ("größe/x", 5e-324, 5, 0),
]


def history(client, run_id):
    return [
        [(m.key, repr(m.value), m.timestamp, m.step) for m in client.get_metric_history(run_id, key)]
        for key in dict.fromkeys(point[0] for point in POINTS)
    ]


def test_points_that_are_inserted_are_those_that_mlflow_would_have_written(run):
    from mlflow.entities import Metric

    client = client_for(run.uri)
    ours, theirs = (client.create_run(run.experiment_id).info.run_id for _ in range(2))
    for part in (POINTS[:4], POINTS[2:], [("a", 9.0, 1, 0), ("a", 3.0, 12, 1)]):
        assert sqlite.insert(store_of(client), ours, part)
        client.log_batch(theirs, [Metric(*point) for point in part])
        assert history(client, ours) == history(client, theirs)
        assert repr(client.get_run(ours).data.metrics) == repr(client.get_run(theirs).data.metrics)


def test_params_and_tags_that_are_inserted_are_those_that_mlflow_would_have_written(run):
    client = client_for(run.uri)
    ours, theirs = (client.create_run(run.experiment_id, run_name="n").info.run_id for _ in range(2))
    parts = [
        ({"a": "1", "größe/x": "'\"\n\0 \U0001f600", "long": "x" * 6000, "empty": ""}, {"t": "1", "mlflow.user": "u"}),
        ({"a": "1", "b": "2"}, {"t": "2", "long": "y" * 8000}),
        ({}, {"t": ""}),
        ({"c": "3"}, {}),
    ]
    for params, tags in parts:
        assert sqlite.insert(store_of(client), ours, [("m", 1.0, 5, 0)], params, tags)
        client.log_batch(
            theirs, [], [Param(*item) for item in params.items()], [RunTag(*item) for item in tags.items()]
        )
        found, expected = client.get_run(ours), client.get_run(theirs)
        assert found.data.params == expected.data.params
        assert found.data.tags == expected.data.tags
    assert found.data.metrics == {"m": 1.0}


def test_a_changed_param_and_a_new_name_are_left_to_mlflow_with_all_that_is_beside_them(run):
    client = client_for(run.uri)
    store, other = store_of(client), client.create_run(run.experiment_id, run_name="before").info.run_id
    assert sqlite.insert(store, other, [], {"a": "1"}, {})
    assert not sqlite.insert(store, other, POINTS, {"b": "2", "a": "9"}, {"t": "1"})
    assert not sqlite.insert(store, other, POINTS, {"b": "2"}, {"mlflow.runName": "after", "t": "1"})
    found = client.get_run(other)
    assert (found.data.params, found.data.metrics, found.data.tags.get("t")) == ({"a": "1"}, {}, None)
    assert found.info.run_name == "before"


def test_a_run_that_takes_nothing_is_left_to_mlflow(run):
    client = client_for(run.uri)
    other = client.create_run(run.experiment_id).info.run_id
    client.delete_run(other)
    for items in ((POINTS,), ([], {"a": "1"}), ([], {}, {"t": "1"})):
        assert not sqlite.insert(store_of(client), other, *items)
        assert not sqlite.insert(store_of(client), "0" * 32, *items)
    client.restore_run(other)
    data = client.get_run(other).data
    assert (data.metrics, data.params, data.tags.get("t")) == ({}, {}, None)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE metrics ADD COLUMN more INTEGER",
        "CREATE TRIGGER t AFTER INSERT ON latest_metrics BEGIN SELECT 1; END",
        "DROP TABLE metrics",
        "ALTER TABLE params ADD COLUMN more INTEGER",
        "CREATE TRIGGER t AFTER UPDATE ON tags BEGIN SELECT 1; END",
    ],
)
def test_tables_that_are_not_as_known_are_left_to_mlflow(run, change):
    store = store_of(client_for(run.uri))
    with store.engine.begin() as connection:
        connection.exec_driver_sql(change)
    assert not sqlite.insert(store, run.id, POINTS)


def test_a_store_that_is_no_sqlite_is_left_to_mlflow():
    assert not sqlite.insert(SimpleNamespace(), "r1", POINTS)
    assert not sqlite.insert(
        SimpleNamespace(engine=SimpleNamespace(dialect=SimpleNamespace(driver="psycopg2"))), "r", POINTS
    )
