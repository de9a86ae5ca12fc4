"""Which recorders a collector takes: listed in one go, filtered and sorted by their keys."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any, TypeAlias

from rollforward import workflow
from rollforward.errors import TrackingError
from rollforward.workflow.as_read import as_read
from rollforward.workflow.task.collect.jobs import folds_among
from rollforward.workflow.task.collect.report import Counts
from rollforward.workflow.task.recorders import TASK_HASH, tags_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)

Keep: TypeAlias = Callable[[Any], bool]
Key: TypeAlias = Callable[[Any], Any]

_FINISHED, _PARENT = "FINISHED", "mlflow.parentRunId"


@dataclass(frozen=True)
class Listing:
    """Where recorders come from.

    Parameters
    ----------
    source
        The name of an experiment, an experiment, or a function that returns recorders.
    list_kwargs
        Go to `Experiment.list_recorders`.
    parent
        Id of a rolling job, if only its folds are meant.
    """

    source: Any
    list_kwargs: Mapping[str, Any]
    parent: str | None = None

    def check(self) -> None:
        """Refuse what is no source of recorders."""
        source = self.source
        if not (isinstance(source, str) or hasattr(source, "list_recorders") or callable(source)):
            raise TrackingError(
                f"experiment={source!r}.", "the name of an experiment, an Experiment, or a function of recorders."
            )

    @property
    def name(self) -> str | None:
        """Name of the experiment, if it is one."""
        name = self.source if isinstance(self.source, str) else getattr(self.source, "name", None)
        return name if isinstance(name, str) else None

    @contextmanager
    def recorders(self) -> Iterator[list[Recorder]]:
        """List the recorders, newest first; inside, those of an experiment need not be asked what came with the list.

        Recorders of all statuses: what has failed would be missing without a trace if the store left it out.
        """
        source = self.source
        if isinstance(source, str):
            source = workflow.R.get_exp(experiment_name=source, create=False)
        if hasattr(source, "list_recorders"):
            found = self._of_parent(_listed(source.list_recorders(**self.list_kwargs)), source)
            with as_read(found):
                yield found
            return
        # A function may list in any order, and recorders that were read long ago.
        yield sorted(self._of_parent(_listed(source())), key=_start, reverse=True)

    def _of_parent(self, recorders: list[Recorder], experiment: Any = None) -> list[Recorder]:
        if self.parent is None:
            return recorders
        home = None if experiment is None else str(experiment.id)
        is_whole = not set(self.list_kwargs) - {"rtype"}
        return sorted(folds_among(recorders, self.parent, home, is_whole=is_whole), key=_start, reverse=True)


def selected(
    recorders: Sequence[Recorder], statuses: set[str] | None, keep: Keep | None
) -> tuple[list[Recorder], Counts]:
    """Take the recorders of some statuses that a filter keeps, in their order."""
    right = [recorder for recorder in recorders if statuses is None or recorder.status in statuses]
    kept = [recorder for recorder in right if keep is None or keep(recorder)]
    counts = Counts(len(recorders), other_status=len(recorders) - len(right), filtered=len(right) - len(kept))
    return kept, counts


def holes(recorders: Sequence[Recorder], statuses: set[str] | None) -> Counter[str]:
    """Count, by status, the recorders that have not finished and are left out for it.

    Those that others run below, such as jobs, are not counted, nor those whose task another one has that is taken.
    """
    if statuses is None:
        return Counter()
    tags = [tags_of(recorder) for recorder in recorders]
    above = {own.get(_PARENT) for own in tags}
    done = {own.get(TASK_HASH) for own, one in zip(tags, recorders, strict=True) if one.status in statuses} - {None}
    return Counter(
        one.status
        for own, one in zip(tags, recorders, strict=True)
        if one.status not in {*statuses, _FINISHED} and one.info["id"] not in above and own.get(TASK_HASH) not in done
    )


def by_key(recorders: Sequence[Recorder], key_of: Key | None) -> dict[Any, list[Recorder]]:
    """Sort recorders by their keys, in their order; ``None`` is no key."""
    found: dict[Any, list[Recorder]] = {}
    for recorder in recorders:
        key = recorder.info["id"] if key_of is None else key_of(recorder)
        if key is not None:
            found.setdefault(key, []).append(recorder)
    return found


def _listed(recorders: Any) -> list[Any]:
    return list(recorders.values() if isinstance(recorders, Mapping) else recorders)


def _start(recorder: Recorder) -> str:
    started = getattr(recorder, "started_at", None)
    return str(recorder.info["start_time"] or "") if started is None else started.astimezone(UTC).isoformat(" ")
