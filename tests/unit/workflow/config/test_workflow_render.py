"""Templates of workflow files: the environment, a sandbox, and lines that stay right."""

import pytest

from rollforward.errors import WorkflowFileError
from rollforward.workflow.config.parsing import parse
from rollforward.workflow.config.render import render


def refused(text, **environment):
    with pytest.raises(WorkflowFileError) as caught:
        render(text, "a.yaml", environment)
    (problem,) = caught.value.problems
    return problem


def test_variables_are_filled_in():
    rendered = render("a: {{ X }}\nb: {{ Y | default(3) }}\n", "a.yaml", {"X": "1", "OTHER": "2"})

    assert rendered.text == "a: 1\nb: 3\n"
    assert rendered.variables == {"X": "1"}


def test_an_empty_variable_is_set():
    assert render("a: '{{ X }}'", "a.yaml", {"X": ""}).text == "a: ''"


def test_a_variable_that_is_not_set_is_named_with_its_line():
    problem = refused("a: 1\n\nb: {{ HORIZON }}\n", HORIZN="3")

    assert (problem.place.file, problem.place.line) == ("a.yaml", 3)
    assert "HORIZON" in problem.given
    assert "HORIZN" in problem.remedy
    assert 'default("...")' in problem.remedy


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: {{ X.__class__.__mro__ }}\n", 1),
        ("a: 1\nb: {{ ''.__class__.__base__.__subclasses__() }}\n", 2),
        ("a: 1\nb: {{ 1 / 0 }}\n", 2),
        ("a: 1\n{% if %}\n", 2),
        ("a: {% include 'other.yaml' %}\n", 1),
        ("a: {{ lipsum() }}\n", 1),
    ],
)
def test_what_a_template_may_not_do_is_refused_with_its_line(text, line):
    assert refused(text, X="x").place.line == line


def test_braces_that_are_no_template():
    assert render("a: {% raw %}{{b: 1}: 2}{% endraw %}", "a.yaml", {}).text == "a: {{b: 1}: 2}"


def test_lines_are_those_of_the_file_though_a_loop_writes_more_of_them():
    text = "a: 1\nlist:\n{% for i in range(3) %}\n  - {{ i }}\n{% endfor %}\nb: 2\n"

    parsed = parse(render(text, "a.yaml", {}), "a.yaml")

    assert parsed.content == {"a": 1, "list": [0, 1, 2], "b": 2}
    assert [parsed.places[key,].line for key in ("a", "list", "b")] == [1, 2, 6]


def test_lines_are_those_of_the_file_though_a_condition_drops_some():
    text = "a: 1\n{% if X is defined %}\nb: 1\nc: 1\n{%- endif %}\nd: 2\n"

    parsed = parse(render(text, "a.yaml", {}), "a.yaml")

    assert parsed.places["d",].line == 6


def test_only_variables_named_like_credentials_are_secrets():
    rendered = render(
        "{{ DB_PASSWORD }}{{ TOKENS }}{{ S_TOKEN }}", "a", {"DB_PASSWORD": "w0rd", "TOKENS": "1234", "S_TOKEN": ""}
    )

    assert rendered.secrets == {"DB_PASSWORD": "w0rd"}
