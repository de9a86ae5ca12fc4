"""Seeds are dropped, counted or kept, and what is run is known by its content."""

from pathlib import Path

import pytest
import yaml

from rollforward.workflow.batch.discover import find_entries
from rollforward.workflow.batch.jobs import plan_jobs
from rollforward.workflow.batch.seeds import mode_for, seed_assignments
from rollforward.workflow.config import load_workflow

EXAMPLES = Path(__file__).resolve().parents[4] / "examples" / "models"
KWARGS = {
    "random_state": 7,
    "n_estimators": 10,
    "model": {"pt_model_kwargs": {"seed": 1, "layers": 2}},
    "steps": [{"seed": 3}, 4],
    "seed.of.mine": 5,
}


def task(**kwargs):
    return {
        "model": {"class": "M", "module_path": "somewhere_else", "kwargs": kwargs},
        "dataset": {"class": "D", "module_path": "somewhere_else", "kwargs": {"seed": 11}},
    }


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "models" / "M"
    place.mkdir(parents=True)
    (place / "workflow.yaml").write_text(yaml.safe_dump({"task": task(**KWARGS)}), encoding="utf-8")
    return place.parent


def ran(folder, *, times=1, seeds=None, time=0):
    (entry,) = find_entries(folder)
    job = plan_jobs([entry], times, seeds)[time]
    return load_workflow(entry.config, job.assignments, inspect=False).task


def test_once_seeds_stay_and_several_times_they_go():
    assert [mode_for(None, times) for times in (1, 2)] == ["keep", "drop"]
    assert mode_for("keep", 5) == "keep"


def test_dropped_seeds_are_gone_at_any_depth_and_only_in_the_model(folder):
    found = ran(folder, times=2)

    assert found["model"]["kwargs"] == {
        "n_estimators": 10,
        "model": {"pt_model_kwargs": {"layers": 2}},
        "steps": [{}, 4],
        "seed.of.mine": 5,
    }
    assert found["dataset"]["kwargs"] == {"seed": 11}


def test_counted_seeds_are_the_number_of_the_run(folder):
    for time in (0, 2):
        kwargs = ran(folder, times=3, seeds="count", time=time)["model"]["kwargs"]

        assert (kwargs["random_state"], kwargs["model"]["pt_model_kwargs"]["seed"]) == (time, time)
        assert kwargs["steps"] == [{"seed": time}, 4]
        assert kwargs["n_estimators"] == 10


def test_kept_seeds_change_nothing(folder):
    assert ran(folder)["model"]["kwargs"] == KWARGS


def test_a_model_without_seeds_is_run_as_it_is():
    assert seed_assignments({"task": task(alpha=1)}, "count", 0) == []
    assert seed_assignments({"task": {"model": {"class": "M"}}}, "drop", 0) == []


def test_runs_are_the_same_if_file_requirements_and_seeds_are(folder):
    def hashes(**options):
        return [job.hash for job in plan_jobs(find_entries(folder), options.pop("times", 1), **options)]

    first = hashes()
    assert hashes() == first
    (folder / "M").rename(folder / "N")
    assert hashes() != first
    (folder / "N").rename(folder / "M")
    assert hashes(assignments=["task.model.kwargs.n_estimators=11"]) != first
    dropped = hashes(times=2)
    assert dropped[0] == dropped[1]
    assert len({*hashes(times=2, seeds="count"), *dropped}) == 3
    (folder / "M" / "requirements.txt").write_text("# only words\n", encoding="utf-8")
    assert hashes() == first
    (folder / "M" / "requirements.txt").write_text("lightgbm # a word\n", encoding="utf-8")
    assert hashes() != first


def test_the_first_runs_of_all_models_come_before_the_second_ones(folder):
    (folder / "Z").mkdir()
    (folder / "Z" / "workflow.yaml").write_text(yaml.safe_dump({"task": task()}), encoding="utf-8")

    assert [job.label for job in plan_jobs(find_entries(folder), 2)] == ["M 0", "Z 0", "M 1", "Z 1"]


def test_a_file_that_cannot_be_read_is_a_failure_of_its_model_only(folder):
    (folder / "Z").mkdir()
    (folder / "Z" / "workflow.yaml").write_text("task: [", encoding="utf-8")

    good, bad = plan_jobs(find_entries(folder), 1)

    assert (good.state, bad.state) == ("waiting", "failed")
    assert "workflow.yaml:1" in bad.reason


def test_the_example_folder_has_four_models_on_one_base():
    found = find_entries(EXAMPLES)

    assert [entry.label for entry in found] == ["LightGBM", "MLP", "Ridge", "XGBoost"]
    assert all(entry.requirements for entry in found)
    jobs = plan_jobs(found, 2, "count")
    assert {job.state for job in jobs} == {"waiting"}
    assert {len(job.assignments) for job in jobs if job.entry.model != "Ridge"} == {1}
    datasets = [load_workflow(entry.config, inspect=False).task["dataset"] for entry in found]
    assert all(dataset == datasets[0] for dataset in datasets)
