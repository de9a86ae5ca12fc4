"""Ways to write params, metrics and tags to a run."""

from __future__ import annotations

import queue
import threading
import time


class OnePerKey:
    """The client, one synchronous request for each key."""

    def __init__(self, client):
        self.client, self.run_id = client, client.create_run("0").info.run_id

    def metrics(self, step, values):
        for key, value in values.items():
            self.client.log_metric(self.run_id, key, value, step=step)

    def texts(self, params, tags):
        for key, value in params.items():
            self.client.log_param(self.run_id, key, value)
        for key, value in tags.items():
            self.client.set_tag(self.run_id, key, value)

    def end(self):
        pass


class ThreadPerKey(OnePerKey):
    """Calls are queued as they are and made one by one in a thread: a request for each key."""

    def __init__(self, client):
        super().__init__(client)
        self.calls = queue.Queue()
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        while (call := self.calls.get()) is not None:
            method, arguments = call
            method(*arguments)

    def metrics(self, step, values):
        self.calls.put((super().metrics, (step, values)))

    def texts(self, params, tags):
        self.calls.put((super().texts, (params, tags)))

    def end(self):
        self.calls.put(None)
        self.thread.join()


class BatchPerCall(OnePerKey):
    """The client's log_batch, synchronous, once per call."""

    def metrics(self, step, values):
        self.client.log_batch(self.run_id, self.points(step, values))

    def points(self, step, values):
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        return [Metric(key, value, now, step) for key, value in values.items()]

    def texts(self, params, tags):
        from mlflow.entities import Param, RunTag

        self.client.log_batch(
            self.run_id, (), [Param(*item) for item in params.items()], [RunTag(*item) for item in tags.items()]
        )


class MlflowAsync(BatchPerCall):
    """MLflow's own asynchronous log_batch."""

    def __init__(self, client):
        super().__init__(client)
        self.pending = []

    def metrics(self, step, values):
        self.pending.append(self.client.log_batch(self.run_id, self.points(step, values), synchronous=False))

    def end(self):
        for operation in self.pending:
            operation.wait()


class Thousands(BatchPerCall):
    """Everything is kept, and written by log_batch in 1,000s at the end."""

    def __init__(self, client):
        super().__init__(client)
        self.kept = []

    def metrics(self, step, values):
        self.kept += self.points(step, values)

    def end(self):
        for first in range(0, len(self.kept), 1000):
            self.client.log_batch(self.run_id, self.kept[first : first + 1000])


class Nothing:
    """A method that does nothing: what the measuring itself costs."""

    def __init__(self, _client):
        pass

    def metrics(self, step, values):
        pass

    def end(self):
        pass


class Ours:
    """`R`, as a script uses it; the end of the run is in what `end` costs."""

    def __init__(self, client, **settings):
        from rollforward import init
        from rollforward.workflow import R

        init(uri=client.tracking_uri, **settings)
        R.start_exp(experiment_name="bench")
        self.R, self.run_id = R, R.get_recorder().id
        R.flush()

    def metrics(self, step, values):
        self.R.log_metrics(step, **values)

    def texts(self, params, tags):
        self.R.log_params(**params)
        self.R.set_tags(**tags)

    def end(self):
        self.R.end_exp()


def ours(**settings):
    return lambda client: Ours(client, **settings)


QLIB, EACH, PLAIN, ASYNC = "thread, one call per key (Qlib)", "log_metric per key", "log_batch of 1,000", "MLflow async"
OURS, SPOOL = "rollforward", "rollforward, spool"
WAYS = {
    QLIB: ThreadPerKey,
    EACH: OnePerKey,
    "log_batch per call": BatchPerCall,
    ASYNC: MlflowAsync,
    PLAIN: Thousands,
    "rollforward, async_log off": ours(async_log=False, spool="off"),
    OURS: ours(spool="off"),
    SPOOL: ours(spool="on"),
}
# A request for each key: over HTTP a minute and more for the whole job.
SLOW = (QLIB, EACH)
