"""An online manager whose process dies at its n-th write to the store, and what is in the store afterwards.

``python online_rig.py FOLDER OUT JOBS`` does jobs, each in a process that is forked from one that has imported.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import shutil
import sys
import time
import traceback
import warnings
from pathlib import Path

import mlflow.store.tracking.sqlalchemy_store  # noqa: F401  # in good time: children are forked
import numpy as np
import pandas as pd
import pyarrow.parquet  # noqa: F401  # in good time: children are forked
import sklearn.linear_model  # noqa: F401  # in good time: children are forked
from sqlalchemy import event
from sqlalchemy.engine import Engine

import rollforward as rf
import rollforward.workflow.mlflow_backend.manager  # in good time: children are forked
import rollforward.workflow.mlflow_backend.run.recorder  # in good time: children are forked
import rollforward.workflow.online.proof_gate  # in good time: children are forked
from rollforward.data.calendar import Calendar
from rollforward.workflow.online.ledger.chain import Chain
from rollforward.workflow.online.manager import OnlineManager
from rollforward.workflow.online.strategy import RollingStrategy
from rollforward.workflow.online.utils import OnlineToolR
from rollforward.workflow.trainer import DelayTrainerR, TrainerR

SESSIONS = pd.bdate_range("2020-01-01", "2020-03-31")
BEGIN, BEFORE, AFTER = "2020-02-05", "2020-02-10", "2020-02-12"
TRAINERS = {"TrainerR": TrainerR, "DelayTrainerR": DelayTrainerR}
DIED = 77
_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")
# What differs between any two runs of the same program.
_VOLATILE = (
    "mlflow.source",
    "mlflow.user",
    "mlflow.rollforward.",
    "rollforward.",
    "online.lease",
    "online.begun",
    "online.entry",
    "mlflow.log-model",
)


class World:
    """Prices until the evening of a day, and a store."""

    def __init__(self, folder, trainer="TrainerR"):
        self.folder, self.trainer = folder, trainer
        self.source = folder / "prices.csv"

    def make(self, *, bad=False):
        """Write the prices; bad: most of the last day are missing."""
        dates = pd.bdate_range("2019-11-01", "2020-03-31")
        returns = np.random.default_rng(3).normal(0, 0.02, (len(dates), 5))
        prices = pd.DataFrame(100 * np.exp(returns.cumsum(0)), dates, list("ABCDE"))
        prices.index.name = "date"
        if bad:
            prices.loc[AFTER, list("CDE")] = np.nan
        prices.loc[:AFTER].to_csv(self.source)

    def open(self):
        rf.init(uri=f"sqlite:///{self.folder / 'mlflow.db'}", calendar=Calendar(SESSIONS, AFTER))

    def manager(self, **kwargs):
        handler = {
            "class": "rollforward.PriceHandler",
            "kwargs": {"source": str(self.source), "horizon": 1, "features": ["REV1", "REV5"], "infer_processors": []},
        }
        segments = {"train": ("2020-01-02", "2020-01-16"), "test": ("2020-01-22", "2020-02-05")}
        task = {
            "model": {"class": "rollforward.SklearnModel", "kwargs": {"estimator": "sklearn.linear_model.Ridge"}},
            "dataset": {"class": "rollforward.DatasetH", "kwargs": {"handler": handler, "segments": segments}},
            "record": ["SignalRecord"],
        }
        strategies = [RollingStrategy("ridge", task, rf.RollingGen(step=5, rtype="sliding"))]
        return OnlineManager(strategies, TRAINERS[self.trainer](), BEGIN, name="desk", on_hold=self.hear, **kwargs)

    def hear(self, info):
        """Note what the hook is told, and what serves then, where it counts as no write."""
        said = {"session": info["session"], "held": list(info["held"]), **look()}
        with (self.folder.parent / "heard.jsonl").open("a") as file:
            file.write(json.dumps(said) + "\n")

    def heard(self):
        file = self.folder.parent / "heard.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]


class Doom:
    """Ends this process, as a kill does, right before its n-th write to the store: a commit, a file, a rename."""

    def __init__(self, folder, at):
        self.folder, self.at, self.count, self.seen = str(folder), at, 0, []

    def begin(self):
        event.listen(Engine, "before_cursor_execute", self._executes)
        event.listen(Engine, "commit", self._commits)
        sys.addaudithook(self._hears)

    def _executes(self, connection, cursor, statement, *_):
        if statement.lstrip().upper().startswith(_WRITES):
            connection.info["writes"] = statement.split("(")[0][:40]

    def _commits(self, connection):
        what = connection.info.pop("writes", None)
        if what is not None:
            self._next(what)

    def _hears(self, name, given):
        if name == "os.rename":
            if str(given[1]).startswith(self.folder):
                self._next(f"rename {Path(given[1]).name}")
        elif name == "open" and isinstance(given[0], str | os.PathLike) and isinstance(given[2], int):
            path = str(given[0])
            is_file = path.startswith(self.folder) and "mlflow.db" not in path
            if is_file and given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self._next(f"write {Path(path).name}")

    def _next(self, what):
        self.count += 1
        self.seen.append(what)
        if self.count == self.at:
            os._exit(DIED)


def look():
    """What a reader sees, whatever was going on."""
    there = rf.R.list_experiments()
    online = [one.list_tags()["test_start"] for one in OnlineToolR("ridge").online_models()] if "ridge" in there else []
    head = Chain.open("desk").head() if "desk" in there else None
    return {"online": online, "head": None if head is None else [head.kind, str(head.session)]}


def dump(manager):
    """All that is in the store, but for ids, times and what was given up."""
    ridge = rf.R.get_exp(experiment_name="ridge", create=False)
    runs = list(ridge.list_recorders().values())
    names = {run.id: f"{run.list_tags().get('test_start')}" for run in runs}
    chain = manager.chain
    entries = chain.entries()
    names |= {chain.links.root: "root"} | {entry.run_id: f"entry {entry.seq}" for entry in entries}
    ledger = [chain.recorder(entry) for entry in entries]
    text = json.dumps(
        {
            "entries": [json.loads(entry.to_json()) for entry in entries],
            "history": {
                str(day): {one.name_id: [run.id for run in found] for one, found in sets.items()}
                for day, sets in manager.history.items()
            },
            "told": manager.chain.book().history().drop(columns="recorded_at").astype(str).to_dict("records"),
            "online": [run.id for run in manager.strategies[0].tool.online_models()],
            "signals": rows(manager.get_signals()),
            "models": sorted((state(run) for run in runs if run.status == "FINISHED"), key=str),
            "others": sorted(run.status for run in runs if run.status != "FINISHED"),
            "ledger": [state(run) for run in ledger],
            "ledger_runs": len(chain.experiment.list_recorders()),
            "pointer": ridge.tags,
        }
    )
    for run_id, name in names.items():
        text = text.replace(run_id, name)
    return _without_times(json.loads(text))


def state(run):
    files = {}
    for name in sorted(set(run.list_artifacts()) - {"output.txt"}):
        if name.endswith((".pkl", ".parquet")):
            value = run.load_object(name)
            files[name] = rows(value) if isinstance(value, pd.DataFrame | pd.Series) else content(value)
        else:
            files[name] = "there"
    metrics = {key: value for key, value in run.list_metrics().items() if "second" not in key and "time" not in key}
    params = {key: value for key, value in run.list_params().items() if not key.startswith(("lease.", "cmd"))}
    tags = {key: value for key, value in run.list_tags().items() if not key.startswith(_VOLATILE)}
    task = run.list_tags().get("task_hash")
    found = {"name": run.name, "status": run.status, "task_hash": task}
    return found | {"files": files, "metrics": metrics, "params": params, "tags": tags}


def rows(frame):
    """A frame as text, and its numbers to the bit."""
    values = frame.to_frame() if isinstance(frame, pd.Series) else frame
    text = values.reset_index().to_json(date_format="iso", double_precision=15, default_handler=str)
    numbers = values.select_dtypes("number")
    return [text, hashlib.sha256(np.ascontiguousarray(numbers.to_numpy()).tobytes()).hexdigest()]


def content(value):
    """What a fitted model has learned, to the bit; of anything else its class."""
    learned = getattr(value, "estimator_", None)
    return [
        type(value).__name__,
        None if learned is None else [learned.coef_.tobytes().hex(), learned.intercept_.hex()],
    ]


def _without_times(value):
    if isinstance(value, dict):
        return {key: _without_times(one) for key, one in value.items() if key not in ("recorded_at", "by")}
    if isinstance(value, list):
        return [_without_times(one) for one in value]
    return value


def act(world, what, manager):
    """Do one operation to its end."""
    if what in ("routine", "held", "retry"):
        manager.routine(AFTER)
    elif what == "first_train":
        manager.first_train()
    elif what == "simulate":
        manager.simulate(AFTER)
    elif what == "routines":
        manager.first_train()
        manager.routine(BEFORE)


def child(work):
    """Run something in a process of its own; its exit code."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001  # the process ends here
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Host:
    """Runs jobs in children and notes what they find."""

    def __init__(self, folder, template):
        self.folder, self.template = Path(folder), template
        self.found = []

    def ready(self, trainer, what):
        """Make the state before the operation, and keep a copy of it."""
        world = World(self.folder / "world", trainer)
        shutil.rmtree(world.folder, ignore_errors=True)
        world.folder.mkdir()
        shutil.copyfile(self.template, world.folder / "mlflow.db")
        world.make(bad=what in ("held", "retry"))

        def prepare():
            world.open()
            act(world, "routines", world.manager())
            if what == "retry":
                act(world, "held", world.manager())

        if what in ("routine", "held", "retry"):
            assert child(prepare) == 0
        if what == "retry":
            world.make()
        world.heard()
        shutil.rmtree(self.folder / "kept", ignore_errors=True)
        shutil.copytree(world.folder, self.folder / "kept")
        return world

    def back(self, world):
        shutil.rmtree(world.folder)
        shutil.copytree(self.folder / "kept", world.folder)

    def note(self, name, value):
        (self.folder / f"{name}.json").write_text(json.dumps(value))

    def noted(self, name):
        return json.loads((self.folder / f"{name}.json").read_text())

    def kill_everywhere(self, trainer, what, step=1, last=None):
        """Kill an operation at each of its (last) writes, run it again, and compare with one that nobody disturbed."""
        world = self.ready(trainer, what)

        def undisturbed():
            world.open()
            doom = Doom(world.folder, -1)
            doom.begin()
            manager = world.manager()
            act(world, what, manager)
            self.note("writes", list(doom.seen))
            self.note("whole", {"dump": dump(world.manager()), "look": look()})

        assert child(undisturbed) == 0
        whole, writes = self.noted("whole"), self.noted("writes")
        whole["heard"] = world.heard()
        results = []
        for number in range(1 if last is None else len(writes) - last + 1, len(writes) + 1, step):
            self.back(world)
            code = child(lambda number=number: self._doomed(world, what, number))
            again = child(lambda: self._again(world, what))
            found = self.noted("again") if again == 0 else {}
            result = {"at": number, "what": writes[number - 1], "code": code, "again": again, "heard": world.heard()}
            results.append({**result, **found})
        return {"whole": whole, "writes": writes, "results": results}

    def _doomed(self, world, what, number):
        world.open()
        Doom(world.folder, number).begin()
        act(world, what, world.manager())

    def _again(self, world, what):
        world.open()
        seen = look()
        act(world, what, world.manager())
        self.note("again", {"look": seen, "dump": dump(world.manager())})

    def two_at_once(self, trainer, wait):
        """Start two routines at once; how they ended, and what there is then."""
        world = self.ready(trainer, "routine")

        def undisturbed():
            world.open()
            act(world, "routine", world.manager())
            self.note("whole", dump(world.manager()))

        assert child(undisturbed) == 0
        self.back(world)
        start = time.monotonic() + 0.3

        def one(name):
            world.open()
            manager = world.manager(wait=wait)
            time.sleep(max(0.0, start - time.monotonic()))
            try:
                entry = manager.routine(AFTER)
                self.note(name, entry.run_id)
            except rf.errors.OnlineBusyError as error:
                self.note(name, f"busy: {error}")

        pids = []
        for name in ("first", "second"):
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    one(name)
                    code = 0
                except BaseException:  # noqa: BLE001  # the process ends here
                    traceback.print_exc()
                finally:
                    sys.stderr.flush()
                    os._exit(code)
            pids.append(pid)
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]

        def after():
            world.open()
            self.note("after", dump(world.manager()))

        assert child(after) == 0
        said = [self.noted(name) for name in ("first", "second")]
        return {"codes": codes, "said": said, "whole": self.noted("whole"), "after": self.noted("after")}


if __name__ == "__main__":
    # NumPy has threads of its own, and Python 3.12 and later warns of them at a fork.
    warnings.filterwarnings("ignore", ".*multi-threaded.*", DeprecationWarning)
    gc.freeze()
    folder, out, template, jobs = sys.argv[1:]
    host = Host(folder, template)
    done = [getattr(host, name)(*given) for name, *given in json.loads(jobs)]
    Path(out).write_text(json.dumps(done))
