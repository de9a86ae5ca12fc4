"""Which models are online, as section 11 of the contract has it, in a real tracking store; fixed defects are named."""

from __future__ import annotations

import contextlib

import pytest

from rollforward import settings
from rollforward.errors import ExperimentNotFoundError, OnlineError, UpdateError
from rollforward.workflow.online import pointer
from rollforward.workflow.online.pointer import ONLINE_SET
from rollforward.workflow.online.utils import OnlineTool, OnlineToolR

ONLINE, OFFLINE = OnlineTool.ONLINE_TAG, OnlineTool.OFFLINE_TAG


@pytest.fixture
def run(recording):
    """Make finished recorders."""

    def make(name, experiment="models"):
        with recording.start(experiment_name=experiment, recorder_name=name):
            return recording.get_recorder()

    return make


@pytest.fixture
def tool(recording):
    return OnlineToolR("models")


def names(recorders):
    return [recorder.name for recorder in recorders]


def tags_in_store(recording, experiment="models"):
    found = recording.list_recorders(experiment_name=experiment).values()
    return {one.name: one.list_tags().get("online_status") for one in found}


def test_the_names_of_tags_are_qlibs():
    assert (OnlineTool.ONLINE_KEY, ONLINE, OFFLINE) == ("online_status", "online", "offline")


def test_nobody_is_online_at_first(run, tool):
    a = run("a")
    assert tool.online_models() == []
    assert tool.get_online_tag(a) == OFFLINE


def test_resetting_takes_the_place_of_those_that_were_online(recording, run, tool):
    a, b, c = run("a"), run("b"), run("c")
    tool.reset_online_tag([a, b])
    assert names(tool.online_models()) == ["b", "a"]
    tool.reset_online_tag(c)
    assert tool.online_models() == [c]
    assert [tool.get_online_tag(one) for one in (a, b, c)] == [OFFLINE, OFFLINE, ONLINE]
    assert tags_in_store(recording) == {"a": OFFLINE, "b": OFFLINE, "c": ONLINE}


def test_nothing_can_be_put_online(run, tool):
    tool.reset_online_tag(run("a"))
    tool.reset_online_tag([])
    assert tool.online_models() == []


def test_marking_leaves_the_others_as_they_are(recording, run, tool):
    a, b, c = run("a"), run("b"), run("c")
    tool.reset_online_tag([a, b])
    tool.set_online_tag(OFFLINE, a)
    tool.set_online_tag(ONLINE, [c])
    assert names(tool.online_models()) == ["c", "b"]
    assert tags_in_store(recording) == {"a": OFFLINE, "b": ONLINE, "c": ONLINE}


def test_an_experiment_that_qlib_left_has_only_tags(run, tool):
    a, b = run("a"), run("b")
    b.set_tags(online_status="online")
    assert tool.online_models() == [b]
    tool.set_online_tag(ONLINE, a)
    assert names(tool.online_models()) == ["b", "a"]


def test_an_unknown_tag_is_refused(run, tool):
    with pytest.raises(OnlineError, match="'onlin'"):
        tool.set_online_tag("onlin", run("a"))


def test_without_an_experiment_anywhere(run):
    a = run("a")
    with pytest.raises(ValueError, match="no experiment"):
        OnlineToolR().online_models()
    with pytest.raises(ValueError, match="no experiment"):
        OnlineToolR().reset_online_tag(a)
    OnlineToolR().reset_online_tag(a, exp_name="models")
    assert OnlineToolR().online_models(exp_name="models") == [a]
    assert OnlineToolR().get_online_tag(a) == ONLINE
    OnlineToolR().set_online_tag(OFFLINE, a)
    assert OnlineToolR().online_models(exp_name="models") == []


def test_a_mistyped_experiment_is_not_created(recording, run):
    run("a")
    with pytest.raises(ExperimentNotFoundError, match="models"):
        OnlineToolR("model").online_models()
    assert "model" not in recording.list_experiments()


def test_a_kill_between_the_writes_leaves_one_whole_set(recording, run, tool, monkeypatch):
    """Defect 29: all were taken offline first, one by one, and then some put online."""
    a, b, c, d = (run(name) for name in "abcd")
    tool.reset_online_tag([a, b])
    recorder_class = type(a)
    write = recorder_class.set_tags
    for allowed in range(5):
        left = iter(range(allowed))

        def dying(self, left=left, **tags):
            if next(left, None) is None:
                raise KeyboardInterrupt
            write(self, **tags)

        monkeypatch.setattr(recorder_class, "set_tags", dying)
        with contextlib.suppress(KeyboardInterrupt):
            tool.reset_online_tag([c, d])
        monkeypatch.setattr(recorder_class, "set_tags", write)
        assert set(tool.online_models()) == {c, d}
        assert ONLINE in tags_in_store(recording).values()
        tool.mirror()
        assert tags_in_store(recording) == {"a": OFFLINE, "b": OFFLINE, "c": ONLINE, "d": ONLINE}
        tool.reset_online_tag([a, b])


