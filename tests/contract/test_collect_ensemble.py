"""The statements of Qlib's contract, section 10; where a defect is fixed on purpose, the test says so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rollforward.errors import DataError, LoadObjectError, TaskError, TrackingError
from rollforward.model.ens.ensemble import AverageEnsemble, RollingEnsemble, SingleKeyEnsemble
from rollforward.model.ens.group import Group, RollingGroup
from rollforward.workflow.task.collect import Collector, MergeCollector, RecorderCollector

DATES = pd.bdate_range("2020-01-01", periods=6)
NAMES = ["A", "B", "C"]


class Run:
    """A recorder in memory."""

    def __init__(self, name, objects, status="FINISHED", start_time=None, tags=None):
        self.id = name
        self.status = status
        self.objects = objects
        self.tags = tags or {}
        self.info = {"id": name, "status": status, "start_time": start_time}

    def load_object(self, name):
        if name not in self.objects:
            raise LoadObjectError(f"Recorder {self.id} has no artifact {name!r}.")
        return self.objects[name]

    def list_tags(self):
        return self.tags


class Exp:
    """An experiment in memory; lists newest first, as the contract says."""

    name = "exp"

    def __init__(self, runs):
        self.runs = runs
        self.asked = None

    def list_recorders(self, **kwargs):
        self.asked = kwargs
        return {run.id: run for run in self.runs if kwargs.get("status") in {None, run.status}}


def frame(start, stop, value, names=NAMES):
    index = pd.MultiIndex.from_product([DATES[start:stop], names], names=["datetime", "instrument"])
    return pd.DataFrame({"score": float(value)}, index=index)


class TestCollector:
    class Fixed(Collector):
        def __init__(self, values, process_list=None):
            super().__init__(process_list)
            self.values = values

        def collect(self):
            return self.values

    def test_each_value_goes_through_the_processors_in_order(self):
        collector = self.Fixed({"a": 1, "b": 2}, [lambda x, by: x + by, lambda x, by: x * by])

        assert collector(10) == {"a": 110, "b": 120}

    def test_a_single_processor_needs_no_list(self):
        assert Collector.process_collect({"a": 1}, str) == {"a": "1"}

    def test_a_processor_that_cannot_be_called_is_refused(self):
        with pytest.raises(TaskError, match="cannot be called"):
            Collector.process_collect({"a": 1}, [3])

    def test_merge_pairs_the_keys(self):
        merge = MergeCollector({"one": self.Fixed({"a": 1}, str), "two": self.Fixed({"a": 2})})

        assert merge() == {("one", "a"): "1", ("two", "a"): 2}

    def test_merge_with_a_function_and_its_own_processors(self):
        merge = MergeCollector({"one": self.Fixed({"a": 1})}, [lambda x: -x], merge_func="{}/{}".format)

        assert merge() == {"one/a": -1}

    def test_merge_refuses_to_overwrite(self):
        merge = MergeCollector(
            {"one": self.Fixed({"a": 1}), "two": self.Fixed({"a": 2})}, merge_func=lambda name, key: key
        )
        with pytest.raises(TaskError, match="twice"):
            merge.collect()


class TestRecorderCollector:
    def test_by_id_of_the_finished_ones(self):
        exp = Exp([Run("new", {"pred.pkl": 1}), Run("failed", {"pred.pkl": 2}, "FAILED"), Run("old", {"pred.pkl": 3})])

        assert RecorderCollector(exp).collect() == {"pred": {"new": 1, "old": 3}}
        assert exp.asked == {}, "the store hides no failures"
        assert RecorderCollector(exp, status=None).collect() == {"pred": {"new": 1, "failed": 2, "old": 3}}
        assert RecorderCollector(exp, status={"FINISHED", "FAILED"}).collect()["pred"].keys() == {
            "new",
            "failed",
            "old",
        }

    def test_the_newest_run_wins(self):
        """In Qlib the oldest wins (D#27)."""
        exp = Exp([Run("new", {"pred.pkl": "new"}), Run("old", {"pred.pkl": "old"})])

        assert RecorderCollector(exp, rec_key_func=lambda run: "m").collect() == {"pred": {"m": "new"}}

    def test_the_newest_run_of_a_function_in_any_order_wins(self):
        runs = [
            Run("old", {"pred.pkl": "old"}, start_time="2024-01-01 00:00:00"),
            Run("new", {"pred.pkl": "new"}, start_time="2024-01-02 00:00:00"),
        ]

        assert RecorderCollector(lambda: runs, rec_key_func=lambda run: "m").collect() == {"pred": {"m": "new"}}
        assert RecorderCollector(lambda: {run.id: run for run in runs}).collect()["pred"].keys() == {"old", "new"}

    def test_a_newer_run_without_the_artifact_does_not_hide_an_older_one(self):
        exp = Exp([Run("new", {}), Run("old", {"pred.pkl": "old"})])
        collector = RecorderCollector(exp, rec_key_func=lambda run: "m")

        assert collector.collect() == {"pred": {"m": "old"}}
        assert [missing.recorder_id for missing in collector.missing] == ["new"]

    def test_missing_artifacts_are_skipped_and_listed(self):
        collector = RecorderCollector(
            Exp([Run("a", {}), Run("b", {"pred.pkl": 1})]), artifacts_path={"pred": "pred.pkl", "label": "label.pkl"}
        )

        assert collector.collect() == {"pred": {"b": 1}}
        assert [(one.recorder_id, one.artifact) for one in collector.missing] == [
            ("a", "pred"),
            ("a", "label"),
            ("b", "label"),
        ]
        assert "no artifact 'pred.pkl'" in collector.missing[0].reason

    def test_missing_artifacts_raise_when_asked_to(self):
        with pytest.raises(LoadObjectError):
            RecorderCollector(Exp([Run("a", {})])).collect(only_exist=False)

    def test_filters_and_keys(self):
        exp = Exp([Run("a", {"pred.pkl": 1}), Run("b", {"pred.pkl": 2}), Run("c", {"pred.pkl": 3})])
        collector = RecorderCollector(
            exp,
            rec_filter_func=lambda run: run.id != "a",
            rec_key_func=lambda run: None if run.id == "b" else run.id.upper(),
        )

        assert collector.collect() == {"pred": {"C": 3}}
        assert collector.collect(rec_filter_func=lambda run: run.id == "a") == {"pred": {"A": 1}}

    def test_raw_gives_the_recorder(self):
        run = Run("a", {})

        assert RecorderCollector(Exp([run])).collect(artifacts_key="__raw") == {"__raw": {"a": run}}

    def test_one_artifact_of_several(self):
        run = Run("a", {"pred.pkl": 1, "ic.pkl": 2})
        collector = RecorderCollector(
            Exp([run]), artifacts_path={"pred": "pred.pkl", "ic": "ic.pkl"}, artifacts_key="ic"
        )

        assert collector.collect() == {"ic": {"a": 2}}
        with pytest.raises(TrackingError, match="'nope'"):
            collector.collect(artifacts_key=["nope"])

    def test_list_kwargs_go_to_the_experiment(self):
        exp = Exp([])
        RecorderCollector(exp, list_kwargs={"filter_string": "x", "status": None}).collect()

        assert exp.asked == {"filter_string": "x", "status": None}

    def test_names(self):
        assert RecorderCollector("by name").get_exp_name() == "by name"
        assert RecorderCollector(Exp([])).get_exp_name() == "exp"
        with pytest.raises(TrackingError):
            RecorderCollector(list).get_exp_name()
        with pytest.raises(TrackingError, match="experiment=3"):
            RecorderCollector(3)

    def test_collect_group_and_join_in_one_call(self):
        exp = Exp([Run("two", {"pred.pkl": frame(2, 4, 2)}), Run("one", {"pred.pkl": frame(0, 2, 1)})])
        collector = RecorderCollector(exp, RollingGroup(), rec_key_func=lambda run: ("Ridge", run.id))

        pd.testing.assert_frame_equal(collector()["pred"]["Ridge",], pd.concat([frame(0, 2, 1), frame(2, 4, 2)]))


class TestSingleKeyEnsemble:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ({"a": {"b": {"c": 1}}}, 1),
            ({"a": {"b": 1}, "c": {"d": 2, "e": 3}}, {"a": 1, "c": {"d": 2, "e": 3}}),
            ({}, {}),
            (7, 7),
        ],
    )
    def test_recursive(self, given, expected):
        assert SingleKeyEnsemble()(given) == expected

    def test_not_recursive(self):
        assert SingleKeyEnsemble()({"a": {"b": 1}}, recursion=False) == {"b": 1}


