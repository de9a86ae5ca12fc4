"""Where records find prices and groups: objects, data files, artifacts of the run, or the dataset's handler."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from rollforward.adapters.qlib import is_address
from rollforward.data.files import names_a_file, read_file, resolve_source
from rollforward.data.horizon import label_lookahead, lookahead_of_handler
from rollforward.data.loader import as_loader
from rollforward.data.price_handler import PriceFeatureLoader
from rollforward.errors import ColumnError, DataError, RollforwardError
from rollforward.settings.nearest import did_you_mean

SOURCE, FIELD, COLUMN = "source", "field", "column"
CLOSE = "close"
LABEL_HORIZON = "label_horizon"

logger = logging.getLogger(__name__)


def find_prices(given: Any, load_artifact: Callable[[str], Any], dataset: Any = None) -> pd.Series:
    """Load one price per date and instrument.

    Parameters
    ----------
    given
        One of: a frame (one row per date and one column per instrument, or with columns or index levels that name
        both) or a Series indexed ``(datetime, instrument)``; the path of a data file (CSV, Parquet) or
        ``"bundled:..."``; a loader, its configuration or a function; the name of an artifact of the run, such as
        ``"prices.pkl"``; ``{"source": any of these, "field": its column}``; ``{"column": name}``, a raw column of the
        dataset's handler; ``None`` for the closes that the dataset's `PriceHandler` is made of.
    load_artifact
        Loads an artifact of the run by its name.
    dataset
        A dataset with a handler.

    Returns
    -------
    pd.Series
        Indexed ``(datetime, instrument)``.

    Raises
    ------
    DataError
        If it is none of these, or cannot be read.
    ColumnError
        If there is no such column.
    """
    if given is None:
        return _of_handler(dataset)
    field = None
    if isinstance(given, Mapping) and COLUMN in given:
        return _raw_column(dataset, given[COLUMN])
    if isinstance(given, Mapping) and SOURCE in given:
        given, field = given[SOURCE], given.get(FIELD)
    if isinstance(given, str) and not names_a_file(given) and not _is_dotted(given) and not is_address(given):
        given = load_artifact(given)
    if isinstance(given, pd.Series):
        return given
    return _one_column(as_loader(given).load(), field)


def has_prices(dataset: Any) -> bool:
    """Tell whether the dataset's handler is made of closes."""
    return isinstance(getattr(getattr(dataset, "handler", None), "data_loader", None), PriceFeatureLoader)


def find_horizon(recorder: Any, dataset: Any = None) -> int | None:
    """Find how many sessions the label of a run spans.

    Parameters
    ----------
    recorder
        Asked first for the tag ``label_horizon``, which a rolling job sets, and last for its artifact ``task``.
    dataset
        Its handler may know.

    Returns
    -------
    int or None
        1 or more; ``None`` if nobody knows.
    """
    tag = recorder.list_tags().get(LABEL_HORIZON, "") if hasattr(recorder, "list_tags") else ""
    if tag.isdigit():
        return max(int(tag), 1)
    found = lookahead_of_handler(getattr(dataset, "handler", None))
    if found is None:
        try:
            found = label_lookahead(recorder.load_object("task"))
        except RollforwardError as error:
            logger.info("How many sessions the label spans is not known: %s", error.given)
    # It begins a session after its date.
    return None if found is None else max(int(found) - 1, 1)


def find_groups(given: Any, load_artifact: Callable[[str], Any]) -> Any:
    """Load the group of each instrument.

    Parameters
    ----------
    given
        A dictionary or Series, group by instrument; a Series, or a frame of one column, indexed
        ``(datetime, instrument)``, for groups that change; the path of a data file with two columns, instrument and
        group; or the name of an artifact of the run that holds one of these.
    load_artifact
        Loads an artifact of the run by its name.

    Raises
    ------
    DataError
        If it is none of these.
    """
    if isinstance(given, Path) or (isinstance(given, str) and names_a_file(given)):
        table = read_file(resolve_source(given), {})
        given = table.set_index(table.columns[0])
    elif isinstance(given, str):
        given = load_artifact(given)
    if isinstance(given, pd.DataFrame) and given.shape[1] == 1:
        given = given.iloc[:, 0]
    if isinstance(given, pd.Series | Mapping):
        return given
    raise DataError(
        f"groups are an object of type {type(given).__name__}.",
        "the group of each instrument: a dictionary, a Series, or a file or frame of one column.",
        'For example groups={"AAPL": "tech", "JPM": "finance"}.',
    )


def _of_handler(dataset: Any) -> pd.Series:
    if not has_prices(dataset):
        raise DataError(
            "There are no prices.",
            "prices, or a dataset whose handler is a PriceHandler.",
            'Give prices: "bundled:sp500_close", a file, a frame, or an artifact of the run.',
        )
    loader = dataset.handler.data_loader
    return _one_column(loader.source.load(), loader.field)


def _raw_column(dataset: Any, name: str) -> pd.Series:
    handler: Any = getattr(dataset, "handler", None)
    if not hasattr(handler, "fetch"):
        raise DataError(
            f"The prices are the column {name!r} of a handler, and there is none.",
            "a dataset with a handler.",
            'Give dataset=..., in a task as "<DATASET>".',
        )
    data = handler.fetch(col_set="__raw", data_key="raw")
    data.columns = [column[-1] if isinstance(column, tuple) else column for column in data.columns]
    return _one_column(data, name)


def _one_column(frame: pd.DataFrame, field: str | None) -> pd.Series:
    names = [str(column) for column in frame.columns]
    if field is None:
        field = names[0] if len(names) == 1 else CLOSE
    if names.count(field) != 1:
        raise ColumnError(
            f"The prices have columns {', '.join(names[:8])}.",
            f"one that is called {field!r}.",
            did_you_mean(field, names, f'Name it: prices={{"{SOURCE}": ..., "{FIELD}": ...}}.'),
        )
    return frame.iloc[:, names.index(field)].dropna().rename(field)


def _is_dotted(text: str) -> bool:
    """Tell the configuration of a loader, ``package.module.Class``, from the name of an artifact."""
    return "." in text and text.rpartition(".")[2][:1].isupper()
