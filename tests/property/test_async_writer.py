"""Any interleaving of calls against a plain dictionary: the store ends up with what was logged, flushed or not."""

from __future__ import annotations

import math
from contextlib import suppress
from types import SimpleNamespace

import pytest
from dictionaries import Model, Store
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

from rollforward.errors import TrackingError
from rollforward.workflow.mlflow_backend.write import sending
from rollforward.workflow.mlflow_backend.write.writer import RunWriter

KEYS = st.sampled_from(["a", "b", "c", "bad"])
VALUES = st.floats(allow_nan=False)
TEXTS = st.sampled_from(["1", "2", "x" * 7000])
CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("metrics"), st.dictionaries(KEYS, VALUES), st.integers(0, 3), st.integers(0, 2)),
        st.tuples(st.just("params"), st.dictionaries(KEYS, TEXTS)),
        st.tuples(st.just("tags"), st.dictionaries(KEYS, TEXTS)),
        st.tuples(st.sampled_from(["flush", "drain", "away", "interrupt"])),
    ),
    max_size=25,
)


class Limited(Store):
    """Asserts what a request may hold, and fails as it is told to."""

    def __init__(self):
        super().__init__()
        self.errors = []

    def log_batch(self, _run_id, metrics, params, tags):
        assert len(metrics) <= 7
        assert len(params) <= 2
        assert len(tags) <= 2
        errors = self.errors  # which another thread replaces
        if errors:
            raise errors.pop()
        super().log_batch(_run_id, metrics, params, tags)


@pytest.fixture(scope="module")
def small_requests():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"MAX_METRICS": 7, "MAX_PARAMS": 2, "MAX_TAGS": 2, "MAX_ALL": 8}.items():
            patch.setattr(sending, name, value)
        patch.setattr(sending, "store_of", lambda client: client)
        patch.setattr(sending, "time", SimpleNamespace(monotonic=lambda: 0, sleep=lambda _seconds: None))
        yield patch


@given(CALLS, st.booleans())
@settings(deadline=None, max_examples=80)
def test_the_store_ends_up_as_dictionaries_would(small_requests, calls, in_background):
    store, model = Limited(), Model()
    small_requests.setattr(sending, "client_for", lambda _uri: store)
    writer = RunWriter("fake://", "r", lambda: None)
    writer._queue._interval = 0 if in_background else 600
    for call in calls:
        apply(writer, store, model, *call)
    store.errors = []
    refused = writer.close()

    assert store.metrics() == model.metrics()
    assert (store.params, store.tags) == (model.params, model.tags)
    assert (refused is not None) == model.is_refused


def apply(writer, store, model, kind, values=None, time=0, step=0):
    if kind == "away":
        store.errors = [MlflowException("locked", error_code=TEMPORARILY_UNAVAILABLE)]
    elif kind == "interrupt":
        if not writer._queue._interval or store.errors:
            return  # only a thread that waits is interrupted
        store.errors = [KeyboardInterrupt()]
        with suppress(KeyboardInterrupt):
            writer.drain()
        store.errors = []
    elif kind == "drain":
        writer.drain()
    elif kind == "flush":
        try:
            writer.flush()
        except TrackingError:
            assert model.is_refused
    elif kind == "metrics":
        values = {key: value for key, value in values.items() if not math.isnan(value)}
        model.put(kind, values, step)
        writer.put_metrics(time, step, dict(values))
    else:
        model.put(kind, values)
        (writer.put_params if kind == "params" else writer.put_tags)(dict(values))
