"""What the property tests of logging share: a store in memory that refuses as MLflow does, and plain dictionaries."""

from __future__ import annotations

from types import SimpleNamespace

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE


class Store:
    """A run as MLflow keeps it: the latest value is that of the greatest step, time and value; "bad" is refused."""

    def __init__(self):
        self.points, self.params, self.tags = {}, {}, {}

    def log_batch(self, _run_id, metrics, params, tags):
        if any(item.key == "bad" for item in (*metrics, *params, *tags)):
            raise MlflowException("bad key", error_code=INVALID_PARAMETER_VALUE)
        if any(self.params.get(item.key, item.value) != item.value for item in params):
            raise MlflowException("changed", error_code=INVALID_PARAMETER_VALUE)
        self.params |= {item.key: item.value for item in params}
        self.tags |= {item.key: item.value for item in tags}
        for item in metrics:
            self.points.setdefault(item.key, set()).add((item.step, item.timestamp, item.value))

    def get_run(self, _run_id):
        return SimpleNamespace(data=SimpleNamespace(params=self.params), info=SimpleNamespace(lifecycle_stage="active"))

    def metrics(self):
        return {key: [value for _, _, value in sorted(points)] for key, points in self.points.items()}


class Model:
    """What plain dictionaries would hold."""

    def __init__(self):
        self.logged, self.params, self.tags = {}, {}, {}
        self.is_refused = False

    def put(self, kind, values, step=0):
        for key, value in values.items():
            self.is_refused |= key == "bad"
            if kind == "metrics" and key != "bad":
                self.logged.setdefault(key, []).append((step, value))
            elif kind == "tags" and key != "bad":
                self.tags[key] = value
            elif kind == "params" and key != "bad":
                self.is_refused |= self.params.setdefault(key, value) != value

    def metrics(self):
        """The values of each key by step, and within a step in the order of the calls."""
        return {
            key: [value for _, value in sorted(pairs, key=lambda pair: pair[0])] for key, pairs in self.logged.items()
        }
