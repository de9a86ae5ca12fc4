"""A value that a class would only refuse after the data are read is found by `rollforward run --check`, with its line."""

import pytest

from rollforward.cli.main import main
from rollforward.errors import WorkflowFileError
from rollforward.workflow.config import load_workflow

FILE = """\
init: {calendar: "bundled:sp500_close"}
task:
  model:
    class: SklearnModel
    module_path: rollforward.model.sklearn
    kwargs:
      estimator: sklearn.linear_model.Ridge
      alpha: 1.0
      solver: auto
  dataset:
    class: rollforward.DatasetH
    kwargs:
      handler:
        class: rollforward.PriceHandler
        kwargs:
          source: bundled:sp500_close
          drop_raw: false
          infer_processors: [{class: Fillna, kwargs: {fill_value: 0}}]
      segments:
        train: [2015-01-02, 2016-12-30]
        test: [2017-01-03, 2017-12-29]
  record:
    - SignalRecord
    - class: SigAnaRecord
      kwargs: {ana_long_short: false}
    - class: PortAnaRecord
      kwargs:
        config:
          strategy: {class: TopkDropoutStrategy, kwargs: {signal: <PRED>, topk: 5, n_drop: 1}}
          backtest:
            account: 1e8
            exchange_kwargs: {open_cost: 0.001, deal_price: [open, close]}
"""

OWN = """\
from rollforward.model.base import Model


class Search(Model):
    def __init__(self, base=None, window: int = 5, epochs: float = 1.0):
        if window == 0:
            raise ValueError("no window")
        self.base = base

    @classmethod
    def check_kwargs(cls, **kwargs):
        cls(**kwargs)

    def fit(self, dataset, reweighter=None): ...

    def predict(self, dataset, segment="test"): ...
"""


def problems_of(folder, text, *assignments):
    (folder / "a.yaml").write_text(text, encoding="utf-8")
    try:
        load_workflow("a.yaml", assignments)
    except WorkflowFileError as error:
        return error.problems
    return ()


def own(folder, kwargs):
    """The file with a model of the user's own."""
    (folder / "own_search.py").write_text(OWN, encoding="utf-8")
    head, tail = FILE[: FILE.index("    class: Skl")], FILE[FILE.index("  dataset:") :]
    return f"{head}    class: Search\n    module_path: own_search\n    kwargs: {kwargs}\n{tail}sys: {{rel_path: .}}\n"


