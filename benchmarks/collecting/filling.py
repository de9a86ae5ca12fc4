"""Runs as a rolling job leaves them: tags of their segments and contents, params, metrics, a prediction."""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import sqlite3
import uuid
import zlib

DAYS, INSTRUMENTS = 20, 100
MONTHS = 1000
FOLDS, MANY = "folds", "many"
TAG = "mlflow.rollforward.sha256.pred.pkl"


def prediction(number):
    """One month of 100 instruments."""
    import numpy as np
    import pandas as pd

    dates = pd.bdate_range("2000-01-03", periods=DAYS) + pd.Timedelta(days=28 * number)
    index = pd.MultiIndex.from_product(
        [dates, [f"I{n:03d}" for n in range(INSTRUMENTS)]], names=["datetime", "instrument"]
    )
    scores = np.random.default_rng(number).normal(size=len(index))
    return pickle.dumps(pd.DataFrame({"score": scores}, index=index), protocol=5)


def tags_of(number):
    """The tags of fold ``number``: one month after the other."""
    import pandas as pd

    # Again from the beginning after so many: pandas 2 counts nanoseconds, which end in 2262.
    start = pd.Timestamp("2000-01-03") + pd.Timedelta(days=28 * (number % MONTHS))
    end = start + pd.Timedelta(days=27)
    return {
        "model": "Ridge",
        "task_hash": f"{number:064x}",
        "train_start": "1990-01-02",
        "train_end": f"{start - pd.Timedelta(days=3):%Y-%m-%d}",
        "test_start": f"{start:%Y-%m-%d}",
        "test_end": f"{end:%Y-%m-%d}",
    }


def fill(uri, folder, options, *, is_server=False):
    """Make two experiments through the database: folds with predictions, and many runs without."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)

    def experiment(name):
        place = f"mlflow-artifacts:/{name}" if is_server else (folder / name).as_uri()
        return place, client.create_experiment(name, artifact_location=place)

    place, folds = experiment(FOLDS)
    contents = [prediction(number) for number in range(options.folds)]
    hashes = [f"{hashlib.sha256(each).hexdigest()}:{zlib.crc32(each):08x}:{len(each)}" for each in contents]
    runs = _copies(client, uri, folds, place, [{TAG: text} for text in hashes])
    for run, content in zip(runs, contents, strict=True):
        target = folder / FOLDS / run / "artifacts"
        target.mkdir(parents=True)
        (target / "pred.pkl").write_bytes(content)
    place, many = experiment(MANY)
    _copies(client, uri, many, place, [{} for _ in range(options.runs)])


def _copies(client, uri, experiment, place, tags):
    """Make one run through MLflow, and copies of its rows with other tags: minutes faster than as many runs."""
    from mlflow.entities import Metric, Param

    made = client.create_run(experiment, tags=tags[0] | tags_of(0), run_name="fold").info.run_id
    metrics = [Metric(name, 0.1, 1_700_000_000_000, 0) for name in ("IC", "ICIR", "Rank IC", "Rank ICIR")]
    client.log_batch(made, metrics, [Param(f"model.kwargs.p{n}", str(n)) for n in range(10)])
    client.set_terminated(made)
    with contextlib.closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as database, database:
        database.row_factory = sqlite3.Row
        rows = {
            table: _rows(database, table, made) for table in ("runs", "tags", "params", "metrics", "latest_metrics")
        }
        runs = [made]
        for number in range(1, len(tags)):
            runs.append(uuid.uuid4().hex)
            own = tags[number] | tags_of(number)
            for table, found in rows.items():
                for row in found:
                    changed = row | {"run_uuid": runs[-1]}
                    if table == "runs":
                        where = f"{place}/{runs[-1]}/artifacts"
                        changed |= {"start_time": row["start_time"] + number, "artifact_uri": where}
                    if table == "tags":
                        changed["value"] = own.get(row["key"], row["value"])
                    names = ", ".join(f'"{name}"' for name in changed)
                    marks = ", ".join("?" * len(changed))
                    database.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(changed.values()))  # noqa: S608
        return runs


def _rows(database, table, run):
    return [dict(row) for row in database.execute(f"SELECT * FROM {table} WHERE run_uuid = ?", [run])]  # noqa: S608
