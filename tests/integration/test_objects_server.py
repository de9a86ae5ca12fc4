"""Objects behind a real server: several at a time, whole, checked, and no temporary file left."""

from __future__ import annotations

import os
import pickle
import socket
import tempfile
import threading
import zlib
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from rollforward import settings
from rollforward.errors import LoadObjectError, MissingArtifactError
from rollforward.workflow import R
from rollforward.workflow.mlflow_backend.artifacts import access as artifacts


@pytest.fixture
def run(mlflow_server, tmp_path, monkeypatch):
    """An open run; temporary files go to a folder of the test."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    settings.init(uri=mlflow_server.uri, provenance=False, capture_output=False, spool_dir=tmp_path / "spool")
    with R.start(experiment_name=f"objects {os.urandom(4).hex()}"):
        yield R.get_recorder()
    assert list((tmp_path / "tmp").iterdir()) == []


def stored(server, name):
    """The file of an artifact in the folder of the server."""
    (found,) = Path(server.folder).rglob(f"artifacts/{name}")
    return found


def test_several_objects_are_stored_and_come_back(run):
    objects = {f"folds/{n}/pred.pkl": np.full(1000, n) for n in range(12)} | {"note.txt": "ü\r\n", "task": {"a": (1,)}}
    R.save_objects(**objects)
    assert run.list_artifacts() == ["folds", "note.txt", "task"]
    for name, obj in objects.items():
        assert np.array_equal(run.load_object(name), obj)
    reader = R.get_recorder(recorder_id=run.id)
    assert reader.load_object("task") == {"a": (1,)}


def test_folders_are_stored_and_brought_back(run, tmp_path):
    for name in ("a.txt", "deep/b.txt", "deep/er/c.txt"):
        (tmp_path / "given" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "given" / name).write_text(name)
    R.log_artifact(tmp_path / "given", "copy")
    assert run.load_object("copy/deep/er/c.txt") == "deep/er/c.txt"
    folder = Path(R.download_artifact("copy", str(tmp_path / "here")))
    assert folder == tmp_path / "here" / "copy"
    assert sorted(path.name for path in folder.rglob("*.txt")) == ["a.txt", "b.txt", "c.txt"]
    assert R.download_artifact("copy/deep/b.txt", str(tmp_path / "here")) == str(tmp_path / "here" / "b.txt")
    assert (tmp_path / "given" / "a.txt").exists()


def with_the_same_checksum(content):
    """Change a content by a multiple of the polynomial of CRC-32, so that only a better hash tells."""
    changed = bytearray(content)
    for place, bit in enumerate(f"{0x104C11DB7:b}"):
        changed[500 + place // 8] ^= int(bit) << place % 8
    return bytes(changed)


def test_what_the_server_has_damaged_is_not_unpickled(run, mlflow_server, monkeypatch):
    monkeypatch.setattr(artifacts, "PATIENCE", 0)
    name = f"{run.id}.pkl"
    R.save_objects(**{name: np.arange(1000)})
    path = stored(mlflow_server, name)
    before = path.read_bytes()
    after = with_the_same_checksum(before)
    assert after != before
    assert zlib.crc32(after) == zlib.crc32(before)
    path.write_bytes(after)
    with pytest.raises(LoadObjectError, match="SHA-256"):
        R.get_recorder(recorder_id=run.id).load_object(name)
    path.unlink()
    with pytest.raises(MissingArtifactError, match="missing"):
        run.load_object(name)


def test_a_reader_beside_a_writer_never_sees_half_an_object(run):
    R.save_objects(x=np.zeros(50_000))
    R.flush()
    reader = R.get_recorder(recorder_id=run.id)
    is_over = threading.Event()
    seen, failed = set(), []

    def read():
        while not is_over.is_set():
            try:
                values = set(reader.load_object("x").tolist())
            except LoadObjectError as error:
                failed.append(error)
                return
            if len(values) != 1:
                failed.append(values)
            seen.update(values)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        n = 0
        while n < 15 or (len(seen) < 2 and n < 1000 and thread.is_alive()):  # however slow the reader is
            n += 1
            R.save_objects(x=np.full(50_000, float(n)))
    finally:
        is_over.set()
        thread.join()
    assert failed == []
    assert len(seen) > 1


def test_half_an_upload_is_no_artifact(run, mlflow_server):
    """The connection breaks after half of the file."""
    R.save_objects(**{f"{run.id}.txt": "whole"})
    place = stored(mlflow_server, f"{run.id}.txt").parent
    path = run.get_artifact_uri().removeprefix("mlflow-artifacts:").lstrip("/")
    address = urlsplit(mlflow_server.uri)
    with socket.create_connection((address.hostname, address.port)) as connection:
        request = f"PUT /api/2.0/mlflow-artifacts/artifacts/{path}/half.bin HTTP/1.1\r\nHost: {address.netloc}\r\n"
        connection.sendall(request.encode() + b"Content-Length: 100000\r\n\r\n" + b"a" * 500)
    # A whole one behind it: by then the server has dealt with the broken one, or is still waiting for its rest.
    R.save_objects(after=1)
    assert not (place / "half.bin").exists()
    assert run.list_artifacts() == sorted([f"{run.id}.txt", "after"])


def test_a_failed_upload_leaves_no_file_here(run, monkeypatch):
    from rollforward.errors import TrackingError
    from rollforward.workflow.mlflow_backend.artifacts import transfer

    done = []

    def refuse(_repository, files):
        done.extend(pickle.loads(path.read_bytes()) for path in files.values())
        raise TrackingError("no room")

    monkeypatch.setattr(artifacts, "upload", refuse)
    with pytest.raises(TrackingError, match="no room"):
        R.save_objects(x=1, y=2)
    assert done == [1, 2]
    assert transfer.upload is not refuse
