"""What is done to a run beside logging: its name, its data, its tags, its end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from mlflow.entities import RunStatus
from mlflow.exceptions import MlflowException

from rollforward.errors import TrackingError
from rollforward.workflow.mlflow_backend.store.client import client_for, store_of
from rollforward.workflow.mlflow_backend.store.store_errors import NOT_FOUND, error_code, mapped
from rollforward.workflow.mlflow_backend.write import sqlite
from rollforward.workflow.mlflow_backend.write.sending import Request, Sender, tag

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rollforward.workflow.mlflow_backend.artifacts.access import Artifacts
    from rollforward.workflow.mlflow_backend.write.refused import Refused

logger = logging.getLogger(__name__)

LOGGING_ERRORS = "logging_errors"


class Operations:
    """Changes one run.

    Parameters
    ----------
    uri
        The store.
    run_id
        The run.
    artifacts
        Gives the artifacts of the run.
    """

    def __init__(self, uri: str, run_id: str, artifacts: Callable[[], Artifacts]) -> None:
        self._uri = uri
        self._run_id = run_id
        self._artifacts = artifacts

    def rename(self, name: str) -> None:
        """Give the run another name."""
        with mapped(f"rename run {self._run_id}"):
            client_for(self._uri).update_run(self._run_id, name=name)

    def delete_tags(self, keys: list[str]) -> None:
        """Remove tags; one that is not there is no error."""
        for key in keys:
            with mapped(f"delete tag {key!r} of run {self._run_id}"):
                try:
                    client_for(self._uri).delete_tag(self._run_id, key)
                except MlflowException as error:
                    if error_code(error) not in NOT_FOUND:
                        raise

    def log_input(self, note: Mapping[str, Any]) -> None:
        """Note what data the run works on: what a data set is made of, and tags."""
        from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415  # rarely needed

        tags = [InputTag(key, value) for key, value in note["tags"].items()]
        with mapped(f"note data of run {self._run_id}"):
            client_for(self._uri).log_inputs(self._run_id, [DatasetInput(Dataset(**note["dataset"]), tags)])

    def end(self, status: str, milliseconds: int) -> None:
        """Write the status, and the time of the end in milliseconds since 1970."""
        with mapped(f"end run {self._run_id}"):
            number, store = RunStatus.from_string(status), store_of(client_for(self._uri))
            if not sqlite.insert(store, self._run_id, end=(RunStatus.to_string(number), milliseconds)):
                store.update_run_info(self._run_id, number, milliseconds, None)

    def note(self, refused: Refused) -> None:
        """Keep with the run what the store did not take."""
        try:
            with mapped(f"log to run {self._run_id}"):
                sender = Sender(self._uri, self._run_id, patience=0)
                sender.send(Request([], [], [tag(LOGGING_ERRORS, refused.summary)]))
            self._artifacts().put_texts({f"{LOGGING_ERRORS}.txt": refused.text})
        except TrackingError as reason:
            logger.warning("What the store refused is not noted in run %s: %s", self._run_id, reason)
