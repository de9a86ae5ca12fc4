"""Values in a dictionary, and the functions that each goes through."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from rollforward.errors import TaskError
from rollforward.serialize import Serializable
from rollforward.workflow.task.collect.loading import loaded

if TYPE_CHECKING:
    from rollforward.workflow.task.collect.report import Missing

Process: TypeAlias = Callable[..., Any]
Processes: TypeAlias = "Process | Sequence[Process] | None"


class Collector(Serializable, ABC):
    """Collects values into a dictionary and processes each.

    Parameters
    ----------
    process_list
        Functions through which each value goes, in order; a single one need not be in a list.

    Raises
    ------
    TaskError
        If one of them is a class whose objects are such functions: it would only build an object.
    """

    def __init__(self, process_list: Processes = None) -> None:
        self.process_list = _as_list(process_list)

    @abstractmethod
    def collect(self) -> dict[Any, Any]:
        """Collect values."""

    @staticmethod
    def process_collect(
        collected_dict: Mapping[Any, Any], process_list: Processes = None, *args: Any, **kwargs: Any
    ) -> dict[Any, Any]:
        """Send each value through functions.

        Parameters
        ----------
        collected_dict
            Stays as it is. `Lazy` values, and those in its dictionaries, are loaded before the first function sees
            them; without functions they stay lazy.
        process_list
            As for the class.
        *args, **kwargs
            Go to each function, after the value.

        Raises
        ------
        TaskError
            If one of the functions cannot be called.
        LoadObjectError
            If a lazy value cannot be loaded.
        """
        processes = _as_list(process_list)
        for process in processes:
            if not callable(process):
                raise TaskError(f"{process!r} cannot be called.", "a function, such as RollingGroup().")
        processed = loaded(collected_dict) if processes else dict(collected_dict)
        for process in processes:
            processed = {key: process(value, *args, **kwargs) for key, value in processed.items()}
        return processed

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        """Collect and process; arguments go to each function of the process list."""
        return self.process_collect(self.collect(), self.process_list, *args, **kwargs)


class MergeCollector(Collector):
    """Puts what several collectors collect and process into one dictionary.

    Parameters
    ----------
    collector_dict
        Collectors by name.
    process_list
        As for `Collector`; applied to the merged dictionary.
    merge_func
        Makes a key of a collector's name and a key of what it collected; by default the pair of the two.
    """

    def __init__(
        self,
        collector_dict: Mapping[str, Collector],
        process_list: Processes = None,
        merge_func: Callable[[str, Any], Any] | None = None,
    ) -> None:
        super().__init__(process_list)
        self.collector_dict = dict(collector_dict)
        self.merge_func = merge_func

    @property
    def missing(self) -> list[Missing]:
        """What the collectors could not load when they last collected."""
        return [one for collector in self.collector_dict.values() for one in getattr(collector, "missing", ())]

    def collect(self) -> dict[Any, Any]:
        """Collect and process with each collector.

        Raises
        ------
        TaskError
            If `merge_func` makes the same key twice.
        """
        merged: dict[Any, Any] = {}
        for name, collector in self.collector_dict.items():
            for key, value in collector().items():
                merged_key = (name, key) if self.merge_func is None else self.merge_func(name, key)
                if merged_key in merged:
                    raise TaskError(
                        f"merge_func made the key {merged_key!r} twice.", "a key of its own for each value."
                    )
                merged[merged_key] = value
        return merged


def _as_list(process_list: Processes) -> list[Process]:
    if process_list is None:
        return []
    processes: list[Any] = list(process_list) if isinstance(process_list, list | tuple) else [process_list]
    for process in processes:
        if isinstance(process, type) and any("__call__" in vars(base) for base in process.__mro__):
            raise TaskError(
                f"process_list has the class {process.__name__}.", "an object of it.", f"Write {process.__name__}()."
            )
    return processes