class TestRollingEnsemble:
    def test_the_frame_that_starts_later_wins(self):
        joined = RollingEnsemble()({"z": frame(2, 5, 2), "a": frame(0, 3, 1)})

        pd.testing.assert_frame_equal(joined, pd.concat([frame(0, 2, 1), frame(2, 5, 2)]))

    def test_of_two_that_start_together_the_later_in_the_dictionary_wins(self):
        assert (RollingEnsemble()({"a": frame(0, 2, 1), "b": frame(0, 2, 2)}).score == 2).all()

    def test_nothing_to_join(self):
        with pytest.raises(ValueError, match="nothing to join"):
            RollingEnsemble()({})


class TestAverageEnsemble:
    def test_the_worked_example(self):
        def predictions(*values):
            return frame(0, 1, 0).assign(score=values)

        average = AverageEnsemble()({"m1": predictions(1.0, 2, 6), "m2": {"x": predictions(10.0, 0, 20)}})

        assert average.name is None
        assert average.tolist() == pytest.approx([-0.377964, -0.688982, 1.066947], abs=5e-7)

    def test_one_instrument_on_a_date_is_not_known(self):
        assert AverageEnsemble()({"m": frame(0, 2, 1, ["A"])}).isna().all()

    def test_equals_the_formula_date_by_date(self):
        rng = np.random.default_rng(0)
        frames = {
            k: frame(0, 6, 0).assign(score=rng.normal(size=18)).sample(frac=0.9, random_state=k) for k in range(4)
        }
        table = pd.concat(list(frames.values()), axis=1).sort_index()
        by_date = table.groupby("datetime")
        expected = ((table - by_date.transform("mean")) / by_date.transform("std")).mean(axis=1)

        pd.testing.assert_series_equal(AverageEnsemble()(frames), expected, rtol=1e-12)


