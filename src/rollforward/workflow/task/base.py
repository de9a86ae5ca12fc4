"""What makes tasks of tasks, and how a task is copied."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import pandas as pd

from rollforward.instantiate import deepcopy_basic_type

Task: TypeAlias = dict[str, Any]

_PLAIN = frozenset({dict, list, tuple})
_ATOMS = frozenset({str, int, float, bool, type(None), pd.Timestamp})


class TaskGen(ABC):
    """Makes several tasks of one."""

    @abstractmethod
    def generate(self, task: Mapping[str, Any]) -> list[Task]:
        """Make tasks; the given one stays as it is."""

    def __call__(self, task: Mapping[str, Any]) -> list[Task]:
        """Do what `generate` does."""
        return self.generate(task)


def task_generator(
    tasks: Mapping[str, Any] | Sequence[Mapping[str, Any]], generators: TaskGen | Sequence[TaskGen]
) -> list[Task]:
    """Expand tasks with generators.

    Parameters
    ----------
    tasks
        One task or several.
    generators
        One generator or several; each is applied to all that the one before made.

    Returns
    -------
    list
        All children of the first task, then those of the second, ...
    """
    expanded = [dict(task) for task in ([tasks] if isinstance(tasks, Mapping) else tasks)]
    for generator in [generators] if isinstance(generators, TaskGen) else generators:
        expanded = [child for task in expanded for child in generator.generate(task)]
    return expanded


def copy_task(task: Any) -> Any:
    """Copy a task's dictionaries, lists and tuples; the objects in them, such as a prepared handler, are shared."""
    kind = type(task)
    if kind is dict:
        return {key: value if type(value) in _ATOMS else copy_task(value) for key, value in task.items()}
    if kind is list:
        return [copy_task(value) for value in task]
    if kind is tuple:
        return tuple([copy_task(value) for value in task])
    return task if kind in _ATOMS else deepcopy_basic_type(task)


def copier_of(task: Any) -> Callable[[], Any]:
    """Prepare what `copy_task` does to a task that is copied many times; only what can change is copied each time."""
    if not isinstance(task, dict | list | tuple):
        return lambda: task
    places = task.items() if isinstance(task, dict) else enumerate(task)
    inner = [(place, copier_of(value)) for place, value in places if isinstance(value, dict | list | tuple)]
    if type(task) not in _PLAIN:
        return lambda: copy_task(task)
    if isinstance(task, tuple):
        return _tuple_copier(list(task), inner)
    if not inner:
        return task.copy
    return _copier(task.copy, inner)


def _copier(shallow: Callable[[], Any], inner: list[tuple[Any, Callable[[], Any]]]) -> Callable[[], Any]:
    def copy() -> Any:
        made = shallow()
        for place, make in inner:
            made[place] = make()
        return made

    return copy


def _tuple_copier(items: list[Any], inner: list[tuple[Any, Callable[[], Any]]]) -> Callable[[], Any]:
    whole = tuple(items)
    copy = _copier(items.copy, inner)
    return (lambda: tuple(copy())) if inner else (lambda: whole)
