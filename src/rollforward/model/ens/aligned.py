"""Many predictions as the columns of one table, found by arithmetic on the codes of their indexes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rollforward.errors import ColumnError, DataError
from rollforward.model.ens.ordering import MOST_KEYS, SPARSE, Frame, Integers, level_codes, ordered_codes
from rollforward.model.ens.origin import without_origin

Floats: TypeAlias = NDArray[np.float64]

DATETIME = "datetime"
JOIN, AVERAGE = "join", "average"


@dataclass(frozen=True)
class Table:
    """Predictions side by side.

    Attributes
    ----------
    index
        Of the rows, sorted.
    columns
        Values, NaN where a frame has no such row.
    owner
        Position of the frame that each column is of.
    day
        Position of each row's date in `days`, -1 where it has none.
    days
        Dates.
    """

    index: pd.Index
    columns: list[Floats]
    owner: list[int]
    day: NDArray[np.intp]
    days: pd.Index


def leaves_of(values: Mapping[Any, Any], purpose: str) -> list[tuple[Any, Frame]]:
    """List the frames of a dictionary and of those inside it.

    Parameters
    ----------
    values
        Frames or series with an index level ``datetime``, perhaps in inner dictionaries.
    purpose
        What they are for: ``"join"`` or ``"average"``. What is averaged needs instruments beside the dates.

    Returns
    -------
    list
        Keys and frames; a key is the tuple of the keys that lead there, or the only one of these. The index levels of
        all have the order of the first frame's.

    Raises
    ------
    DataError
        If there is no frame, or something else.
    ColumnError
        If an index has no level ``datetime``, or the indexes have different levels.
    """
    found = list(_leaves(values, ()))
    if not found:
        raise DataError(f"There is nothing to {purpose}.", "at least one frame.", "check what was collected.")
    for _, frame in found:
        if not isinstance(frame, pd.DataFrame | pd.Series):
            raise DataError(f"{type(frame).__name__} cannot be merged.", "a DataFrame or a Series.")
        if DATETIME not in frame.index.names:
            raise ColumnError(
                f"The index has the levels {list(frame.index.names)!r}.",
                f"a level {DATETIME!r}.",
                "name it with rename_axis.",
            )
        if purpose == AVERAGE and not isinstance(frame.index, pd.MultiIndex):
            raise ColumnError(
                f"The index of a {type(frame).__name__} has the level {DATETIME!r} alone, and no instruments.",
                "one row per (datetime, instrument).",
                "turn a wide frame into rows: frame.rename_axis(columns='instrument').stack().",
            )
    names = list(found[0][1].index.names)
    return [(key, _with_levels(frame, names)) for key, frame in found]


def plain_key(key: Any) -> Any:
    """Write a tuple of one part as that part."""
    return key[0] if isinstance(key, tuple) and len(key) == 1 else key


def side_by_side(frames: Sequence[Frame]) -> Table:
    """Align the columns of frames by their rows; columns that say where a row comes from stay aside.

    Raises
    ------
    DataError
        If a frame has a row twice, or a column that is not numeric.
    """
    frames = [without_origin(frame) for frame in frames]
    keyed = _common_keys([frame.index for frame in frames])
    if keyed is None:
        return _plain_table(frames)
    keys, levels = keyed
    lengths = [len(level) for level in levels]
    all_keys, places = _places(keys, prod(lengths), frames)
    codes: Any = np.unravel_index(all_keys, lengths)
    index = pd.MultiIndex(levels, codes, names=frames[0].index.names)
    columns, owner = [], []
    for at, frame in enumerate(frames):
        place = places[at]
        for column in _floats(frame):
            owner.append(at)
            if place is None:
                columns.append(column)
            else:
                columns.append(np.full(len(index), np.nan))
                columns[-1][place] = column
    day, _ = level_codes(index, DATETIME)
    return Table(index, columns, owner, day, index.levels[index.names.index(DATETIME)])


def _with_levels(frame: Frame, names: list[Any]) -> Frame:
    """Bring index levels into an order, by their names; those without a name stay where they are."""
    own = list(frame.index.names)
    if len(own) == len(names) and all(a == b or a is None or b is None for a, b in zip(own, names, strict=True)):
        return frame
    if len(own) != len(names) or set(own) != set(names):
        raise ColumnError(
            f"One index has the levels {names!r}, another one {own!r}.",
            "the same levels in all, in any order.",
            "name them with rename_axis; turn wide frames into rows with stack().",
        )
    return frame.reorder_levels(names)


def _leaves(values: Mapping[Any, Any], above: tuple[Any, ...]) -> Iterator[tuple[Any, Any]]:
    for key, value in values.items():
        path = (*above, *(key if isinstance(key, tuple) else (key,)))
        if isinstance(value, Mapping):
            yield from _leaves(value, path)
        else:
            yield plain_key(path), value


def _common_keys(indexes: Sequence[pd.Index]) -> tuple[list[Integers], list[Any]] | None:
    """Give the rows of all indexes numbers that are equal and ordered as the rows are; ``None`` if that is not easy."""
    plain = [index for index in indexes if isinstance(index, pd.MultiIndex) and index.names == indexes[0].names]
    if len(plain) < len(indexes):
        return None
    found = [_common_level([index.levels[at] for index in plain]) for at in range(plain[0].nlevels)]
    levels = [level for level in found if level is not None]
    if len(levels) < len(found) or prod(map(len, levels)) > MOST_KEYS:
        return None
    keys = []
    for index in plain:
        key: Integers = np.zeros(len(index), dtype=np.int64)
        for at, level in enumerate(levels):
            codes = ordered_codes(index, at, level)
            if codes is None:
                return None
            key *= len(level)
            key += codes
        keys.append(key)
    return keys, levels


def _common_level(levels: list[pd.Index]) -> pd.Index | None:
    """Unite the values of a level, ascending; ``None`` where they cannot be sorted."""
    distinct: list[pd.Index] = []
    for level in levels:
        if not any(level is other or (level.dtype == other.dtype and level.equals(other)) for other in distinct[-1:]):
            distinct.append(level)
    union = distinct[0].append(distinct[1:]).unique() if len(distinct) > 1 else distinct[0]
    try:
        return None if union.hasnans else union if union.is_monotonic_increasing else union.sort_values()
    except TypeError:  # values that cannot be compared: pandas has its own way with them
        return None


def _places(
    keys: list[Integers], n_keys: int, frames: Sequence[Frame]
) -> tuple[Integers, list[NDArray[np.intp] | None]]:
    """Find all keys, ascending, and where in them the rows of each frame are; ``None``: each in its place."""
    first = keys[0]
    if bool((first[1:] > first[:-1]).all()) and all(np.array_equal(first, key) for key in keys[1:]):
        return first, [None] * len(keys)
    if n_keys > SPARSE * sum(map(len, keys)):
        for key, frame in zip(keys, frames, strict=True):
            if len(pd.unique(key)) < len(key):
                _refuse_repeated(frame)
        all_keys = np.unique(np.concatenate(keys))
        return all_keys, [np.searchsorted(all_keys, key) for key in keys]
    is_used = np.zeros(n_keys, dtype=bool)
    for key, frame in zip(keys, frames, strict=True):
        is_own = np.zeros(n_keys, dtype=bool)
        is_own[key] = True
        if np.count_nonzero(is_own) < len(key):
            _refuse_repeated(frame)
        is_used |= is_own
    number = np.cumsum(is_used) - 1
    return np.flatnonzero(is_used), [number.take(key) for key in keys]


def _plain_table(frames: Sequence[Frame]) -> Table:
    """Align as pandas does: indexes of time alone, with missing values, or of mixed types."""
    for frame in frames:
        if not frame.index.is_unique:
            _refuse_repeated(frame)
    owner = [at for at, frame in enumerate(frames) for _ in range(1 if frame.ndim == 1 else frame.shape[1])]
    table = pd.concat(frames, axis=1, sort=False).sort_index()
    if isinstance(table.index, pd.MultiIndex):
        day, _ = level_codes(table.index, DATETIME)
        days = table.index.levels[table.index.names.index(DATETIME)]
    else:
        day, days = pd.factorize(table.index)
    return Table(table.index, _floats(table), owner, day, pd.Index(days))


def _refuse_repeated(frame: Frame) -> None:
    twice = frame.index[frame.index.duplicated()][0]
    raise DataError(f"The row {twice!r} is there twice.", "each row once.", "merge the folds of a model first.")


def _floats(frame: Frame) -> list[Floats]:
    try:
        values = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        names = [frame.name] if isinstance(frame, pd.Series) else list(frame.columns)
        raise DataError(
            f"The columns {names!r} are not all numbers.", "scores.", "select the score: pred[['score']]."
        ) from error
    return [values] if values.ndim == 1 else [np.ascontiguousarray(column) for column in values.T]