class TestGroup:
    def test_group_and_reduce_as_functions(self):
        group = Group(lambda values: {k % 2: [v for j, v in values.items() if j % 2 == k % 2] for k in values}, sum)

        assert group({1: 1, 2: 10, 3: 100}) == {1: 101, 0: 10}
        assert group({1: 1, 2: 10, 3: 100}, n_jobs=2) == {1: 101, 0: 10}

    def test_an_overridden_reduce_has_effect(self):
        """In Qlib it has none (D#40)."""

        class Count(Group):
            def reduce(self, values):
                return len(values)

        assert Count(lambda values: {"all": values})({1: 1, 2: 2}) == {"all": 2}

    def test_what_is_absent_is_said(self):
        with pytest.raises(NotImplementedError, match="group_func"):
            Group()({})
        with pytest.raises(NotImplementedError, match="ens"):
            Group(lambda values: values)({1: 1})

    def test_rolling_group(self):
        group = RollingGroup(ens=lambda folds: folds)

        assert group({("A", "B", 1): "x", ("A", "B", 2): "y", ("C", 1): "z"}) == {
            ("A", "B"): {1: "x", 2: "y"},
            ("C",): {1: "z"},
        }
        with pytest.raises(DataError, match="'no tuple'"):
            group({"no tuple": 1})
