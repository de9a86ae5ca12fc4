"""Combinatorial purged splits: many backtest paths out of one history."""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np

from rollforward.data.spans import whole_number
from rollforward.errors import EmptySegmentError, SegmentError
from rollforward.model.ens.paths import PathGroup
from rollforward.workflow.task.base import Task, copy_task
from rollforward.workflow.task.cover import cover_fold
from rollforward.workflow.task.position_gen import AUTO, Fold, PositionGen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd


class CombinatorialPurgedGen(PositionGen):
    """Cuts the sessions into groups and makes a task of each choice of test groups; all other groups are trained on.

    Lopez de Prado, Advances in Financial Machine Learning, section 12.4. A task trains on sessions before, between and
    behind its test groups, as far away from them as purge and embargo say. Its test segment is a list of ranges, one
    for each test group; one model predicts them all. `paths` puts the predictions together again.

    Parameters
    ----------
    n_groups
        Groups of sessions, of the same size; the last one has those that are left over, too.
    n_test_groups
        Groups that a task tests on.
    purge, embargo, valid, ds_extra_mod_func, test_key, train_key, task_copy_func, calendar
        As of `PositionGen`.

    Raises
    ------
    SegmentError
        If there are less than two groups, or not at least one to train on.

    Examples
    --------
    >>> generator = CombinatorialPurgedGen(6, 2)
    >>> generator.n_splits, generator.n_paths
    (15, 5)
    """

    def __init__(
        self,
        n_groups: int = 6,
        n_test_groups: int = 2,
        purge: int | str | None = AUTO,
        embargo: int = 0,
        *,
        valid: int = 0,
        ds_extra_mod_func: Callable[[Task, PositionGen], Any] | None = cover_fold,
        test_key: str = "test",
        train_key: str = "train",
        task_copy_func: Callable[[Task], Task] = copy_task,
        calendar: Any = None,
    ) -> None:
        self.n_groups = whole_number(n_groups, "n_groups", 2)
        self.n_test_groups = whole_number(n_test_groups, "n_test_groups", 1)
        if self.n_test_groups >= self.n_groups:
            raise SegmentError(
                f"n_test_groups={n_test_groups} of n_groups={n_groups} leaves none to train on.",
                f"n_test_groups from 1 to {self.n_groups - 1}.",
            )
        super().__init__(
            purge,
            embargo,
            valid=valid,
            ds_extra_mod_func=ds_extra_mod_func,
            test_key=test_key,
            train_key=train_key,
            task_copy_func=task_copy_func,
            calendar=calendar,
        )

    def __repr__(self) -> str:
        return (
            f"CombinatorialPurgedGen({self.n_groups}, {self.n_test_groups}, purge={self.purge!r}, "
            f"embargo={self.embargo})"
        )

    @property
    def n_splits(self) -> int:
        """How many tasks there are of one: the choices of test groups."""
        return comb(self.n_groups, self.n_test_groups)

    @property
    def n_paths(self) -> int:
        """How many backtest paths the predictions make: the tasks that test one group."""
        return comb(self.n_groups - 1, self.n_test_groups - 1)

    def folds(self, sessions: pd.DatetimeIndex) -> Iterator[Fold]:
        """Choose test groups, in the order of `itertools.combinations`.

        Raises
        ------
        EmptySegmentError
            If there are more groups than sessions.
        """
        size = len(sessions) // self.n_groups
        if not size:
            raise EmptySegmentError(
                f"{len(sessions)} sessions make no {self.n_groups} groups.",
                "at least one session in each group.",
                "split more sessions, or make fewer groups.",
            )
        groups = np.split(np.arange(len(sessions)), size * np.arange(1, self.n_groups))
        for chosen in combinations(range(self.n_groups), self.n_test_groups):
            label = f"groups {'+'.join(map(str, chosen))} of {self.n_groups}"
            train = np.concatenate([group for number, group in enumerate(groups) if number not in chosen])
            yield Fold(label, train, [groups[number] for number in chosen])

    def paths(self, ens: Callable[..., Any] | None = None) -> PathGroup:
        """Make what recombines the collected predictions, for ``RecorderCollector(process_list=...)``.

        Parameters
        ----------
        ens
            As of `PathGroup`.
        """
        return PathGroup(ens, n_groups=self.n_groups)
