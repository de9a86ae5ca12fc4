"""Models of ``mlflow.<flavour>.log_model``: MLflow keeps them beside the runs that made them, not inside."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from mlflow.entities import LoggedModelOutput, LoggedModelStatus

from rollforward.workflow.mlflow_backend.artifacts.access import local_folder
from rollforward.workflow.mlflow_backend.store.address import OFFLINE_ID
from rollforward.workflow.mlflow_backend.store.client import artifact_root, client_for, database_file, mapped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mlflow.entities import Experiment as Stored
    from mlflow.entities import LoggedModel, Run

_PAGE = 50
# Experiment, "models", model and "artifacts".
_DEPTH = 4


def models_of(uri: str, experiments: Sequence[Stored]) -> dict[str, list[LoggedModel]]:
    """List the finished models of experiments, by the run that made them."""
    ids = [stored.experiment_id for stored in experiments]
    found: dict[str, list[LoggedModel]] = defaultdict(list)
    token: Any = None
    while ids:
        with mapped("list the models"):
            page = client_for(uri).search_logged_models(ids, max_results=_PAGE, page_token=token)
        for model in page:
            if model.source_run_id and model.status in (LoggedModelStatus.READY, LoggedModelStatus.FAILED):
                found[model.source_run_id].append(model)
        token = page.token
        if not token:
            break
    return found


def send_model(uri: str, model: LoggedModel, target: str, run: Run, there: Run) -> None:
    """Upload one model; one that is there already, whole or in part, is completed.

    Parameters
    ----------
    uri
        The store that it is in.
    model
        The model.
    target
        The other store.
    run, there
        The run that made it, here and there.
    """
    client = client_for(target)
    home, run_id = there.info.experiment_id, there.info.run_id
    with mapped(f"upload model {model.name!r}"):
        copies = client.search_logged_models([home], filter_string=f"tags.{OFFLINE_ID} = '{model.model_id}'")
        copy = next(iter(copies), None) or client.create_logged_model(
            home,
            name=model.name,
            source_run_id=run_id,
            tags={**model.tags, OFFLINE_ID: model.model_id},
            params=dict(model.params),
            model_type=model.model_type,
        )
        folder = _folder(uri, model)
        if folder is not None and folder.is_dir():
            client.log_model_artifacts(copy.model_id, str(folder))
        client.finalize_logged_model(copy.model_id, model.status)
        outputs = getattr(run.outputs, "model_outputs", None) or []
        steps = [item.step for item in outputs if item.model_id == model.model_id]
        if steps:
            client.log_outputs(run_id, [LoggedModelOutput(copy.model_id, step) for step in steps])


def _folder(uri: str, model: LoggedModel) -> Path | None:
    folder, database = local_folder(model.artifact_location), database_file(uri)
    if folder is None or database is None:
        return folder
    beside = artifact_root(database).joinpath(*folder.parts[-_DEPTH:])
    return beside if beside.is_dir() else folder
