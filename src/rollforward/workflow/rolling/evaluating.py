"""The records of a task on the merged prediction of its folds."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rollforward.instantiate import (
    fill_placeholder,
    get_callable_kwargs,
    init_instance_by_config,
    resolve_placeholders,
)
from rollforward.workflow.record_temp import SigAnaRecord, SignalRecord
from rollforward.workflow.record_temp.analyses import AGE
from rollforward.workflow.record_temp.base import missing_files
from rollforward.workflow.trainer.check import RECORDS_MODULE, as_list

if TYPE_CHECKING:
    from rollforward.workflow.record_temp import RecordTemp
    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)

_MODEL, _DATASET = "<MODEL>", "<DATASET>"


class TemplateDataset:
    """The dataset of a task before it is rolled, built when a record first looks into it.

    Parameters
    ----------
    config
        Returns its configuration, or the dataset itself.
    """

    def __init__(self, config: Callable[[], Any]) -> None:
        self._config = config

    def __getattr__(self, name: str) -> Any:
        """Look into the dataset."""
        if name.startswith("__"):  # what copying and pickling ask for
            raise AttributeError(name)
        return getattr(self._built, name)

    @cached_property
    def _built(self) -> Any:
        config = self._config()
        is_config = isinstance(config, str | Mapping)
        return init_instance_by_config(config, where="dataset") if is_config else config


def evaluate(
    parent: Recorder, task: Mapping[str, Any], ages: Callable[[], Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """Generate on the run with the merged prediction what judges it.

    Parameters
    ----------
    parent
        Holds ``pred.pkl`` and ``label.pkl``.
    task
        The template. Those of its records are generated that work on a prediction: see `generate_records`; and a
        `SigAnaRecord`, if there is none among them.
    ages
        As of `generate_records`.

    Returns
    -------
    dict
        What they have stored, by file name.
    """
    records = list(resolve_placeholders({**task, "record": as_list(task.get("record"))})["record"])
    if not any(issubclass(_class_of(record), SigAnaRecord) for record in records):
        records.insert(0, "SigAnaRecord")
    dataset = TemplateDataset(lambda: resolve_placeholders(dict(task))["dataset"])
    return generate_records(parent, records, dataset, ages)


def generate_records(
    recorder: Recorder, records: list[Any], dataset: Any, ages: Callable[[], Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """Generate records on a merged prediction, in their order.

    Parameters
    ----------
    recorder
        Holds ``pred.pkl`` and ``label.pkl``.
    records
        Configurations. Left out are those that predict (a `SignalRecord`, and what is made of it), and those that ask
        for a model: there is not one model behind the prediction.
    dataset
        For records that take one, such as to find prices.
    ages
        Returns options of the analysis ``age``, for a `SigAnaRecord` that asks for it; its own come first.

    Returns
    -------
    dict
        What they have stored, by file name.
    """
    stored: dict[str, Any] = {}
    for config in records:
        if _is_of_one_fold(config):
            continue
        filled = fill_placeholder({"record": config}, {_DATASET: dataset})["record"]
        record: RecordTemp = init_instance_by_config(
            filled, default_module=RECORDS_MODULE, try_kwargs={"dataset": dataset}, where="record", recorder=recorder
        )
        if isinstance(record, SigAnaRecord) and record.analyses is not None and AGE in record.analyses and ages:
            record.analyses = {**record.analyses, AGE: {**ages(), **record.analyses[AGE]}}
        found = record.generate()
        if found is None and record.list() and not missing_files(record):  # they were there already
            found = {name: record.load(name, parents=False) for name in record.list()}
        stored |= found if isinstance(found, dict) else {}
    return stored


def _is_of_one_fold(record: Any) -> bool:
    kind = _class_of(record)
    if issubclass(kind, SignalRecord):
        return True
    if "model" in inspect.signature(kind).parameters or _names_model(record):
        logger.info("%s works on the model of a fold: it is not generated on the merged prediction.", kind.__name__)
        return True
    return False


def _class_of(record: Any) -> type:
    found = get_callable_kwargs(record, RECORDS_MODULE, where="record")[0]
    return found if isinstance(found, type) else object


def _names_model(config: Any) -> bool:
    if isinstance(config, Mapping):
        return any(map(_names_model, config.values()))
    if isinstance(config, list | tuple):
        return any(map(_names_model, config))
    return isinstance(config, str) and config == _MODEL
