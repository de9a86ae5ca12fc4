"""A new run in an SQLite store, by two statements of our own in place of MLflow's dozen; see `sqlite`."""

from __future__ import annotations

import logging
import time
import uuid
from typing import TYPE_CHECKING, Any

from mlflow.entities import LifecycleStage, Run, RunData, RunInfo, RunStatus, RunTag
from mlflow.utils.uri import append_to_uri_path

from rollforward.workflow.mlflow_backend.write.sqlite import engine_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection

logger = logging.getLogger(__name__)

_NAME = "mlflow.runName"
_USER, _UNKNOWN = "mlflow.user", "unknown"
_FOLDER = "artifacts"
_EXPERIMENT = "SELECT artifact_location FROM experiments WHERE experiment_id = ? AND lifecycle_stage = 'active'"
# All that MLflow writes; a database with further columns that must not be empty refuses it.
_RUN = (
    "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time,"
    " source_version, lifecycle_stage, artifact_uri, experiment_id)"
    " VALUES (?, ?, 'UNKNOWN', '', '', ?, ?, ?, '', ?, ?, ?)"
)
_TAG = "INSERT INTO tags (run_uuid, key, value) VALUES (?, ?, ?)"
_TRIGGER = "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'runs'"


def create_run(store: Any, experiment_id: str, name: str, tags: Mapping[str, str]) -> Run | None:
    """Create a run as MLflow does, if the store is an SQLite database as it is known here.

    Returns
    -------
    Run or None
        ``None`` if it is not created: MLflow's own way does it, or says why not.
    """
    engine = engine_of(store)
    if engine is None or _NAME in tags or not experiment_id.isdigit() or not name:
        return None
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  # loaded already, or there is no such store

    try:
        with engine.connect() as connection:
            run = _inserted(connection, experiment_id, name, tags)
            if run is not None:
                connection.commit()
            return run
    except SQLAlchemyError as error:
        logger.debug("Left to MLflow: %s", error)
        return None


def _inserted(connection: Connection, experiment_id: str, name: str, tags: Mapping[str, str]) -> Run | None:
    address = connection.exec_driver_sql(_EXPERIMENT, (int(experiment_id),)).scalar()
    if address is None or connection.exec_driver_sql(_TRIGGER).first() is not None:
        return None
    run_id = uuid.uuid4().hex
    info = RunInfo(
        run_id=run_id,
        experiment_id=experiment_id,
        user_id=tags.get(_USER, _UNKNOWN),
        status=RunStatus.to_string(RunStatus.RUNNING),
        start_time=time.time_ns() // 1_000_000,
        end_time=None,
        lifecycle_stage=LifecycleStage.ACTIVE,
        artifact_uri=append_to_uri_path(address, run_id, _FOLDER),  # type: ignore[no-untyped-call]  # MLflow's
        run_name=name,
    )
    texts = {**tags, _NAME: name}
    about = info.user_id, info.status, info.start_time, info.lifecycle_stage, info.artifact_uri, int(experiment_id)
    connection.exec_driver_sql(_RUN, (run_id, name, *about))
    connection.exec_driver_sql(_TAG, [(run_id, key, text) for key, text in texts.items()])
    return Run(info, RunData(tags=[RunTag(key, text) for key, text in texts.items()]))
