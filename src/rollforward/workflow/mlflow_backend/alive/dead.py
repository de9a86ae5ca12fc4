"""Runs that are called RUNNING and whose process is gone.

A run is dead

- at once, if its owner ran on this machine and that process is gone (its number is free, or belongs to a process that
  was started at another time);
- if its owner cannot be seen from here, when its last sign of life is more than four intervals old. Both clocks count
  here. What happens by itself at the start of a run therefore looks twice, and marks a run only if not one sign of life
  came in between.

A run without signs of life (``heartbeat=0``, or written by another program) is never called dead. A run that was
marked in error, because its machine slept, ends with its own status.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlflow.entities import RunStatus

from rollforward.workflow.mlflow_backend.alive.heartbeat import HEARTBEAT, OWNER, Beat
from rollforward.workflow.mlflow_backend.alive.owner import Owner
from rollforward.workflow.mlflow_backend.lookup.search import search_runs
from rollforward.workflow.mlflow_backend.store.client import client_for, mapped, store_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mlflow.entities import Experiment, Run

logger = logging.getLogger(__name__)

KILLED_BECAUSE = "killed_because"
INTERVALS = 4
_SECOND_LOOK = 1.5
_RUNNING = f"attributes.status = 'RUNNING' AND tags.`{HEARTBEAT}` LIKE '%every%'"


@dataclass(frozen=True)
class DeadRun:
    """A run that nobody will end.

    Parameters
    ----------
    run_id, experiment_id, name
        Which run.
    owner
        Its process: ``host/pid/start``.
    last_seen
        Its last sign of life.
    interval
        Seconds between its signs of life.
    reason
        Why it is called dead, in one sentence.
    is_certain
        Whether its process was seen to be gone, rather than not heard of.
    """

    run_id: str
    experiment_id: str
    name: str
    owner: str
    last_seen: datetime
    interval: float
    reason: str
    is_certain: bool


def dead_runs(uri: str, experiment_ids: Sequence[str] | None = None, *, now: datetime | None = None) -> list[DeadRun]:
    """Find the dead runs of a store; nothing is changed.

    Parameters
    ----------
    uri
        The store.
    experiment_ids
        Where to look; ``None`` is every experiment.
    now
        Compared with the last signs of life. Default: now.

    Raises
    ------
    TrackingError
        If the store cannot be read.
    """
    if experiment_ids is None:
        with mapped("list the experiments"):
            experiment_ids = [found.experiment_id for found in _experiments(uri)]
    at = now or datetime.now(UTC)
    # MLflow answers a search in no experiment with an error.
    runs = search_runs(uri, experiment_ids, filter_string=_RUNNING) if experiment_ids else ()
    return [dead for run in runs if (dead := _judged(run, at)) is not None]


def mark_dead(
    uri: str,
    experiment_ids: Sequence[str] | None = None,
    *,
    runs: Iterable[DeadRun] | None = None,
    now: datetime | None = None,
) -> list[DeadRun]:
    """End the dead runs of a store: status KILLED, end time of the last sign of life, tag ``killed_because``.

    Parameters
    ----------
    uri, experiment_ids, now
        As `dead_runs`.
    runs
        What `dead_runs` found; default: it is asked now.

    Returns
    -------
    list of DeadRun
        What was marked. A run that gave a sign of life since it was found, or has ended, is left alone.

    Raises
    ------
    TrackingError
        If the store cannot be read or written.
    """
    found = dead_runs(uri, experiment_ids, now=now) if runs is None else runs
    return [dead for dead in found if _mark(uri, dead)]


def watch(uri: str, experiment_id: str) -> threading.Thread | None:
    """Mark the dead runs of an experiment in the background, once per process and experiment.

    Returns
    -------
    Thread or None
        What does it, to be waited for briefly; ``None`` if it was done before.
    """
    key = (os.getpid(), uri, experiment_id)
    if key in _watched:
        return None
    _watched.add(key)
    thread = threading.Thread(target=_look, args=(uri, experiment_id), name="rollforward-dead", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        logger.debug("No thread to look for dead runs: %s", error)
        return None
    return thread


_watched: set[tuple[int, str, str]] = set()


def _look(uri: str, experiment_id: str) -> None:
    try:
        found = dead_runs(uri, [experiment_id])
        _tell(mark_dead(uri, runs=[dead for dead in found if dead.is_certain]))
    except Exception as error:  # noqa: BLE001  # the run that is starting has nothing to do with it
        logger.debug("Dead runs were not looked for: %s", error)
        return
    silent = [dead for dead in found if not dead.is_certain]
    if silent:
        timer = threading.Timer(_SECOND_LOOK * max(dead.interval for dead in silent), _look_again, (uri, silent))
        timer.daemon = True
        timer.start()


def _look_again(uri: str, silent: list[DeadRun]) -> None:
    try:
        _tell(mark_dead(uri, runs=silent))
    except Exception as error:  # noqa: BLE001  # as above
        logger.debug("Dead runs were not marked: %s", error)


def _tell(marked: list[DeadRun]) -> None:
    for dead in marked:
        logger.warning("Run %s (%s) was left RUNNING and is KILLED now: %s", dead.name, dead.run_id, dead.reason)


def _experiments(uri: str) -> Iterator[Experiment]:
    token = None
    while True:
        page = client_for(uri).search_experiments(page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _judged(run: Run, now: datetime) -> DeadRun | None:
    owner, beat = Owner.parse(run.data.tags.get(OWNER)), Beat.parse(run.data.tags.get(HEARTBEAT))
    if owner is None or beat is None or run.info.status != "RUNNING":
        return None
    is_gone = owner.is_gone()
    seconds = (now - beat.at).total_seconds()
    if is_gone is False or (is_gone is None and seconds <= INTERVALS * beat.interval):
        return None
    what = f"process {owner.pid} on {owner.host}"
    since = beat.at.isoformat(sep=" ", timespec="seconds")
    reason = f"{what} is gone." if is_gone else f"{what} gave no sign of life since {since}."
    return DeadRun(
        run.info.run_id,
        run.info.experiment_id,
        run.info.run_name or "",
        str(owner),
        beat.at,
        beat.interval,
        reason,
        is_certain=bool(is_gone),
    )


def _mark(uri: str, dead: DeadRun) -> bool:
    client = client_for(uri)
    with mapped(f"mark run {dead.run_id} as killed"):
        run = client.get_run(dead.run_id)
        beat = Beat.parse(run.data.tags.get(HEARTBEAT))
        if run.info.status != "RUNNING" or beat is None or beat.at > dead.last_seen:
            return False
        client.set_tag(dead.run_id, KILLED_BECAUSE, dead.reason)
        end = max(int(dead.last_seen.timestamp() * 1000), run.info.start_time or 0)
        store_of(client).update_run_info(dead.run_id, RunStatus.from_string("KILLED"), end, None)
    return True
