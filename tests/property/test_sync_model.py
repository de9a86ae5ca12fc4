"""However logging, uploads, interrupted uploads and lost notes follow each other, the copy ends as what was logged."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path

from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from mlflow import MlflowClient

from rollforward.testing import copy_store, release_store
from rollforward.workflow.mlflow_backend.offline import upload
from rollforward.workflow.mlflow_backend.offline.sync import sync

RUNS = ("a", "b")
STAGES = ("_send_params", "_send_points", "_send_artifacts", "_send_tags", "_send_info")
run = st.sampled_from(RUNS)
number = st.integers(0, 3)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("point"), run, number, st.integers(-5, 5)),
        st.tuples(st.just("tag"), run, number),
        st.tuples(st.just("untag"), run, number),
        st.tuples(st.just("file"), run, number, number),
        st.tuples(st.just("end"), run, st.sampled_from(["FINISHED", "FAILED", "RUNNING"])),
        st.tuples(st.just("sync")),
        st.tuples(st.just("cut"), st.sampled_from(STAGES), st.integers(1, 2)),
        st.tuples(st.just("lose")),
    ),
    max_size=25,
)


class CutError(Exception):
    """The upload ends here, as if its process were killed."""


class Model:
    """What was logged, as plain dictionaries, and the store that it was logged to."""

    def __init__(self, template, folder):
        self.folder = folder
        self.source = MlflowClient(copy_store(template, folder / "mlflow.db"))
        (folder / "target").mkdir()
        self.target = copy_store(template, folder / "target" / "mlflow.db")
        experiment = self.source.create_experiment("demo", artifact_location=(folder / "mlruns" / "demo").as_uri())
        self.ids = {name: self.source.create_run(experiment, run_name=name).info.run_id for name in RUNS}
        self.points, self.tags, self.files = defaultdict(set), defaultdict(dict), defaultdict(dict)
        self.status = dict.fromkeys(RUNS, "RUNNING")
        self.clock = 0

    def point(self, name, step, value):
        self.clock += 1
        self.source.log_metric(self.ids[name], "m", value, timestamp=self.clock, step=step)
        self.points[name].add((step, self.clock, value))

    def tag(self, name, key):
        self.clock += 1
        self.source.set_tag(self.ids[name], f"t{key}", str(self.clock))
        self.tags[name][f"t{key}"] = str(self.clock)

    def untag(self, name, key):
        if self.tags[name].pop(f"t{key}", None) is not None:
            self.source.delete_tag(self.ids[name], f"t{key}")

    def file(self, name, key, content):
        self.source.log_text(self.ids[name], str(content), f"d/{key}.txt")
        self.files[name][f"d/{key}.txt"] = str(content)

    def end(self, name, status):
        self.source.set_terminated(self.ids[name], status)
        self.status[name] = status

    def sync(self):
        assert sync(self.folder, self.target).is_complete

    def cut(self, stage, number):
        calls = []
        real = getattr(upload.RunUpload, stage)

        def fatal(one):
            calls.append(one)
            if len(calls) == number:
                raise CutError
            real(one)

        setattr(upload.RunUpload, stage, fatal)
        try:
            sync(self.folder, self.target)
        except CutError:
            pass
        finally:
            setattr(upload.RunUpload, stage, real)

    def lose(self):
        shutil.rmtree(self.folder / "uploads", ignore_errors=True)

    def close(self):
        release_store(f"offline:{self.folder}")
        release_store(self.target)


@given(steps)
@examples(max_examples=12, deadline=None)
def test_the_copy_is_what_was_logged(template_store, tmp_path_factory, ops):
    model = Model(template_store, tmp_path_factory.mktemp("model"))
    loses_untags = False
    for name, *arguments in ops:
        # Without notes nobody knows that a tag which is there only was uploaded once.
        loses_untags = loses_untags or (name in ("lose", "cut"))
        if name == "untag" and loses_untags:
            continue
        getattr(model, name)(*arguments)
    model.sync()

    client = MlflowClient(model.target)
    found = {item.info.run_name: item for item in client.search_runs(["1"])}
    assert set(found) == set(RUNS)
    for name, item in found.items():
        history = client.get_metric_history(item.info.run_id, "m")
        assert sorted((point.step, point.timestamp, point.value) for point in history) == sorted(model.points[name])
        tags = {key: value for key, value in item.data.tags.items() if key.startswith("t")}
        if not loses_untags:
            assert tags == model.tags[name]
        assert model.tags[name].items() <= tags.items()
        folder = Path(item.info.artifact_uri.removeprefix("file://"))
        files = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.txt")}
        assert files == model.files[name]
        assert item.info.status == model.status[name]
    model.close()
