"""Workflow files: what is written comes back, overrides land where they say, and laying files over each other is a merge."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from rollforward.instantiate import update_config
from rollforward.workflow.config import dump_yaml, parse_path, parse_value, spell_path
from rollforward.workflow.config.files import read_files
from rollforward.workflow.config.overriding import override
from rollforward.workflow.config.parsing import parse
from rollforward.workflow.config.render import Rendered

KEYS = st.one_of(
    st.text("ab.=\\ -_:1#'\"", min_size=1, max_size=4), st.sampled_from(["no", "1e-3", "<<x", "null", "a.b"])
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=False),
    st.dates(),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=6),
    st.sampled_from(["yes", "off", "1e-3", "012", "12:30", "~", "*a", "&a", "{a", "- a", "{% x %}"]),
)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
DOCUMENTS = st.dictionaries(KEYS, TREES, min_size=1, max_size=4)


def paths(node, path=()):
    """Yield every place below a node."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from paths(value, (*path, key))


@given(TREES)
def test_what_is_written_comes_back(value):
    assert parse_value(dump_yaml(value)) == value


@given(st.lists(KEYS, min_size=1, max_size=4))
def test_a_path_that_is_spelt_can_be_read(keys):
    assert parse_path(spell_path(tuple(keys))) == tuple(keys)


@given(DOCUMENTS, TREES, st.data())
def test_an_override_changes_its_place_and_nothing_else(content, value, data):
    path = data.draw(st.sampled_from(sorted(paths(content), key=repr)))

    changed, places, problems = override(content, {}, [f"{spell_path(path)}={dump_yaml(value)}"])

    assert problems == []
    assert path in places
    node, before = changed, content
    for i, key in enumerate(path):
        others = set(paths(node)) - set(paths(node[key], (key,))) - {(key,)}
        kept = set(paths(before)) - set(paths(before[key], (key,))) - {(key,)}
        assert others == kept, i
        node, before = node[key], before[key]
    assert node == value


@given(DOCUMENTS)
def test_every_key_has_a_line_and_it_is_the_one_it_is_written_in(content):
    text = dump_yaml(content)

    parsed = parse(Rendered(text), "a")

    assert parsed.content == content
    assert set(parsed.places) == set(paths(content))
    lines = text.splitlines()
    for (*_, key), place in parsed.places.items():
        if isinstance(key, str) and key.isalnum():
            assert key in lines[place.line - 1]


@settings(max_examples=50)
@given(DOCUMENTS, DOCUMENTS)
def test_a_file_over_its_base_is_a_merge_whose_lines_are_known(base, own):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "b.yaml").write_text("{% raw %}" + dump_yaml(base) + "{% endraw %}", encoding="utf-8")
        text = dump_yaml({"BASE_CONFIG_PATH": "b.yaml", **own})
        Path(folder, "a.yaml").write_text("{% raw %}" + text + "{% endraw %}", encoding="utf-8")

        merged = read_files(Path(folder, "a.yaml"), {})

    assert merged.content == update_config(base, own)
    assert set(paths(merged.content)) <= set(merged.places)
    for path in paths(merged.content):
        is_own = path in set(paths(own))
        assert merged.places[path].file.endswith("a.yaml") == is_own
