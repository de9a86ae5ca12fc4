"""Programs put together at random: what is migrated compiles, the rest is as it was, a second time changes nothing."""

import ast
import re
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from rollforward.migrate.edits import Edit, apply, outermost, without
from rollforward.migrate.names import find
from rollforward.migrate.python import rewrite_python
from rollforward.migrate.yaml_text import rewrite_yaml

IMPORTS = [
    "import qlib",
    "import os, qlib",
    "import qlib.workflow as w",
    "import qlib.data.dataset as ds, sys",
    "import qlib.model.trainer",
    "import qlib.contrib.model.gbdt as gbdt",
    "from qlib.workflow import R  # the recorder",
    "from qlib.workflow.task.gen import RollingGen, task_generator",
    "from qlib.data.dataset import (\n{i}    DatasetH,  # rows\n\n{i}    DataHandlerLP as L,\n{i}    TSDatasetH\n{i})",
    "from qlib.utils import flatten_dict, \\\n    get_module_logger, lazy_sort_index",
    "from qlib.utils import (init_instance_by_config, get_module_logger,\n{i}    hash_args,)  # several",
    "from qlib.constant import REG_CN, EPS",
    "from qlib.constant import REG_US as us",
    "from qlib.config import C",
    "from qlib.workflow.task import gen as g, manage",
]
USES = [
    "qlib.init(provider_uri='~/x', region=us)",
    "qlib.init(\n{i}    mongo=conf,  # é\n{i}    kernels=1)",
    "qlib.workflow.R.log_metrics(a=1)",
    "w.R; w.Experiment",
    "x = ds.DatasetH, ds.DataHandlerLP ; y = 2",
    "t = qlib.model.trainer.TrainerR()",
    'c = {"class": "LGBModel", "module_path": "qlib.contrib.model.gbdt"}',
    "c = {'class': 'DatasetH',\n{i}     'module_path': 'qlib.data.dataset'}  # qlib.data.dataset",
    'é = "qlib.workflow.record_temp"; z = "qlib.log"',
]
OTHERS = [
    "x  =  1   # qlib.workflow",
    "s = '''\nimport qlib\n'''",
    "if x:\n{i}\tpass",
    "def f( a,b ) : return a",
    "",
    "   # an indented comment",
    "t = u'ä' 'qlib'",
]
LINES = st.tuples(st.sampled_from(IMPORTS + USES + OTHERS), st.booleans())


def program(lines, newline):
    """Put statements one after the other, some of them in a function."""
    text = "conf = {}\n"
    for number, (line, inside) in enumerate(lines):
        indent = "    " if inside else ""
        body = line.replace("{i}", indent)
        text += f"def g{number}():\n{indent}{body}\n{indent}pass\n" if inside else f"{body}\n"
    return text.replace("\n", newline)


def is_program(text):
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


@settings(max_examples=150, deadline=None)
@given(st.lists(LINES, max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_programs(lines, newline):
    text = program(lines, newline)
    if not is_program(text):
        return
    draft = rewrite_python(text)
    after = apply(text, draft.edits)
    ast.parse(after)
    again = rewrite_python(after)
    assert apply(after, again.edits) == after
    # Every line that names neither Qlib nor what is taken from it is there, in order.
    own = [
        line
        for line in text.split(newline)
        if not re.search(r"qlib|ds\.|DatasetH|DataHandlerLP|get_module|mongo|kern|hash_", line)
    ]
    lines_after = iter(after.split(newline))
    assert all(line in lines_after for line in own)
    assert newline == "\n" or "\n" not in after.replace("\r\n", "")
    # What is bound is bound as before, but for the packages themselves.
    assert bound(text) <= bound(after)
    for finding in again.findings:
        assert finding.kind != "note" or "REG" in finding.what or "region" in finding.what or "**" in finding.what


def bound(text):
    names = {
        alias.asname or alias.name.partition(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    # A region is a text from then on; it is bound by an assignment.
    return names - {"qlib", "rollforward", "REG_CN", "us"}


@settings(max_examples=100, deadline=None)
@given(st.lists(LINES, max_size=8))
def test_no_name_that_is_here_stays_qlibs(lines):
    text = program(lines, "\n")
    if not is_program(text):
        return
    after = apply(text, rewrite_python(text).edits)
    for node in ast.walk(ast.parse(after)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("qlib"):
            assert all(find(f"{node.module}.{alias.name}") is None for alias in node.names)


ITEMS = st.lists(
    st.tuples(
        st.sampled_from(["a", "bb", "c as d"]), st.sampled_from([", ", ",", " , ", ",\n    ", ",  # c, d\n    "])
    ),
    min_size=2,
    max_size=6,
)


@settings(max_examples=200, deadline=None)
@given(ITEMS, st.data())
def test_items_of_a_list_are_taken_out(items, data):
    drop = data.draw(st.sets(st.integers(0, len(items) - 1), max_size=len(items) - 1))
    is_trailing = data.draw(st.booleans())
    text, spans = "from x import (", []
    for number, (name, comma) in enumerate(items):
        spans.append((len(text), len(text) + len(name)))
        text += name + (comma if number + 1 < len(items) or is_trailing else "")
    text += ")  # end\n"
    after = apply(text, without(text, spans, drop, len(text) - len("  # end\n")))
    (statement,) = ast.parse(after).body
    expected = [name for number, (name, _) in enumerate(items) if number not in drop]
    assert [f"{a.name} as {a.asname}" if a.asname else a.name for a in statement.names] == expected
    assert after.count("# c, d") == text.count("# c, d")
    assert after.endswith(")  # end\n")


@given(
    st.text("abc", max_size=20),
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5), st.sampled_from(["", "X", "YY"]))),
)
def test_edits_do_not_overlap(text, places):
    edits = [Edit(min(start, len(text)), min(start + length, len(text)), new) for start, length, new in places]
    kept = outermost(edits)
    assert all(one.end <= other.start for one, other in pairwise(kept))
    assert len(apply(text, edits)) == len(text) + sum(len(edit.text) - (edit.end - edit.start) for edit in kept)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "- {class: SignalRecord, module_path: qlib.workflow.record_temp}",
                "- class: DataHandlerLP   # é\n  module_path:  'qlib.data.dataset'",
                "- qlib.workflow.R",
                "- module_path: qlib.contrib.model.gbdt\n  class: LGBModel",
                "# qlib.data.dataset.DatasetH",
                '- "a\\tb"   ',
                "- |\n  qlib.workflow.R\n  text",
            ]
        ),
        min_size=1,
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_yaml(items, newline):
    text = newline.join([*items, "- 1"]).replace("\n", newline) if newline == "\n" else "\r\n".join([*items, "- 1"])
    after = apply(text, rewrite_yaml(text).edits)
    moved = re.compile(r"rollforward(?:\.\w+)+")
    named = re.compile(r"qlib(?:\.\w+)+")
    assert moved.sub("X", named.sub("X", after)) == named.sub("X", text)
    assert apply(after, rewrite_yaml(after).edits) == after
