"""Backtest paths out of combinatorial splits: what many models predict of many groups, put together again."""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd

from rollforward.errors import ColumnError, DataError
from rollforward.model.ens.ensemble import RollingEnsemble
from rollforward.model.ens.group import Group

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Range: TypeAlias = tuple[Any, Any]
Pieces: TypeAlias = dict[tuple[Any, ...], dict[Range, Any]]

_DATETIME = "datetime"


class PathGroup(Group):
    """Recombine the predictions of combinatorial splits into backtest paths, each with every group of sessions once.

    ``{(model, ranges): frame}``, where `ranges` are the test ranges of a split, one for each test group, becomes
    ``{(model, path): frame}`` with paths counted from 0. As in Lopez de Prado, Advances in Financial Machine Learning,
    section 12.4, path p takes of each group the prediction of the p-th split that tests it. With n groups of which k
    are tested there are ``comb(n, k)`` splits and ``comb(n - 1, k - 1)`` paths.

    Collect with ``RecorderCollector(..., rec_key_func=fold_key, process_list=PathGroup())``.

    Parameters
    ----------
    ens
        Joins the pieces of a path, given by their ranges; `RollingEnsemble` by default.
    n_groups
        Groups there must be; ``None``: those that are found. With it, groups that no split predicts are an error too.
    """

    def __init__(self, ens: Callable[..., Any] | None = None, n_groups: int | None = None) -> None:
        super().__init__(ens=RollingEnsemble() if ens is None else ens)
        self.n_groups = n_groups

    def group(self, split_dict: Mapping[tuple[Any, ...], Any]) -> Pieces:
        """Cut each prediction into its groups and deal these out to the paths.

        Parameters
        ----------
        split_dict
            Frames or series with an index level ``datetime``. The last part of a key is the test segment: a pair of
            times, both inclusive, or a tuple of such pairs.

        Returns
        -------
        dict
            Pieces by their ranges, by ``(*rest of the key, path)``.

        Raises
        ------
        DataError
            If a key is none of this kind, a split is missing, or one predicts nothing of a group.
        ColumnError
            If an index has no level ``datetime``.
        """
        splits: dict[tuple[Any, ...], dict[tuple[Range, ...], Any]] = {}
        for key, frame in split_dict.items():
            *rest, ranges = key if isinstance(key, tuple) and key else (None,)
            splits.setdefault(tuple(rest), {})[_ranges_of(ranges, key)] = frame
        pieces: Pieces = {}
        for rest_key, frames in splits.items():
            _check_complete(rest_key, list(frames), self.n_groups)
            for path, parts in enumerate(_deal(frames)):
                pieces[(*rest_key, path)] = parts
        return pieces


def _ranges_of(value: Any, key: Any) -> tuple[Range, ...]:
    ranges = value if isinstance(value, tuple) and value and isinstance(value[0], tuple) else (value,)
    for one in ranges:
        if not isinstance(one, tuple) or len(one) != 2 or None in one:  # noqa: PLR2004  a pair
            raise DataError(
                f"The key {key!r} does not end with test ranges.",
                "keys such as (model, ((start, end), (start, end))), without open ends.",
                "collect with rec_key_func=fold_key.",
            )
    return tuple(ranges)


def _check_complete(rest: tuple[Any, ...], splits: list[tuple[Range, ...]], n_groups: int | None) -> None:
    """Refuse to make paths with holes, or with a model's prediction in another one's place."""
    groups = sorted({one for ranges in splits for one in ranges})
    sizes = sorted({len(ranges) for ranges in splits})
    n_known = len(groups) if n_groups is None else n_groups
    n_splits = comb(n_known, sizes[0])
    if len(groups) != n_known or len(sizes) != 1 or len(splits) != n_splits:
        raise DataError(
            f"{rest!r}: {len(splits)} splits test {' or '.join(map(str, sizes))} of {len(groups)} groups.",
            f"{n_splits} splits, each choice of {sizes[0]} of {n_known} groups once.",
            "train the missing splits; collect the splits of one generator at a time.",
        )


def _deal(frames: Mapping[tuple[Range, ...], Any]) -> list[dict[Range, Any]]:
    """Give the p-th prediction of each group, in the order of the splits, to path p."""
    paths: list[dict[Range, Any]] = []
    n_dealt: dict[Range, int] = {}
    for ranges in sorted(frames):
        for one in ranges:
            path = n_dealt.get(one, 0)
            n_dealt[one] = path + 1
            if path == len(paths):
                paths.append({})
            paths[path][one] = _piece(frames[ranges], one)
    return [dict(sorted(parts.items())) for parts in paths]


def _piece(frame: Any, one: Range) -> Any:
    if not isinstance(frame, pd.DataFrame | pd.Series) or _DATETIME not in frame.index.names:
        raise ColumnError(
            f"A {type(frame).__name__} is no prediction that can be cut by time.",
            f"a frame or series with an index level {_DATETIME!r}.",
        )
    times = frame.index.get_level_values(_DATETIME)
    piece = frame[(times >= one[0]) & (times <= one[1])]
    if piece.empty:
        raise DataError(
            f"A split predicts nothing from {one[0]!s} to {one[1]!s}.", "a prediction of each of its test groups."
        )
    return piece
