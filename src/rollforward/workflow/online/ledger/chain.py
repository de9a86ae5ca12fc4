"""A ledger in the tracking store: runs of one experiment, each entry the ``next`` of another.

An entry is written whole, into a run of its own, and then named in the param ``next`` of the entry before it. That one
write decides: params never change, so of several writers exactly one is first, and what nobody named is not there for
any reader. The first link is the run ``root``, without which the experiment never exists. Where the chain ends is only
noted (the tag ``online.head`` of the experiment); readers go on from there.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rollforward import workflow
from rollforward.errors import ExperimentNotFoundError, LedgerError, TrackingError
from rollforward.workflow.online.ledger.book import Book
from rollforward.workflow.online.ledger.draft import Draft
from rollforward.workflow.online.ledger.lease import ELSEWHERE, Lease, holder_in
from rollforward.workflow.online.ledger.links import HEAD, ROOT, Links
from rollforward.workflow.online.ledger.packing import SUMMARY, Plain, Stored, from_tags, unpacked
from rollforward.workflow.task.recorders import tags_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollforward.workflow.exp import Experiment
    from rollforward.workflow.online.ledger.entry import Entry
    from rollforward.workflow.online.ledger.lease import Holder
    from rollforward.workflow.online.ledger.parts import Session
    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)

_ROOT_NAME = "root"
# Entries of a simulation after which it is noted where the chain ends; readers go on from there link by link.
NOTE_EVERY = 20


class Chain:
    """The entries of one ledger; see `Chain.open`.

    What was read is kept, for it never changes. One object is for one thread.

    Parameters
    ----------
    experiment
        Where its runs are.
    root
        Id of the run that the first entry follows.
    """

    def __init__(self, experiment: Experiment, root: str) -> None:
        self.experiment = experiment
        self.links = Links(experiment, root)
        self._lease: Lease | None = None
        self._own: Recorder | None = None
        self._noted = True
        self._newest: str | None = None
        self._order: list[str] = []
        self._plain: dict[str, Plain] = {}
        self._stored: dict[str, Stored] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, experiment_id={self.experiment.id!r})"

    @classmethod
    def open(cls, name: str, create: bool = False) -> Chain:
        """Open the ledger of a name.

        Parameters
        ----------
        name
            Name of its experiment.
        create
            Whether to create it if there is none.

        Raises
        ------
        ExperimentNotFoundError
            If there is none and none is to be created.
        LedgerError
            If the experiment of this name is no ledger.
        StoreUnreachableError
            If the store is away; nothing stands in for it.
        """
        manager = workflow.R.exp_manager
        manager.reachable_uri(f"open the ledger {name!r}")
        try:
            experiment = manager.get_exp(experiment_name=name, create=False)
        except ExperimentNotFoundError:
            if not create:
                raise
            experiment, _ = manager.create_exclusive(name, _begin)
        root = experiment.tags.get(ROOT)
        if root is None:
            raise LedgerError(
                f"The experiment {name!r} is no ledger.",
                "an experiment that was made by a manager of online models.",
                "Give the manager another name: OnlineManager(..., name=...).",
            )
        return cls(experiment, root)

    @property
    def name(self) -> str:
        """Name of the ledger, and of its experiment."""
        return self.experiment.name

    # -- reading ------------------------------------------------------------

    def head(self) -> Entry | None:
        """Read the newest entry; ``None`` if there is none yet."""
        stored = self._stored_in(self._tip())
        return None if stored is None else stored.entry

    def entry(self, run_id: str) -> Entry:
        """Return the entry in a run of this ledger.

        Raises
        ------
        LedgerError
            If there is none, or it was changed.
        """
        if run_id not in self._stored:
            self._stored[run_id] = unpacked(self._plain_of(run_id), self._plain_of)
        return self._stored[run_id].entry

    def knows(self, run_id: str) -> bool:
        """Whether an entry was read already."""
        return run_id in self._plain

    def read_newest(self, number: int) -> None:
        """Read the newest runs in one listing, so that `entry` finds them."""
        for run in self.experiment.list_recorders(self.experiment.RT_L, max_results=number):
            tags = tags_of(run)
            if SUMMARY in tags and run.require_id() not in self._plain:
                self._plain[run.require_id()] = from_tags(run.require_id(), tags)

    def recorder(self, entry: Entry) -> Recorder:
        """Return the run of an entry, for its artifacts."""
        return self.links.run(entry.run_id)

    def entries(self, since: Entry | int | None = None) -> list[Entry]:
        """Read the entries, in their order.

        Parameters
        ----------
        since
            An entry or its ``seq``: only those after it. ``None``: all.
        """
        for run in self.links.onwards(self._order[-1] if self._order else None):
            self._stored_in(run)
            self._order.append(run.require_id())
        first = 0 if since is None else (since if isinstance(since, int) else since.seq) + 1
        return [self.entry(run_id) for run_id in self._order[first:]]

    def book(self) -> Book:
        """Return everything that is recorded now, to be asked about any time."""
        return Book(self.entries())

    def _tip(self) -> Recorder:
        run = self.links.tip(self._newest)
        if run.id != self.links.root:
            self._newest = run.id
        return run

    def _stored_in(self, run: Recorder) -> Stored | None:
        """Return what is stored in a run that was just read; ``None`` for the root."""
        run_id = run.require_id()
        if run_id == self.links.root:
            return None
        if run_id not in self._plain:
            self._plain[run_id] = from_tags(run_id, tags_of(run))
        self.entry(run_id)
        return self._stored[run_id]

    def _plain_of(self, run_id: str) -> Plain:
        if run_id not in self._plain:
            self._plain[run_id] = from_tags(run_id, tags_of(self.links.run(run_id)))
        return self._plain[run_id]

    # -- writing ------------------------------------------------------------

    def begin(self, kind: str, session: Session, simulated: bool = False) -> Draft:
        """Begin an entry after the present head.

        Until its `Draft.commit` no reader knows of it. What a killed process began after the same head is cleared away
        by the commit.

        Parameters
        ----------
        kind
            One of `entry.KINDS`.
        session
            The session that it is for.
        simulated
            Whether nobody is served; only shown in the name of the run.

        Raises
        ------
        OnlineBusyError
            If this chain holds the lease and somebody took it over.
        """
        if simulated and self._own is not None:
            return Draft.begin(self, self._own, self._stored[self._own.require_id()], kind, session, simulated=True)
        tip = self._tip()
        if self._lease is not None:
            self._lease.check(self._leased(tip))
        return Draft.begin(self, tip, self._stored_in(tip), kind, session, simulated=simulated)

    def took(self, stored: Stored, run: Recorder, simulated: bool = False) -> None:
        """Take note of an entry that was just committed: the end of the chain.

        Parameters
        ----------
        stored
            The entry.
        run
            Its run; the lease is on it, unless the entry was simulated.
        simulated
            The lease stays where it is, and only every so often it is noted where the chain ends.
        """
        run_id = stored.entry.run_id
        self._plain[run_id], self._stored[run_id], self._newest = stored.plain, stored, run_id
        if stored.entry.previous == (self._order[-1] if self._order else None):
            self._order.append(run_id)
        self._noted = False
        if self._lease is not None and simulated:
            self._own = run
            if stored.entry.seq % NOTE_EVERY:
                return
        elif self._lease is not None:
            self._own = None
            self._lease.moved(run)
        self._note()

    def _note(self) -> None:
        if self._noted:
            return
        self._noted = True
        try:
            self.experiment.set_tags(**{HEAD: self._newest})
        except TrackingError as error:
            # A note that saves steps; readers go on from an older one.
            logger.warning("The head of the ledger %r is not noted: %s", self.name, error)

    def is_own(self, run: Recorder) -> bool:
        """Whether a run is an entry that this object simulated under the lease it holds, with nobody after it."""
        return run is self._own

    @property
    def lease_held(self) -> Lease | None:
        """The lease that this object holds."""
        return self._lease

    @contextmanager
    def lease(self, wait: bool = True, seconds: float = 60.0) -> Iterator[Lease]:
        """Be the only one at work for the length of a ``with`` block, as far as that can be known.

        It saves double work. What is right does not depend on it: of two who commit after the same head, one is told.
        Take it before asking for the head.

        Parameters
        ----------
        wait
            Whether to wait for somebody else, or to say so.
        seconds
            A holder that gives no sign of life for so long is dead; one whose process is gone from this machine is
            dead at once.

        Raises
        ------
        OnlineBusyError
            If somebody else holds it and ``wait`` is false.
        """
        lease = Lease(lambda: self._leased(self._tip()), seconds)
        lease.take(wait=wait)
        self._lease = lease
        try:
            yield lease
        finally:
            self._lease = self._own = None
            self._note()
            lease.release()

    def holder(self) -> Holder | None:
        """Return who is at work on this ledger; ``None`` if nobody is."""
        return holder_in(self._leased(self._tip()))

    def _leased(self, tip: Recorder) -> Recorder:
        """Read the run that the lease is on: the last one of the chain, or the one that this names."""
        elsewhere = tags_of(tip).get(ELSEWHERE)
        return tip if elsewhere is None else self.links.run(elsewhere)


def _begin(experiment: Experiment) -> None:
    root = experiment.add_run(_ROOT_NAME, {ROOT: "this"})
    root.end_run(root.STATUS_FI)
    experiment.set_tags(**{ROOT: root.require_id(), HEAD: root.require_id()})
