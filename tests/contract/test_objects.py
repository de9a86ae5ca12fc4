"""Objects of a run: content that is kept and checked, all or nothing, and what passes through to MLflow."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rollforward import settings
from rollforward.errors import (
    LoadObjectError,
    MissingArtifactError,
    SerializationError,
    TrackingError,
    UntrustedClassError,
)
from rollforward.workflow import R
from rollforward.workflow.mlflow_backend.artifacts import access as artifacts
from rollforward.workflow.mlflow_backend.store.client import client_for

TAG = "mlflow.rollforward.sha256."


@pytest.fixture
def run(tracking_uri):
    settings.init(uri=tracking_uri, provenance=False)
    with R.start(experiment_name="demo"):
        yield R.get_recorder()


def where(recorder, name):
    return Path(recorder.get_local_dir(), "artifacts", name)


def tag_of(recorder, name):
    return recorder.list_tags().get(TAG + name)


def damage(path):
    """Change one byte; size and times stay."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_the_tag_has_the_sha256_of_the_file(run):
    R.save_objects(**{"pred.pkl": np.arange(1000), "a/b.pkl": {"x": 1}})
    R.save_objects(artifact_path="a", **{"note.txt": "hello"})
    for name in ("pred.pkl", "a/b.pkl", "a/note.txt"):
        assert hashlib.sha256(where(run, name).read_bytes()).hexdigest() in tag_of(run, name)
        assert run.load_object(name) is not None


def test_a_damaged_artifact_is_an_error_that_names_both_contents(run, monkeypatch):
    monkeypatch.setattr(artifacts, "PATIENCE", 0)
    R.save_objects(**{"pred.pkl": np.arange(1000)})
    expected = hashlib.sha256(where(run, "pred.pkl").read_bytes()).hexdigest()
    damage(where(run, "pred.pkl"))
    found = hashlib.sha256(where(run, "pred.pkl").read_bytes()).hexdigest()
    for recorder in (run, R.get_recorder(recorder_id=run.id)):
        with pytest.raises(LoadObjectError) as caught:
            recorder.load_object("pred.pkl")
        assert expected[:12] in str(caught.value)
        assert found[:12] in str(caught.value)
        assert "delete_tags" in caught.value.remedy


def test_a_cut_off_artifact_is_not_unpickled(run, monkeypatch):
    monkeypatch.setattr(artifacts, "PATIENCE", 0)
    R.save_objects(x=list(range(1000)))
    where(run, "x").write_bytes(where(run, "x").read_bytes()[:-1])
    with pytest.raises(LoadObjectError, match="SHA-256"):
        run.load_object("x", _Never)


class _Never(pickle.Unpickler):
    def load(self):
        pytest.fail("unpickled")


def test_what_the_error_says_to_do_works(run, monkeypatch):
    monkeypatch.setattr(artifacts, "PATIENCE", 0)
    R.save_objects(**{"note.txt": "before"})
    where(run, "note.txt").write_text("after!")
    with pytest.raises(LoadObjectError):
        run.load_object("note.txt")
    run.delete_tags(TAG + "note.txt")
    assert run.load_object("note.txt") == "after!"


def test_a_replaced_object_has_a_new_content(run):
    reader = R.get_recorder(recorder_id=run.id)
    for value in (1, 2, 3):
        R.save_objects(**{"x.pkl": value})
        assert run.load_object("x.pkl") == reader.load_object("x.pkl") == value
    assert len(tag_of(run, "x.pkl").split()) == 1


@pytest.mark.parametrize(
    "replace",
    [
        lambda folder: R.log_text("other", "note.txt"),
        lambda folder: R.log_artifact(folder / "note.txt"),
        lambda folder: R.log_artifact(str(folder)),
        lambda folder: R.save_objects(local_path=folder),
    ],
    ids=["log_text", "log_artifact", "log_artifact of a folder", "save_objects of a folder"],
)
def test_what_is_replaced_by_other_means_of_ours_is_not_called_damaged(replace, run, tmp_path):
    R.save_objects(**{"note.txt": "hello"})
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "note.txt").write_text("other")
    replace(folder)
    assert run.load_object("note.txt") == "other"
    assert R.get_recorder(recorder_id=run.id).load_object("note.txt") == "other"
    R.save_objects(**{"note.txt": "again"})
    assert R.get_recorder(recorder_id=run.id).load_object("note.txt") == "again"


