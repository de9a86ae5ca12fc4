"""A pool at one moment: counts, what is worked on and by whom, what failed last; and how fast it goes."""

from __future__ import annotations

import heapq
import json
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rollforward.errors import RollforwardError
from rollforward.settings.masking import mask_credentials, masked
from rollforward.workflow.display import Card, Section
from rollforward.workflow.task.store.base import DONE, FAILED, RUNNING, STATUSES, Worker
from rollforward.workflow.task.store.query import EVERYTHING, join, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rollforward.workflow.task.store.base import StoredTask, TaskStore
    from rollforward.workflow.task.store.query import Group

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_BEGINNING = datetime.min.replace(tzinfo=UTC)
_LABEL, _MOST_RUNNING, _LAST_FAILED = 60, 200, 5
# Seconds that a rate looks back.
_MEMORY = 600.0


@dataclass(frozen=True)
class Work:
    """A task that is worked on.

    Parameters
    ----------
    id, attempt
        Of the task.
    label
        What it is about, in a few words.
    worker, host, pid
        Who works on it.
    seconds
        Since the attempt began.
    is_dropped
        Whether its lease has passed: the worker is gone, or cut off.
    """

    id: Any
    label: str
    attempt: int
    worker: str
    host: str
    pid: int
    seconds: float
    is_dropped: bool


@dataclass(frozen=True)
class Failure:
    """A task that is failed: after how many attempts, with which error, how many seconds ago."""

    id: Any
    tries: int
    error: str
    seconds: float


@dataclass(frozen=True)
class Overview:
    """A pool at one moment.

    Parameters
    ----------
    pool, store
        Its name, and the address of its store without credentials.
    at
        The moment, by the clock of the store.
    counts
        Tasks by status, with every status.
    running
        What is worked on, the longest first; at most 200.
    workers
        All on the register, those that are silent too.
    failures
        The last that failed, the newest first.
    """

    pool: str
    store: str
    at: datetime
    counts: Mapping[str, int]
    running: Sequence[Work] = ()
    workers: Sequence[Worker] = ()
    failures: Sequence[Failure] = ()

    @property
    def total(self) -> int:
        """Number of tasks."""
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        """Number of tasks that are done or failed."""
        return self.counts[DONE] + self.counts[FAILED]

    @property
    def alive(self) -> list[Worker]:
        """Workers that give signs of life."""
        return [worker for worker in self.workers if worker.is_alive]

    @property
    def idle(self) -> list[Worker]:
        """Workers that give signs of life and have no task."""
        busy = {work.worker for work in self.running}
        return [worker for worker in self.alive if worker.owner.worker not in busy]


class Viewer:
    """Looks at a pool again and again, and reads no more than it has to.

    Parameters
    ----------
    store
        Of the pool.
    query
        Which tasks; workers are shown whatever they work on.
    n_failures
        How many of the last failures to show.
    """

    def __init__(self, store: TaskStore, query: Group = EVERYTHING, n_failures: int = _LAST_FAILED) -> None:
        self._store = store
        self._query = query
        self._n_failures = n_failures
        self._labels: dict[str, str] = {}
        self._failed: list[StoredTask] = []
        self._n_failed = 0

    def look(self) -> Overview:
        """Look now; it costs a handful of requests, however large the pool is.

        Raises
        ------
        StoreUnreachableError
            If the store does not answer.
        """
        found = self._store.count(self._query)
        counts = {status: found.get(status, 0) for status in STATUSES}
        running = self._running() if counts[RUNNING] else []
        if counts[FAILED] != self._n_failed:
            self._failed, self._n_failed = self._last_failed(), counts[FAILED]
        now, labels = self._store.now(), self._labelled(running)
        work = [_work(task, labels[str(task.id)], now) for task in running]
        return Overview(
            self._store.pool,
            self._store.url,
            now,
            counts,
            sorted(work, key=lambda item: -item.seconds),
            self._store.workers(),
            [_failure(task, now) for task in self._failed],
        )

    def _running(self) -> list[StoredTask]:
        return list(self._store.find(join(self._query, parse({"status": RUNNING})), limit=_MOST_RUNNING))

    def _last_failed(self) -> list[StoredTask]:
        failed = self._store.find(join(self._query, parse({"status": FAILED})))
        return heapq.nlargest(self._n_failures, failed, key=lambda task: task.ended_at or _BEGINNING)

    def _labelled(self, running: Sequence[StoredTask]) -> dict[str, str]:
        """Name the tasks; a definition is read once, when its task is first seen at work."""
        ids = [str(task.id) for task in running]
        known = {key: self._labels[key] for key in ids if key in self._labels}
        new = [key for key in ids if key not in known]
        if new:
            known |= dict.fromkeys(new, "")
            for task in self._store.find(parse({"_id": {"$in": new}}), bodies=True):
                known[str(task.id)] = label_of(task.filter)
        self._labels = known
        return known


