from __future__ import annotations

import os
import pickle
import sys
import threading
from contextvars import copy_context

import pytest

from rollforward import settings
from rollforward.errors import RecorderInitializationError, SettingsError
from rollforward.settings import Settings, change, current, init, install, mask_credentials, override, reset
from rollforward.settings import state as state_module


@pytest.fixture(autouse=True)
def clean(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("ROLLFORWARD_", "MLFLOW_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(state_module._process, "guards", [])
    reset()
    yield
    reset()


def test_the_defaults_are_a_store_and_a_pool_in_the_working_directory(tmp_path):
    assert current() == Settings(
        uri=f"sqlite:///{tmp_path}/mlflow.db",
        task_store=f"sqlite:///{tmp_path}/rollforward_tasks.db",
        experiment="Experiment",
        task_db_name="default_task_db",
        exp_manager={
            "class": "MLflowExpManager",
            "module_path": "rollforward.workflow.mlflow_backend",
            "kwargs": {},
        },
        artifact_root=None,
        calendar=None,
    )


def test_the_defaults_are_decided_once_and_stay_when_the_directory_changes(tmp_path, monkeypatch):
    before = current()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert current() is before
    assert init().uri == f"sqlite:///{tmp_path}/elsewhere/mlflow.db"


def test_mlflows_own_variable_is_the_default_store(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host:5000")
    assert init().uri == "http://host:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///x.db")
    assert init().uri == f"sqlite:///{tmp_path}/x.db"
    assert init(uri="http://other").uri == "http://other"


def test_argument_over_environment_over_file_over_default(tmp_path, monkeypatch):
    assert init().experiment == "Experiment"
    (tmp_path / "rollforward.toml").write_text('experiment = "file"')
    assert init().experiment == "file"
    monkeypatch.setenv("ROLLFORWARD_EXPERIMENT", "environment")
    assert init().experiment == "environment"
    assert init(experiment="argument").experiment == "argument"
    assert init().experiment == "environment"


def test_each_source_adds_to_the_others(tmp_path, monkeypatch):
    (tmp_path / "rollforward.toml").write_text('experiment = "file"\nuri = "http://file"')
    monkeypatch.setenv("ROLLFORWARD_URI", "http://environment")
    found = init(calendar="XNYS")
    assert (found.experiment, found.uri, found.calendar) == ("file", "http://environment", "XNYS")


def test_every_variable_of_the_environment(tmp_path, monkeypatch):
    values = {
        "URI": "http://host",
        "EXPERIMENT": "name",
        "TASK_STORE": "mongodb://host",
        "TASK_DB_NAME": "tasks",
        "CALENDAR": "XNYS",
        "ARTIFACT_ROOT": "artifacts",
        "ASYNC_LOG": "off",
        "SPOOL": "on",
        "SPOOL_DIR": "spool",
        "HEARTBEAT": "2.5",
        "PROVENANCE": "no",
        "CAPTURE_OUTPUT": "0",
        "SYSTEM_METRICS": "true",
        "TRUSTED_CLASSES": "mine.*, other.module.Class",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"ROLLFORWARD_{name}", value)
    found = current()
    values |= {"ARTIFACT_ROOT": str(tmp_path / "artifacts"), "SPOOL_DIR": str(tmp_path / "spool"), "HEARTBEAT": 2.5}
    values |= {"ASYNC_LOG": False, "PROVENANCE": False, "CAPTURE_OUTPUT": False, "SYSTEM_METRICS": True}
    values |= {"TRUSTED_CLASSES": ("mine.*", "other.module.Class")}
    assert {name: getattr(found, name.lower()) for name in values} == values


@pytest.mark.parametrize("value", [2, "maybe", "2.0", []])
def test_a_switch_is_on_or_off(value):
    assert init(async_log=False).async_log is False
    with pytest.raises(SettingsError, match="async_log is"):
        init(async_log=value)


@pytest.mark.parametrize(
    ("value", "mode"), [("auto", "auto"), ("ON", "on"), (True, "on"), (False, "off"), ("0", "off")]
)
def test_the_spool_has_three_modes(value, mode):
    assert init(spool=value).spool == mode


@pytest.mark.parametrize(
    "arguments",
    [
        {"spool": "sometimes"},
        {"spool": 1},
        {"heartbeat": -1},
        {"heartbeat": "often"},
        {"heartbeat": True},
        {"heartbeat": float("nan")},
        {"heartbeat": float("inf")},
        {"trusted_classes": 3},
        {"trusted_classes": ["*"]},
        {"trusted_classes": ["Class"]},
        {"trusted_classes": ["package.*.Class"]},
        {"trusted_classes": [None]},
        {"provenance": "perhaps"},
    ],
)
def test_a_setting_of_the_wrong_kind_is_named(arguments):
    (name,) = arguments
    with pytest.raises(SettingsError, match=f"{name} is"):
        init(**arguments)


def test_the_spool_folder_is_absolute_and_knows_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert init(spool_dir="a").spool_dir == str(tmp_path / "a")
    assert init(spool_dir="~/a").spool_dir == str(tmp_path / "home" / "a")
    assert init().spool_dir is None


def test_trusted_classes_of_a_file_travel(tmp_path):
    (tmp_path / "rollforward.toml").write_text('trusted_classes = ["mine.*", "other.Class", "mine.*"]\nheartbeat = 0')
    found = init()
    assert found.trusted_classes == ("mine.*", "other.Class")
    assert found.heartbeat == 0
    assert pickle.loads(pickle.dumps(found)) == found
    assert init(trusted_classes=[]).trusted_classes == ()


def test_an_empty_variable_counts_as_not_set(monkeypatch):
    monkeypatch.setenv("ROLLFORWARD_EXPERIMENT", "")
    assert current().experiment == "Experiment"


@pytest.mark.parametrize("name", ["ROLLFORWARD_TEST_MONGO", "ROLLFORWARD_VENV", "ROLLFORWARD_MONGOD_VENV"])
def test_a_variable_of_the_scripts_is_left_alone(monkeypatch, name):
    monkeypatch.setenv(name, "x")
    assert current().experiment == "Experiment"


def test_an_unknown_variable_names_the_nearest(monkeypatch):
    monkeypatch.setenv("ROLLFORWARD_EXPERIMNT", "x")
    with pytest.raises(SettingsError, match="Did you mean 'ROLLFORWARD_EXPERIMENT'"):
        current()


def test_an_unknown_argument_names_the_nearest():
    with pytest.raises(SettingsError, match=r"'experimnt'(.|\n)*Did you mean 'experiment'"):
        init(experimnt="x")


@pytest.mark.parametrize(
    ("key", "instead"),
    [
        ("provider_uri", "task"),
        ("region", "calendar"),
        ("redis_host", "task_store"),
        ("expression_cache", "drop it"),
        ("kernels", "drop it"),
        ("logging_level", "logger"),
    ],
)
def test_a_setting_of_qlib_is_refused_with_what_replaces_it(key, instead):
    with pytest.raises(SettingsError) as caught:
        init(**{key: "x"})
    assert key in caught.value.given
    assert instead in caught.value.remedy


def test_qlibs_dictionaries(tmp_path):
    found = init(
        exp_manager={
            "class": "MLflowExpManager",
            "module_path": "qlib.workflow.expm",
            "kwargs": {"uri": "sqlite:///runs.db", "default_exp_name": "mine", "extra": 1},
        },
        mongo={"task_url": "mongodb://localhost:27017/", "task_db_name": "pool"},
    )
    assert (found.uri, found.experiment) == (f"sqlite:///{tmp_path}/runs.db", "mine")
    assert (found.task_store, found.task_db_name) == ("mongodb://localhost:27017/", "pool")
    assert dict(found.exp_manager) == {
        "class": "MLflowExpManager",
        "module_path": "qlib.workflow.expm",
        "kwargs": {"extra": 1},
    }


def test_a_manager_with_only_a_store_keeps_the_default_class():
    assert init(exp_manager={"kwargs": {"uri": "http://x"}}).exp_manager["class"] == "MLflowExpManager"


def test_the_same_said_twice_is_no_contradiction(tmp_path):
    found = init(uri="sqlite:///a.db", exp_manager={"kwargs": {"uri": f"sqlite:///{tmp_path}/a.db"}})
    assert found.uri == f"sqlite:///{tmp_path}/a.db"


@pytest.mark.parametrize(
    "arguments",
    [
        {"uri": "http://a", "exp_manager": {"kwargs": {"uri": "http://b"}}},
        {"experiment": "a", "exp_manager": {"kwargs": {"default_exp_name": "b"}}},
        {"task_store": "mongodb://a", "mongo": {"task_url": "mongodb://b"}},
        {"task_db_name": "a", "mongo": {"task_url": "mongodb://b", "task_db_name": "b"}},
    ],
)
def test_a_short_form_that_contradicts_a_dictionary_is_refused(arguments):
    with pytest.raises(SettingsError, match="twice the same"):
        init(**arguments)


def test_an_argument_wins_over_a_dictionary_of_the_file(tmp_path):
    (tmp_path / "rollforward.toml").write_text('[exp_manager.kwargs]\nuri = "http://file"')
    assert init().uri == "http://file"
    assert init(uri="http://argument").uri == "http://argument"


@pytest.mark.parametrize(
    "arguments",
    [
        {"uri": 3},
        {"uri": " "},
        {"experiment": ["a"]},
        {"exp_manager": "MLflowExpManager"},
        {"exp_manager": {"kwargs": ["a"]}},
        {"exp_manager": {"clas": "X"}},
        {"mongo": {"task_ulr": "mongodb://x"}},
        {"mongo": {"task_db_name": "x"}},
    ],
)
def test_a_setting_of_the_wrong_shape_is_refused(arguments):
    before = current()
    with pytest.raises(SettingsError):
        init(**arguments)
    assert current() is before


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("sqlite:///x.db", "sqlite:///{cwd}/x.db"),
        ("sqlite:///sub/../x.db?timeout=5", "sqlite:///{cwd}/x.db?timeout=5"),
        ("sqlite+pysqlite:///x.db", "sqlite+pysqlite:///{cwd}/x.db"),
        ("sqlite:////abs/x.db", "sqlite:////abs/x.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("sqlite://", "sqlite://"),
        ("offline:runs", "offline:{cwd}/runs"),
        ("offline:/abs/runs", "offline:/abs/runs"),
        ("./mlruns", "./mlruns"),
        ("file:/abs/mlruns", "file:/abs/mlruns"),
        ("https://user:word@host/x", "https://user:word@host/x"),
    ],
)
def test_only_relative_sqlite_paths_are_made_absolute(given, kept, tmp_path):
    assert init(uri=given).uri == kept.format(cwd=tmp_path)


def test_artifact_root_of_a_path_is_absolute_and_of_an_address_is_kept(tmp_path):
    assert init(artifact_root="a/b").artifact_root == str(tmp_path / "a" / "b")
    assert init(artifact_root=tmp_path / "c").artifact_root == str(tmp_path / "c")
    assert init(artifact_root="s3://bucket/x").artifact_root == "s3://bucket/x"


class TestFile:
    def test_the_nearest_upward_counts_and_its_paths_are_its_own(self, tmp_path, monkeypatch):
        (tmp_path / "pyproject.toml").write_text('[tool.rollforward]\nuri = "sqlite:///runs.db"\nartifact_root = "art"')
        deep = tmp_path / "a" / "b"
        deep.mkdir(parents=True)
        (tmp_path / "a" / "pyproject.toml").write_text('[tool.other]\nuri = "x"')
        monkeypatch.chdir(deep)
        found = init()
        assert found.uri == f"sqlite:///{tmp_path}/runs.db"
        assert found.artifact_root == str(tmp_path / "art")
        assert found.task_store == f"sqlite:///{deep}/rollforward_tasks.db"

    def test_rollforward_toml_wins_in_the_same_folder(self, tmp_path):
        (tmp_path / "pyproject.toml").write_text('[tool.rollforward]\nexperiment = "pyproject"')
        (tmp_path / "rollforward.toml").write_text('experiment = "own"')
        assert init().experiment == "own"

    def test_lists_and_dictionaries(self, tmp_path):
        (tmp_path / "rollforward.toml").write_text(
            'calendar = ["2024-01-02", "2024-01-03"]\n[mongo]\ntask_url = "mongodb://host"'
        )
        assert init().calendar == ["2024-01-02", "2024-01-03"]
        assert init().task_store == "mongodb://host"

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("rollforward.toml", "urii = 'x'", r"rollforward\.toml: there is no setting 'urii'(.|\n)*'uri'"),
            ("pyproject.toml", "[tool.rollforward]\nurii = 'x'", r"\[tool\.rollforward\] in .*pyproject\.toml"),
            ("rollforward.toml", "uri = ", r"rollforward\.toml is not TOML"),
            ("pyproject.toml", "[tool]\nrollforward = 3", "a table"),
        ],
    )
    def test_a_mistake_names_the_file(self, name, content, message, tmp_path):
        (tmp_path / name).write_text(content)
        with pytest.raises(SettingsError, match=message):
            init()

    def test_not_utf8(self, tmp_path):
        (tmp_path / "rollforward.toml").write_bytes(b"uri = '\xff'")
        with pytest.raises(SettingsError, match="not UTF-8"):
            init()