def test_a_process_that_dies_while_it_replaces_an_object_damages_nothing(tracking_uri, tmp_path):
    """The file is new and the tag is not yet, or the other way round."""
    settings.init(uri=tracking_uri, provenance=False)
    code = """
        import os, sys
        from rollforward import init
        from rollforward.workflow import R
        from rollforward.workflow.mlflow_backend.artifacts import access as artifacts
        init(uri=sys.argv[1], provenance=False, heartbeat=0)
        with R.start(experiment_name="demo"):
            R.save_objects(x=1)
            R.flush()
            put = artifacts.move_file
            def dying(*arguments):
                if sys.argv[2] == "after":
                    put(*arguments)
                print(R.get_recorder().id, flush=True)
                os._exit(9)
            artifacts.move_file = dying
            R.save_objects(x=2)
    """
    for when, value in (("before", 1), ("after", 2)):
        command = [sys.executable, "-c", textwrap.dedent(code), tracking_uri, when]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path, env=_environment())
        assert done.returncode == 9, done.stderr
        recorder = R.get_recorder(recorder_id=done.stdout.strip())
        assert recorder.load_object("x") == value
        recorder.save_objects(x=3)
        assert R.get_recorder(recorder_id=recorder.id).load_object("x") == 3


def _environment():
    source = str(Path(__file__).resolve().parents[2] / "src")
    return os.environ | {"PYTHONPATH": source}


def test_a_listing_of_runs_brings_the_contents_along(run, monkeypatch):
    R.save_objects(**{"x.pkl": [1, 2]})
    R.flush()
    (listed,) = R.list_recorders(experiment_name="demo").values()
    monkeypatch.setattr(type(client_for(run.uri)), "get_run", lambda *_: pytest.fail("asked again"))
    assert listed.load_object("x.pkl") == [1, 2]


def test_a_copy_in_another_process_checks_too(run, monkeypatch):
    monkeypatch.setattr(artifacts, "PATIENCE", 0)
    R.save_objects(**{"x.pkl": [1, 2], "y.pkl": 1})
    R.flush()
    copy = pickle.loads(pickle.dumps(run))
    assert copy.load_object("x.pkl") == [1, 2]
    damage(where(run, "y.pkl"))
    with pytest.raises(LoadObjectError, match="SHA-256"):
        copy.load_object("y.pkl")


@pytest.mark.parametrize("name", ["IC@5.pkl", "a/" * 130 + "x", "ü" * 84])
def test_names_that_no_tag_can_have_are_saved_without_one(name, run):
    R.save_objects(**{name: [1]})
    R.save_objects(**{name: [2]})
    assert run.load_object(name) == [2]
    R.flush()


def test_if_one_object_cannot_be_written_none_is_stored(run):
    R.save_objects(**{"x.pkl": "before"})
    with pytest.raises(SerializationError, match=r"^y\.pkl \(pickle\)"):
        R.save_objects(**{"x.pkl": "after", "y.pkl": lambda: 1})
    assert run.list_artifacts() == ["x.pkl"]
    assert run.load_object("x.pkl") == "before"
    assert [path.name for path in Path(run.get_local_dir()).iterdir()] == ["artifacts"]


def test_nothing_is_left_beside_the_artifacts(run, tmp_path):
    (tmp_path / "given" / "deep").mkdir(parents=True)
    (tmp_path / "given" / "deep" / "a.txt").write_text("a")
    R.save_objects(x=1)
    R.log_artifact(tmp_path / "given", "copy")
    R.log_text("b", "b.txt")
    found = [str(path.relative_to(run.get_local_dir())) for path in Path(run.get_local_dir()).rglob("*")]
    assert sorted(found) == sorted(
        ["artifacts", *(f"artifacts/{name}" for name in ("b.txt", "copy", "copy/deep", "copy/deep/a.txt", "x"))]
    )
    assert (tmp_path / "given" / "deep" / "a.txt").read_text() == "a"


