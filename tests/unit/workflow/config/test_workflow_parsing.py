"""YAML of workflow files: values as Qlib reads them, and the line of every key."""

import datetime as dt
import math

import pytest

from rollforward.errors import WorkflowFileError
from rollforward.workflow.config import dump_yaml, parse_value
from rollforward.workflow.config.parsing import parse
from rollforward.workflow.config.render import Rendered


def read(text):
    return parse(Rendered(text), "a.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        ("-2.5e+3", -2500.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", 1000),
        ("-7", -7),
        (".inf", math.inf),
        ("12:30:00", "12:30:00"),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("null", None),
        ("~", None),
        ("", None),
        ("2016-01-04", dt.date(2016, 1, 4)),
        ("1.2.3", "1.2.3"),
        ("[a, 1e1]", ["a", 10.0]),
    ],
)
def test_values_are_those_of_yaml_1_2(text, value):
    read_back = parse_value(text)

    assert read_back == value
    assert type(read_back) is type(value)


@pytest.mark.parametrize(
    "value", ["1e-3", "yes", "off", "012", "null", "true", "1_0", "", " x", "a: b", "{{ X }}", "2016-01-04"]
)
def test_texts_that_look_like_something_else_are_written_with_quotes(value):
    assert parse_value(dump_yaml({"a": value})) == {"a": value}


def test_the_line_of_a_key_is_known_through_anchors_and_merges():
    parsed = read("x: &x\n  a: 1\n  b: {c: 2}\ny:\n  <<: *x\n  a: 3\nz:\n  - 1\n  - *x\n")

    assert parsed.content["y"] == {"a": 3, "b": {"c": 2}}
    lines = {path: place.line for path, place in parsed.places.items()}
    assert (lines["y", "a"], lines["y", "b"], lines["y", "b", "c"]) == (6, 3, 3)
    assert (lines["z", 0], lines["z", 1, "a"]) == (8, 2)


def test_keys_that_an_alias_refers_to_are_known():
    assert read("market: &m csi300\nother: &o 1\ntask: {a: *m}\n").referenced == {"market"}


def test_a_key_that_is_there_twice_is_found_and_the_rest_is_read():
    parsed = read("a:\n  b: 1\n  c: 2\n  b: 3\nd: 4\nd: 5\n")

    assert {(problem.place.line, problem.path) for problem in parsed.problems} == {(4, ("a", "b")), (6, ("d",))}
    assert {problem.given[-7:-1] for problem in parsed.problems} == {"line 2", "line 5"}


def test_a_merged_key_that_is_overridden_is_not_there_twice():
    assert read("x: &x {a: 1}\ny: {<<: *x, a: 2}\n").problems == ()


def test_what_two_versions_of_yaml_read_differently_is_refused_but_for_settings():
    parsed = read("init: {spool: off}\ntask:\n  shuffle: no\n  on: 1\n  text: 'no'\n")

    (problem,) = parsed.problems
    assert (problem.place.line, problem.path) == (3, ("task", "shuffle"))
    assert parsed.content["init"] == {"spool": "off"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1\nb: 2\n", 2),
        ("a: 1\nb: 2016-13-01\n", 2),
        ("a: 1\nb: !!python/object:os.system x\n", 2),
        ("a: *nowhere\n", 1),
        ("a: 1\n[1, 2]: 3\n", 2),
        ("a: 1\n---\nb: 2\n", 2),
        ("a:\n\tb: 1\n", 2),
        ("a: 1\nb: &x\n  c: *x\n", 2),
    ],
)
def test_what_is_not_yaml_is_refused_with_its_line(text, line):
    with pytest.raises(WorkflowFileError) as caught:
        read(text)

    assert caught.value.problems[0].place.line == line
    assert f"a.yaml:{line}: " in str(caught.value)


def test_aliases_that_multiply_are_refused_at_once():
    levels = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    levels += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]

    with pytest.raises(WorkflowFileError, match="aliases"):
        read("\n".join(levels))


def test_an_empty_file_has_no_content():
    assert read("# nothing\n").content is None
