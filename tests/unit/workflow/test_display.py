from __future__ import annotations

import pytest

from rollforward.errors import TrackingError


@pytest.fixture
def requests(monkeypatch):
    """Names of the requests that go to the store."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    made = []
    for name in ("get_run", "search_runs", "get_experiment", "get_metric_history", "search_experiments"):
        method = getattr(SqlAlchemyStore, name)

        def counted(self, *args, _name=name, _method=method, **kwargs):
            made.append((_name, kwargs.get("max_results")))
            return _method(self, *args, **kwargs)

        monkeypatch.setattr(SqlAlchemyStore, name, counted)
    return made


def finished(recording, name="ridge", **metrics):
    with recording.start(experiment_name="momentum", recorder_name=name):
        recording.log_params(alpha=1.0, note="a < b & c")
        recording.log_metrics(**(metrics or {"IC": 0.03125}))
        recording.set_tags(kind="fold")
        recording.save_objects(**{"pred.txt": "x", "deep/model.txt": "y"})
        return recording.get_recorder()


def test_a_recorder_shows_as_a_table(recording):
    recorder = finished(recording)
    text = str(recorder)
    lines = text.splitlines()

    assert lines[0] == "MLflowRecorder 'ridge'"
    for expected in (f"id          {recorder.id}", "status      FINISHED", f"started     {recorder.start_time}"):
        assert f"  {expected}" in lines
    assert any(line.split() == ["alpha", "1.0"] for line in lines)
    assert any(line.split() == ["IC", "0.03125"] for line in lines)
    assert any(line.split() == ["kind", "fold"] for line in lines)
    assert "  deep" in lines
    assert "  pred.txt" in lines
    assert "mlflow." not in text.replace("MLflowRecorder", "")


def test_the_repr_stays_one_line_and_asks_nobody(recording, requests):
    recorder = finished(recording)
    requests.clear()

    assert "\n" not in repr(recorder)
    assert "\n" not in repr(recording.get_exp(experiment_name="momentum"))
    assert requests == []


def test_a_notebook_shows_html_with_everything_escaped(recording):
    recorder = finished(recording)
    html = recorder._repr_html_()

    assert html.startswith("<div>")
    assert "<td>a &lt; b &amp; c</td>" in html
    assert "<caption>metrics</caption>" in html
    assert f"<td>{recorder.id}</td>" in html


def test_a_recorder_costs_one_reading(recording, requests):
    recorder = finished(recording)
    requests.clear()
    str(recorder)
    assert [name for name, _ in requests] == ["get_run"]

    listed = recording.list_recorders(experiment_name="momentum", rtype="list")[0]
    requests.clear()
    str(listed)
    assert requests == []


def test_an_open_recorder_shows_what_was_just_logged(recording):
    with recording.start(experiment_name="momentum"):
        recorder = recording.get_recorder()
        recording.log_metrics(loss=0.5)
        text = str(recorder)

    assert "RUNNING" in text
    assert "so far" in text
    assert any(line.split() == ["loss", "0.5"] for line in text.splitlines())


def test_a_recorder_that_was_not_started_shows_too(recording, requests):
    experiment = recording.get_exp(experiment_name="momentum")
    recorder = experiment.create_recorder("later")
    requests.clear()

    assert "not started" in str(recorder)
    assert requests == []


def test_long_and_many_values_are_cut(recording, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    with recording.start(experiment_name="momentum"):
        recorder = recording.get_recorder()
        recording.log_params(**{f"p{n:02}": "x" * 500 for n in range(30)})
        recording.log_params(text="two\nlines")

    lines = str(recorder).splitlines()
    assert max(map(len, lines)) <= 60
    assert sum(line.startswith("  p") for line in lines) == 19, "the command line is a param too"
    assert any("... and 12 more" in line for line in lines)
    assert "x" * 61 not in recorder._repr_html_()


def test_an_experiment_shows_its_newest_runs(recording):
    for number in range(12):
        finished(recording, f"run {number}", IC=number / 8)
    recording.start_exp(experiment_name="momentum", recorder_name="bad")
    recording.log_params(alpha=2.0)
    recording.end_exp("FAILED")
    text = str(recording.get_exp(experiment_name="momentum"))
    lines = text.splitlines()

    assert lines[0] == "MLflowExperiment 'momentum'"
    assert any(line.split() == ["runs", "12", "FINISHED,", "1", "FAILED"] for line in lines)
    head = next(line for line in lines if "started" in line)
    assert head.split()[:6] == ["name", "id", "status", "started", "took", "IC"]
    assert "alpha" in head, "the parameter that differs"
    assert "cmd-sys" not in head
    shown = lines[lines.index(head) + 1 :]
    assert len(shown) == 10
    assert shown[0].startswith("  bad ")
    assert shown[1].startswith("  run 11 ")
    assert "1.375" in shown[1]


def test_an_experiment_fits_into_a_terminal(recording, monkeypatch):
    """Whole columns are left out, and named; no figure is cut."""
    monkeypatch.setenv("COLUMNS", "80")
    measured = {"IC": 0.03125, "ICIR": 0.40625, "Rank IC": 0.02734375, "Rank ICIR": 0.3515625}
    finished(recording, "a rather long name of a run that says what it is about", **measured)
    lines = str(recording.get_exp(experiment_name="momentum")).splitlines()
    assert max(map(len, lines)) <= 80
    head, row, rest = lines[-3:]
    assert head.split() == ["name", "id", "status", "started", "took", "IC"]
    assert row.startswith("  a rather long n…  ")
    assert row.endswith("  0.03125")
    assert rest == "  ... and ICIR, Rank IC, Rank ICIR"

    monkeypatch.setenv("COLUMNS", "140")
    *_, head, row = str(recording.get_exp(experiment_name="momentum")).splitlines()
    assert head.endswith("Rank IC    Rank ICIR")
    assert row.endswith("0.0273438  0.351562")


def test_an_experiment_costs_one_search_of_bounded_size(recording, requests):
    finished(recording)
    experiment = recording.get_exp(experiment_name="momentum")
    requests.clear()

    experiment._repr_html_()
    assert requests == [("search_runs", 100)]


def test_an_empty_experiment_shows(recording):
    assert "none" in str(recording.get_exp(experiment_name="momentum"))


def test_showing_does_not_fail_with_the_store(recording, monkeypatch):
    recorder = finished(recording)
    experiment = recording.get_exp(experiment_name="momentum")

    def refuse(*_):
        raise TrackingError("The store <is> away.")

    for module in ("run.logged", "lookup.search", "experiment"):
        monkeypatch.setattr(f"rollforward.workflow.mlflow_backend.{module}.client_for", refuse)
    recorder._run = None

    assert "FINISHED" in str(recorder)
    assert "The store <is> away." in str(recorder)
    assert "The store &lt;is&gt; away." in recorder._repr_html_()
    assert "The store <is> away." in str(experiment)
