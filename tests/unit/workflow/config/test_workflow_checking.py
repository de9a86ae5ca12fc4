"""Every mistake of a workflow file is found at once, with its file, line and key."""

import sys
from importlib.util import find_spec

import pytest

from rollforward.cli.main import main
from rollforward.errors import WorkflowFileError
from rollforward.workflow.config import load_workflow

GOOD = """\
init: {calendar: "bundled:sp500_close"}
market: &market bundled:sp500_close
task:
  model:
    class: SklearnModel
    module_path: rollforward.model.sklearn
    kwargs:
      estimator: sklearn.linear_model.Ridge
      alpha: 1.0
  dataset:
    class: rollforward.DatasetH
    kwargs:
      handler:
        class: rollforward.PriceHandler
        kwargs:
          source: *market
          horizon: 5
      segments:
        train: [2015-01-02, 2016-12-30]
        test: [2017-01-03, 2017-12-29]
  record:
    - SignalRecord
    - class: SigAnaRecord
      kwargs: {ana_long_short: false}
"""


def problems_of(folder, text, *assignments):
    (folder / "a.yaml").write_text(text, encoding="utf-8")
    try:
        load_workflow("a.yaml", assignments)
    except WorkflowFileError as error:
        return error.problems
    return ()


def test_a_good_file_has_no_problem(tmp_path):
    assert problems_of(tmp_path, GOOD) == ()


