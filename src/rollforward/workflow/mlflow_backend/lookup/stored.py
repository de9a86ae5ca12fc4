"""Experiments as MLflow stores them: listed, read, created, deleted and brought back."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from rollforward.errors import ExpAlreadyExistError, ExperimentNotFoundError
from rollforward.settings.masking import mask_credentials
from rollforward.workflow.mlflow_backend.lookup.search import search_runs
from rollforward.workflow.mlflow_backend.store.address import OFFLINE_ID, is_offline
from rollforward.workflow.mlflow_backend.store.client import (
    NOT_FOUND,
    REFUSED,
    artifact_root,
    client_for,
    database_file,
    error_code,
    is_database,
    mapped,
)

if TYPE_CHECKING:
    from mlflow.entities import Experiment as Stored
    from mlflow.entities import Run

_PAGE = 1000
_SLUG = 60
_KEPT = 400
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_DELETED = re.compile(r"(?P<name>.*) \[deleted \d+\]", re.DOTALL)


def list_stored(uri: str, view: int = ViewType.ACTIVE_ONLY) -> list[Stored]:
    """List the experiments of a store, all pages of them."""
    client, token = client_for(uri), None
    found: list[Stored] = []
    while True:
        with mapped("list experiments"):
            page = client.search_experiments(view, max_results=_PAGE, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def read_stored(uri: str, experiment_id: str | None, name: str | None) -> Stored | None:
    """Read an experiment by id, else by name; one in the trash too."""
    client = client_for(uri)
    with mapped(f"look up experiment {name if experiment_id is None else experiment_id!r}"):
        if experiment_id is None:
            return client.get_experiment_by_name(str(name))
        try:
            return client.get_experiment(str(experiment_id))
        except MlflowException as error:
            if error_code(error) in NOT_FOUND | REFUSED:
                return None
            raise


def create_stored(
    uri: str, name: str, root: str | None, *, like: str | None = None, tags: dict[str, str] | None = None
) -> str:
    """Create an experiment and return its id.

    Parameters
    ----------
    uri
        The store.
    name
        Its name.
    root
        Where experiments put their artifacts, as in the settings.
    like
        The name that the folder of its artifacts follows; ``None`` is its own.
    tags
        Its first tags.

    Raises
    ------
    ExpAlreadyExistError
        If the name is taken; if by an experiment in the trash, it names the choice there is.
    """
    try:
        with mapped(f"create experiment {name!r}"):
            place = _location(uri, like or name, root)
            created: str = client_for(uri).create_experiment(name, artifact_location=place, tags=tags)
    except ExpAlreadyExistError as error:
        stored = read_stored(uri, None, name)
        if stored is None or stored.lifecycle_stage != "deleted":
            raise
        raise in_trash(stored) from error
    return created


def ensure_stored(uri: str, name: str, root: str | None) -> str:
    """Return the id of the experiment of a name; it is created if there is none."""
    stored = read_stored(uri, None, name)
    if stored is None:
        try:
            return create_stored(uri, name, root)
        except ExpAlreadyExistError:
            # Another process was faster; only an experiment in the trash leaves nothing to find.
            stored = read_stored(uri, None, name)
            if stored is None:
                raise
    if stored.lifecycle_stage == "deleted":
        raise in_trash(stored)
    return str(stored.experiment_id)


def in_trash(stored: Stored) -> ExpAlreadyExistError:
    """Build the error for a name that an experiment in MLflow's trash holds."""
    return ExpAlreadyExistError(
        f"Experiment {stored.name!r} is in MLflow's trash, and its name with it.",
        "a name that is free.",
        f"Bring it back with its runs: R.restore_exp(experiment_id={stored.experiment_id!r}), or mlflow "
        f"experiments restore --experiment-id {stored.experiment_id}; or choose another name.",
    )


def delete_stored(uri: str, experiment_id: str, name: str) -> None:
    """Move an experiment into the trash. It is renamed first, because MLflow keeps the name of what is in there."""
    client = client_for(uri)
    with mapped(f"delete experiment {name!r}"):
        client.rename_experiment(experiment_id, f"{name[:_KEPT]} [deleted {experiment_id}]")
        client.delete_experiment(experiment_id)


def restore_stored(uri: str, experiment_id: str | None, name: str | None) -> Stored:
    """Bring an experiment back from the trash, under the name that it had.

    Parameters
    ----------
    uri
        The store.
    experiment_id
        Wins over a name.
    name
        The last one of this name that was deleted.

    Raises
    ------
    ExperimentNotFoundError
        If there is no such experiment in the trash.
    ExpAlreadyExistError
        If another experiment has the name now.
    """
    stored = _deleted(uri, experiment_id, name)
    original = name_before(stored.name)
    taken = read_stored(uri, None, original) if original != stored.name else None
    if taken is not None:
        raise ExpAlreadyExistError(
            f"Experiment {stored.experiment_id} cannot be called {original!r} again: another one is.",
            "a name that is free.",
            f"Delete or rename experiment {taken.experiment_id} first.",
        )
    client = client_for(uri)
    with mapped(f"restore experiment {original!r}"):
        client.restore_experiment(stored.experiment_id)
        if original != stored.name:
            client.rename_experiment(stored.experiment_id, original)
        return client.get_experiment(stored.experiment_id)


def name_before(name: str) -> str:
    """Return the name that a deleted experiment had."""
    match = _DELETED.fullmatch(name)
    return match["name"] if match else name


def find_uploaded(uri: str, offline_id: str) -> Run | None:
    """Find the run that has this id in the store it was uploaded from, among all that are not deleted."""
    if not _RUN_ID.fullmatch(offline_id):
        return None
    ids = [stored.experiment_id for stored in list_stored(uri)]
    wanted = f"tags.{OFFLINE_ID} = '{offline_id}'"
    return next(search_runs(uri, ids, filter_string=wanted, max_results=1), None) if ids else None


def _deleted(uri: str, experiment_id: str | None, name: str | None) -> Stored:
    if experiment_id is not None:
        stored = read_stored(uri, experiment_id, None)
        found = [stored] if stored is not None and stored.lifecycle_stage == "deleted" else []
    else:
        trash = list_stored(uri, ViewType.DELETED_ONLY)
        found = [item for item in trash if name in (item.name, name_before(item.name))]
    if not found:
        called = f"with id {experiment_id!r}" if experiment_id is not None else f"named {name!r}"
        raise ExperimentNotFoundError(
            f"There is no experiment {called} in the trash of {mask_credentials(uri)}.", "one that was deleted."
        )
    return max(found, key=lambda item: (item.last_update_time or 0, int(item.experiment_id)))


def _location(uri: str, name: str, root: str | None) -> str | None:
    if root is None or is_offline(uri):
        database = database_file(uri)
        if database is None:
            return None
        root = artifact_root(database).as_uri()
    elif not is_database(uri):
        # Behind a server, a folder of this machine would mean one of the server's.
        return None
    elif "://" not in root:
        root = Path(root).absolute().as_uri()
    return f"{root.rstrip('/')}/{_slug(name)}"


def _slug(name: str) -> str:
    """Spell a name as one readable folder; two names may share one, because runs have folders of their own."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-.")[:_SLUG] or "experiment"
