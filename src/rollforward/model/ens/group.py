"""Sort what was collected into groups, and merge each group."""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from rollforward.errors import DataError
from rollforward.model.ens.ensemble import RollingEnsemble

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)


class Group:
    """Sort the values of a dictionary into groups and merge each.

    Give the two steps as functions, or override `group` and `reduce` in a subclass.

    Parameters
    ----------
    group_func
        Takes the dictionary and returns a dictionary of groups.
    ens
        Takes one group and returns what it is merged to, as an `Ensemble` does.
    """

    def __init__(self, group_func: Callable[..., Any] | None = None, ens: Callable[..., Any] | None = None) -> None:
        self._group_func = group_func
        self._ens_func = ens

    def group(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        """Sort a dictionary into groups.

        Raises
        ------
        NotImplementedError
            If there is no function for it.
        """
        if self._group_func is None:
            raise NotImplementedError("Give group_func, or override group.")
        groups: dict[Any, Any] = self._group_func(*args, **kwargs)
        return groups

    def reduce(self, *args: Any, **kwargs: Any) -> Any:
        """Merge one group.

        Raises
        ------
        NotImplementedError
            If there is no function for it.
        """
        if self._ens_func is None:
            raise NotImplementedError("Give ens, or override reduce.")
        return self._ens_func(*args, **kwargs)

    def __call__(
        self, ungrouped_dict: dict[Any, Any], n_jobs: int = 1, verbose: int = 0, *args: Any, **kwargs: Any
    ) -> dict[Any, Any]:
        """Sort into groups and merge each.

        Parameters
        ----------
        ungrouped_dict
            What `group` takes.
        n_jobs
            Groups that are merged at the same time, in threads; -1: as many as there are processors.
        verbose
            Above 0, each group is logged as it is merged.
        *args, **kwargs
            Go to `group`.

        Returns
        -------
        dict
            Groups in their order, merged.
        """
        groups = self.group(ungrouped_dict, *args, **kwargs)

        def merge(item: tuple[Any, Any]) -> tuple[Any, Any]:
            if verbose:
                logger.info("Merging group %s.", item[0])
            return item[0], self.reduce(item[1])

        if n_jobs in {0, 1}:
            return dict(map(merge, groups.items()))
        with ThreadPoolExecutor(n_jobs if n_jobs > 0 else os.cpu_count()) as pool:
            return dict(pool.map(merge, groups.items()))


class RollingGroup(Group):
    """Bring the folds of each model together: ``{(A, B, fold): x}`` is grouped to ``{(A, B): {fold: x}}``.

    Parameters
    ----------
    ens
        Merges the folds of one model; `RollingEnsemble` by default.
    """

    def __init__(self, ens: Callable[..., Any] | None = None) -> None:
        super().__init__(ens=RollingEnsemble() if ens is None else ens)

    def group(self, rolling_dict: dict[tuple[Any, ...], Any]) -> dict[tuple[Any, ...], dict[Any, Any]]:
        """Group by all of a key but its last part.

        Raises
        ------
        DataError
            If a key is no tuple.
        """
        groups: dict[tuple[Any, ...], dict[Any, Any]] = {}
        for key, value in rolling_dict.items():
            if not isinstance(key, tuple) or not key:
                raise DataError(
                    f"The key {key!r} is no tuple.",
                    "keys such as (model, fold).",
                    "collect with rec_key_func=fold_key.",
                )
            groups.setdefault(key[:-1], {})[key[-1]] = value
        return groups
