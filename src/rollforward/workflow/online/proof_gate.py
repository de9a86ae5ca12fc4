"""Whether models may serve where a proof is asked for; the proof stays with their runs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from rollforward.errors import OnlineError
from rollforward.settings.words import counted
from rollforward.workflow.online.proof import prove

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from rollforward.workflow.online.ledger.parts import ModelRef
    from rollforward.workflow.online.predictions import Predictions

logger = logging.getLogger(__name__)


def unproved(
    predictions: Predictions, models: Sequence[ModelRef], effective: pd.Timestamp, calendar: Any = None
) -> str:
    """Prove models that are to serve, and say what is wrong; empty if nothing is.

    Parameters
    ----------
    predictions
        Knows the recorders.
    models
        They did not serve so far.
    effective
        The session from which they are to serve.
    calendar
        Anything that `Calendar.of` takes.
    """
    if not models:
        return ""
    recorders = predictions.recorders(models)
    try:
        proof = prove(recorders, effective={one.require_id(): effective for one in recorders}, calendar=calendar)
    except OnlineError as error:
        return f"nothing was proved: {error.given}"
    proof.attach(recorders)
    if proof.ok:
        logger.info("Proved to know nothing of the future: %s.", counted(len(recorders), "model"))
        return ""
    return "; ".join(proof.problems) or "nothing was proved: no session could be compared"
