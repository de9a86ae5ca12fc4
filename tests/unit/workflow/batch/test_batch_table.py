"""The table of a batch."""

import json
import math
import statistics
from pathlib import Path

import pytest

from rollforward.report.models import models_page
from rollforward.workflow.batch.discover import Entry
from rollforward.workflow.batch.jobs import Job
from rollforward.workflow.batch.table import make_table, markdown, summary_metrics


def job(label, time, metrics=None, state="finished", **more):
    return Job(Entry(label, label, Path("x.yaml")), time, metrics=metrics or {}, state=state, **more)


@pytest.fixture
def jobs(tmp_path):
    log = tmp_path / "B-1.log"
    log.write_text("\n".join(f"line {i}" for i in range(30)) + "\n<script>x</script> broke\n", encoding="utf-8")
    cost = "1day.excess_return_with_cost.max_drawdown"
    return [
        job("A", 0, {"IC": 0.01, "ICIR": 0.1, "l2": 1.0, cost: -0.2, "only A": 1.0}),
        job("A", 1, {"IC": 0.03, "ICIR": 0.2, "l2": 3.0, cost: -0.4}, state="kept"),
        job("B", 0, {"IC": 0.05, "ICIR": -0.5, "l2": 0.5}),
        job("B", 1, state="failed", reason="It broke.", log=log),
        job("C", 0, state="timed out", reason="It took longer than 1 s."),
    ]


def test_mean_and_sample_deviation_of_the_finished_runs(jobs):
    rows = {row.label: row for row in make_table(jobs).rows}

    assert rows["A"].cells["IC"].mean == pytest.approx(0.02)
    assert rows["A"].cells["IC"].std == pytest.approx(statistics.stdev([0.01, 0.03]))
    assert (rows["A"].n_finished, rows["A"].n_runs) == (2, 2)
    assert rows["B"].cells["IC"].std is None
    assert (rows["B"].n_finished, rows["B"].n_runs, rows["C"].n_finished) == (1, 2, 0)


def test_columns_are_qlibs_as_far_as_there_are_any_then_those_of_every_run(jobs):
    assert make_table(jobs).metrics == ["IC", "ICIR", "1day.excess_return_with_cost.max_drawdown", "l2"]
    assert make_table(jobs, ["l2", "IC"]).metrics == ["l2", "IC"]


def test_rows_are_sorted_and_those_without_the_metric_are_last(jobs):
    def order(**options):
        return [row.label for row in make_table(jobs, **options).rows]

    assert order() == ["B", "A", "C"]
    assert order(sort="ICIR") == ["A", "B", "C"]
    assert order(sort="l2", ascending=True) == ["B", "A", "C"]
    assert order(sort="only A") == ["A", "B", "C"]
    assert order(sort="model") == ["A", "B", "C"]


def test_a_metric_that_no_run_has_is_corrected_and_costs_no_table(jobs):
    table = make_table(jobs, ["IC", "l3"], "ICR")

    assert (table.metrics, table.sorted_by) == (["IC"], "IC")
    assert len(table.rows) == 3
    assert "No finished run has the metric 'ICR'. Did you mean 'ICIR'?" in table.notes
    assert any("'l3'" in note for note in table.to_dict()["notes"])
    assert make_table([job("C", 0, state="failed")], ["IC"], "IC").rows[0].cells == {}


def test_markdown_has_a_line_for_each_model_and_the_end_of_each_log(jobs):
    text = markdown(make_table(jobs, ["IC"]), "Models")

    assert "| Model | IC | Runs |" in text
    assert "| A | 0.0200 ± 0.0141 | 2 |" in text
    assert "| B | 0.0500 | 1 of 2 |" in text
    assert "| C | - | 0 of 1 |" in text
    assert "### B 1\n\nIt broke." in text
    assert "line 29" in text
    assert "line 15\n" not in text


def test_the_page_needs_nothing_else_and_escapes_what_models_print(jobs):
    page = models_page(make_table(jobs).to_dict(), title="Models of <x>", subtitle="e")

    assert "Models of &lt;x&gt;" in page
    assert "<script" not in page
    assert "&lt;script&gt;x&lt;/script&gt; broke" in page
    assert "src=" not in page
    assert "http" not in page
    assert "0.0200 <span" in page
    assert "± 0.0141" in page


def test_runs_that_are_all_the_same_are_pointed_out():
    table = make_table(
        [
            job("A", 0, {"IC": 0.1}),
            job("A", 1, {"IC": 0.1}),
            job("B", 0, {"IC": 0.1}),
            job("C", 0, {"IC": 0.2}),
            job("C", 1, {"IC": 0.1}),
        ]
    )

    (note,) = table.notes
    assert note.startswith("All runs of A found the same")
    assert note in markdown(table, "x")
    assert "All runs of A found the same" in models_page(table.to_dict(), title="x", subtitle="")


def test_figures_go_into_metrics_of_one_run(jobs):
    found = summary_metrics(make_table(jobs), {"A": "A", "B": "B_x", "C": "C"})

    assert found["A.IC.mean"] == pytest.approx(0.02)
    assert found["A.runs"] == 2
    assert found["C.runs"] == 0
    assert "B_x.IC.mean" in found
    assert "B_x.IC.std" not in found


def test_a_metric_that_is_no_number_is_said_and_stays_json():
    table = make_table([job("A", 0, {"IC": math.nan}), job("A", 1, {"IC": 0.1}), job("B", 0, {"IC": -0.1})])

    assert [row.label for row in table.rows] == ["B", "A"]
    assert "| A | nan | 2 |" in markdown(table, "x")
    assert json.loads(json.dumps(table.to_dict(), allow_nan=False))["models"][1]["metrics"]["IC"]["mean"] is None
    assert "Models" in models_page(table.to_dict(), title="x", subtitle="")