class TestGuard:
    def test_a_guard_refuses_before_anything_changes(self):
        before = init(experiment="before")

        def guard():
            raise RecorderInitializationError("A recorder is active.")

        settings.register_guard(guard)
        with pytest.raises(RecorderInitializationError):
            init(experiment="after")
        assert current() is before

    def test_a_guard_is_asked_once_per_init_and_survives_reset(self):
        asked = []

        def guard():
            asked.append(1)

        settings.register_guard(guard)
        settings.register_guard(guard)
        reset()
        init()
        assert asked == [1]


class TestOverride:
    def test_only_what_is_named_changes_and_everything_is_restored(self):
        before = init(experiment="a", calendar="XNYS")
        with override(uri="http://x") as inside:
            assert current() is inside
            assert (inside.uri, inside.experiment, inside.calendar) == ("http://x", "a", "XNYS")
            with override(experiment="b"):
                assert (current().uri, current().experiment) == ("http://x", "b")
            assert current() is inside
        assert current() is before

    def test_restored_after_an_error(self):
        before = init()
        with pytest.raises(ZeroDivisionError), override(uri="http://x"):
            _ = 1 / 0
        assert current() is before

    def test_another_thread_does_not_see_it_unless_it_is_given_the_context(self):
        init(experiment="base")
        seen = []
        with override(experiment="mine"):
            context = copy_context()
            for target in (lambda: seen.append(current().experiment), lambda: context.run(record)):

                def record():
                    seen.append(current().experiment)

                thread = threading.Thread(target=target)
                thread.start()
                thread.join()
        inherits = getattr(sys.flags, "thread_inherit_context", False)
        assert seen == ["mine" if inherits else "base", "mine"]

    def test_overlapping_overrides_of_two_threads_do_not_disturb_each_other(self):
        before = init(experiment="base")
        inside, leave = threading.Event(), threading.Event()
        seen = []

        def other():
            with override(experiment="other"):
                inside.set()
                leave.wait(60)
                seen.append(current().experiment)
            seen.append(current().experiment)

        thread = threading.Thread(target=other)
        with override(experiment="mine"):
            thread.start()
            assert inside.wait(60)
        assert current() is before
        leave.set()
        thread.join()
        assert seen == ["other", "base"]

    def test_init_inside_is_refused(self):
        with override(uri="http://x"), pytest.raises(SettingsError, match="inside"):
            init()

    def test_unknown_and_contradicting_changes_are_refused(self):
        with pytest.raises(SettingsError, match="Did you mean 'uri'"), override(urii="x"):
            pass
        with (
            pytest.raises(SettingsError, match="twice the same"),
            override(uri="http://a", exp_manager={"kwargs": {"uri": "http://b"}}),
        ):
            pass


