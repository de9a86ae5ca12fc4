"""Strategies of models that serve, as section 11 of the contract has them; fixed defects are named."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle

import pandas as pd
import pytest

from rollforward import settings
from rollforward.data.segments import segments_of
from rollforward.errors import OnlineError
from rollforward.testing.calendars import business_days
from rollforward.workflow.online.promotion import PromotionRule
from rollforward.workflow.online.strategy import OnlineStrategy, RollingStrategy, chosen, strategy_from
from rollforward.workflow.online.utils import NotingTool
from rollforward.workflow.task.gen import RollingGen, handler_mod

CAL = business_days("2020-01-01", "2020-03-31", current_end="2020-02-28")


def day(text):
    return pd.Timestamp(f"2020-{text}")


def a_task(model="Ridge", test=("01-22", "02-05"), **kwargs):
    segments = {
        "train": (day("01-02"), day("01-14")),
        "valid": (day("01-15"), day("01-21")),
        "test": (day(test[0]), day(test[1])),
    }
    handler = {"class": "H", "module_path": "somewhere", "kwargs": {"end_time": day("02-05")}}
    return {
        "model": {"class": model, "module_path": "somewhere", "kwargs": kwargs},
        "dataset": {"class": "DatasetH", "kwargs": {"handler": handler, "segments": segments}},
    }


def generator(**kwargs):
    return RollingGen(**{"step": 5, "rtype": "sliding", "purge": 0} | kwargs)


def rolling(templates=None, name="s", ahead=0, promotion=None, **kwargs):
    templates = a_task() if templates is None else templates
    return RollingStrategy(name, templates, generator(**kwargs), ahead=ahead, promotion=promotion)


def windows_of(tasks):
    return [tuple(time.strftime("%m-%d") for time in segments_of(task)["test"]) for task in tasks]


@dataclasses.dataclass(frozen=True)
class Ref:
    model: str
    test: tuple
    recorder_id: str = ""


def ref(start, end=None, model="Ridge"):
    return Ref(model, (day(start), None if end is None else day(end)), f"{model} {start}")


@pytest.fixture(autouse=True)
def _calendar():
    with settings.override(calendar=CAL):
        yield


class TestTasks:
    def test_the_first_tasks_are_all_folds_of_the_templates(self):
        tasks = rolling().first_tasks()
        assert windows_of(tasks) == [("01-22", "01-28"), ("01-29", "02-04"), ("02-05", "02-11")]

    def test_several_templates_come_one_after_the_other(self):
        tasks = rolling([a_task("Ridge"), a_task("Lasso")]).first_tasks()
        assert [task["model"]["class"] for task in tasks] == ["Ridge"] * 3 + ["Lasso"] * 3

    @pytest.mark.parametrize(
        ("session", "expected"),
        [
            ("01-21", []),
            ("01-22", [("01-22", "01-28")]),
            ("02-04", [("01-22", "01-28"), ("01-29", "02-04")]),
            ("02-13", [("01-22", "01-28"), ("01-29", "02-04"), ("02-05", "02-11"), ("02-12", "02-18")]),
        ],
    )
    def test_at_a_session_nothing_that_begins_later_is_a_first_task(self, session, expected):
        assert windows_of(rolling().first_tasks(day(session))) == expected

    @pytest.mark.parametrize(
        ("session", "expected"),
        [
            ("02-11", []),
            ("02-12", [("02-12", "02-18")]),
            ("02-18", [("02-12", "02-18")]),
            ("02-20", [("02-12", "02-18"), ("02-19", "02-25")]),
        ],
    )
    def test_the_next_folds_follow_the_online_model(self, session, expected):
        """Contract: begin on 02-05, simulated to 02-20."""
        tasks = rolling().prepare_tasks(day(session), models=[ref("02-05", "02-11")])
        assert windows_of(tasks) == expected

    def test_all_first_folds_online_as_in_qlib_only_the_latest_counts(self):
        models = [ref("01-29", "02-04"), ref("02-05", "02-11"), ref("01-22", "01-28")]
        assert windows_of(rolling().prepare_tasks(day("02-12"), models=models)) == [("02-12", "02-18")]

    def test_asked_once_is_the_same_as_asked_every_day(self):
        once = rolling().tasks_due([ref("02-05")], day("02-28"))
        strategy, newest, daily = rolling(), [ref("02-05")], []
        for session in CAL.sessions(day("02-06"), day("02-28")):
            new = strategy.folds_due(newest, session)
            newest += new
            daily += [fold.task for fold in new]
        assert daily == once
        assert windows_of(once) == [("02-12", "02-18"), ("02-19", "02-25"), ("02-26", "03-03")]

    def test_no_time_and_a_time_in_the_future_mean_the_last_session_so_far(self, caplog):
        strategy = rolling()
        expected = strategy.tasks_due([ref("02-05")], day("02-28"))
        assert strategy.tasks_due([ref("02-05")]) == expected
        assert strategy.tasks_due([ref("02-05")], day("03-20")) == expected
        assert "after the calendar's last session" in caplog.text

    def test_without_an_online_model_there_is_a_warning_and_no_task(self, caplog):
        with caplog.at_level(logging.WARNING):
            assert rolling().prepare_tasks(day("02-12"), models=[]) == []
        assert "no model online" in caplog.text

    def test_the_evening_before(self):
        strategy = rolling(ahead=1)
        assert strategy.tasks_due([ref("02-05")], day("02-10")) == []
        assert windows_of(strategy.tasks_due([ref("02-05")], day("02-11"))) == [("02-12", "02-18")]
        assert strategy.prepare_tasks(day("02-11"), models=[ref("02-05")], ahead=0) == []

    def test_the_evening_before_on_the_last_session_so_far(self, caplog):
        with settings.override(calendar=business_days("2020-01-01", "2020-03-31", current_end="2020-02-11")):
            assert windows_of(rolling(ahead=1).tasks_due([ref("02-05")])) == [("02-12", "02-18")]
        assert caplog.text == ""

    def test_the_calendar_is_asked_anew_also_after_pickling(self):
        """Defect 5: a dumped strategy kept the calendar of its first day."""
        short = business_days("2020-01-01", "2020-02-11")
        with settings.override(calendar=short):
            strategy = rolling()
            assert strategy.tasks_due([ref("02-05", None)]) == []
            strategy = pickle.loads(pickle.dumps(strategy))
        assert windows_of(strategy.tasks_due([ref("02-05", None)], day("02-12"))) == [("02-12", "02-18")]

    def test_an_open_last_fold_has_an_end_when_the_calendar_has_grown(self):
        strategy = rolling()
        with settings.override(calendar=business_days("2020-01-01", "2020-02-13")):
            (task,) = strategy.tasks_due([ref("02-05")])
            assert segments_of(task)["test"] == (day("02-12"), None)
        (task,) = strategy.tasks_due([ref("02-05")], day("02-13"))
        assert windows_of([task]) == [("02-12", "02-18")]

    def test_tasks_are_copies(self):
        template = a_task()
        before = copy.deepcopy(template)
        strategy = rolling(template)
        first = strategy.tasks_due([ref("02-05")], day("02-12"))
        expected = copy.deepcopy(first)
        first[0]["model"]["kwargs"]["alpha"] = 99
        assert strategy.tasks_due([ref("02-05")], day("02-12")) == expected
        assert template == before

    @pytest.mark.parametrize("last", ["clip", "open"])
    def test_a_generator_whose_last_fold_changes_every_day_is_refused(self, last):
        with pytest.raises(OnlineError, match="another one each day"):
            rolling(last=last)

    def test_only_a_rolling_generator(self):
        with pytest.raises(OnlineError, match="a RollingGen"):
            RollingStrategy("s", a_task(), object())


class TestLines:
    def test_templates_of_the_same_model_have_names_of_their_own(self):
        templates = [a_task(alpha=1), a_task(alpha=2), a_task("Lasso")]
        strategy = rolling(templates)
        folds = strategy.folds_due((), day("01-30"))
        assert [fold.name for fold in folds] == ["Ridge", "Ridge", "Ridge#2", "Ridge#2", "Lasso", "Lasso"]
        assert [strategy.name_of(fold.task) for fold in folds] == [fold.name for fold in folds]

    def test_lines_go_on_for_themselves(self):
        strategy = rolling([a_task("Ridge"), a_task("Lasso", test=("01-24", "02-05"))])
        due = strategy.folds_due([ref("02-05"), ref("02-07", model="Lasso")], day("02-14"))
        assert [(fold.name, fold.start) for fold in due] == [("Ridge", day("02-12")), ("Lasso", day("02-14"))]

    def test_a_model_of_no_template(self):
        with pytest.raises(OnlineError, match="no template with the model 'LGBModel'"):
            rolling().tasks_due([ref("02-05", model="LGBModel")], day("02-12"))

    def test_a_task_that_fits_none_of_several_templates(self):
        with pytest.raises(OnlineError, match="fits none of the templates Ridge, Ridge#2"):
            rolling([a_task(alpha=1), a_task(alpha=2)]).name_of(a_task(alpha=3))

    def test_templates_that_cannot_be_told_apart_say_so(self):
        templates = [a_task(alpha=object()), a_task(alpha=2)]
        with pytest.raises(OnlineError, match="cannot be told apart"):
            rolling(templates).name_of(a_task(alpha=2))
        with pytest.raises(OnlineError, match="Ridge, Ridge#2 are the same"):
            rolling([a_task(), a_task(test=("01-24", "02-05"))]).name_of(a_task())

    def test_templates_with_the_same_model_may_differ_in_their_data(self):
        other = a_task()
        other["dataset"]["kwargs"]["handler"]["kwargs"]["data"] = "x"
        strategy = rolling([a_task(), other])
        assert [strategy.name_of(task) for task in strategy.tasks_due((), day("01-22"))] == ["Ridge", "Ridge#2"]


MODELS = [ref("01-22", "01-28"), ref("01-29", "02-04"), ref("02-05", "02-11")]


class TestServing:
    @pytest.mark.parametrize(
        ("session", "expected"),
        [
            ("01-21", None),
            ("01-22", "01-22"),
            ("02-04", "01-29"),
            ("02-05", "02-05"),
            ("02-28", "02-05"),
        ],
    )
    def test_the_fold_whose_test_segment_has_come(self, session, expected):
        found = rolling().serving(MODELS, day(session))
        assert found == ([] if expected is None else [ref(expected, found[0].test[1].strftime("%m-%d"))])

    def test_one_of_each_line_in_their_order(self):
        strategy = rolling([a_task("Ridge"), a_task("Lasso", test=("01-24", "02-05"))])
        models = [ref("02-07", model="Lasso"), ref("01-31", model="Lasso"), ref("02-05")]
        assert [one.recorder_id for one in strategy.serving(models, day("02-06"))] == ["Ridge 02-05", "Lasso 01-31"]
        assert [one.recorder_id for one in strategy.serving(models, day("02-07"))] == ["Ridge 02-05", "Lasso 02-07"]

    def test_the_first_training_puts_online_what_serves_now(self):
        assert rolling().switches((), MODELS, day("02-05")) == [(day("02-05"), [MODELS[2]])]

    def test_all_at_once_is_qlibs_way(self):
        planned = rolling().switches((), MODELS, day("02-05"), all_at_once=True)
        assert planned == [(day("02-05"), MODELS)]

    def test_a_model_that_was_trained_ahead_waits_for_its_session(self):
        new = ref("02-12", "02-18")
        assert rolling(ahead=1).switches([MODELS[2]], [new], day("02-11")) == [(day("02-12"), [new])]

    def test_a_model_that_was_trained_late_serves_from_now_on(self):
        new = ref("02-12", "02-18")
        assert rolling().switches([MODELS[2]], [new], day("02-14")) == [(day("02-14"), [new])]

    def test_an_old_fold_trained_again_changes_nothing(self):
        assert rolling().switches([MODELS[2]], [MODELS[0]], day("02-06")) == []

    def test_the_other_line_stays(self):
        strategy = rolling([a_task("Ridge"), a_task("Lasso", test=("01-24", "02-05"))])
        standing = [ref("02-05"), ref("02-07", model="Lasso")]
        new = ref("02-12")
        assert strategy.switches(standing, [new], day("02-12")) == [(day("02-12"), [new, standing[1]])]


class TestPreparedModels:
    def test_trained_models_take_the_place_of_those_online(self):
        strategy, old, new = rolling(), ref("02-05"), ref("02-12")
        strategy.tool = NotingTool([old])
        assert strategy.prepare_online_models([new], day("02-12")) == [new]
        assert strategy.tool.online_models() == [new]

    def test_nothing_trained_leaves_what_is_online(self):
        strategy, old = rolling(), ref("02-05")
        strategy.tool = NotingTool([old])
        assert strategy.prepare_online_models([], day("02-12")) == [old]

    def test_a_model_whose_time_has_not_come_waits(self):
        strategy, old, new = rolling(), ref("02-05"), ref("02-12")
        strategy.tool = NotingTool([old])
        assert strategy.prepare_online_models([new], day("02-11")) == [old]
        assert strategy.tool.online_models() == [old]

    def test_all_at_once(self):
        strategy = rolling()
        strategy.tool = NotingTool([])
        models = [ref("01-22"), ref("01-29")]
        assert strategy.prepare_online_models(models, day("02-05"), all_at_once=True) == models

    def test_what_a_strategy_would_choose_is_asked_without_doing_it(self):
        class Newest(OnlineStrategy):
            def first_tasks(self):
                return []

            def prepare_tasks(self, cur_time=None):
                return []

            def get_collector(self):
                raise NotImplementedError

            def prepare_online_models(self, trained_models, cur_time=None, *, n=1):
                models = [*self.tool.online_models(), *trained_models][-n:]
                self.tool.reset_online_tag(models)
                return self.tool.online_models()

        strategy = Newest("s")
        tool = strategy.tool
        assert chosen(strategy, ["b", "c"], ["a"], day("02-05"), n=3) == ["a", "b", "c"]
        assert strategy.tool is tool
        with pytest.raises(TypeError):
            chosen(strategy, ["b"], ["a"], day("02-05"), unknown=3)
        assert strategy.tool is tool


def retrain_on_mondays(number, segments):
    return segments["test"][0].weekday() == 0


class Weekly(RollingGen):
    """A user's own generator, with an argument of its own."""

    def __init__(self, *, weeks=1, **kwargs):
        super().__init__(step=5 * weeks, **{key: value for key, value in kwargs.items() if key != "step"})
        self.weeks = weeks