@pytest.mark.parametrize(
    ("right", "wrong", "line", "key", "says"),
    [
        ("alpha: 1.0", "alfa: 1.0", 9, "task.model.kwargs.alfa", "'alpha'"),
        ("module_path: rollforward.model.sklearn", "module_pth: rollforward.model.sklearn", 6, "task.model.module_pth", "'module_path'"),
        ("class: SklearnModel", "class: SklearnModell", 5, "task.model.class", "'SklearnModel'"),
        ("rollforward.model.sklearn", "rollforward.model.sclearn", 6, "task.model.module_path", "'sklearn'"),
        ("class: SklearnModel", "class: 3", 5, "task.model.class", "a text"),
        ("sklearn.linear_model.Ridge", "sklearn.linear_model.Rigde", 8, "task.model.kwargs.estimator", "'Ridge'"),
        ("horizon: 5", "horizn: 5", 17, "task.dataset.kwargs.handler.kwargs.horizn", "'horizon'"),
        ("horizon: 5", "horizon: five", 17, "task.dataset.kwargs.handler.kwargs.horizon", "an integer from 1"),
        ("horizon: 5", "horizon: -5", 15, "task.dataset.kwargs.handler.kwargs", "at least one session"),
        ("class: rollforward.PriceHandler", "class: rollforward.PriceHandlr", 14, "task.dataset.kwargs.handler.class", "'PriceHandler'"),
        ("segments:", "segmnts:", 18, "task.dataset.kwargs.segmnts", "'segments'"),
        ("2016-12-30", "2014-12-30", 19, "task.dataset.kwargs.segments.train", "after its end"),
        ("2016-12-30", "2017-12-30", 19, "task.dataset.kwargs.segments.train", "test"),
        ("[2015-01-02, 2016-12-30]", "2015", 19, "task.dataset.kwargs.segments.train", "pair"),
        ("train:", "trian:", 19, "task.dataset.kwargs.segments.trian", "'train'"),
        ("train:", "fit:", 18, "task.dataset.kwargs.segments", "Add 'train'"),
        ("test:", "tset:", 20, "task.dataset.kwargs.segments.tset", "SignalRecord"),
        ("- SignalRecord", "- SignlRecord", 22, "task.record.0", "'SignalRecord'"),
        ("ana_long_short", "ana_longshort", 24, "task.record.1.kwargs.ana_longshort", "'ana_long_short'"),
        ("  record:", "  recrd:", 21, "task.recrd", "'record'"),
        ("  dataset:", "  datset:", 10, "task.datset", "'dataset'"),
        ("task:", "tsk:", 3, "tsk", "'task'"),
        ("calendar:", "calender:", 1, "init.calender", "'calendar'"),
        ("calendar:", "provider_uri:", 1, "init.provider_uri", "loader or a file"),
        ("init:", "heartbeat: 1\ninit:", 0, "", ""),
        ("init: {", "init: {heartbeat: fast, ", 1, "init.heartbeat", "seconds"),
        ("init: {", "init: {uri: sqlite:///a.db, exp_manager: {kwargs: {uri: sqlite:///b.db}}, ", 1, "init", "one of the two"),
        ("source: *market", "source: <dataset.kwargs.segmnts>", 16, "task.dataset.kwargs.handler.kwargs.source", "'segments'"),
        ("init:", "rolling: {stepp: 3}\ninit:", 1, "rolling.stepp", "'step'"),
        ("init:", "rolling: {type: sidling}\ninit:", 1, "rolling.type", "'sliding'"),
        ("init:", "rolling: {step: 0}\ninit:", 1, "rolling.step", "at least 1"),
        ("init:", "rolling: {gap: many}\ninit:", 1, "rolling.gap", "a whole number"),
        ("init:", "rolling: {purge: automatic}\ninit:", 1, "rolling.purge", "auto"),
        ("init:", "rolling: {type: sliding, rtype: sliding}\ninit:", 1, "rolling.type", "both"),
        ("init:", "rolling: 3\ninit:", 1, "rolling", "a mapping"),
        ("init:", "sys: {relpath: .}\ninit:", 1, "sys.relpath", "'rel_path'"),
        ("init:", "experiment_nam: x\ninit:", 1, "experiment_nam", "'experiment_name'"),
        ("init:", "experiment_name: 3\ninit:", 1, "experiment_name", "a text"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_key(tmp_path, right, wrong, line, key, says):
    assert right in GOOD
    problems = problems_of(tmp_path, GOOD.replace(right, wrong, 1))

    if not key:  # a name of the user's own
        assert problems == ()
        return
    found = [problem for problem in problems if problem.as_dict()["key"] == key]
    assert [problem.place.line for problem in found] == [line], problems
    assert says in str(found[0])
    assert str(found[0]).startswith(f"a.yaml:{line}: {key}: ")


def test_all_mistakes_come_at_once_in_the_order_of_the_file(tmp_path):
    text = GOOD.replace("alpha", "alfa").replace("horizon", "horizn").replace("- SignalRecord", "- SignlRecord")

    problems = problems_of(tmp_path, text, "task.modle.kwargs.x=1")

    assert [problem.place.line for problem in problems] == [0, 9, 17, 22]
    with pytest.raises(WorkflowFileError, match=r"(?s)^3 mistakes\..*a\.yaml:9: .*a\.yaml:17: .*a\.yaml:22: "):
        load_workflow("a.yaml")


def test_many_mistakes_are_cut_short(tmp_path):
    text = GOOD.replace("ana_long_short: false", ", ".join(f"x{i}: 1" for i in range(15)))

    assert len(problems_of(tmp_path, text)) == 15
    with pytest.raises(WorkflowFileError, match=r"and 5 more"):
        load_workflow("a.yaml")


def test_two_wrong_arguments_of_an_estimator_are_both_found(tmp_path):
    problems = problems_of(tmp_path, GOOD.replace("alpha: 1.0", "alfa: 1.0\n      max_itr: 3"))

    assert [(problem.place.line, problem.path[-1]) for problem in problems] == [(9, "alfa"), (10, "max_itr")]


def test_a_missing_argument_is_named(tmp_path):
    text = GOOD.replace("        test: [2017-01-03, 2017-12-29]\n", "").replace(
        "segments:\n        train: [2015-01-02, 2016-12-30]\n", "drop: 1\n"
    )

    assert "lacks the argument 'segments'" in "".join(map(str, problems_of(tmp_path, text)))


def test_the_file_of_a_base_is_named(tmp_path):
    (tmp_path / "base.yaml").write_text(GOOD.replace("horizon", "horizn"), encoding="utf-8")

    problems = problems_of(tmp_path, "BASE_CONFIG_PATH: base.yaml\ntask: {model: {kwargs: {alfa: 1}}}\n")

    assert [(one.place.file, one.place.line) for one in problems] == [("a.yaml", 2), ("base.yaml", 17)]


def test_a_module_that_fails_is_no_traceback(tmp_path):
    (tmp_path / "broken_model.py").write_text("import nowhere_at_all\n", encoding="utf-8")
    text = GOOD.replace("rollforward.model.sklearn", "broken_model") + "sys: {rel_path: .}\n"

    (problem,) = problems_of(tmp_path, text)

    assert (problem.place.line, problem.path) == (6, ("task", "model", "module_path"))
    assert "nowhere_at_all" in problem.given


def test_a_file_for_online_models_is_told_apart(tmp_path):
    (problem,) = problems_of(tmp_path, "online: {name: desk}\nstrategies: {}\n")

    assert "rollforward online" in problem.remedy


@pytest.mark.parametrize("text", ["", "- a\n", "task: 3\n", "task:\n", "a: 1\n"])
def test_a_file_without_a_task(tmp_path, text):
    assert "task" in str(problems_of(tmp_path, text)[0])


def test_sections_of_anchors_are_accepted(tmp_path):
    text = "market_of: &m bundled:sp500_close\ntasks: &t {a: 1}\nmore: *t\n" + GOOD.replace(
        "market: &market", "market: &market2"
    ).replace("*market", "*m")

    assert [problem.path for problem in problems_of(tmp_path, text)] == []


def test_no_credential_is_in_a_message(tmp_path):
    problems = problems_of(
        tmp_path,
        GOOD.replace("init: {", "init: {artifact_rot: 'https://me:w0rd@host/x', spool: 'https://me:w0rd@host', "),
    )

    assert problems
    assert "w0rd" not in "".join(map(str, problems)) + str([problem.as_dict() for problem in problems])


QLIB = GOOD.replace("rollforward.model.sklearn", "qlib.contrib.model.mine").replace(
    "init: {", "qlib_init: {region: cn, "
)


@pytest.mark.skipif(find_spec("qlib") is not None, reason="pyqlib is installed")
def test_a_task_of_qlibs_own_package_without_it_is_refused_with_its_line(tmp_path):
    (problem,) = problems_of(tmp_path, QLIB)

    assert (problem.place.line, problem.path) == (6, ("task", "model", "module_path"))
    assert "pip install pyqlib" in problem.remedy


def test_qlibs_settings_go_to_qlib_if_the_task_needs_it(tmp_path, monkeypatch, capsys):
    started = []
    monkeypatch.setattr("rollforward.adapters.qlib.init_qlib", lambda **options: started.append(options))
    for name in [name for name in sys.modules if name.partition(".")[0] == "qlib"]:
        monkeypatch.delitem(sys.modules, name)
    for package in ("qlib", "qlib/contrib", "qlib/contrib/model"):
        (tmp_path / "fake" / package).mkdir(parents=True)
        (tmp_path / "fake" / package / "__init__.py").write_text("", encoding="utf-8")
    own = "from rollforward.model.sklearn import SklearnModel as Base\nclass SklearnModel(Base): pass\n"
    (tmp_path / "fake/qlib/contrib/model/mine.py").write_text(own, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "fake")

    (tmp_path / "a.yaml").write_text(QLIB, encoding="utf-8")
    try:
        assert main(["run", "a.yaml", "--check"]) == 0
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "qlib"]:
            del sys.modules[name]

    assert started == [{"region": "cn"}]
    assert capsys.readouterr().err == ""
    (tmp_path / "a.yaml").write_text(GOOD.replace("init: {", "qlib_init: {region: cn, "), encoding="utf-8")
    assert main(["run", "a.yaml", "--check"]) == 0
    assert capsys.readouterr().err.startswith("qlib_init: region: of Qlib's own package")
    assert len(started) == 1


def test_segments_may_be_called_anything_if_nobody_asks_for_others(tmp_path):
    text = GOOD.replace("module_path: rollforward.model.sklearn", "module_path: own_kin").replace("train:", "fit:")
    (tmp_path / "own_kin.py").write_text(
        "from rollforward.model.sklearn import SklearnModel as Base\n\n\nclass SklearnModel(Base):\n    pass\n"
    )

    assert problems_of(tmp_path, text + "sys: {rel_path: .}\n") == ()


@pytest.mark.parametrize(
    ("processor", "says"),
    [
        ("{class: RobustZScoreNrm}", "'RobustZScoreNorm'"),
        ("{class: Fillna, kwargs: {fields_grp: feature}}", "'fields_group'"),
        ("RobustZScoreNorm", "fit_end_time"),
        ("3", "not a processor"),
    ],
)
def test_processors_are_checked_by_the_name_that_qlib_gives_them(tmp_path, processor, says):
    text = GOOD.replace(
        "          horizon: 5\n", f"          horizon: 5\n          infer_processors: [DropnaProcessor, {processor}]\n"
    )

    (problem,) = problems_of(tmp_path, text)

    assert problem.path == ("task", "dataset", "kwargs", "handler", "kwargs", "infer_processors", 1)
    assert problem.place.line == 18
    assert says in str(problem)


@pytest.mark.parametrize(("text", "kind"), [("- a\n", "list"), ("a word\n", "single value")])
def test_a_file_that_is_no_mapping(tmp_path, text, kind):
    (problem,) = problems_of(tmp_path, text)

    assert problem.given == f"the file is a {kind}."


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ('bundled:sp500_close"}', 'gone.csv"}', "a.yaml:1: init.calendar: There is no data file 'gone.csv'"),
        ("init: {", "init: {exp_manager: {kwargs: {default_exp: x}}, ", "a.yaml:1: init.exp_manager: "),
        ("init: {", "init: {uri: 'file:mlruns', ", "a.yaml:1: init.uri: The tracking store"),
        ("init: {", "rolling: {step: QX}\ninit: {", "a.yaml:1: rolling: step='QX'"),
        ("init: {", "rolling: {step: 20}\nmarket2: {", "a.yaml:1: rolling: There is no calendar"),
    ],
)
def test_check_sees_what_only_the_settings_and_the_folds_tell(tmp_path, monkeypatch, capsys, right, wrong, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(GOOD.replace(right, wrong, 1), encoding="utf-8")

    assert main(["run", "a.yaml", "--check"]) == 1
    assert says in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} <= {"a.yaml", "cache"}


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("{backtest: {acount: 1}}", "'account'"),
        ("{backtest: {exchange_kwargs: {opencost: 0}}}", "'open_cost'"),
        ("{backtst: {}}", "'backtest'"),
    ],
)
def test_a_backtest_is_refused_before_anything_is_trained(tmp_path, monkeypatch, capsys, config, says):
    monkeypatch.chdir(tmp_path)
    text = GOOD.replace("kwargs: {ana_long_short: false}", f"kwargs: {{config: {config}}}")
    (tmp_path / "a.yaml").write_text(text.replace("SigAnaRecord", "PortAnaRecord"), encoding="utf-8")

    assert main(["run", "a.yaml", "--check"]) == 1
    said = capsys.readouterr().err
    assert "a.yaml:24: task.record.1.kwargs: " in said
    assert says in said


def test_a_day_that_is_none_is_called_so(tmp_path):
    (problem,) = problems_of(tmp_path, GOOD.replace("2017-01-03", "2017-13-03"))

    assert problem.place.line == 20
    assert problem.given.startswith("this value cannot be: 2017-13-03: month")
