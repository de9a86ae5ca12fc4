"""The grammar of `init_instance_by_config`, as the contract states it."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from pathlib import Path

import pytest

from rollforward.instantiate import get_callable_kwargs, init_instance_by_config
from rollforward.instantiate.locate import locate
from rollforward.serialize import save_object

HALF = Fraction(1, 2)


@pytest.mark.parametrize(
    "config",
    [
        {"class": "Fraction", "module_path": "fractions", "kwargs": {"numerator": 1, "denominator": 2}},
        {"func": "Fraction", "module_path": "fractions", "kwargs": {"numerator": 1, "denominator": 2}},
        {"class": "fractions.Fraction", "kwargs": {"numerator": 1, "denominator": 2}},
        {"class": "fractions.Fraction", "module_path": "json", "kwargs": {"numerator": 1, "denominator": 2}},
        {"class": Fraction, "kwargs": {"numerator": 1, "denominator": 2}},
    ],
    ids=["class", "func", "dotted", "dotted wins over module_path", "the class itself"],
)
def test_dictionaries(config):
    assert init_instance_by_config(config) == HALF


def test_a_dotted_name_is_called_without_arguments():
    assert init_instance_by_config("fractions.Fraction") == 0


def test_a_bare_name_takes_the_default_module():
    assert init_instance_by_config("Fraction", default_module="fractions", numerator=3) == 3
    assert init_instance_by_config({"class": "Fraction"}, default_module="fractions") == 0


def test_kwargs_may_be_left_out_or_empty_as_yaml_writes_it():
    assert init_instance_by_config({"class": "fractions.Fraction", "kwargs": None}) == 0


def test_arguments_of_the_caller_are_added():
    config = {"class": "fractions.Fraction", "kwargs": {"numerator": 1}}
    assert init_instance_by_config(config, denominator=2) == HALF
    assert config == {"class": "fractions.Fraction", "kwargs": {"numerator": 1}}


def test_an_instance_of_an_accepted_type_is_returned():
    assert init_instance_by_config(HALF, accept_types=Fraction) is HALF
    assert init_instance_by_config(HALF, accept_types=(dt.date, Fraction)) is HALF


def test_stored_objects(tmp_path, monkeypatch):
    save_object(HALF, tmp_path / "half.pkl")
    monkeypatch.chdir(tmp_path)
    assert init_instance_by_config(f"file://{tmp_path}/half.pkl") == HALF
    assert init_instance_by_config(tmp_path / "half.pkl") == HALF
    (tmp_path / "a").mkdir()
    save_object(HALF, tmp_path / "a" / "half.pkl")
    assert init_instance_by_config("file://a/half.pkl") == HALF
    assert init_instance_by_config(Path("a/half.pkl")) == HALF


def test_a_class_of_a_python_file(tmp_path):
    (tmp_path / "mine.py").write_text("class Mine:\n    a = 1\n")
    assert init_instance_by_config({"class": "Mine", "module_path": str(tmp_path / "mine.py")}).a == 1


def test_get_callable_kwargs():
    kwargs = {"numerator": 1}
    found, given = get_callable_kwargs({"class": "Fraction", "module_path": "fractions", "kwargs": kwargs})
    assert (found, given) == (Fraction, kwargs)
    assert given is not kwargs
    assert get_callable_kwargs("fractions.Fraction") == (Fraction, {})


@pytest.mark.parametrize(
    "name",
    [
        "qlib.init",
        "qlib.contrib.eva.alpha.calc_ic",
        "qlib.data.dataset.DatasetH",
        "qlib.data.dataset.TSDatasetH",
        "qlib.data.dataset.handler.DataHandlerLP",
        "qlib.data.dataset.loader.StaticDataLoader",
        "qlib.data.dataset.processor.CSRankNorm",
        "qlib.data.dataset.processor.DropnaLabel",
        "qlib.data.dataset.processor.RobustZScoreNorm",
        "qlib.model.base.Model",
        "qlib.model.ens.ensemble.AverageEnsemble",
        "qlib.model.ens.ensemble.RollingEnsemble",
        "qlib.model.ens.group.RollingGroup",
        "qlib.model.trainer.TrainerR",
        "qlib.model.trainer.task_train",
        "qlib.utils.FLATTEN_TUPLE",
        "qlib.utils.data.update_config",
        "qlib.utils.exceptions.QlibException",
        "qlib.utils.flatten_dict",
        "qlib.utils.init_instance_by_config",
        "qlib.utils.serial.Serializable",
        "qlib.workflow.R",
        "qlib.workflow.exp.MLflowExperiment",
        "qlib.workflow.expm.MLflowExpManager",
        "qlib.workflow.record_temp.SigAnaRecord",
        "qlib.workflow.record_temp.SignalRecord",
        "qlib.workflow.recorder.MLflowRecorder",
        "qlib.workflow.task.collect.RecorderCollector",
        "qlib.workflow.task.gen.RollingGen",
        "qlib.workflow.task.gen.task_generator",
        "qlib.workflow.task.utils.TimeAdjuster",
        "qlib.workflow.task.utils.list_recorders",
    ],
)
def test_names_of_qlib_are_found_here(name):
    module, _, attribute = name.rpartition(".")
    assert locate(module, attribute) is not None