class Monthly(RollingGen):
    """One with another default."""

    def __init__(self, step="ME", **kwargs):
        super().__init__(step, **kwargs)


class Fixed(RollingGen):
    """One that passes an argument on that it does not take."""

    def __init__(self, *, weeks=1, **kwargs):
        super().__init__(step=5 * weeks, **kwargs)
        self.weeks = weeks


class Described(Fixed):
    def options(self):
        return {"weeks": self.weeks, "purge": 0}


class Changing(RollingStrategy):
    """One that does not keep what it was given."""

    def __init__(self, name_id, task_template, rolling_gen, n=1):
        super().__init__(name_id, task_template, rolling_gen)
        self.n = n + 1


class Careful(RollingStrategy):
    """A user's own strategy."""

    def __init__(self, *args, patience=3, **kwargs):
        super().__init__(*args, **kwargs)
        self.patience = patience


class Forgetful(OnlineStrategy):
    def __init__(self, name_id, window):
        super().__init__(name_id)

    def first_tasks(self):
        return []

    def prepare_tasks(self, cur_time=None):
        return []

    def get_collector(self):
        raise NotImplementedError


class TestDefinition:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"step": "ME", "trunc_days": 2, "purge": None},
            {"step": (day("01-22"), day("02-03")), "gap": 1, "max_train": 9},
            {"refit": 3, "handler_window": "qlib", "train_key": None},
            {"refit": retrain_on_mondays, "ds_extra_mod_func": None},
            {"ds_extra_mod_func": handler_mod, "calendar": "XNYS"},
        ],
    )
    def test_a_rolling_strategy_comes_back_from_json(self, options):
        strategy = rolling(ahead=1, promotion=PromotionRule(margin=0.01), **options)
        definition = json.loads(json.dumps(strategy.definition()))
        again = strategy_from(definition)
        assert again.definition() == definition == strategy.definition()
        assert (again.name_id, again.ahead, again.promotion) == ("s", 1, PromotionRule(margin=0.01))
        assert again.task_template == strategy.task_template
        for name in ("step", "rtype", "purging", "refit", "ds_extra_mod_func", "train_key", "max_train", "last"):
            assert getattr(again.rg, name) == getattr(strategy.rg, name)

    def test_what_comes_back_makes_the_same_folds(self):
        strategy = rolling([a_task(), a_task("Lasso")])
        again = strategy_from(strategy.definition())
        assert again.tasks_due((), day("02-28")) == strategy.tasks_due((), day("02-28"))

    def test_the_role_is_no_part_of_it(self):
        serving = rolling()
        shadow = RollingStrategy("s", a_task(), generator(), role="shadow")
        assert serving.definition() == shadow.definition()
        assert strategy_from(shadow.definition(), role="shadow").role == "shadow"

    def test_anything_that_is_different_shows(self):
        definitions = [
            strategy.definition()
            for strategy in (rolling(), rolling(step=6), rolling(ahead=1), rolling(a_task(alpha=2)), rolling(name="t"))
        ]
        assert all(one != other for i, one in enumerate(definitions) for other in definitions[i + 1 :])

    def test_own_classes_come_back_with_their_arguments(self):
        strategy = Careful("s", a_task(), Weekly(weeks=2, rtype="sliding", purge=0), patience=5)
        again = strategy_from(strategy.definition())
        assert (type(again), again.patience) == (Careful, 5)
        assert (type(again.rg), again.rg.weeks, again.rg.step) == (Weekly, 2, 10)
        assert again.definition() == strategy.definition()

    def test_an_own_generator_may_have_other_defaults(self):
        for step in ("ME", 40):
            again = strategy_from(RollingStrategy("s", a_task(), Monthly(step)).definition())
            assert (type(again.rg), again.rg.step) == (Monthly, step)

    def test_an_own_generator_may_say_its_options(self):
        again = strategy_from(RollingStrategy("s", a_task(), Described(weeks=2, purge=0)).definition())
        assert (again.rg.weeks, again.rg.step, again.rg.purging.purge) == (2, 10, 0)

    @pytest.mark.parametrize(
        ("strategy", "place"),
        [
            (lambda: RollingStrategy("s", a_task(), Fixed(weeks=2)), "multiple values for keyword argument 'step'"),
            (lambda: Changing("s", a_task(), generator()), "is another one"),
            (lambda: rolling(a_task(alpha=object())), "task_template.0.model.kwargs.alpha"),
            (lambda: rolling(refit=lambda number, segments: True), "rolling_gen.kwargs.refit"),
            (lambda: rolling(calendar=CAL), "calendar is a Calendar, which ends one day"),
            (lambda: Forgetful("s", 3), "Forgetful takes 'window' and does not keep it"),
        ],
    )
    def test_what_is_no_data_is_refused_with_its_place(self, strategy, place):
        with pytest.raises(OnlineError) as error:
            strategy().definition()
        assert place in str(error.value)
        assert error.value.remedy

    @pytest.mark.parametrize(
        "definition", [{}, {"class": 3, "kwargs": {}}, {"class": {"$name": ["nowhere", "X"]}, "kwargs": {}}]
    )
    def test_a_definition_that_is_none(self, definition):
        with pytest.raises(OnlineError, match="cannot be read"):
            strategy_from(definition)

    def test_a_role_that_is_none(self):
        with pytest.raises(OnlineError, match="role='boss'"):
            RollingStrategy("s", a_task(), generator(), role="boss")
