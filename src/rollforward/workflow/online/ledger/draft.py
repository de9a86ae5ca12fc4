"""An entry that is being made: a run that no reader knows of, until one write makes it the next of the ledger."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rollforward.errors import LedgerError, StoreUnreachableError, TrackingError
from rollforward.workflow.online.ledger.entry import KINDS
from rollforward.workflow.online.ledger.links import NEXT, next_of
from rollforward.workflow.online.ledger.packing import packed, to_tags
from rollforward.workflow.task.recorders import tags_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from rollforward.workflow.online.ledger.chain import Chain
    from rollforward.workflow.online.ledger.entry import Entry
    from rollforward.workflow.online.ledger.packing import Stored
    from rollforward.workflow.online.ledger.parts import Session
    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)

KIND, SESSION, PREVIOUS = "online.kind", "online.session", "online.previous"
BEGUN = "online.begun"


class Draft:
    """An entry in the making; see `Chain.begin`.

    As a context manager it puts its run into the trash if the block raises before `commit`.

    Parameters
    ----------
    chain
        The ledger.
    tip
        The run that it shall follow.
    before
        The entry in it; ``None`` if that is the root.
    recorder
        Its own run.
    leftovers
        Ids of runs that others began after the same one.
    simulated
        Whether nobody is served: then the lease stays where it is.
    """

    def __init__(
        self,
        chain: Chain,
        tip: Recorder,
        before: Stored | None,
        recorder: Recorder,
        leftovers: list[str],
        *,
        simulated: bool = False,
    ) -> None:
        self.recorder = recorder
        self._chain = chain
        self._tip = tip
        self._before = before
        self._leftovers = leftovers
        self._simulated = simulated
        self._is_decided = False

    @classmethod
    def begin(
        cls, chain: Chain, tip: Recorder, before: Stored | None, kind: str, session: Session, *, simulated: bool
    ) -> Draft:
        """Create the run of an entry; see `Chain.begin`."""
        if kind not in KINDS:
            raise LedgerError(f"{kind!r} is no kind of an entry.", f"one of {', '.join(KINDS)}.")
        leftovers = _leftovers(chain, tip, simulated=simulated)
        tags = {KIND: kind, SESSION: session.isoformat(), PREVIOUS: tip.require_id()}
        name = f"{'simulated ' if simulated else ''}{kind.replace('_', ' ')} {session:%Y-%m-%d}"
        return cls(chain, tip, before, chain.experiment.add_run(name, tags), leftovers, simulated=simulated)

    def __enter__(self) -> Self:
        """Return the draft."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Throw the run away if nothing came of it."""
        if not self._is_decided:
            self._throw_away([self.run_id])

    @property
    def run_id(self) -> str:
        """Id of its run, and of the entry."""
        return self.recorder.require_id()

    @property
    def previous(self) -> Entry | None:
        """The entry before; ``None`` if there is none."""
        return None if self._before is None else self._before.entry

    def commit(self, entry: Entry, files: Mapping[str, Any] | None = None) -> Entry:
        """Write the entry, and make it the next of the ledger.

        Parameters
        ----------
        entry
            What was done; ``seq``, ``recorded_at``, ``by``, ``previous``, ``run_id`` and the ``entry`` of its own
            switches are set here.
        files
            Objects for the artifacts of its run, by their names.

        Returns
        -------
        Entry
            As it is recorded.

        Raises
        ------
        LedgerError
            If somebody else recorded an entry meanwhile, or this one cannot be written as JSON. Nothing is recorded.
        StoreUnreachableError
            If the store does not answer. Whether it is recorded, the head tells when the store is back.
        """
        # They may take long; from the moment that the entry names on, others see it.
        contents = self.recorder.keep(files) if files else {}
        stored = packed(self._completed(entry), self._before)
        try:
            self._write(stored, contents)
        except StoreUnreachableError:
            raise
        except TrackingError as error:
            # Whoever was faster has cleared this run away.
            following = next_of(self._chain.links.run(self._tip.require_id()))
            if following is None:
                raise
            raise self._too_late(following) from error
        # From here on it may be recorded even if no answer comes.
        self._is_decided = True
        winner = self._tip.put_param_once(NEXT, self.run_id)
        if winner != self.run_id:
            self._throw_away([self.run_id])
            raise self._too_late(winner)
        self._chain.took(stored, self.recorder, self._simulated)
        self._throw_away(self._leftovers)
        return stored.entry

    def _too_late(self, winner: str) -> LedgerError:
        return LedgerError(
            f"Another entry was recorded in the ledger {self._chain.name!r} meanwhile, in run {winner}.",
            "to be the only one at work.",
            "Do it again: the state is another one now.",
        )

    def _completed(self, entry: Entry) -> Entry:
        from rollforward.workflow.mlflow_backend.alive.owner import this_process  # noqa: PLC0415  # MLflow

        own = self.run_id
        now, before = datetime.now(UTC), self.previous
        if before is not None and before.recorded_at is not None:
            now = max(now, before.recorded_at)
        mine = {switch: replace(switch, entry=own) for switch in entry.switches}
        states = tuple(
            replace(state, switches=tuple(mine.get(switch, switch) for switch in state.switches))
            for state in entry.states
        )
        return replace(
            entry,
            switches=tuple(mine.values()),
            states=states,
            seq=0 if before is None else before.seq + 1,
            recorded_at=now,
            by=str(this_process()),
            previous=None if before is None else before.run_id,
            run_id=own,
        )

    def _write(self, stored: Stored, contents: Mapping[str, str]) -> None:
        try:
            tags = {**contents, **to_tags(stored.plain)}
        except (TypeError, ValueError) as error:
            raise LedgerError(f"The entry cannot be written: {error}.", "texts, numbers, dates and times.") from error
        lease = self._chain.lease_held
        if lease is not None:
            # Whoever finds the new head finds it taken.
            tags |= lease.stay() if self._simulated else lease.carry(self.recorder)
        self.recorder.conclude(self.recorder.STATUS_FI, tags)

    def _throw_away(self, run_ids: list[str]) -> None:
        for run_id in run_ids:
            try:
                self._chain.experiment.delete_recorder(recorder_id=run_id)
            except StoreUnreachableError as error:
                logger.debug("Run %s stays: %s", run_id, error)
                return
            except TrackingError as error:
                logger.debug("Run %s stays: %s", run_id, error)


def _leftovers(chain: Chain, tip: Recorder, *, simulated: bool) -> list[str]:
    """Find runs that were begun after a run of the chain, and never became the next one."""
    # Noted before the run is there: who finds no note need not search for leftovers, whatever the ledger's length. A
    # simulation notes nothing, and searches once, when it goes on.
    if simulated or BEGUN in tags_of(tip):
        if chain.is_own(tip):
            return []
        return list(chain.experiment.list_recorders(filter_string=f"tags.`{PREVIOUS}` = '{tip.id}'"))
    tip.set_tags(**{BEGUN: datetime.now(UTC).isoformat()})
    return []
