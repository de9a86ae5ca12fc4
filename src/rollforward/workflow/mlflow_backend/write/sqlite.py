"""Points, params and tags into an SQLite store by statements of our own.

MLflow writes each point as an object of its own, at about 80 us of Python, and lets go of the interpreter between any
two: beside a thread that computes, it gets one turn in 5 ms. Here everything is a few statements in one transaction,
into MLflow's own tables and with MLflow's own meaning: a point that is there already is kept once, the latest value is
the one of the greatest step, time and value, and a param keeps its value. Whatever is not exactly as expected is left
to MLflow.
"""

from __future__ import annotations

import logging
import math
import sqlite3
import sys
import weakref
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection, Engine

logger = logging.getLogger(__name__)

# Key, value, time in milliseconds since 1970, step.
Point = tuple[str, float, int, int]

_Row = tuple[str, str, float, int, int, int]
_NONE: Mapping[str, str] = MappingProxyType({})

_COLUMNS = {"run_uuid", "key", "value", "timestamp", "step", "is_nan"}
_TEXT_COLUMNS = {"key", "value", "run_uuid"}
_TABLES = {
    "metrics": (_COLUMNS, _COLUMNS),
    "latest_metrics": (_COLUMNS, {"key", "run_uuid"}),
    "params": (_TEXT_COLUMNS, {"key", "run_uuid"}),
    "tags": (_TEXT_COLUMNS, {"key", "run_uuid"}),
}
# More than a tag: MLflow renames the run.
_RUN_NAME = "mlflow.runName"
# Before it, a statement has at most 999 parameters.
_OLDEST = (3, 32, 0)
_ROWS = 1000
_BUSY = "PRAGMA busy_timeout = 20000"
_TRIGGERS = "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?"
_STAGE = "SELECT lifecycle_stage FROM runs WHERE run_uuid = ?"
_INTO = "(run_uuid, key, value, timestamp, step, is_nan) VALUES"
_PLACES = "(?,?,?,?,?,?)"
_METRICS = f"INSERT INTO metrics {_INTO}", "ON CONFLICT DO NOTHING"
_LATEST = (
    f"INSERT INTO latest_metrics {_INTO}",
    (
        "ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp,"
        " step = excluded.step, is_nan = excluded.is_nan"
        " WHERE (excluded.step, excluded.timestamp, excluded.value)"
        " > (latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)"
    ),
)

_PARAMS = "INSERT INTO params (run_uuid, key, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_KEPT = "SELECT key, value FROM params WHERE run_uuid = ?"
_TAGS = (
    "INSERT INTO tags (run_uuid, key, value) VALUES (?, ?, ?)"
    " ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value"
)

_END = "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ? AND lifecycle_stage = 'active'"

_known: weakref.WeakKeyDictionary[Engine, bool] = weakref.WeakKeyDictionary()


def insert(
    store: Any,
    run_id: str,
    points: Sequence[Point] = (),
    params: Mapping[str, str] = _NONE,
    tags: Mapping[str, str] = _NONE,
    end: tuple[str, int] | None = None,
) -> bool:
    """Write points, params, tags and the end of a run, if the store is an SQLite database as it is known here.

    Parameters
    ----------
    store, run_id, points, params, tags
        What is written, and where.
    end
        Status and time, in milliseconds since 1970; ``None``: the run goes on, or has ended.

    Returns
    -------
    bool
        Whether they are written; if not, nothing is, and MLflow's own way says why it cannot be.
    """
    engine = engine_of(store)
    if engine is None or _RUN_NAME in tags:
        return False
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  # loaded already, or there is no such store

    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(_BUSY)
            for first in range(0, len(points), _ROWS):
                _insert(connection, run_id, points[first : first + _ROWS])
            is_taken = _insert_params(connection, run_id, params)
            _execute(connection, _TAGS, run_id, tags)
            if end is not None:
                connection.exec_driver_sql(_END, (*end, run_id))
            if not is_taken or connection.exec_driver_sql(_STAGE, (run_id,)).scalar() != "active":
                connection.rollback()
                return False
            connection.commit()
    except SQLAlchemyError as error:
        logger.debug("Left to MLflow: %s", error)
        return False
    return True


def _insert(connection: Connection, run_id: str, points: Sequence[Point]) -> None:
    rows = [_row(run_id, point) for point in points]
    latest: dict[str, _Row] = {}
    for row in rows:
        before = latest.get(row[1])
        if before is None or (row[4], row[3], row[2]) > (before[4], before[3], before[2]):
            latest[row[1]] = row
    for start, end, chosen in ((*_METRICS, rows), (*_LATEST, list(latest.values()))):
        # Numbered parameters would be looked up by name, each through the whole list.
        values = ",".join([_PLACES] * len(chosen))
        connection.exec_driver_sql(f"{start} {values} {end}", tuple(chain.from_iterable(chosen)))


def _insert_params(connection: Connection, run_id: str, params: Mapping[str, str]) -> bool:
    """Write params; ``False`` if one has another value already."""
    if not params:
        return True
    _execute(connection, _PARAMS, run_id, params)
    kept: dict[str, str] = {key: value for key, value in connection.exec_driver_sql(_KEPT, (run_id,)).all()}  # noqa: C416  # rows
    return all(kept[key] == value for key, value in params.items())


def _execute(connection: Connection, statement: str, run_id: str, texts: Mapping[str, str]) -> None:
    if texts:
        connection.exec_driver_sql(statement, [(run_id, key, value) for key, value in texts.items()])


def _row(run_id: str, point: Point) -> _Row:
    key, value, time, step = point
    if math.isfinite(value):
        return run_id, key, value, time, step, 0
    if math.isnan(value):
        return run_id, key, 0.0, time, step, 1
    return run_id, key, math.copysign(sys.float_info.max, value), time, step, 0


def engine_of(store: Any) -> Engine | None:
    """Return the engine of a store whose tables are those that are written here."""
    engine: Engine | None = getattr(store, "engine", None)
    if engine is None or engine.dialect.driver != "pysqlite":
        return None
    is_known = _known.get(engine)
    if is_known is None:
        is_known = _known[engine] = _is_as_expected(store, engine)
    return engine if is_known else None


def _is_as_expected(store: Any, engine: Engine) -> bool:
    # A subclass may mean something else by a run.
    if type(store).__name__ != "SqlAlchemyStore" or sqlite3.sqlite_version_info < _OLDEST:
        return False
    with engine.connect() as connection:
        for table, (names, key) in _TABLES.items():
            columns = connection.exec_driver_sql(f"PRAGMA table_info({table})").all()
            if {column[1] for column in columns} != names:
                return False
            if {column[1] for column in columns if column[5]} != key:
                return False
            if connection.exec_driver_sql(_TRIGGERS, (table,)).first() is not None:
                return False
    return True
