"""Experiments that appear whole, as a file does that is written beside its place and then renamed."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException

from rollforward.errors import ExpAlreadyExistError, TrackingError
from rollforward.workflow.mlflow_backend.lookup.stored import create_stored, delete_stored, in_trash, read_stored
from rollforward.workflow.mlflow_backend.store.client import client_for, is_away, mapped
from rollforward.workflow.mlflow_backend.values import check_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow.entities import Experiment as Stored

logger = logging.getLogger(__name__)

# Of an experiment's tag in MLflow 3.10; later ones take more.
MAX_EXPERIMENT_TAG = 5000


def checked_tags(tags: Mapping[str, Any], limit: int) -> dict[str, str]:
    """Return tags as texts.

    Raises
    ------
    TrackingError
        For one that the store would refuse or cut.
    """
    check_keys(tags, "tag")
    texts = {key: str(value) for key, value in tags.items()}
    for key, text in texts.items():
        if len(text) > limit:
            raise TrackingError(f"The tag {key!r} has {len(text)} characters.", f"at most {limit}.")
    return texts


def set_experiment_tags(uri: str, experiment_id: str, tags: Mapping[str, Any]) -> None:
    """Set tags of an experiment, one by one."""
    for key, text in checked_tags(tags, MAX_EXPERIMENT_TAG).items():
        with mapped(f"set tag {key!r} of experiment {experiment_id}"):
            _set(uri, experiment_id, key, text)


def _set(uri: str, experiment_id: str, key: str, text: str) -> None:
    client = client_for(uri)
    try:
        client.set_experiment_tag(experiment_id, key, text)
    except MlflowException as error:
        if is_away(error):
            raise
        # Two who set a new tag at once both insert it: now it is there. Any other reason comes again.
        client.set_experiment_tag(experiment_id, key, text)


def create_interim(uri: str, name: str, root: str | None, tags: Mapping[str, str]) -> Stored:
    """Create an experiment under a name that nobody else thinks of.

    Parameters
    ----------
    uri
        The store.
    name
        The name that it is made for.
    root
        Where experiments put their artifacts, as in the settings.
    tags
        Its first tags.
    """
    stored = read_stored(uri, None, name)
    if stored is not None and stored.lifecycle_stage == "deleted":
        raise in_trash(stored)
    texts = checked_tags(tags, MAX_EXPERIMENT_TAG)
    created = create_stored(uri, f"{name} [new {uuid.uuid4().hex}]", root, like=name, tags=texts)
    interim = read_stored(uri, created, None)
    if interim is None:
        raise ExpAlreadyExistError(f"Experiment {created}, made for {name!r}, is gone.", remedy="Try again.")
    return interim


def call_it(uri: str, interim: Stored, name: str) -> bool:
    """Give an experiment its name; ``False`` if another one has it."""
    try:
        with mapped(f"call experiment {interim.experiment_id} {name!r}"):
            client_for(uri).rename_experiment(interim.experiment_id, name)
    except TrackingError:
        stored = read_stored(uri, None, name)
        if stored is None:
            raise
        if stored.lifecycle_stage == "deleted":
            raise in_trash(stored) from None
        return bool(stored.experiment_id == interim.experiment_id)
    return True


def drop_interim(uri: str, interim: Stored) -> None:
    """Move an experiment that did not get its name into the trash."""
    try:
        delete_stored(uri, interim.experiment_id, interim.name)
    except TrackingError as error:
        logger.warning("Experiment %r is left over: %s", interim.name, error)
