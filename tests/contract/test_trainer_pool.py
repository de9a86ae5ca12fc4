"""Trainers with a pool, and trainers that train later: recorders, their order, statuses, and what is trained again."""

from __future__ import annotations

import copy
import importlib
import runpy
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest

from rollforward import settings
from rollforward.errors import (
    ExperimentNotFoundError,
    LeakageError,
    PoolError,
    PoolTimeoutError,
    TaskError,
    TaskFailedError,
)
from rollforward.workflow import R
from rollforward.workflow.task.manage import TaskManager, run_task
from rollforward.workflow.trainer import (
    DelayTrainerR,
    DelayTrainerRM,
    TrainerR,
    TrainerRM,
    begin_task_train,
    end_task_train,
    task_train,
)

QUICK = {"max_attempts": 1}
TOYS = """
    import numpy as np
    import pandas as pd

    from rollforward.model.base import Model

    def prices(instruments, start_time, end_time):
        dates = pd.bdate_range("2020-01-01", "2020-12-31")
        rows = pd.MultiIndex.from_product([dates, list("ABCDEF")], names=["datetime", "instrument"])
        x, noise = np.random.default_rng(0).normal(size=(2, len(rows)))
        columns = pd.MultiIndex.from_tuples([("feature", "x"), ("label", "LABEL0")])
        return pd.DataFrame(np.column_stack([x, x + noise]), rows, columns)

    class Toy(Model):
        fits = []

        def __init__(self, scale=1.0, fail=False):
            self.scale, self.fail, self._fitted = scale, fail, False

        def fit(self, dataset, reweighter=None):
            Toy.fits.append(self.scale)
            if self.fail:
                raise ArithmeticError(f"diverged at {self.scale}")
            self._fitted = True

        def predict(self, dataset, segment="test"):
            x = dataset.prepare(segment, col_set="feature", data_key="infer")
            return pd.Series(x.iloc[:, 0].to_numpy() * self.scale, index=x.index)
"""
NAME = "toys_of_the_pool"


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """A user's own module, importable by name, also in another process."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / f"{NAME}.py").write_text(textwrap.dedent(TOYS))
    monkeypatch.syspath_prepend(str(folder))
    yield importlib.import_module(NAME)
    del sys.modules[NAME]


@pytest.fixture
def task(toys):
    loader = {"class": "CallableLoader", "module_path": "rollforward.data.loader", "kwargs": {"function": toys.prices}}
    handler = {"class": "rollforward.DataHandlerLP", "kwargs": {"data_loader": loader}}
    segments = {"train": ("2020-01-01", "2020-06-30"), "test": ("2020-09-01", "2020-09-30")}
    return {
        "model": {"class": f"{NAME}.Toy", "kwargs": {"scale": 1.0}},
        "dataset": {"class": "rollforward.DatasetH", "kwargs": {"handler": handler, "segments": segments}},
        "record": ["SignalRecord"],
    }


@pytest.fixture(autouse=True)
def _stores(tracking_uri, task_store):
    settings.init(uri=tracking_uri)


def scaled(task, *scales, **kwargs):
    tasks = []
    for scale in scales:
        tasks.append(copy.deepcopy(task))
        tasks[-1]["model"]["kwargs"] |= {"scale": scale, **kwargs}
    return tasks


def scales(recorders):
    return [float(recorder.list_params()["model.kwargs.scale"]) for recorder in recorders]


def ids(recorders):
    return [recorder.id for recorder in recorders]


def runs_of(name="exp"):
    try:
        return R.list_recorders(experiment_name=name, rtype="list")
    except ExperimentNotFoundError:
        return []


def test_a_first_step_is_waited_for_and_not_the_second(task):
    trainer = TrainerRM("exp", "pool", n_workers=2, timeout=300, progress=False)
    recorders = trainer.train(scaled(task, 1.0, 2.0), after_status="part_done")
    assert scales(recorders) == [1.0, 2.0]
    assert TaskManager("pool").task_stat() == {"part_done": 2}


def test_recorders_come_in_the_order_of_the_tasks(task, toys):
    trainer = TrainerRM("exp", "pool")
    recorders = trainer(scaled(task, 3.0, 1.0, 2.0))
    assert scales(recorders) == [3.0, 1.0, 2.0]
    assert {recorder.status for recorder in recorders} == {"FINISHED"}
    assert {recorder.list_tags()["train_status"] for recorder in recorders} == {"end_task_train"}
    pool = TaskManager("pool")
    known = {str(one["_id"]): one["def"]["model"]["kwargs"]["scale"] for one in pool.query()}
    assert [known[recorder.list_tags()["_id in TaskManager"]] for recorder in recorders] == [3.0, 1.0, 2.0]
    assert [one["res"] for one in pool.query()] == recorders
    assert (trainer.has_worker(), trainer.is_delay()) == (True, False)


def test_one_task_and_none(task):
    (recorder,) = TrainerRM("exp").train(task)
    assert recorder.list_tags()["train_status"] == "begin_task_train"
    assert TaskManager.list() == ["exp"], "the pool is called like the experiment"
    assert TrainerRM("other", "other")([]) == []
    assert TaskManager.list() == ["exp"]


def test_equal_tasks_are_trained_once(task, toys):
    toys.Toy.fits.clear()
    shuffled = dict(reversed(task.items()))
    first, second = TrainerRM("exp")([task, shuffled])
    assert first.id == second.id
    assert toys.Toy.fits == [1.0]


def test_what_the_pool_has_trained_is_not_trained_again(task, toys):
    tasks = scaled(task, 1.0, 2.0)
    before = TrainerRM("exp")(tasks)
    toys.Toy.fits.clear()
    trainer = TrainerRM("exp")
    assert trainer([*tasks, *scaled(task, 3.0)])[:2] == before
    assert trainer.reused == ids(before)
    assert toys.Toy.fits == [3.0]
    assert ids(TrainerRM("exp", reuse=False)(tasks)) != ids(before)


def delete(recorder, task):
    R.get_exp(experiment_name="exp").delete_recorder(recorder.id)


def end_as_failed(recorder, task):
    with pytest.raises(KeyboardInterrupt), R.start(experiment_name="exp", recorder_id=recorder.id, resume=True):
        raise KeyboardInterrupt


def change_code(recorder, task):
    path = Path(sys.modules[NAME].__file__)
    path.write_text(path.read_text() + "\n# another version\n")


@pytest.mark.parametrize("spoil", [delete, end_as_failed, change_code])
def test_a_result_that_does_not_hold_is_trained_again(task, toys, spoil):
    (first,) = TrainerRM("exp")([task])
    spoil(first, task)
    (second,) = TrainerRM("exp")([task])
    assert second.id != first.id
    assert second.status == "FINISHED"
    assert [one["res"] for one in TaskManager("exp").query()] == [second]


def test_a_run_of_another_trainer_is_found_on_demand(task, toys):
    (first,) = TrainerR("exp")([task])
    trainer = TrainerRM("exp", reuse=True)
    assert trainer([task]) == [first]
    assert trainer.reused == [first.id]
    assert TaskManager("exp").task_stat() == {}
    (second,) = TrainerRM("exp")([task])
    assert second != first


def test_a_task_that_cannot_start_is_not_submitted(task):
    wrong = copy.deepcopy(task)
    wrong["dataset"]["kwargs"]["segments"]["train"] = ("2020-01-01", "2020-09-01")
    for trainer in (TrainerRM("exp"), DelayTrainerRM("exp")):
        with pytest.raises(LeakageError) as caught:
            trainer.train([task, wrong])
        assert "in task 1 of 2" in caught.value.__notes__[0]
    assert TaskManager("exp").task_stat() == {}
    assert runs_of() == []


def test_a_live_object_is_no_data(task, toys):
    with pytest.raises(TaskError, match=r"model: .*Toy"):
        TrainerRM("exp").train([{**task, "model": toys.Toy()}])


def test_a_failed_task_raises_or_is_collected_and_others_are_kept(task, toys):
    tasks = [*scaled(task, 1.0), *scaled(task, 2.0, fail=True), *scaled(task, 3.0)]
    with pytest.raises(TaskFailedError, match=r"diverged at 2\.0"):
        TrainerRM("exp", task_options=QUICK)(tasks)
    toys.Toy.fits.clear()
    trainer = TrainerRM("exp", on_error="collect", task_options=QUICK)
    recorders = trainer(tasks)
    assert scales(recorders) == [1.0, 3.0]
    assert toys.Toy.fits == [2.0], "the others are trained; the failed one gets another chance"
    assert list(trainer.failed) == [1]
    assert "diverged" in trainer.failed[1].error


def test_runs_become_children_of_the_active_run(task):
    with R.start(experiment_name="exp", recorder_name="parent"):
        parent = R.get_recorder().id
        (recorder,) = TrainerRM("exp")([task])
    assert recorder.list_tags()["mlflow.parentRunId"] == parent


def test_what_was_trained_for_a_trainer_that_died_is_adopted(task):
    TaskManager("exp").create_task([task])
    run_task(task_train, "exp", experiment_name="exp")
    with R.start(experiment_name="exp", recorder_name="parent"):
        parent = R.get_recorder().id
        (recorder,) = TrainerRM("exp")([task])
    tags = recorder.list_tags()
    assert tags["mlflow.parentRunId"] == parent
    assert tags["_id in TaskManager"]


def test_an_attempt_that_ended_without_a_result_leaves_no_run(task):
    pool = TaskManager("exp")
    pool.create_task([task])
    claim = pool.claim(lease=0)  # its lease has passed
    claim.note(lost := task_train(claim.definition, "exp"))
    (recorder,) = TrainerRM("exp")([task])
    assert recorder != lost
    runs = R.search_records().set_index("run_id")
    assert (runs.loc[lost.id, "status"], runs.loc[lost.id, "tags.successor"]) == ("KILLED", recorder.id)
    assert pool.show(recorder.list_tags()["_id in TaskManager"]).attempts[-1].outcome == "committed"


def test_a_worker_elsewhere_trains_what_is_submitted(task):
    TaskManager("pool").create_task(scaled(task, 1.0, 2.0))
    assert TrainerRM("exp", "pool").worker() is True
    recorders = TrainerRM("exp", "pool", skip_run_task=True, timeout=300)(scaled(task, 1.0, 2.0))
    assert scales(recorders) == [1.0, 2.0]
    assert len(runs_of()) == 2
    assert TrainerRM("exp", "pool").worker() is False


def test_workers_of_this_training(task):
    trainer = TrainerRM("exp", n_workers=2, timeout=300, on_error="collect", task_options=QUICK)
    with R.start(experiment_name="exp"):
        parent = R.get_recorder().id
        recorders = trainer([*scaled(task, 2.0, 1.0), *scaled(task, 3.0, fail=True)])
    assert scales(recorders) == [2.0, 1.0]
    assert {recorder.list_tags()["mlflow.parentRunId"] for recorder in recorders} == {parent}
    assert "diverged" in trainer.failed[2].error
    assert TaskManager("exp").workers() == []


def test_workers_that_cannot_start_end_the_waiting(task):
    with pytest.raises(PoolError, match="cannot be found by another process"):
        TrainerRM("exp", train_func=lambda task: None, n_workers=1)([task])


def test_nobody_trains(task):
    with pytest.raises(PoolTimeoutError, match="1 waiting"):
        TrainerRM("exp", skip_run_task=True, timeout=0.1)([task])


def test_a_model_is_fitted_before_it_is_taken(task, toys):
    taker = copy.deepcopy(task) | {"refit": False}
    taker["dataset"]["kwargs"]["segments"]["test"] = ("2020-10-01", "2020-10-30")
    for name, trainer in (("exp", TrainerRM("exp")), ("late", DelayTrainerRM("late"))):
        toys.Toy.fits.clear()
        if name == "late":
            task["model"]["kwargs"]["scale"] = taker["model"]["kwargs"]["scale"] = 7.0
        took, fitted = trainer([taker, task])
        assert took.list_tags()["model_from"] == fitted.id
        assert len(toys.Toy.fits) == 1


def test_names_given_to_train_win(task):
    (recorder,) = TrainerRM("exp", "pool").train([task], experiment_name="other", default_rec_name="mine")
    assert recorder.name == "mine"
    assert [run.id for run in runs_of("other")] == [recorder.id]


def test_runs_of_a_pool_in_other_experiments_are_said(task, caplog):
    TaskManager("pool").create_task(scaled(task, 1.0, 2.0))
    run_task(task_train, "pool", query={"filter.model.kwargs.scale": 2.0}, experiment_name="another one")
    trainer = TrainerRM("exp", "pool")
    for _ in range(2):  # trained elsewhere, and found
        caplog.clear()
        assert scales(trainer(scaled(task, 1.0, 2.0))) == [1.0, 2.0]
        (said,) = [record.getMessage() for record in caplog.records if "not in the experiment" in record.getMessage()]
        assert "1 of 2 runs" in said
        assert "'another one' (1)" in said
        assert "rollforward worker pool --experiment exp" in said
    caplog.clear()
    TrainerRM("another one", "pool")(scaled(task, 2.0))
    assert "not in the experiment" not in caplog.text


def train_in_another_store(task, experiment_name):
    with R.uri_context(f"sqlite:///{Path.cwd() / 'elsewhere.db'}"):
        return task_train(task, experiment_name)


def test_a_run_in_another_tracking_store_is_explained(task, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PoolError, match=r"elsewhere\.db") as caught:
        TrainerRM("exp", train_func=train_in_another_store)([task])
    assert R.get_uri() in caught.value.expected
    assert "--uri" in caught.value.remedy


def give_nothing(task, experiment_name):
    return {"n": 1}


def test_a_function_that_returns_no_recorder_is_explained(task):
    with pytest.raises(TaskError, match="no recorder"):
        TrainerRM("exp", train_func=give_nothing)([{"any": "thing"}])


class TestDelayed:
    @pytest.fixture(params=[DelayTrainerR, DelayTrainerRM])
    def trainer(self, request):
        return request.param("exp")

    def test_train_prepares_and_end_train_trains_in_the_same_runs(self, task, toys, trainer):
        toys.Toy.fits.clear()
        prepared = trainer.train(scaled(task, 2.0, 1.0))
        assert trainer.is_delay()
        assert {recorder.status for recorder in prepared} == {"SCHEDULED"}
        assert {recorder.list_tags()["train_status"] for recorder in prepared} == {"begin_task_train"}
        assert toys.Toy.fits == []
        trained = trainer.end_train(prepared)
        assert trained == prepared
        assert scales(trained) == [2.0, 1.0]
        assert {recorder.status for recorder in trained} == {"FINISHED"}
        assert {recorder.list_tags()["train_status"] for recorder in trained} == {"end_task_train"}
        assert len(runs_of()) == 2

    def test_what_is_trained_is_passed_over(self, task, toys, trainer):
        recorders = trainer(scaled(task, 1.0, 2.0))
        toys.Toy.fits.clear()
        assert trainer.end_train(recorders[0]) == recorders[:1]
        assert trainer.end_train(recorders) == recorders
        assert toys.Toy.fits == []


def test_prepared_here_and_trained_elsewhere(task):
    prepared = DelayTrainerRM("exp", "pool", skip_run_task=True).train(scaled(task, 1.0, 2.0))
    assert TaskManager("pool").task_stat() == {"part_done": 2}
    again = DelayTrainerRM("exp", "pool").train(scaled(task, 1.0, 2.0))
    assert again == prepared
    assert DelayTrainerRM("exp", "pool").worker() is True
    trainer = DelayTrainerRM("exp", "pool", skip_run_task=True, timeout=300)
    trained = trainer.end_train(prepared)
    assert trained == prepared
    assert {recorder.status for recorder in trained} == {"FINISHED"}
    assert trainer(scaled(task, 1.0, 2.0)) == trained, "nothing is left to do"


def test_a_prepared_run_that_is_gone_is_prepared_again(task):
    trainer = DelayTrainerRM("exp")
    (first,) = trainer.train([task])
    delete(first, task)
    (second,) = trainer([task])
    assert second.id != first.id
    assert second.status == "FINISHED"


def test_a_run_that_no_pool_knows_is_refused(task):
    with pytest.raises(TaskError, match="not prepared through a pool"):
        DelayTrainerRM("exp").end_train(begin_task_train(task, "exp"))


def test_a_delayed_training_that_fails_is_collected(task, toys):
    trainer = DelayTrainerRM("exp", on_error="collect", task_options=QUICK)
    recorders = trainer([*scaled(task, 1.0), *scaled(task, 2.0, fail=True)])
    assert scales(recorders) == [1.0]
    assert list(trainer.failed) == [1]


def test_a_dictionary_of_qlib_s_way_to_work_on_a_pool(task):
    TaskManager("pool").create_task([task])
    assert run_task(begin_task_train, "pool", after_status="part_done", experiment_name="exp")
    assert run_task(end_task_train, "pool", before_status="part_done", experiment_name="exp")
    ((only),) = runs_of()
    assert only.status == "FINISHED"
    assert task_train(task, "exp").id != only.id


def test_qlib_s_example():
    example = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "rolling_task_pool.py"))["RollingTaskExample"]
    uri = settings.current().uri
    plain = example("plain", rolling_step=504, uri=uri)
    assert not plain.trainer.has_worker()
    alone = plain.main()
    assert set(alone["pred"]) == {("Ridge",), ("LinearRegression",)}

    pooled = example("pooled", "pool", rolling_step=504, uri=uri)
    together = pooled.main()
    assert pooled.main().keys() == together.keys(), "a second time from the beginning"
    n_folds = len(pooled.task_generating())
    assert TaskManager("pool").task_stat() == {"done": n_folds}
    assert len(runs_of("pooled")) == n_folds
    for model, frame in alone["pred"].items():
        pd.testing.assert_frame_equal(frame, together["pred"][model], check_exact=True)
    pooled.reset()
    assert (runs_of("pooled"), TaskManager("pool").task_stat()) == ([], {})
    assert pooled.worker() is False