def test_a_reader_sees_the_old_or_the_new_object_and_never_a_mixture(run):
    """A reader that opened the file before it was replaced reads the old one to its end."""
    R.save_objects(x=["old"] * 1000)
    with where(run, "x").open("rb") as file:
        R.save_objects(x=["new"] * 1000)
        assert pickle.load(file) == ["old"] * 1000
    assert run.load_object("x") == ["new"] * 1000


def test_a_missing_object_is_missing_and_not_damaged(run):
    R.save_objects(**{"pred.pkl": 1})
    where(run, "pred.pkl").unlink()
    with pytest.raises(MissingArtifactError):
        run.load_object("pred.pkl")
    with pytest.raises(MissingArtifactError):
        run.load_object("pred.pkl/x")


def test_untrusted_classes_are_refused_and_data_are_not(run):
    import decimal
    from collections import UserDict

    R.save_objects(**{"pred.pkl": pd.DataFrame({"score": [1.0]}), "params.pkl": UserDict(a=decimal.Decimal(1))})
    with settings.override(trusted_classes=()):
        assert run.load_object("pred.pkl").shape == (1, 1)
        with pytest.raises(UntrustedClassError, match=rf"run {run.id}.*params\.pkl.*collections\.UserDict"):
            run.load_object("params.pkl")
    with settings.override(trusted_classes=("collections.UserDict",)):
        assert run.load_object("params.pkl") == {"a": 1}


def test_a_download_into_a_folder_has_the_name_of_the_artifact(run, tmp_path):
    R.save_objects(**{"a/b.pkl": 1, "a/c.txt": "c"})
    assert R.download_artifact("a/c.txt", str(tmp_path / "one")) == str(tmp_path / "one" / "c.txt")
    folder = Path(R.download_artifact("a", str(tmp_path / "two")))
    assert folder == tmp_path / "two" / "a"
    assert sorted(path.name for path in folder.iterdir()) == ["b.pkl", "c.txt"]


def test_pictures_pass_through(run):
    picture = np.zeros((4, 4, 3), dtype=np.uint8)
    R.log_image(picture, "plots/black.png")
    R.log_image(picture, key="weights", step=3)
    assert run.list_artifacts("plots") == ["plots/black.png"]
    assert run.load_object("plots/black.png").startswith(b"\x89PNG")
    assert any("weights" in name for name in run.list_artifacts("images"))


def test_what_data_a_run_works_on_is_noted(run):
    import mlflow.data

    frame = pd.DataFrame({"close": [1.0, 2.0]})
    R.log_input(frame, context="train", name="prices")
    R.log_input(np.arange(3), tags={"kind": "index"}, name="array")
    R.log_input(mlflow.data.from_pandas(frame, name="own", digest="1"))
    inputs = client_for(run.uri).get_run(run.id).inputs.dataset_inputs
    found = {item.dataset.name: {tag.key: tag.value for tag in item.tags} for item in inputs}
    assert found == {"prices": {"mlflow.data.context": "train"}, "array": {"kind": "index"}, "own": {}}


def test_the_digest_of_data_covers_all_rows(run):
    frame = pd.DataFrame({"close": np.arange(20_000.0)})
    other = frame.copy()
    other.iloc[-1] = 0.5
    for data in (frame, other, frame.copy()):
        R.log_input(data, name="prices")
        R.log_input(data["close"].to_numpy(), name="array")
    inputs = client_for(run.uri).get_run(run.id).inputs.dataset_inputs
    assert len({item.dataset.digest for item in inputs if item.dataset.name == "prices"}) == 2
    assert len({item.dataset.digest for item in inputs if item.dataset.name == "array"}) == 2


@pytest.mark.parametrize("data", [[1, 2], pd.DataFrame({("feature", "a"): [1]})], ids=["list", "column groups"])
def test_data_that_mlflow_cannot_describe_are_refused(data, run):
    with pytest.raises(TrackingError, match="log_input"):
        R.log_input(data)