def test_before_the_write_that_decides_the_old_set_is_online(run, tool, monkeypatch):
    a, b = run("a"), run("b")
    tool.reset_online_tag(a)
    from rollforward.workflow.mlflow_backend.experiment import MLflowExperiment

    def dying(self, **tags):
        raise KeyboardInterrupt

    monkeypatch.setattr(MLflowExperiment, "set_tags", dying)
    with pytest.raises(KeyboardInterrupt):
        tool.reset_online_tag(b)
    assert tool.online_models() == [a]


def test_only_recorders_that_change_are_written(recording, run, tool, monkeypatch):
    several = [run(f"m{i}") for i in range(4)]
    tool.reset_online_tag(several[:3])
    written = []
    write = type(several[0]).set_tags
    monkeypatch.setattr(
        type(several[0]), "set_tags", lambda self, **tags: (written.append(self.name), write(self, **tags))[1]
    )
    tool.reset_online_tag(several[1:])
    assert written == ["m3", "m0"]
    written.clear()
    tool.reset_online_tag(several[1:])
    assert written == []
    assert tool.mirror() == 0


def test_a_recorder_of_another_experiment(recording, run, tool):
    own, foreign = run("own"), run("foreign", "jobs")
    tool.reset_online_tag([own, foreign])
    assert set(tool.online_models()) == {own, foreign}
    assert tool.get_online_tag(foreign) == ONLINE
    assert OnlineToolR("jobs").online_models() == []
    assert tags_in_store(recording, "jobs") == {"foreign": None}
    tool.set_online_tag(OFFLINE, own)
    assert tool.online_models() == [foreign]


def test_a_foreign_recorder_can_be_marked_where_only_tags_are(run, tool):
    own, foreign = run("own"), run("foreign", "jobs")
    own.set_tags(online_status="online")
    tool.set_online_tag(ONLINE, foreign)
    assert set(tool.online_models()) == {own, foreign}


def test_a_set_that_is_too_long_for_a_tag(recording, run, tool, monkeypatch):
    several = [run(f"m{i}") for i in range(4)]
    monkeypatch.setattr(pointer, "_MAX_TAG", 130)
    tool.reset_online_tag(several)
    assert len(recording.get_exp(experiment_name="models").tags[ONLINE_SET]) <= 130
    assert set(tool.online_models()) == set(several)
    tool.reset_online_tag(several[:2])
    assert set(tool.online_models()) == set(several[:2])


def test_a_model_online_that_was_deleted_is_said(recording, run, tool):
    a, b = run("a"), run("b")
    tool.reset_online_tag([a, b])
    experiment = recording.get_exp(experiment_name="models")
    experiment.delete_recorder(b.id)
    with pytest.raises(OnlineError, match=f"1 of the 2 models.*{b.id}"):
        tool.online_models()
    tool.reset_online_tag(a)
    assert tool.online_models() == [a]


@pytest.mark.parametrize("text", ["abc", "3", '{"recorder": "x", "artifact": "y"}', "[1]"])
def test_a_tag_that_somebody_else_wrote(recording, run, tool, text):
    run("a")
    recording.get_exp(experiment_name="models").set_tags(**{ONLINE_SET: text})
    with pytest.raises(OnlineError, match=r"online\.set"):
        tool.online_models()


def test_updating_leaves_a_model_without_predictions_out(run, tool, caplog):
    tool.reset_online_tag(run("a"))
    with settings.override(calendar=["2020-01-01", "2020-01-02"]), caplog.at_level("INFO"):
        tool.update_online_pred()
    assert "is not updated" in caplog.text
    assert "0 of 1" in caplog.text


def test_updating_says_which_model_is_broken(run, tool):
    a = run("a")
    a.save_objects(**{"pred.pkl": "no table"})
    tool.reset_online_tag(a)
    with settings.override(calendar=["2020-01-01", "2020-01-02"]), pytest.raises(UpdateError, match=f"1 of 1.*{a.id}"):
        tool.update_online_pred()
