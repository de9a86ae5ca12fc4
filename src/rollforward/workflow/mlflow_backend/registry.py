"""MLflow's model registry: an alias of a registered model, and the versions that it points at."""

from __future__ import annotations

import logging
import tempfile
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException

from rollforward._version import __version__
from rollforward.workflow.mlflow_backend.store.client import NOT_FOUND, REFUSED, client_for, error_code, mapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlflow import MlflowClient

    from rollforward.workflow.mlflow_backend.run.recorder import MLflowRecorder

RECORDER = "rollforward.recorder_id"
_FOLDER, _DATA = "served", "data"
_ADVICE = "mlflow.utils.requirements_utils"
_EXISTS = "RESOURCE_ALREADY_EXISTS"


@dataclass(frozen=True)
class Candidate:
    """A model that is to be a version.

    Parameters
    ----------
    recorder
        The run that holds it.
    artifacts
        The files of the run that belong to it.
    tags
        Of the version; they change when it serves anew.
    """

    recorder: MLflowRecorder
    artifacts: tuple[str, ...]
    tags: Mapping[str, str]

    @property
    def all_tags(self) -> dict[str, str]:
        """The tags, with the one that names the run."""
        return {RECORDER: self.recorder.require_id(), **self.tags}


class RegisteredModel:
    """One registered model.

    Parameters
    ----------
    uri
        The tracking store; the registry is in the same place, unless MLflow is told otherwise.
    name
        Of the model.
    loader
        Module that loads a version: MLflow calls its ``_load_pyfunc`` with the folder of the files.
    """

    def __init__(self, uri: str, name: str, loader: str) -> None:
        self.uri, self.name, self._loader = uri, name, loader

    @property
    def _client(self) -> MlflowClient:
        return client_for(self.uri)

    def point(self, alias: str, candidates: Sequence[Candidate]) -> str | None:
        """Let an alias name the version of the first candidate; each candidate is a version afterwards.

        What is there already stays. One request if nothing has to be done.

        Returns
        -------
        str or None
            The version, if the alias was moved.
        """
        with mapped(f"let {alias!r} of the registered model {self.name!r} follow"):
            pointed = self._pointed(alias)
            if pointed is not None and len(candidates) == 1 and _is_of(pointed, candidates[0]):
                return None
            self._create()
            known = self._versions()
            versions = [known.get(one.recorder.require_id()) or self._add(one) for one in candidates]
            for version, one in zip(versions, candidates, strict=True):
                self._tag(version, one)
            if pointed is not None and pointed.version == versions[0].version:
                return None
            self._client.set_registered_model_alias(self.name, alias, versions[0].version)
            return str(versions[0].version)

    def withdraw(self, alias: str) -> bool:
        """Take an alias away; whether it was there."""
        with mapped(f"take {alias!r} of the registered model {self.name!r} away"):
            if self._pointed(alias) is None:
                return False
            self._client.delete_registered_model_alias(self.name, alias)
            return True

    def _pointed(self, alias: str) -> Any:
        """Read the version behind an alias; ``None`` if there is none, or the model is not registered."""
        try:
            return self._client.get_model_version_by_alias(self.name, alias)
        except MlflowException as error:
            if error_code(error) in NOT_FOUND | REFUSED:
                return None
            raise

    def _create(self) -> None:
        try:
            self._client.create_registered_model(self.name)
        except MlflowException as error:
            if error_code(error) != _EXISTS:
                raise

    def _versions(self) -> dict[str, Any]:
        """List the versions by the run they are of, of each the newest."""
        quote = '"' if "'" in self.name else "'"
        wanted, token = f"name = {quote}{self.name}{quote}", None
        found: dict[str, Any] = {}
        while True:
            page = self._client.search_model_versions(wanted, page_token=token)
            for version in page:
                run_id = version.tags.get(RECORDER, "")
                known = found.setdefault(run_id, version)
                if int(known.version) < int(version.version):
                    found[run_id] = version
            token = page.token
            if not token:
                return found

    def _add(self, one: Candidate) -> Any:
        self._log(one)
        return self._client.create_model_version(
            self.name,
            f"{one.recorder.get_artifact_uri()}/{_FOLDER}",
            one.recorder.id,
            tags=one.all_tags,
            await_creation_for=0,
        )

    def _log(self, one: Candidate) -> None:
        """Put the model's files into its run, in the form in which MLflow loads models."""
        with tempfile.TemporaryDirectory(prefix="rollforward-") as folder:
            data, served = Path(folder, _DATA), Path(folder, _FOLDER)
            data.mkdir()
            for name in one.artifacts:
                one.recorder.download_artifact(name, str(data))
            # MLflow warns of what its own modules do, and of signatures that nobody asks for.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                from mlflow import pyfunc  # noqa: PLC0415  # a second to import, and only for this

                needed = [f"rollforward=={__version__}"]
                with _quiet(logging.getLogger(_ADVICE)):
                    pyfunc.save_model(str(served), self._loader, str(data), pip_requirements=needed)
            one.recorder.log_artifact(str(served), _FOLDER)

    def _tag(self, version: Any, one: Candidate) -> None:
        for key, text in one.all_tags.items():
            if version.tags.get(key) != text:
                self._client.set_model_version_tag(self.name, version.version, key, text)


@contextmanager
def _quiet(log: logging.Logger) -> Iterator[None]:
    """Let only errors through: MLflow compares what it has just been told with what is installed."""
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _is_of(version: Any, one: Candidate) -> bool:
    tags: Mapping[str, str] = version.tags
    return all(tags.get(key) == text for key, text in one.all_tags.items())