def test_change_lasts_and_ends_with_an_override():
    init(experiment="a")
    assert change(experiment="b").experiment == "b"
    assert current().experiment == "b"
    with override(uri="http://x"):
        change(experiment="c")
        assert (current().experiment, current().uri) == ("c", "http://x")
    assert current().experiment == "b"


def test_many_threads_compute_the_defaults_once():
    found = []
    start = threading.Barrier(8)

    def ask():
        start.wait(60)
        found.append(current())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(item is found[0] for item in found)


class TestValue:
    def test_settings_travel_to_another_process(self):
        before = init(uri="http://x", calendar=["2024-01-02"], exp_manager={"kwargs": {"extra": 1}})
        arrived = pickle.loads(pickle.dumps(before))
        assert arrived == before
        assert hash(arrived) == hash(before)
        reset()
        assert install(arrived) is current()
        assert init(**before.as_dict()) == before

    def test_they_are_read_only_and_independent_of_the_callers_dictionary(self):
        kwargs = {"extra": 1}
        found = init(exp_manager={"kwargs": kwargs})
        kwargs["extra"] = 2
        assert found.exp_manager["kwargs"] == {"extra": 1}
        with pytest.raises(TypeError):
            found.exp_manager["class"] = "x"
        with pytest.raises(AttributeError):
            found.uri = "x"

    def test_two_settings_differ_if_a_field_does(self):
        assert init() == init()
        assert init(calendar="XNYS") != init(calendar="XLON")
        assert init() != init(task_db_name="x")
        assert init() != "x"

    def test_the_repr_hides_credentials_and_the_fields_keep_them(self):
        found = init(
            uri="https://me:hidden@host/mlflow?token=hidden",
            task_store="mongodb://me:hidden@a,b/db",
            exp_manager={"kwargs": {"password": "hidden", "hosts": ["http://me:hidden@c"]}},
        )
        assert "hidden" not in repr(found)
        assert "https://***@host/mlflow" in repr(found)
        assert found.uri.startswith("https://me:hidden@")

    def test_the_error_of_a_contradiction_hides_credentials(self):
        with pytest.raises(SettingsError) as caught:
            init(task_store="mongodb://me:hidden@a", mongo={"task_url": "mongodb://you:hidden@b"})
        assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("http://host/a@b", "http://***@b"),
        ("mongodb://u:p/w@x?@host/db", "mongodb://***@host/db"),
        ("sqlite:////home/me@work/x.db", "sqlite:////home/me@work/x.db"),
        ("sqlite+pysqlite:////me@work/x.db", "sqlite+pysqlite:////me@work/x.db"),
        ("file:///me@work/mlruns", "file:///me@work/mlruns"),
        ("refused by https://a:b@host now", "refused by https://***@host now"),
        ("s3://bucket/key?X-Amz-Signature=abc&x=1", "s3://bucket/key?X-Amz-Signature=***&x=1"),
        ("no address at all, me@host", "no address at all, me@host"),
    ],
)
def test_mask_credentials(text, masked):
    assert mask_credentials(text) == masked
