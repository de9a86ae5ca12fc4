"""The table of moved names, against this package as it is, and against Qlib's names."""

import json
from importlib import import_module
from pathlib import Path

import pytest

from rollforward.instantiate.moved import INSTEAD, MOVED, advice
from rollforward.migrate.changed import CHANGED
from rollforward.migrate.names import Place, find, names_of, whereabouts

SURFACE = json.loads((Path(__file__).parent / "qlib_names.json").read_text(encoding="utf-8"))
# Not here on purpose; the advice says what to use.
NOT_HERE = {
    "qlib.contrib.eva.alpha.calc_all_ic",
    "qlib.contrib.eva.alpha.pred_autocorr",
    "qlib.contrib.eva.alpha.pred_autocorr_all",
    "qlib.data.dataset.get_level_index",
    "qlib.data.dataset.handler.DATA_KEY_TYPE",
    "qlib.data.dataset.loader.DLWParser",
    "qlib.data.dataset.loader.DataLoaderDH",
    "qlib.data.dataset.loader.NestedDataLoader",
    "qlib.data.dataset.loader.QlibDataLoader",
    "qlib.data.dataset.processor.HashStockFormat",
    "qlib.data.dataset.processor.TimeRangeFlt",
    "qlib.data.dataset.processor.get_group_columns",
    "qlib.log.LogFilter",
    "qlib.log.MetaLogger",
    "qlib.log.QlibLogger",
    "qlib.log.set_log_with_config",
    "qlib.model.base.ModelFT",
    "qlib.utils.data.S_DROP",
    "qlib.utils.data.guess_horizon",
    "qlib.utils.data.robust_zscore",
    "qlib.utils.data.zscore",
    "qlib.utils.mod.class_casting",
    "qlib.utils.mod.find_all_classes",
    "qlib.utils.mod.get_cls_kwargs",
    "qlib.workflow.RecorderWrapper",
    "qlib.workflow.task.utils.get_mongodb",
    "qlib.workflow.utils.experiment_exception_hook",
    "qlib.workflow.utils.experiment_exit_handler",
}


def test_every_public_name_of_qlibs_is_here_or_is_left_out_on_purpose():
    missing = {f"{module}.{name}" for module, names in SURFACE.items() for name in names} - NOT_HERE
    assert {dotted for dotted in missing if find(dotted) is None} == set()
    assert {dotted for dotted in NOT_HERE if find(dotted) is not None} == set()


def test_what_is_left_out_has_an_advice():
    assert {dotted for dotted in NOT_HERE if advice(dotted) == advice("qlib.nowhere")} == set()


@pytest.mark.parametrize("module", sorted(SURFACE))
def test_each_name_is_where_the_table_says(module):
    for name in SURFACE[module]:
        place = find(f"{module}.{name}")
        if place is not None:
            assert hasattr(import_module(place.module), place.name), place


@pytest.mark.parametrize("module", sorted({target for targets in MOVED.values() for target in targets}))
def test_names_read_from_the_sources_are_those_of_the_module(module):
    assert names_of(module) <= {name for name in names_of(module) if hasattr(import_module(module), name)}


def test_notes_are_about_names_that_exist():
    names = {name for names in SURFACE.values() for name in names} | {"fill_placeholder", "backtest_daily"}
    assert CHANGED.keys() <= names


def test_parts_of_a_name_that_follow_stay():
    assert find("qlib.workflow.R.start") == Place("rollforward.workflow", "R", ".start")
    assert find("qlib.workflow.R.start").dotted == "rollforward.workflow.R.start"
    assert find("qlib.workflow.task.gen") == Place("rollforward.workflow.task.gen")


@pytest.mark.parametrize(
    "name", ["qlib.data.D", "qlib.backtest", "qlib.contrib.model.gbdt", "qlib.config.C", "qlibs.x"]
)
def test_what_is_qlibs_own_has_no_place(name):
    assert find(name) is None


def test_a_bare_name_is_found():
    assert whereabouts("RollingGen") == "rollforward"
    assert whereabouts("DelayTrainerRM") == "rollforward.workflow.trainer"
    assert whereabouts("Alpha158") is None


def test_the_longest_advice_that_fits_counts():
    assert INSTEAD["qlib.config"] in advice("qlib.config.C")
    assert INSTEAD["qlib.workflow.task.utils.get_mongodb"] in advice("qlib.workflow.task.utils.get_mongodb")
