"""Sorting and deduplicating big frames by their index without hashing or comparing its values.

A ``MultiIndex`` stores each level once and refers to it by small integers (codes). One integer made of a row's codes
orders the rows as the index does, so that scanning, sorting and finding repeated rows is arithmetic on one array.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Integers: TypeAlias = NDArray[np.int64]
Frame: TypeAlias = pd.DataFrame | pd.Series

SPARSE = 8  # slots of a table per row, beyond which sorting is cheaper than scattering
MOST_KEYS = 2**62


def keep_last_sorted(frame: Frame) -> Frame:
    """Sort a frame by its index and keep, of rows with the same index value, the last.

    Returns
    -------
    pd.DataFrame or pd.Series
        The frame itself if nothing has to change.
    """
    index = frame.index
    keyed = _row_keys(index) if isinstance(index, pd.MultiIndex) else None
    if keyed is None:
        if index.is_monotonic_increasing and index.is_unique:
            return frame
        return frame[~index.duplicated(keep="last")].sort_index()
    keys, n_keys = keyed
    if bool((keys[1:] > keys[:-1]).all()):
        return frame
    return frame.take(_last_of_each(keys, n_keys))


def level_codes(index: pd.Index, name: str) -> tuple[NDArray[np.intp], int]:
    """Give each row of an index a number that stands for its value on one level.

    Returns
    -------
    tuple
        A number from 0 for each row, -1 where the value is missing; and how many numbers there are at most.
    """
    if isinstance(index, pd.MultiIndex):
        at = index.names.index(name)
        return index.codes[at].astype(np.intp), len(index.levels[at])
    codes, values = pd.factorize(index)
    return codes, len(values)


def first_of_level(index: pd.Index, name: str) -> Any:
    """Find the smallest value on one level; missing ones do not count."""
    if not isinstance(index, pd.MultiIndex):
        return index.min()
    at = index.names.index(name)
    used = np.unique(index.codes[at])
    return index.levels[at].take(used[used >= 0]).min()


def ordered_codes(index: pd.MultiIndex, at: int, values: pd.Index | None = None) -> NDArray[np.integer] | None:
    """Give each row the position of its value among sorted values.

    Parameters
    ----------
    index
        Of the rows.
    at
        Position of the level.
    values
        Ascending, with all values of the level and perhaps more; ``None``: those of the level.

    Returns
    -------
    np.ndarray or None
        ``None`` where a value is missing or the values cannot be compared.
    """
    level, codes = index.levels[at], index.codes[at]
    if level.hasnans or (len(codes) and codes.min() < 0):
        return None
    if level is values or (values is None and level.is_monotonic_increasing):
        return codes
    try:
        place = (level.sort_values() if values is None else values).get_indexer(level)
    except TypeError:  # values that cannot be compared: pandas has its own way with them
        return None
    return codes if np.array_equal(place, np.arange(len(level))) else place.take(codes)


def _row_keys(index: pd.MultiIndex) -> tuple[Integers, int] | None:
    """Give rows numbers that are equal and ordered as the rows are; ``None`` where that cannot be done."""
    n_keys = 1
    keys: Integers = np.zeros(0, dtype=np.int64)
    for at, level in enumerate(index.levels):
        codes = ordered_codes(index, at)
        n_keys *= len(level)
        if codes is None or n_keys > MOST_KEYS:
            return None
        if at == 0:
            keys = codes.astype(np.int64)
        else:
            keys *= len(level)
            keys += codes
    return keys, n_keys


def _last_of_each(keys: Integers, n_keys: int) -> NDArray[np.intp]:
    """Find the position of the last row of each key, in the order of the keys."""
    if n_keys <= SPARSE * len(keys):
        last = np.full(n_keys, -1, dtype=np.intp)
        np.maximum.at(last, keys, np.arange(len(keys)))
        return last[last >= 0]
    order = np.argsort(keys, kind="stable")
    in_order = keys[order]
    is_last = np.append(in_order[1:] != in_order[:-1], True)
    found: NDArray[np.intp] = order[is_last]
    return found
