"""What a workflow file means: settings, search path, seeds, and what a run keeps of it."""

import datetime as dt
import os
import sys
from pathlib import Path

import pytest
import yaml

from rollforward.errors import SettingsError, WorkflowFileError
from rollforward.settings.keys import KEYS
from rollforward.workflow.config import (
    artifacts,
    load_workflow,
    on_search_path,
    parse_path,
    parse_rolling,
    parse_value,
    seed_assignments,
    spell_path,
    tags,
)
from rollforward.workflow.config.schema import SCHEMA, published

TASK = "task: {model: {class: SklearnModel}, dataset: {class: DatasetH}}\n"


def load(text, *assignments, environment=None, name="a.yaml"):
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")
    return load_workflow(name, assignments, environment=environment, inspect=False)


def test_a_workflow_file_is_read():
    workflow = load(TASK + "experiment_name: alpha\nrolling: {step: 5}\n")

    assert workflow.task["model"] == {"class": "SklearnModel"}
    assert (workflow.experiment_name, workflow.rolling, workflow.init) == ("alpha", {"step": 5}, {})


def test_an_empty_rolling_section_still_rolls():
    assert load(TASK + "rolling:\n").rolling == {}
    assert load(TASK).rolling is None


def test_all_options_of_rolling_are_accepted():
    given = (
        "{name: a, step: QE, type: sliding, purge: auto, gap: 1, trunc_days: auto, handler_window: qlib, "
        "max_train: 500, last: clip, refit: 4}"
    )

    rolling = load(TASK + f"rolling: {given}\n").rolling

    assert rolling["rtype"] == "sliding"
    assert "type" not in rolling
    assert (rolling["purge"], rolling["refit"], rolling["last"]) == ("auto", 4, "clip")


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("step=20,type=sliding,purge=auto,refit=4", {"step": 20, "rtype": "sliding", "purge": "auto", "refit": 4}),
        ("step=WOM-3FRI, last=clip", {"step": "WOM-3FRI", "last": "clip"}),
        ("purge=null,max_train=500,", {"purge": None, "max_train": 500}),
        ("step=[2020-01-02, 2021-01-04],gap=1", {"step": [dt.date(2020, 1, 2), dt.date(2021, 1, 4)], "gap": 1}),
        ("", {}),
    ],
)
def test_rolling_options_on_the_command_line(text, options):
    assert parse_rolling(text) == options


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("stepp=3", WorkflowFileError, "--rolling: rolling.stepp"),
        ("step=0", WorkflowFileError, "at least 1"),
        ("step", SettingsError, "key=value"),
        ("step=[1", SettingsError, "YAML"),
        ("type=sliding,rtype=sliding", WorkflowFileError, "both"),
        ("=3", SettingsError, "key=value"),
        ("step=20,gap=1,step=30", SettingsError, "step twice"),
    ],
)
def test_a_malformed_rolling_option_is_refused(text, error, says):
    with pytest.raises(error, match=says):
        parse_rolling(text)


def test_settings_of_qlib_are_ours_or_qlibs_own():
    text = (
        "qlib_init:\n  provider_uri: ~/data\n  region: cn\n  mongo: {task_url: 'mongodb://h/'}\n"
        "  exp_manager: {class: MLflowExpManager, module_path: qlib.workflow.expm, kwargs: {uri: 'sqlite:///q.db'}}\n"
        "init: {heartbeat: 3}\n"
    )

    workflow = load(TASK + text)

    assert workflow.qlib == {"provider_uri": "~/data", "region": "cn"}
    assert set(workflow.init) == {"mongo", "exp_manager", "heartbeat"}


def test_folders_of_sys_belong_to_the_file_that_names_them(tmp_path):
    load(TASK + "sys: {path: /opt/models, rel_path: [., ../lib]}\n", name="in/base.yaml")

    workflow = load("BASE_CONFIG_PATH: in/base.yaml\n")

    assert workflow.search_path == ("/opt/models", str(tmp_path / "in"), str(tmp_path / "lib"))


def test_the_search_path_is_put_back(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/before")
    before = list(sys.path)

    with on_search_path(["/a", before[0]]):
        assert sys.path == [*before, "/a"]
        assert os.environ["PYTHONPATH"] == f"/before{os.pathsep}/a"

    assert sys.path == before
    assert os.environ["PYTHONPATH"] == "/before"
    monkeypatch.delenv("PYTHONPATH")
    with pytest.raises(KeyError), on_search_path(["/a"]):
        raise KeyError
    assert "PYTHONPATH" not in os.environ


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"class": "rollforward.SklearnModel", "kwargs": {"estimator": "sklearn.linear_model.Ridge"}}, ["task.model.kwargs.random_state=3"]),
        ({"class": "rollforward.SklearnModel"}, ["task.model.kwargs={random_state: 3}"]),
        ({"class": "rollforward.SklearnModel", "kwargs": {"estimator": "sklearn.linear_model.LinearRegression"}}, []),
        ({"class": "random.Random", "kwargs": {"seed": 1}}, ["task.model.kwargs.seed=3"]),
    ],
)  # fmt: skip
def test_a_seed_goes_where_the_model_takes_it(model, expected):
    assert seed_assignments({"model": model}, 3) == expected


