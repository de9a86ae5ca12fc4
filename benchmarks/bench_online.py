"""What a day of models that serve costs beside training, and a simulation against Qlib's OnlineManager.

    python benchmarks/bench_online.py                      # SQLite, and a real server on this machine
    python benchmarks/bench_online.py --oracle PYTHON      # ... and Qlib itself, in an interpreter that has pyqlib

A routine: 20 models are online and predict 500 instruments, nothing is trained; with ledgers of 10 and of 1,000
entries. A simulation: 250 sessions, a new model every 20; the same tasks, of Qlib's own classes, in both; what the
trainer takes is left out. Nothing here is a test: read the ratios, not the seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from rows import note

os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}

SESSIONS = pd.bdate_range("2018-01-01", "2020-12-31")
N_MODELS, N_INSTRUMENTS = 20, 500
FIRST, N_DAYS = "2020-01-06", 3
BEGIN, N_SIMULATED, STEP = "2019-06-03", 250, 20
MODEL = """
import numpy as np
import pandas as pd

class Table:
    def __init__(self, path):
        self.path = path

    def load(self, instruments=None, start_time=None, end_time=None):
        return pd.read_pickle(self.path).loc[start_time:end_time]

class Linear:
    def __init__(self, ridge=1.0):
        self.ridge = ridge

    def fit(self, dataset, reweighter=None):
        data = dataset.prepare("train", col_set=["feature", "label"], data_key="learn").dropna()
        x, y = data["feature"].to_numpy(), data["label"].to_numpy()[:, 0]
        self.beta = np.linalg.solve(x.T @ x + self.ridge * np.eye(x.shape[1]), x.T @ y)

    def predict(self, dataset, segment="test"):
        data = dataset.prepare(segment, col_set="feature", data_key="infer")
        return (data @ self.beta).rename("score")
"""


# -- a simulation, ours and Qlib's ----------------------------------------------------------------


def write_data(folder):
    """Features and a label of 100 instruments, as this pandas pickles them; and the model that both use."""
    rng = np.random.default_rng(0)
    rows = pd.MultiIndex.from_product([SESSIONS, [f"I{n:03d}" for n in range(100)]], names=["datetime", "instrument"])
    columns = pd.MultiIndex.from_tuples([*(("feature", f"F{n}") for n in range(8)), ("label", "L")])
    pd.DataFrame(rng.normal(size=(len(rows), 9)), rows, columns).to_pickle(folder / "data.pkl", protocol=4)
    (folder / "bench_online_model.py").write_text(MODEL)


def task(folder):
    loader = {"class": "Table", "module_path": "bench_online_model", "kwargs": {"path": str(folder / "data.pkl")}}
    handler = {
        "class": "DataHandlerLP",
        "module_path": "qlib.data.dataset.handler",
        "kwargs": {"start_time": "2018-01-01", "end_time": "2020-12-31", "data_loader": loader},
    }
    segments = {"train": ("2018-02-01", "2019-04-30"), "test": ("2019-05-06", "2019-06-28")}
    return {
        "model": {"class": "Linear", "module_path": "bench_online_model", "kwargs": {}},
        "dataset": {
            "class": "DatasetH",
            "module_path": "qlib.data.dataset",
            "kwargs": {"handler": handler, "segments": segments},
        },
        "record": [
            {
                "class": "SignalRecord",
                "module_path": "qlib.workflow.record_temp",
                "kwargs": {"dataset": "<DATASET>", "model": "<MODEL>"},
            }
        ],
    }


def simulate(manager_of, trainer_class, folds):
    """Seconds of a simulation, in all and in the trainer; its signals."""
    spent = [0.0]

    def timed(function):
        def call(*args, **kwargs):
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                spent[0] += time.perf_counter() - start

        return call

    owners = {name: next(cls for cls in trainer_class.__mro__ if name in vars(cls)) for name in ("train", "end_train")}
    kept = {name: vars(cls)[name] for name, cls in owners.items()}
    for name, cls in owners.items():
        setattr(cls, name, timed(kept[name]))
    try:
        end = SESSIONS[SESSIONS.get_loc(pd.Timestamp(BEGIN)) + N_SIMULATED - 1]
        manager = manager_of(trainer_class())
        start = time.perf_counter()
        manager.simulate(end_time=end)
        whole = time.perf_counter() - start
        signals = manager.get_signals()
    finally:
        for name, cls in owners.items():
            setattr(cls, name, kept[name])
    signals = signals if isinstance(signals, pd.Series) else signals.iloc[:, 0]
    signals = signals[~signals.index.duplicated()].sort_index().loc[BEGIN:end]
    return {
        "whole": whole,
        "training": spent[0],
        "folds": folds(manager),
        "n": len(signals),
        "sum": float(signals.abs().sum()),
    }


def qlib_figures(folder, trainer):
    """Runs in the oracle's Python."""
    write_data(folder)
    import qlib
    from qlib.data.data import D
    from qlib.model import trainer as trainers
    from qlib.workflow import R
    from qlib.workflow.online.manager import OnlineManager
    from qlib.workflow.online.strategy import RollingStrategy
    from qlib.workflow.task.gen import RollingGen

    manager = {
        "class": "MLflowExpManager",
        "module_path": "qlib.workflow.expm",
        "kwargs": {"uri": f"sqlite:///{folder}/qlib_{trainer}.db", "default_exp_name": "Experiment"},
    }
    qlib.init(provider_uri=str(folder), exp_manager=manager, logging_level=logging.ERROR)

    def calendar(start_time=None, end_time=None, freq="day", future=False):  # noqa: ARG001  Qlib's signature
        index = SESSIONS
        if start_time is not None:
            index = index[index >= pd.Timestamp(start_time)]
        if end_time is not None:
            index = index[index <= pd.Timestamp(end_time)]
        return np.array(list(index))

    D.register(SimpleNamespace(calendar=calendar))

    def manager_of(one):
        strategy = RollingStrategy("bench", [task(folder)], RollingGen(step=STEP, rtype=RollingGen.ROLL_SD))
        return OnlineManager([strategy], one, begin_time=BEGIN)

    return simulate(
        manager_of, getattr(trainers, trainer), lambda _: len(R.get_exp(experiment_name="bench").list_recorders())
    )


