"""Bases and overrides of workflow files."""

import logging

import pytest

from rollforward.errors import DataSourceError, WorkflowFileError
from rollforward.workflow.config.files import read_files
from rollforward.workflow.config.overriding import override
from rollforward.workflow.config.problems import Place


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def refused(path):
    with pytest.raises(WorkflowFileError) as caught:
        read_files(path, {})
    return caught.value.problems[0]


def test_a_file_is_laid_over_its_base_and_that_over_its_own(tmp_path):
    write(tmp_path / "in/c.yaml", "a: 1\nb: {x: 1, y: 2}\nl: [1, 2, 3]\nd: {z: 1}\n")
    write(tmp_path / "in/b.yaml", "BASE_CONFIG_PATH: c.yaml\nb: {y: {{ Y }}}\nd: __DROP__\n")
    top = write(tmp_path / "a.yaml", "BASE_CONFIG_PATH: in/b.yaml\nl: [9]\n")

    merged = read_files(top, {"Y": "7"})

    assert merged.content == {"a": 1, "b": {"x": 1, "y": 7}, "l": [9]}
    assert merged.places["b", "y"] == Place("in/b.yaml", 2)
    assert merged.places["b", "x"] == Place("in/c.yaml", 2)
    assert [written.path.name for written in merged.files] == ["a.yaml", "b.yaml", "c.yaml"]
    assert "{{ Y }}" in merged.files[1].text


def test_the_base_is_looked_for_in_the_working_directory_first(tmp_path, monkeypatch, caplog):
    write(tmp_path / "there/base.yaml", "a: beside\n")
    top = write(tmp_path / "there/a.yaml", "BASE_CONFIG_PATH: base.yaml\n")

    assert read_files(top, {}).content == {"a": "beside"}
    write(tmp_path / "here/base.yaml", "a: here\n")
    monkeypatch.chdir(tmp_path / "here")
    with caplog.at_level(logging.WARNING):
        assert read_files(top, {}).content == {"a": "here"}
    assert "base.yaml of the working directory" in caplog.text


def test_bases_in_a_circle_are_refused(tmp_path):
    write(tmp_path / "b.yaml", "x: 1\nBASE_CONFIG_PATH: a.yaml\n")
    top = write(tmp_path / "a.yaml", "BASE_CONFIG_PATH: b.yaml\n")

    problem = refused(top)

    assert "a.yaml -> b.yaml -> a.yaml" in problem.given
    assert (problem.place.file, problem.place.line) == ("b.yaml", 2)


@pytest.mark.parametrize("base", ["none.yaml", "3", "[]", "''", "."])
def test_a_base_that_is_not_there_is_refused_with_its_line(tmp_path, base):
    problem = refused(write(tmp_path / "a.yaml", f"x: 1\nBASE_CONFIG_PATH: {base}\n"))

    assert (problem.place.line, problem.path) == (2, ("BASE_CONFIG_PATH",))


def test_a_base_that_is_no_mapping_is_refused(tmp_path):
    write(tmp_path / "b.yaml", "- 1\n")

    assert refused(write(tmp_path / "a.yaml", "BASE_CONFIG_PATH: b.yaml\n")).place.file == "b.yaml"


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataSourceError, match=r"none\.yaml"):
        read_files(tmp_path / "none.yaml", {})
    (tmp_path / "a.yaml").write_bytes(b"a: \xff\n")
    assert "UTF-8" in refused(tmp_path / "a.yaml").given


CONTENT = {
    "task": {"model": {"kwargs": {"alpha": 1}, "a.b": 2}, "record": [{"class": "A"}, "B"], "none": None},
    5: {"x": 1},
}


@pytest.mark.parametrize(
    ("assignment", "path", "value"),
    [
        ("task.model.kwargs.alpha=0.1", ("task", "model", "kwargs", "alpha"), 0.1),
        ("task.model.kwargs.new=[1, a]", ("task", "model", "kwargs", "new"), [1, "a"]),
        (r"task.model.a\.b=x=y", ("task", "model", "a.b"), "x=y"),
        (r"task.model.a\=b=1", ("task", "model", "a=b"), 1),
        ("task.record.0.class=C", ("task", "record", 0, "class"), "C"),
        ("task.record.1=null", ("task", "record", 1), None),
        ("5.x={a: 1e-3}", (5, "x"), {"a": 0.001}),
        ("experiment_name=", ("experiment_name",), None),
    ],
)
def test_single_values_are_overridden(assignment, path, value):
    changed, places, problems = override(CONTENT, {}, [assignment])

    assert problems == []
    for key in path:
        changed = changed[key]
    assert changed == value
    assert places[path] == Place("--set")


def test_the_original_stays_and_what_was_shared_is_not_shared():
    shared = {"x": 1}
    content = {"a": shared, "b": shared}

    changed, _, _ = override(content, {}, ["a.x=2"])

    assert changed == {"a": {"x": 2}, "b": {"x": 1}}
    assert content == {"a": {"x": 1}, "b": {"x": 1}}


def test_drop_removes_a_key_or_an_item():
    changed, _, problems = override(CONTENT, {}, ["task.model.kwargs.alpha=__DROP__", "task.record.0=__DROP__"])

    assert problems == []
    assert changed["task"]["model"]["kwargs"] == {}
    assert changed["task"]["record"] == ["B"]


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("task.modle.kwargs.alpha=1", "Did you mean 'model'?"),
        ("task.model.extra.x=1", "--set 'task.model.extra={...}'"),
        ("task.record.2=1", "--set 'task.record=[...]'"),
        ("task.record.first=1", "0 to 1"),
        ("task.none.x=1", "--set 'task.none={x: ...}'"),
        ("task.model.kwargs.alpa=__DROP__", "Did you mean 'alpha'?"),
        ("task.model", "path=value"),
        ("=1", "path=value"),
        ("task.model.kwargs.=1", "no ''"),
        ("task.model.kwargs.alpha=[1", "value as in YAML"),
        ("task.model.kwargs.alpha=2016-13-01", "value as in YAML"),
        ("BASE_CONFIG_PATH=b.yaml", "the bases are read before it"),
    ],
)
def test_what_cannot_be_overridden_is_explained(assignment, says):
    changed, _, problems = override(CONTENT, {}, [assignment, "task.none=1"])

    (problem,) = problems
    assert says in str(problem)
    assert str(problem).startswith("--set: ")
    assert changed == CONTENT | {"task": CONTENT["task"] | {"none": 1}}
