"""What makes tasks of tasks, and how a task is copied."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import pandas as pd

from rollforward.instantiate import deepcopy_basic_type

Task: TypeAlias = dict[str, Any]

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