def our_figures(folder, trainer):
    write_data(folder)
    import rollforward as rf
    from rollforward.testing import create_store
    from rollforward.workflow import R
    from rollforward.workflow import trainer as trainers
    from rollforward.workflow.online.manager import OnlineManager
    from rollforward.workflow.online.strategy import RollingStrategy

    create_store(folder / f"ours_{trainer}.db")
    rf.init(uri=f"sqlite:///{folder}/ours_{trainer}.db", calendar=SESSIONS)

    def manager_of(one):
        rolling = rf.RollingGen(step=STEP, rtype="sliding", purge=0, handler_window="qlib")
        return OnlineManager([RollingStrategy("bench", [task(folder)], rolling)], one, BEGIN, name="simulation")

    return simulate(
        manager_of, getattr(trainers, trainer), lambda _: len(R.get_exp(experiment_name="bench").list_recorders())
    )


def in_a_process(python, what, folder, trainer):
    source = Path(__file__).resolve().parents[1] / "src"
    env = {**os.environ, "PYTHONPATH": str(folder) + (f"{os.pathsep}{source}" if what == "ours" else "")}
    done = subprocess.run(
        [python, __file__, "--inside", what, str(folder), trainer],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(f"  {what} failed: {done.stderr.strip().splitlines()[-1:]}")
        return None
    return json.loads(done.stdout.splitlines()[-1])


def report_simulation(folder, oracle):
    print(f"\nA simulation of {N_SIMULATED} sessions, a new model every {STEP}; seconds outside the trainer")
    for trainer in ("TrainerR", "DelayTrainerR"):
        ours = in_a_process(sys.executable, "ours", folder, trainer)
        theirs = in_a_process(oracle, "qlib", folder, trainer) if oracle else None
        for name, found in (("ours", ours), ("Qlib", theirs)):
            if found is not None:
                outside = found["whole"] - found["training"]
                print(
                    f"  {trainer:14} {name}: {outside:8.2f}   "
                    f"(in all {found['whole']:.2f}, training {found['training']:.2f}, "
                    f"{found['folds']} folds, {found['n']} signals, sum of sizes {found['sum']:.6f})"
                )
        if ours:
            outside = [found and found["whole"] - found["training"] for found in (ours, theirs)]
            note(f"{N_SIMULATED} simulated sessions outside training, {trainer}", outside[0], qlib=outside[1])
        if ours and theirs:
            ratio = (theirs["whole"] - theirs["training"]) / (ours["whole"] - ours["training"])
            print(f"  {trainer:14} Qlib takes {ratio:.1f} x as long outside the trainer")


# -- a routine ------------------------------------------------------------------------------------


def strategy_of(folder):
    from rollforward import RollingGen
    from rollforward.workflow.online.strategy import RollingStrategy

    kwargs = {"source": str(folder / "prices.parquet"), "features": ["REV1", "REV5", "MOM20", "VOL20"]}
    handler = {"class": "rollforward.PriceHandler", "kwargs": {**kwargs, "infer_processors": []}}
    segments = {"train": ("2018-06-01", "2019-11-29"), "test": ("2020-01-02", None)}
    dataset = {"class": "rollforward.DatasetH", "kwargs": {"handler": handler, "segments": segments}}
    models = [
        {
            "class": "rollforward.SklearnModel",
            "kwargs": {"estimator": "sklearn.linear_model.Ridge", "alpha": 10.0 * (n + 1)},
        }
        for n in range(N_MODELS)
    ]
    tasks = [{"model": model, "dataset": dataset, "record": ["SignalRecord"]} for model in models]
    return RollingStrategy("bench", tasks, RollingGen(step=250, rtype="sliding", purge=0))


@contextlib.contextmanager
def counted():
    """Requests to the server, or statements to the database."""
    import requests
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    found = {"requests": 0, "statements": 0}
    send = requests.Session.send

    def counting(self, *args, **kwargs):
        found["requests"] += 1
        return send(self, *args, **kwargs)

    def statement(*_):
        found["statements"] += 1

    requests.Session.send = counting
    event.listen(Engine, "before_cursor_execute", statement)
    try:
        yield found
    finally:
        requests.Session.send = send
        event.remove(Engine, "before_cursor_execute", statement)


def lengthen(uri, n_entries):
    """Let the ledger have so many entries: those of days that nobody has to wait for."""
    import rollforward as rf
    from rollforward.workflow.online.ledger.chain import Chain

    rf.init(uri=uri)
    chain = Chain.open("online")
    head = chain.head()
    plain = {"publications": (), "trained": (), "switches": ()}
    while head.seq + 1 < n_entries:
        with chain.begin(head.kind, head.session) as draft:
            head = draft.commit(replace(head, **plain, seq=-1, recorded_at=None, by="", previous=None, run_id=""))


def report_routine(title, folder, uri, database):
    import rollforward as rf
    from rollforward.data.calendar import Calendar
    from rollforward.workflow.online.manager import OnlineManager

    days = SESSIONS[SESSIONS.get_loc(pd.Timestamp(FIRST)) :]
    rf.init(uri=uri, calendar=Calendar(SESSIONS, days[0]))
    OnlineManager(strategy_of(folder), name="online").first_train()
    OnlineManager.load(name="online").routine()
    print(f"\nA routine without training, {title}: {N_MODELS} models, {N_INSTRUMENTS} instruments")
    done = 0
    for n_entries in (10, 1000):
        lengthen(database, n_entries)
        seconds, counts = [], []
        for _ in range(N_DAYS):
            done += 1
            rf.init(uri=uri, calendar=Calendar(SESSIONS, days[done]))
            manager = OnlineManager.load(name="online")
            with counted() as found:
                start = time.perf_counter()
                entry = manager.routine()
                seconds.append(time.perf_counter() - start)
            counts.append(found)
            if entry.session != days[done] or entry.publications[-1].n_rows != N_INSTRUMENTS:
                raise SystemExit(f"The routine did something else: {entry}")
        what = "requests" if uri.startswith("http") else "statements"
        n_asked = statistics.median(found[what] for found in counts)
        note(f"a day of {N_MODELS} models, {n_entries} entries, {title}", statistics.median(seconds))
        print(f"  ledger of {n_entries:5} entries: {statistics.median(seconds):6.2f} s, {n_asked:.0f} {what}")


def write_prices(folder):
    rng = np.random.default_rng(1)
    steps = rng.normal(0, 0.02, (len(SESSIONS), N_INSTRUMENTS))
    prices = pd.DataFrame(100 * np.exp(steps.cumsum(0)), SESSIONS, [f"I{n:03d}" for n in range(N_INSTRUMENTS)])
    prices.index.name = "date"
    prices.to_parquet(folder / "prices.parquet")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--oracle", metavar="PYTHON", help="an interpreter that has pyqlib: scripts/oracle makes one")
    parser.add_argument("--only", choices=("routine", "simulation"))
    parser.add_argument("--stores", nargs="+", choices=("local", "server"), default=("local", "server"))
    parser.add_argument("--inside", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    logging.getLogger().setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    if options.inside:
        what, folder, trainer = options.inside
        figures = our_figures if what == "ours" else qlib_figures
        print(json.dumps(figures(Path(folder), trainer)))
        return
    oracle = str(Path(options.oracle).absolute()) if options.oracle else None
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        os.chdir(folder)
        os.environ["ROLLFORWARD_SPOOL_DIR"] = str(folder / "spool")
        os.environ["ROLLFORWARD_CACHE_DIR"] = str(folder / "cache")
        if options.only != "simulation":
            from tracking import stores

            write_prices(folder)
            if "local" in options.stores:
                uri = stores.database(folder)
                report_routine("a local SQLite store", folder, uri, uri)
            if "server" in options.stores:
                uri = stack.enter_context(stores.server(folder))
                report_routine("an MLflow server", folder, uri, f"sqlite:///{folder}/server.db")
        if options.only != "routine":
            report_simulation(folder, oracle)
        os.chdir("/")


if __name__ == "__main__":
    main()