@pytest.mark.parametrize(
    ("signature", "takes"), [("self, n=1", False), ("self, **kwargs", False), ("self, seed=0", True)]
)
def test_a_model_of_ones_own_is_given_no_seed_that_it_does_not_name(tmp_path, signature, takes):
    body = f"from rollforward.model.base import Model\n\nclass Own(Model):\n    def __init__({signature}): pass\n"
    (tmp_path / "own.py").write_text(body, encoding="utf-8")
    model = {"class": "Own", "module_path": str(tmp_path / "own.py")}

    assert seed_assignments({"model": model}, 3) == (["task.model.kwargs={seed: 3}"] if takes else [])


def test_a_model_that_raises_of_a_name_it_does_not_know_is_given_no_seed(tmp_path):
    body = (
        "from rollforward.model.base import Model\n\nclass Own(Model):\n"
        "    def __init__(self, **kwargs): dict(kwargs)['alpha']\n"
        "    @classmethod\n    def check_kwargs(cls, **kwargs): cls.__init__(object(), **kwargs)\n"
    )
    (tmp_path / "own_strict.py").write_text(body, encoding="utf-8")
    model = {"class": "Own", "module_path": str(tmp_path / "own_strict.py")}

    assert seed_assignments({"model": model}, 3) == []


def test_what_is_kept_finds_the_folders_of_code_from_anywhere(tmp_path, caplog):
    workflow = load(TASK + "sys: {rel_path: code}\n", name="in/a.yaml")

    objects, texts = artifacts(workflow)

    assert objects["config"]["sys"] == {"rel_path": "code"}
    assert parse_value(texts["config.yaml"])["sys"] == {"path": [str(tmp_path / "in" / "code")]}
    assert "in/a.yaml:" in caplog.text
    assert "there is no folder" in caplog.text


def test_what_is_kept_can_be_run_again_and_holds_no_credential():
    load(
        TASK.replace(
            "DatasetH}", "DatasetH, kwargs: {token_dim: 8, password: 'w0rd, x', day: 2016-01-04, lr: '1e-3'}}"
        ),
        name="b.yaml",
    )
    text = "BASE_CONFIG_PATH: b.yaml\ninit: {task_store: 'mongodb://me:{{ PW_TOKEN }}@h/'}\nnote: see {{ PW_TOKEN }}\n"
    workflow = load(text, "task.dataset.kwargs.api_key=abc", environment={"PW_TOKEN": "s3cret"})

    objects, texts = artifacts(workflow)

    assert workflow.init == {"task_store": "mongodb://me:s3cret@h/"}
    kept = str(objects) + "".join(texts.values()) + str(tags(workflow))
    assert not [secret for secret in ("s3cret", "w0rd", "abc", "0ld", "l0ng") if secret in kept]
    kwargs = objects["config"]["task"]["dataset"]["kwargs"]
    assert kwargs == {"token_dim": 8, "password": "***", "api_key": "***", "day": dt.date(2016, 1, 4), "lr": "1e-3"}
    assert parse_value(texts["config.yaml"]) == objects["config"]
    assert "BASE_CONFIG_PATH" not in objects["config"]
    assert "{{ PW_TOKEN }}" in texts["workflow/a.yaml"]
    assert set(texts) == {"config.yaml", "workflow/a.yaml", "workflow/b.yaml"}
    assert tags(workflow) == {"workflow_file": "a.yaml", "overrides": "task.dataset.kwargs.api_key=***"}


def test_credentials_of_a_file_as_it_is_written_are_hidden():
    load(
        TASK + "db: {password: 0ld, port: 1}\nurl: https://me:w0rd@host/x\nb:\n  - api_key: 0ld\n    n: 2\n",
        name="b.yaml",
    )
    text = "BASE_CONFIG_PATH: b.yaml\ndb: {password: a}\nb: []\nsecret: |\n  l0ng one\n"

    texts = artifacts(load(text))[1]

    kept = "".join(texts.values())
    assert not [secret for secret in ("0ld", "w0rd", "l0ng") if secret in kept]
    assert "port: 1" in kept
    assert "n: 2" in kept


def test_a_credential_in_a_task_is_warned_of(caplog):
    load(TASK.replace("DatasetH}", "DatasetH, kwargs: {a: 'x{{ DB_PASSWORD }}'}}"), environment={"DB_PASSWORD": "w0rd"})

    assert "DB_PASSWORD is in the task" in caplog.text
    assert "w0rd" not in caplog.text


def test_paths_are_spelt_so_that_they_can_be_read():
    assert parse_path(spell_path(("a.b", "c\\", "d=e", 0))) == ("a.b", "c\\", "d=e", "0")


def test_the_schema_knows_what_the_program_knows():
    from inspect import signature

    from rollforward.workflow.rolling import RollingJob
    from rollforward.workflow.task.gen import RollingGen
    from rollforward.workflow.trainer.check import _KEYS

    assert set(SCHEMA["properties"]["task"]["properties"]) == set(_KEYS)
    assert set(SCHEMA["properties"]["init"]["properties"]) == set(KEYS)
    options = set(SCHEMA["properties"]["rolling"]["properties"])
    assert options - {"type"} <= set(signature(RollingJob).parameters)
    generator = set(signature(RollingGen).parameters) - {
        "ds_extra_mod_func",
        "test_key",
        "train_key",
        "task_copy_func",
        "calendar",
    }
    assert generator <= options


def test_the_published_schema_has_standard_words_only():
    text = yaml.safe_dump(published())

    assert "words:" not in text
    rolling = published()["properties"]["rolling"]["properties"]
    assert rolling["rtype"] == {"enum": ["expanding", "sliding"]}
    assert rolling["purge"]["anyOf"][0] == {"enum": ["auto"]}
