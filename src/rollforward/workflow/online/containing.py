"""What one strategy raises is its own trouble, and the others go on; what concerns all of them is raised."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rollforward.errors import LedgerError, OnlineBusyError, SpoolError, StoreUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollforward.workflow.online.day import Day
    from rollforward.workflow.online.ledger.chain import Chain

logger = logging.getLogger(__name__)

_OF_ALL = (StoreUnreachableError, OnlineBusyError, LedgerError, SpoolError)
_MAX_TEXT = 500


class Containing:
    """Keeps the trouble of a strategy to it.

    Parameters
    ----------
    chain
        The ledger. If it cannot be asked, or its lease is lost, the trouble is not that of one strategy.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    @contextmanager
    def strategy(self, day: Day, name: str, doing: str) -> Iterator[None]:
        """Hold a strategy if the block raises.

        Parameters
        ----------
        day
            Takes the note.
        name
            Of the strategy.
        doing
            What is being done, for the reason.
        """
        try:
            yield
        except Exception as error:  # noqa: BLE001  # of any kind: it is the strategy's, and noted as such
            day.hold(name, self.reason(name, doing, error))

    def reason(self, name: str, doing: str, error: Exception) -> str:
        """Log what a strategy has raised, and put it into one text.

        Raises
        ------
        Exception
            If it does not concern this strategy alone: the error itself, or that the ledger cannot be asked.
        """
        if concerns_all(error):
            raise error
        lease = self._chain.lease_held
        if lease is not None:
            lease.check()
        reason = f"{doing} failed: {kind_and_text(error)}"
        logger.error("Strategy %r, %s", name, reason, exc_info=error)
        return reason


def concerns_all(error: BaseException | None) -> bool:
    """Whether an error, or what has caused it, would have met every strategy: a store that is away, a lost lease."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, _OF_ALL):
            return True
        seen.add(id(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return False


def kind_and_text(error: BaseException) -> str:
    """Name the class of an error and what it says, in one line of bounded length."""
    text = " ".join(str(getattr(error, "given", "") or error).split())
    kind = type(error).__name__
    return f"{kind}: {text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + '...'}" if text else kind