@pytest.mark.parametrize(
    ("right", "wrong", "line", "key", "expected"),
    [
        ("alpha: 1.0", "alpha: lots", 8, "task.model.kwargs.alpha", "a float in the range"),
        ("alpha: 1.0", "alpha: -1", 8, "task.model.kwargs.alpha", "a float in the range"),
        ("solver: auto", "solver: alpha", 9, "task.model.kwargs.solver", "a str among"),
        ("drop_raw: false", "drop_raw: perhaps", 17, "task.dataset.kwargs.handler.kwargs.drop_raw", "true or false."),
        ("value: 0", "value: lots", 18, "task.dataset.kwargs.handler.kwargs.infer_processors.0.kwargs.fill_value", "a number."),
        ("short: false", "short: [1]", 25, "task.record.1.kwargs.ana_long_short", "true or false."),
        ("topk: 5", "topk: five", 29, "task.record.2.kwargs.config.strategy.kwargs.topk", "a whole number."),
        ("topk: 5", "topkk: 5", 29, "task.record.2.kwargs.config.strategy.kwargs.topkk", "one of topk"),
        ("account: 1e8", "account: lots", 31, "task.record.2.kwargs.config.backtest.account", "a number."),
        ("0.001", "dear", 32, "task.record.2.kwargs.config.backtest.exchange_kwargs.open_cost", "a number."),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_named_with_its_line_and_key(tmp_path, right, wrong, line, key, expected):
    assert right in FILE

    (problem,) = problems_of(tmp_path, FILE.replace(right, wrong, 1))

    assert (problem.place.line, problem.as_dict()["key"]) == (line, key)
    assert problem.expected.startswith(expected)
    assert problem.remedy


def test_a_strategy_with_its_module_is_looked_at_too(tmp_path):
    text = FILE.replace("class: TopkDropoutStrategy", "class: rollforward.backtest.TopkDropoutStrategy")

    assert problems_of(tmp_path, text) == ()
    (problem,) = problems_of(tmp_path, text.replace("topk: 5", "topk: five"))
    assert problem.path[-1] == "topk"


def test_an_estimator_inside_is_named_once(tmp_path):
    inside = "{class: sklearn.linear_model.Ridge, kwargs: {alpha: lots}}"
    text = FILE.replace("sklearn.linear_model.Ridge", inside).replace("      alpha: 1.0\n      solver: auto\n", "")

    (problem,) = problems_of(tmp_path, text)

    assert problem.as_dict()["key"] == "task.model.kwargs.estimator.kwargs.alpha"


@pytest.mark.parametrize("processors", ["Fillna", "{class: Fillna}"])
def test_processors_are_a_list(tmp_path, processors):
    (problem,) = problems_of(tmp_path, FILE.replace("[{class: Fillna, kwargs: {fill_value: 0}}]", processors))

    assert problem.as_dict()["key"] == "task.dataset.kwargs.handler.kwargs.infer_processors"
    assert problem.place.line == 18
    assert problem.expected == "a list of processors."


@pytest.mark.parametrize("place", ["task.model", "task.dataset.kwargs.handler"])
def test_arguments_that_are_no_mapping_are_named_once(tmp_path, place):
    (problem,) = problems_of(tmp_path, FILE, f"{place}.kwargs=3")

    assert problem.as_dict()["key"] == f"{place}.kwargs"


def test_all_wrong_values_come_at_once(tmp_path):
    text = FILE.replace("alpha: 1.0", "alpha: lots").replace("topk: 5", "topk: five").replace("auto", "best")

    assert [problem.path[-1] for problem in problems_of(tmp_path, text)] == ["alpha", "solver", "topk"]


def test_the_command_refuses_it_in_three_parts(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(FILE, encoding="utf-8")

    assert main(["run", "a.yaml", "--check"]) == 0
    assert main(["run", "a.yaml", "--check", "--set", "task.model.kwargs.alpha=lots"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "rollforward: WorkflowFileError: --set: task.model.kwargs.alpha: Ridge: 'alpha' is 'lots'.",
        "  Expected: a float in the range [0.0, inf) or an array-like.",
        "  To do: Correct the value.",
    ]


def test_variables_of_the_environment_in_quotes_are_numbers_too(tmp_path):
    text = own(tmp_path, '{window: "{{ WINDOW }}", epochs: "{{ EPOCHS | default(0.5) }}"}')
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")

    assert load_workflow("a.yaml", environment={"WINDOW": "20"}).task["model"]["kwargs"]["window"] == "20"


@pytest.mark.parametrize(
    "kwargs",
    [
        "{window: <task.model.kwargs.epochs>, epochs: 3}",
        "{window: <WINDOW>}",
        "{window: 2017-01-03}",
        "{window: 2.5, epochs: null}",
        "{window: {class: own_search.Search}}",
        # The owner of a configuration may have another use for what is in it.
        "{base: {class: sklearn.linear_model.Ridge, kwargs: {alpha: {from: 1, to: 10}}}}",
        "{base: {class: own_search.Search, kwargs: {window: [5, 10, 20]}}}",
    ],
)
def test_what_a_model_may_take_passes(tmp_path, kwargs):
    assert problems_of(tmp_path, own(tmp_path, kwargs)) == ()


def test_the_values_of_a_users_model_are_compared(tmp_path):
    (problem,) = problems_of(tmp_path, own(tmp_path, "{window: wide}"))

    assert problem.as_dict()["key"] == "task.model.kwargs.window"
    assert problem.given == "Search: 'window' is 'wide'."


def test_an_optional_record_may_fail(tmp_path):
    text = FILE.replace("ana_long_short: false", "ana_long_short: perhaps, optional: true")

    assert problems_of(tmp_path, text) == ()


def test_another_engine_has_its_own_strategies(tmp_path):
    text = FILE.replace("class: TopkDropoutStrategy", "class: TheirStrategy").replace(
        "account: 1e8", "func: json.dumps\n            account: {gold: 3}"
    )

    assert problems_of(tmp_path, text) == ()


def test_what_a_model_raises_of_its_arguments_is_a_mistake_of_the_file(tmp_path):
    (problem,) = problems_of(tmp_path, own(tmp_path, "{window: 0}"))

    assert problem.as_dict()["key"] == "task.model.kwargs"
    assert "ValueError: no window" in problem.given
