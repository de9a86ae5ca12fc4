"""What we take for granted of MLflow's ways to artifacts, of CRC-32 and of joblib."""

from __future__ import annotations

import hashlib
import inspect
import zlib

import pytest


def test_every_repository_of_artifacts_fetches_one_file():
    from mlflow.store.artifact.artifact_repo import ArtifactRepository
    from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
    from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

    for kind in (ArtifactRepository, HttpArtifactRepository, MlflowArtifactsRepository):
        assert list(inspect.signature(kind._download_file).parameters) == ["self", "remote_file_path", "local_path"]
        assert list(inspect.signature(kind.log_artifact).parameters) == ["self", "local_file", "artifact_path"]


def test_requests_for_artifacts_can_be_made_as_mlflow_makes_them():
    from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
    from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository
    from mlflow.utils.mime_type_utils import _guess_mime_type
    from mlflow.utils.rest_utils import augmented_raise_for_status, http_request

    repository = MlflowArtifactsRepository("mlflow-artifacts:/0/run/artifacts", tracking_uri="http://127.0.0.1:1")
    assert isinstance(repository, HttpArtifactRepository)
    address = "http://127.0.0.1:1/api/2.0/mlflow-artifacts/artifacts/0/run/artifacts"
    assert repository.artifact_uri == address
    assert repository._host_creds.host == address
    assert {"max_retries", "timeout", "backoff_factor", "extra_headers"} <= set(
        inspect.signature(http_request).parameters
    )
    assert callable(augmented_raise_for_status)
    assert _guess_mime_type("a.png") == "image/png"


def test_data_are_described_by_an_entity():
    from mlflow.data.dataset import Dataset

    assert callable(Dataset._to_mlflow_entity)


def test_the_quick_checksum_is_the_usual_one():
    assert zlib.crc32(b"123456789") == 0xCBF43926
    assert hashlib.sha256(b"").hexdigest().startswith("e3b0c44298fc")


@pytest.mark.parametrize("name", ["log_image", "log_inputs", "log_dict", "log_figure", "log_table"])
def test_the_client_has_what_passes_through(name):
    from mlflow import MlflowClient

    assert list(inspect.signature(getattr(MlflowClient, name)).parameters)[:2] == ["self", "run_id"]