class Pace:
    """How fast tasks end, from looks at their counts."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._open = 0

    def see(self, overview: Overview, now: float | None = None) -> None:
        """Take a look into account; `now` is a monotonic time in seconds."""
        now = time.monotonic() if now is None else now
        if self._seen and overview.ended < self._seen[-1][1]:  # some were retried or deleted
            self._seen.clear()
        if len(self._seen) == 1 and not overview.counts[RUNNING] and overview.ended == self._seen[0][1]:
            self._seen.clear()  # nobody had begun
        while len(self._seen) > 1 and now - self._seen[1][0] > _MEMORY:
            self._seen.popleft()
        self._seen.append((now, overview.ended))
        self._open = overview.total - overview.ended

    @property
    def rate(self) -> float | None:
        """Tasks that end in a second; ``None`` as long as none did."""
        (began, first), (now, last) = self._seen[0], self._seen[-1]
        return (last - first) / (now - began) if now > began and last > first else None

    @property
    def seconds_left(self) -> float | None:
        """Seconds until all have ended, if it goes on like this; ``None`` if that is not known."""
        return None if self.rate is None else self._open / self.rate


def pool_card(store: TaskStore) -> Card:
    """Show a pool now; showing does not fail: where the store does not answer, that is what is shown."""
    try:
        return card_of(Viewer(store).look())
    except RollforwardError as error:
        return Card(f"{store.pool}: {store.url}", [Section("", [("not read", clean(str(error)))])])


def card_of(overview: Overview) -> Card:
    """Show a pool as tables, for a notebook and for ``print``."""
    counts = Section("", [tuple(str(count) for count in overview.counts.values())], tuple(overview.counts))
    sections = [counts]
    work = [
        (item.worker, item.label or str(item.id), str(item.attempt), spell(item.seconds)) for item in overview.running
    ]
    work += [(worker.owner.worker, "idle", "", "") for worker in overview.idle]
    if work:
        sections.append(Section("workers", work, ("worker", "task", "attempt", "since")))
    if overview.failures:
        rows = [(str(item.id), item.error, f"{spell(item.seconds)} ago") for item in overview.failures]
        sections.append(Section("failed last", rows, ("task", "error", "when")))
    return Card(f"{overview.pool}: {overview.total} tasks, {n_workers(overview)}, {overview.store}", sections)


def label_of(definition: Any) -> str:
    """Say in a few words what a task is about: its model and what it predicts, or else the definition itself.

    Parameters
    ----------
    definition
        Its plain form.
    """
    if not isinstance(definition, dict):
        return ""
    words = [_model(definition.get("model")), _tested(definition)]
    text = " ".join(word for word in words if word) if words[0] else json.dumps(masked(definition), default=str)
    text = clean(text)
    return text if len(text) <= _LABEL else f"{text[: _LABEL - 1]}…"


def clean(text: str) -> str:
    """Give a text one line, without credentials and without what a terminal would obey."""
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """Hide credentials, and what a terminal would obey; lines stay."""
    hidden = mask_credentials(text)
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}" for letter in hidden
    )


def n_workers(overview: Overview) -> str:
    """Say how many workers give signs of life."""
    n_alive = len(overview.alive)
    return f"{n_alive} worker{'' if n_alive == 1 else 's'}"


def spell(seconds: float) -> str:
    """Spell a length of time: ``12 s``, ``3 min 05 s``, ``1 h 02 min``, ``2 d 4 h``."""
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def _model(model: Any) -> str:
    if isinstance(model, str):
        return model.rpartition(".")[2]
    if not isinstance(model, dict):
        return ""
    kwargs = model.get("kwargs")
    estimator = kwargs.get("estimator") if isinstance(kwargs, dict) else None
    return _model(estimator) or _model(model.get("class"))


def _tested(definition: Any) -> str:
    for key in ("dataset", "kwargs", "segments", "test"):
        definition = definition.get(key) if isinstance(definition, dict) else None
    if not (isinstance(definition, list) and len(definition) == 2):  # noqa: PLR2004  # from, to
        return ""
    return "..".join("" if end is None else str(end).removesuffix("T00:00:00") for end in definition)


def _work(task: StoredTask, label: str, now: datetime) -> Work:
    owner = task.owner
    return Work(
        task.id,
        label,
        task.attempt,
        owner.worker if owner else "",
        owner.host if owner else "",
        owner.pid if owner else 0,
        _since(task.started_at, now),
        task.available_at <= now,
    )


def _failure(task: StoredTask, now: datetime) -> Failure:
    return Failure(task.id, task.tries, clean(task.error), _since(task.ended_at, now))


def _since(then: datetime | None, now: datetime) -> float:
    return 0.0 if then is None else max(0.0, (now - then).total_seconds())
