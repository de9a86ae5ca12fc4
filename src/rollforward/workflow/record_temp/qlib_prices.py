"""Whether the backtest of a record trades at the prices of Qlib's data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward.adapters.qlib import HANDLERS, is_address, is_started, is_theirs

if TYPE_CHECKING:
    from rollforward.workflow.record_temp.engine import Inputs

PRICES = "prices"


def comes_from_qlib(inputs: Inputs) -> bool:
    """Tell whether the prices of a backtest are those of Qlib's data: they are named, or nothing else is at hand."""
    given = inputs.section.get(PRICES)
    if given is not None:
        return is_address(given)
    return is_started() and is_theirs(getattr(inputs.dataset, "handler", None), HANDLERS)
