"""Loading artifacts: several at a time, or when somebody asks for them."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, NamedTuple

from rollforward.errors import LoadObjectError
from rollforward.workflow.as_read import as_read
from rollforward.workflow.progress import counting
from rollforward.workflow.task.collect.report import Missing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)

# Loads at a time from a server; no more connections are kept open by MLflow. Files of this machine are read one by one:
# most of that time is unpickling, which threads only disturb.
_AT_ONCE = 8


class Wanted(NamedTuple):
    """One value to be collected.

    Attributes
    ----------
    artifact
        Its key in ``artifacts_path``.
    name
        Name of the artifact.
    recorders
        Who may have it, newest first.
    finish
        Is given the recorder and what was loaded, and returns the value.
    """

    artifact: str
    name: str
    recorders: tuple[Recorder, ...]
    finish: Callable[[Recorder, Any], Any] | None = None


class Outcome(NamedTuple):
    """What became of a wanted value: a tuple with the value or an empty one, and what failed on the way."""

    value: tuple[Any, ...]
    errors: tuple[tuple[Recorder, LoadObjectError], ...]

    def missing(self, artifact: str) -> list[Missing]:
        """Describe what failed."""
        return [Missing.of(recorder.info["id"], artifact, error) for recorder, error in self.errors]


class Lazy:
    """An artifact that is loaded when it is asked for, each time anew.

    Made by ``collect(lazy=True)``. It is loaded as it was when it was collected, if a copy of that is on this machine.

    Parameters
    ----------
    wanted
        What it stands for.
    """

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted

    @property
    def recorder(self) -> Recorder:
        """The newest recorder that may have it."""
        return self._wanted.recorders[0]

    @property
    def name(self) -> str:
        """Name of the artifact."""
        return self._wanted.name

    def load(self) -> Any:
        """Load it; of several recorders with the same key, from the newest that has it.

        Raises
        ------
        LoadObjectError
            If none of them has it, or it cannot be read.
        StoreUnreachableError
            If the store does not answer.
        """
        with as_read(self._wanted.recorders):
            outcome = _load(self._wanted)
        if not outcome.value:
            raise outcome.errors[0][1]
        return outcome.value[0]

    def __call__(self) -> Any:
        """Load it; see `load`."""
        return self.load()

    def __repr__(self) -> str:
        return f"Lazy({self.name!r} of {self.recorder!r})"


def load_all(wanted: Sequence[Wanted], *, only_exist: bool, progress: bool | None = None) -> list[Outcome]:
    """Load values, several at a time where they are elsewhere; the outcomes have the order of what is wanted.

    Parameters
    ----------
    wanted
        The values.
    only_exist
        Whether what cannot be loaded is left out; otherwise it raises.
    progress
        As for `counting`.

    Raises
    ------
    LoadObjectError
        If `only_exist` is false: the first failure, in the order of what is wanted.
    StoreUnreachableError
        If the store does not answer: a part is not taken for the whole.
    """
    outcomes = []
    with counting(len(wanted), progress, "Loading artifacts") as advance:
        for outcome in _in_order(_load, wanted, _workers(wanted)):
            if outcome.errors and not only_exist:
                raise outcome.errors[0][1]
            outcomes.append(outcome)
            advance()
    return outcomes


def loaded(collected: Mapping[Any, Any]) -> dict[Any, Any]:
    """Load the lazy values of a dictionary, and of the dictionaries in it; all of them, or the first failure raises."""
    lazy: list[Lazy] = []

    def found(value: Any) -> Any:
        if isinstance(value, Lazy):
            lazy.append(value)
        elif isinstance(value, dict):
            for item in value.values():
                found(item)

    def filled(value: Any) -> Any:
        if isinstance(value, Lazy):
            return results[id(value)]
        return {key: filled(item) for key, item in value.items()} if isinstance(value, dict) else value

    found(dict(collected))
    if not lazy:
        return dict(collected)
    wanted = [one._wanted for one in lazy]  # noqa: SLF001  # the same file
    values = _in_order(Lazy.load, lazy, _workers(wanted))
    results = dict(zip(map(id, lazy), values, strict=True))
    return {key: filled(value) for key, value in collected.items()}


def _load(wanted: Wanted) -> Outcome:
    """Load from the newest recorder that can give it."""
    errors: list[tuple[Recorder, LoadObjectError]] = []
    for recorder in wanted.recorders:
        try:
            value = recorder.load_object(wanted.name)
        except LoadObjectError as error:
            errors.append((recorder, error))
        else:
            return Outcome((value if wanted.finish is None else wanted.finish(recorder, value),), tuple(errors))
    return Outcome((), tuple(errors))


def _workers(wanted: Sequence[Wanted]) -> int:
    is_remote = any(not getattr(one.recorders[0], "has_local_artifacts", True) for one in wanted)
    return min(_AT_ONCE, len(wanted)) if is_remote else 1


def _in_order(function: Callable[[Any], Any], items: Sequence[Any], workers: int) -> Any:
    """Call a function with each item in threads, and give the results in order; the first failure ends it."""
    if workers <= 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="rollforward-collect")
    try:
        # A context each: settings, and who counts as listed just now, are known by the context.
        futures = [pool.submit(copy_context().run, function, item) for item in items]
        for future in futures:
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)
