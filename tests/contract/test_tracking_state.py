"""Who sees which active run: threads, tasks, contexts, managers, and MLflow's own functions."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import mlflow
import pytest

from rollforward.workflow import MLflowExpManager, QlibRecorder


@pytest.fixture(params=[KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, ZeroDivisionError])
def interruption(request):
    return request.param


def names_and_parents(recording, experiment="demo"):
    recorders = recording.list_recorders(experiment_name=experiment, rtype="list")
    ids = {recorder.id: recorder.name for recorder in recorders}
    return {each.name: ids.get(each.tags.get("mlflow.parentRunId")) for each in recorders}


def test_after_an_interruption_that_was_caught_everything_starts_anew(recording, interruption):
    def cell(n):
        with recording.start(experiment_name="demo", recorder_name=f"cell {n}"):
            recording.log_metrics(x=n)
            raise interruption

    for n in range(2):
        with pytest.raises(interruption):
            cell(n)
        assert recording.exp_manager.active_recorder is None
        assert mlflow.active_run() is None
    assert names_and_parents(recording) == {"cell 0": None, "cell 1": None}


def test_an_interruption_inside_start_leaves_no_run(recording, interruption, monkeypatch):
    from rollforward.workflow.mlflow_backend.run import recorder as module

    def interrupted(*_args, **_kwargs):
        raise interruption

    with recording.start(experiment_name="demo", recorder_name="outer"):
        outer = recording.get_recorder()
        with monkeypatch.context() as patch:
            patch.setattr(module.MLflowRecorder, "on_active", interrupted)
            with pytest.raises(interruption), recording.start(recorder_name="inner"):
                pytest.fail("must not be entered")
        assert recording.get_recorder() is outer
        assert mlflow.active_run().info.run_id == outer.id
    running = recording.search_records(outer.experiment_id, filter_string="attributes.status = 'RUNNING'")
    assert running.empty


def test_more_threads_than_a_pool_has_connections_each_with_a_run_of_its_own(recording):
    barrier = threading.Barrier(20)

    def work(n):
        barrier.wait(timeout=60)
        with recording.start(experiment_name="demo", recorder_name=f"run {n}"):
            recording.log_metrics(n=n)
            recording.log_params(n=n)
            return n, recording.get_recorder().id

    with ThreadPoolExecutor(20) as pool:
        ids = dict(pool.map(work, range(40)))
    recorders = recording.list_recorders(experiment_name="demo", rtype="list")
    found = {int(each.name.removeprefix("run ")): (each.id, each.metrics["n"], each.params["n"]) for each in recorders}
    assert found == {n: (ids[n], float(n), str(n)) for n in range(40)}
    assert {each.status for each in recorders} == {"FINISHED"}
    assert recording.exp_manager.active_recorder is None


def test_tasks_have_children_of_their_own_in_the_run_they_were_started_in(recording):
    async def fold(n, everybody):
        with recording.start(recorder_name=f"fold {n}"):
            await everybody.wait()
            recording.log_metrics(n=n)
            await asyncio.sleep(0)
            assert recording.get_recorder().name == f"fold {n}"
        assert recording.get_recorder().name == "job"

    async def job():
        with recording.start(experiment_name="demo", recorder_name="job"):
            everybody = asyncio.Barrier(5)
            await asyncio.gather(*(fold(n, everybody) for n in range(5)))
            recording.log_metrics(job=1)

    asyncio.run(job())
    assert names_and_parents(recording) == {"job": None} | {f"fold {n}": "job" for n in range(5)}
    recorders = recording.list_recorders(experiment_name="demo", rtype="list")
    assert {each.name: each.metrics for each in recorders} == {"job": {"job": 1.0}} | {
        f"fold {n}": {"n": float(n)} for n in range(5)
    }


def test_a_cancelled_task_is_killed_and_its_parent_goes_on(recording):
    async def fold(entered):
        with recording.start(recorder_name="fold"):
            recording.log_metrics(x=1)
            entered.set()
            await asyncio.Event().wait()

    async def job():
        with recording.start(experiment_name="demo", recorder_name="job"):
            entered = asyncio.Event()
            task = asyncio.create_task(fold(entered))
            await entered.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            recording.log_metrics(y=1)

    asyncio.run(job())
    frame = recording.search_records().set_index("run_name")
    assert frame["status"].to_dict() == {"job": "FINISHED", "fold": "KILLED"}
    assert frame.loc["fold", "metrics.x"] == frame.loc["job", "metrics.y"] == 1


def test_a_thread_that_outlives_the_run_it_was_started_in_is_told_where_its_values_go(recording, caplog):
    ended = threading.Event()

    def work():
        recording.log_metrics(early=1)
        logged.set()
        assert ended.wait(60)
        recording.log_metrics(late=1)

    logged = threading.Event()
    with recording.start(experiment_name="demo"):
        recorder = recording.get_recorder()
        thread = threading.Thread(target=copy_context().run, args=(work,))
        thread.start()
        assert logged.wait(60)
    ended.set()
    thread.join()

    assert recorder.list_metrics() == {"early": 1.0}
    assert "The run that this thread or task was started in has ended" in caplog.text
    assert recording.get_recorder().list_metrics() == {"late": 1.0}
    recording.end_exp()


def test_a_block_that_is_left_in_another_thread_ends_its_run(recording):
    block = recording.start(experiment_name="demo")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(block.__enter__).result()
        (recorder,) = recording.list_recorders(experiment_name="demo", rtype="list")
        assert recorder.status == "RUNNING"
    block.__exit__(None, None, None)
    assert recording.get_recorder(recorder_id=recorder.id).status == "FINISHED"
    assert mlflow.active_run() is None


def test_managers_in_threads(recording, tracking_uri):
    """Ten managers on one store, each in a thread, and R beside them."""

    def work(n):
        mine = QlibRecorder(MLflowExpManager(tracking_uri, f"experiment {n % 3}"))
        with mine.start(recorder_name=f"run {n}"):
            assert mine.get_exp().name == f"experiment {n % 3}"
            mine.log_metrics(n=n)
            assert recording.exp_manager.active_recorder is None
            return mine.get_recorder().id

    with ThreadPoolExecutor(10) as pool:
        ids = list(pool.map(work, range(10)))
    assert set(recording.list_experiments()) == {"Default", *(f"experiment {n}" for n in range(3))}
    frame = recording.search_records().set_index("run_id")
    assert frame.loc[ids, "metrics.n"].tolist() == list(range(10))


def test_a_run_without_a_block_is_the_parent_of_a_block(recording):
    recording.start_exp(experiment_name="demo", recorder_name="open")
    with recording.start(recorder_name="block"):
        recording.log_metrics(x=1)
    assert recording.get_recorder().name == "open"
    recording.end_exp()
    assert names_and_parents(recording) == {"open": None, "block": "open"}


def test_autolog_of_scikit_learn_lands_in_the_active_run(recording):
    import mlflow.sklearn
    from sklearn.linear_model import Ridge

    mlflow.sklearn.autolog(log_models=False, log_datasets=False, silent=True)
    try:
        with recording.start(experiment_name="demo", recorder_name="parent"):
            parent = recording.get_recorder()
            with recording.start(recorder_name="fold"):
                fold = recording.get_recorder()
                Ridge(alpha=0.5).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
            Ridge(alpha=2.0).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    finally:
        mlflow.sklearn.autolog(disable=True, silent=True)
    assert fold.list_params()["alpha"] == "0.5"
    assert parent.list_params()["alpha"] == "2.0"
    assert "training_r2_score" in fold.list_metrics()
    assert (fold.status, parent.status) == ("FINISHED", "FINISHED")
    assert len(recording.list_recorders(experiment_name="demo")) == 2
    assert mlflow.active_run() is None
