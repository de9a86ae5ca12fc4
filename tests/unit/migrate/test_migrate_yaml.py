"""YAML: the names at the places where they stand, and nothing else."""

from pathlib import Path

import pytest
import yaml

from rollforward.migrate.edits import apply
from rollforward.migrate.yaml_text import rewrite_yaml

BENCHMARK = (Path(__file__).parent / "benchmark.yaml").read_text(encoding="utf-8")


def rewritten(text):
    after = apply(text, rewrite_yaml(text).edits)
    assert apply(after, rewrite_yaml(after).edits) == after
    return after


def findings(text):
    return [(found.line, found.what) for found in rewrite_yaml(text).findings]


def test_a_benchmark_of_qlibs():
    after = rewritten(BENCHMARK)
    expected = (
        BENCHMARK.replace("module_path: qlib.contrib.strategy", "module_path: rollforward.backtest.strategy")
        .replace("module_path: qlib.data.dataset", "module_path: rollforward.data.dataset")
        .replace("qlib.workflow.record_temp", "rollforward.workflow.record_temp")
    )
    assert after == expected
    task = yaml.safe_load(after)["task"]
    assert [record["module_path"] for record in task["record"]] == ["rollforward.workflow.record_temp"] * 3
    assert findings(BENCHMARK) == [
        (3, "qlib_init: provider_uri"),
        (32, "qlib.contrib.model.gbdt.LGBModel"),
        (46, "qlib.contrib.data.handler.Alpha158"),
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("class: qlib.data.dataset.DatasetH", "class: rollforward.data.dataset.DatasetH"),
        (
            "{class: DataHandlerLP, module_path: qlib.data.dataset}",
            "{class: DataHandlerLP, module_path: rollforward.data.handler}",
        ),
        ('- "qlib.workflow.record_temp.SignalRecord"', '- "rollforward.workflow.record_temp.SignalRecord"'),
        ("func: qlib.model.trainer.task_train", "func: rollforward.workflow.trainer.task_train"),
        ("# qlib.workflow.R\nx:   1  \r\nlog: qlib.log\r\n", "# qlib.workflow.R\nx:   1  \r\nlog: qlib.log\r\n"),
        (
            "é: ä😀\r\nmodule_path: qlib.workflow.expm\r\nclass: MLflowExpManager\r\n",
            "é: ä😀\r\nmodule_path: rollforward.workflow.mlflow_backend\r\nclass: MLflowExpManager\r\n",
        ),
        ("a: 1\n---\nclass: qlib.data.dataset.DatasetH\n", "a: 1\n---\nclass: rollforward.data.dataset.DatasetH\n"),
        (
            "{% if X %}\na: {{ X }}\n{% endif %}\nb: {{ Y }}-1\nmodule_path: qlib.workflow.record_temp\n",
            "{% if X %}\na: {{ X }}\n{% endif %}\nb: {{ Y }}-1\nmodule_path: rollforward.workflow.record_temp\n",
        ),
        ("a: {{ X }}\nc: qlib.workflow.record_temp\n", "a: {{ X }}\nc: rollforward.workflow.record_temp\n"),
    ],
)
def test_places(before, after):
    assert rewritten(before) == after


def test_what_a_template_puts_together_is_reported_as_it_is_written():
    text = (
        "m:\n  class: {{ C }}\n  module_path: qlib.contrib.model.gbdt\n"
        'n:\n  class: "{{ C }}"\n  module_path: qlib.contrib.{{ M }}\n'
        'o: {class: "{{ C }}", module_path: qlib.model.trainer}\n'
    )
    assert rewritten(text) == text.replace("qlib.model.trainer", "rollforward.workflow.trainer")
    assert findings(text) == [(3, "qlib.contrib.model.gbdt"), (6, "qlib.contrib.{{ M }}")]


def test_an_anchor_is_rewritten_once():
    text = "a: &a {class: SignalRecord, module_path: qlib.workflow.record_temp}\nb: *a\nc: *a\n"
    assert rewritten(text) == text.replace("qlib.", "rollforward.")


def test_a_store_of_files_is_reported():
    assert findings("exp_manager: {kwargs: {uri: 'file:mlruns'}}") == [(1, "file:mlruns")]


def test_what_is_no_yaml_is_an_error():
    with pytest.raises(SyntaxError, match="line 2"):
        rewrite_yaml("a: [1, qlib\nb: 2")


def test_an_anchor_inside_itself_ends():
    text = "a: &a\n  class: qlib.data.dataset.DatasetH\n  again: *a\n"
    assert rewritten(text) == text.replace("qlib.", "rollforward.")
