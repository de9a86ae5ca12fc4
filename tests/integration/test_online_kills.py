"""A routine that is killed at any of its writes and run again ends as one that nobody disturbed; so do two at once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from forked import environment

RIG = Path(__file__).with_name("online_rig.py")
DIED = 77


def run(folder, template, *jobs):
    out = folder / "out.json"
    done = subprocess.run(
        [sys.executable, str(RIG), str(folder), str(out), str(template), json.dumps(jobs)],
        cwd=folder,
        env=environment() | {"XDG_STATE_HOME": str(folder / "state"), "XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=1500,  # on a machine that does other things too
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text()), done.stderr


def differences(one, other):
    """Parts of the end state that are not the same."""
    return {key: (value, other[key]) for key, value in one.items() if value != other[key] and key != "others"}


def agrees(found, errors, least):
    """Compare every end with that of the operation that nobody disturbed; return what readers saw after the kills."""
    whole = found["whole"]["dump"]
    assert len(found["writes"]) >= least
    assert whole["others"] == []
    for result in found["results"]:
        place = f"killed before write {result['at']}, {result['what']}"
        # What is logged is written in batches, as time allows: a run may have some writes less than another, and then
        # nobody dies at the last ones.
        is_late = result["at"] > 0.85 * len(found["writes"])
        assert result["code"] == DIED or (is_late and result["code"] == 0), f"{place}: {errors}"
        assert result["again"] == 0, f"{place}: {errors}"
        assert differences(whole, result["dump"]) == {}, place
        # A run whose process died in the midst of training is marked as dead; there is never more than that one.
        assert result["dump"]["others"] in ([], ["FAILED"]), place
    return [(result["look"]["online"], result["look"]["head"]) for result in found["results"]]


@pytest.mark.parametrize(("trainer", "step"), [("TrainerR", 1), ("DelayTrainerR", 7)])
def test_a_routine_that_is_killed_anywhere_goes_on_as_if_nothing_had_been(tmp_path, template_store, trainer, step):
    (found,), errors = run(tmp_path, template_store, ["kill_everywhere", trainer, "routine", step])

    seen = agrees(found, errors, 30)
    # Never no model and never two sets: the old one until the new one is recorded, then the new one.
    old, new = ["2020-02-05"], ["2020-02-12"]
    switched = [online == new for online, _ in seen]
    assert all(online in (old, new) for online, _ in seen)
    assert switched == sorted(switched)
    heads = [head for _, head in seen]
    assert heads == sorted(heads)
    if step == 1:
        assert any(switched)
        assert {head[1] for head in heads} == {f"2020-02-{day} 00:00:00" for day in (10, 11, 12)}


def test_a_first_training_that_is_killed_anywhere_goes_on(tmp_path, template_store):
    (found,), errors = run(tmp_path, template_store, ["kill_everywhere", "TrainerR", "first_train", 9])

    agrees(found, errors, 30)


def test_who_is_told_that_a_session_is_held_is_told_whenever_the_routine_is_killed(tmp_path, template_store):
    (found,), errors = run(tmp_path, template_store, ["kill_everywhere", "TrainerR", "held", 1, 8])

    agrees(found, errors, 40)
    told = {"session": "2020-02-12T00:00:00", "held": ["ridge"], **found["whole"]["look"]}
    assert found["whole"]["heard"] == [told]
    assert told["online"] == ["2020-02-05"]
    for result in found["results"]:
        assert result["heard"], result["at"]
        assert all(one == found["whole"]["heard"][0] for one in result["heard"]), result["at"]
        assert len(result["heard"]) <= 2
    assert any(len(result["heard"]) == 2 for result in found["results"])  # told, and killed before that was noted


def test_a_session_that_is_tried_again_and_killed_anywhere_is_published_once(tmp_path, template_store):
    (found,), errors = run(tmp_path, template_store, ["kill_everywhere", "TrainerR", "retry", 3])

    agrees(found, errors, 10)
    assert [entry["kind"] for entry in found["whole"]["dump"]["entries"]][-2:] == ["routine", "routine"]
    assert found["whole"]["dump"]["entries"][-1]["extra"]["revises"] == "2020-02-12T00:00:00"


@pytest.mark.parametrize("trainer", ["TrainerR", "DelayTrainerR"])
def test_a_simulation_that_is_killed_anywhere_ends_as_one_that_nobody_disturbed(tmp_path, template_store, trainer):
    (found,), errors = run(tmp_path, template_store, ["kill_everywhere", trainer, "simulate", 23])

    agrees(found, errors, 100)
    assert len(found["results"]) >= 7
    whole = found["whole"]["dump"]
    assert [entry["kind"] for entry in whole["entries"]] == ["first_train", *["routine"] * 6]
    assert all(entry["simulated"] for entry in whole["entries"])


def test_what_is_compared_tells_models_apart():
    import online_rig
    from sklearn.linear_model import Ridge

    from rollforward.model.sklearn import SklearnModel

    def model(value):
        made = SklearnModel("sklearn.linear_model.Ridge")
        made.estimator_ = Ridge().fit([[0.0], [1.0]], [0.0, value])
        return made

    assert online_rig.content(model(1.0)) == online_rig.content(model(1.0))
    assert online_rig.content(model(1.0)) != online_rig.content(model(1.0 + 1e-12))


def test_of_two_routines_at_once_one_works(tmp_path, template_store):
    (waits, refuses), errors = run(
        tmp_path, template_store, ["two_at_once", "TrainerR", True], ["two_at_once", "TrainerR", False]
    )

    assert waits["codes"] == [0, 0], errors
    assert waits["said"][0] == waits["said"][1]
    assert waits["after"] == waits["whole"]
    assert refuses["codes"] == [0, 0], errors
    busy = [said for said in refuses["said"] if said.startswith("busy")]
    assert len(busy) <= 1
    assert all("process" in said for said in busy)
    assert refuses["after"] == refuses["whole"]
