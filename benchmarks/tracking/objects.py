"""200 artifacts of 1 MB: written, read, and what is left behind in the temporary folder."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
import time
from pathlib import Path

from rows import note

from tracking.qlib_itself import against

COUNT, MIB = 200, 2**20


def size_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def as_qlib_does(client, values):
    """Seconds of writing and reading as Qlib does it, on this MLflow: each a pickle in a temporary folder."""
    run_id = client.create_run("0").info.run_id
    begin = time.perf_counter()
    for number, value in enumerate(values):
        folder = Path(tempfile.mkdtemp())
        path = folder / str(number)
        with path.open("wb") as file:
            pickle.dump(value, file)
        client.log_artifact(run_id, str(path), "part")
        shutil.rmtree(folder)
    wrote = time.perf_counter() - begin
    begin = time.perf_counter()
    for number in range(len(values)):
        with Path(client.download_artifacts(run_id, f"part/{number}")).open("rb") as file:
            pickle.load(file)  # written above
    return wrote, time.perf_counter() - begin


def measured(function):
    """What a function says, and the megabytes that it leaves in the temporary folder."""
    folder = Path(tempfile.mkdtemp())
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        seconds = function()
    finally:
        tempfile.tempdir = before
    left = size_of(folder) / MIB
    shutil.rmtree(folder)
    return seconds, left


def ours(values):
    """Seconds of a call for each, of one call for all, and of reading."""
    from rollforward.workflow import R

    with R.start(experiment_name="objects"):
        recorder = R.get_recorder()
        begin = time.perf_counter()
        for number, value in enumerate(values):
            recorder.save_objects(artifact_path="part", **{str(number): value})
        recorder.flush()
        each = time.perf_counter() - begin
        begin = time.perf_counter()
        recorder.save_objects(artifact_path="once", **{str(number): value for number, value in enumerate(values)})
        recorder.flush()
        once = time.perf_counter() - begin
        begin = time.perf_counter()
        for number, value in enumerate(values):
            if recorder.load_object(f"part/{number}") != value:
                raise SystemExit(f"part/{number} is another object")
        return each, once, time.perf_counter() - begin


def report(uri, qlib):
    from rollforward import init
    from rollforward.workflow.mlflow_backend.store.client import client_for

    init(uri=uri)
    values = [os.urandom(MIB) for _ in range(COUNT)]
    (wrote, read), left_there = measured(lambda: as_qlib_does(client_for(uri), values))
    (each, once, ours_read), left_here = measured(lambda: ours(values))
    itself = qlib.ask("objects", COUNT)
    print(f"{COUNT} artifacts of 1 MB, seconds; Qlib's way is on the MLflow of this interpreter")
    for what, took, way, place in (("written", each, wrote, 0), ("read", ours_read, read, 1)):
        theirs = None if itself is None else itself[place]
        note(f"{COUNT} artifacts of 1 MB {what}", took, qlib=theirs, other=("Qlib's way on this MLflow", way))
    print(f"  written, a call for each           {each:8.3f}; {against(each, wrote)}")
    print(f"  written, one call for all          {once:8.3f}; {against(once, wrote)}")
    print(f"  read                               {ours_read:8.3f}; {against(ours_read, read)}")
    print(f"  temporary files left behind        {left_here:8.0f} MB; Qlib's way {left_there:.0f} MB")
    if itself is not None:
        print(
            f"  Qlib itself, on its own MLflow: written {itself[0]:.3f}, read {itself[1]:.3f}, left {itself[2]:.0f} MB"
        )
