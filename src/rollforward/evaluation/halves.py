"""Choosing in one half of the time and ranking in the other, for many ways to halve it.

A half is a row of flags, one for each block of time, true where the block is in sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, islice
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rollforward.errors import DataError
from rollforward.evaluation.sharpe import CONSTANT

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Metric: TypeAlias = Callable[[Floats], Floats]
Score: TypeAlias = Callable[[Flags], tuple[Floats, Floats]]

_CHUNK = 1024  # halves that are computed at a time; bounds memory
_ROUNDING = 1e-12  # equal returns may give figures that differ by this part, depending on their place in an array


def halves(n_blocks: int) -> Iterator[Flags]:
    """List all choices of half of the blocks, some at a time: rows of flags, true where a block is in sample."""
    chosen = combinations(range(n_blocks), n_blocks // 2)
    while part := list(islice(chosen, _CHUNK)):
        flags = np.zeros((len(part), n_blocks), dtype=bool)
        np.put_along_axis(flags, np.array(part), values=True, axis=1)
        yield flags


def choose(inside: Floats, outside: Floats) -> tuple[Floats, NDArray[np.intp], Floats, Floats]:
    """Find the best trial in sample and its rank out of sample; equal ones share the average of their ranks."""
    top = inside.max(axis=1, keepdims=True)
    best = (inside >= top - _ROUNDING * np.abs(top)).argmax(axis=1)  # of equal ones the first
    rows = np.arange(len(best))
    reached = outside[rows, best]
    is_equal = np.abs(outside - reached[:, None]) <= _ROUNDING * np.abs(reached[:, None])
    is_below = (outside < reached[:, None]) & ~is_equal
    return is_below.sum(axis=1) + (is_equal.sum(axis=1) + 1) / 2, best, inside[rows, best], reached


def sharpe_of_blocks(values: Floats, blocks: list[NDArray[np.intp]]) -> Score:
    """Make Sharpe ratios of sums over blocks, which are computed once."""
    centre = values.mean(axis=0)
    deviation = values - centre
    starts = [block[0] for block in blocks]
    sums = np.add.reduceat(deviation, starts)
    squares = np.add.reduceat(deviation**2, starts)
    sizes = np.array([len(block) for block in blocks], dtype=np.float64)

    def sharpe(flags: Flags) -> Floats:
        weight = flags.astype(np.float64)
        n = (weight @ sizes)[:, None]
        mean = weight @ sums / n
        total = weight @ squares
        spread = np.maximum(total - n * mean**2, 0.0)
        is_constant = spread <= CONSTANT * (total + n * centre**2)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio: Floats = (mean + centre) / np.sqrt(spread / (n - 1))
        return np.where(is_constant, 0.0, ratio)

    return lambda inside: (sharpe(inside), sharpe(~inside))


def scored_by(metric: Metric, values: Floats, blocks: list[NDArray[np.intp]]) -> Score:
    """Ask a function for each half, one after the other."""
    owner = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])

    def scores(flags: Flags) -> Floats:
        found = np.array([metric(values[row[owner]]) for row in flags], dtype=np.float64)
        if found.shape != (len(flags), values.shape[1]) or not np.isfinite(found).all():
            raise DataError("The metric gives no finite number for each trial.", f"{values.shape[1]} numbers.")
        return found

    return lambda inside: (scores(inside), scores(~inside))
