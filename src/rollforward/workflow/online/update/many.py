"""Many runs at once: each dataset is loaded once, and each run stands for itself when one fails."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rollforward.data.selection import DATETIME
from rollforward.errors import StoreUnreachableError, UpdateError
from rollforward.workflow.online.update.sharing import SharedData
from rollforward.workflow.online.update.updaters import DSBasedUpdater, PredUpdater

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Update:
    """What became of one run.

    Attributes
    ----------
    recorder_id
        The run.
    data
        The whole table, brought up to date; ``None`` if it failed.
    first, last
        The sessions that were computed; ``None`` if nothing was missing.
    n_new
        Rows that were computed.
    written
        Whether the table was stored.
    seconds
        How long it took; of a dataset that several runs share, the first one bears the cost.
    error
        Why it failed; ``None`` if it did not.
    """

    recorder_id: str
    data: Any = None
    first: pd.Timestamp | None = None
    last: pd.Timestamp | None = None
    n_new: int = 0
    written: bool = False
    seconds: float = 0.0
    error: Exception | None = None


def update_many(
    recorders: Iterable[Recorder] | Mapping[Any, Recorder],
    to_date: Any = None,
    *,
    updater: type[DSBasedUpdater] = PredUpdater,
    write: bool = True,
    errors: Literal["raise", "keep"] = "raise",
    **kwargs: Any,
) -> dict[str, Update]:
    """Bring the predictions, or the labels, of many runs up to a date.

    Rows that several datasets read are loaded once, and datasets that are the same, processors and what they learned
    included, are made ready once.

    Parameters
    ----------
    recorders
        The runs; of a dictionary, its values. A run that is named twice is updated once.
    to_date
        Last date, inclusive; ``None`` is the calendar's current end.
    updater
        `PredUpdater`, `LabelUpdater` or one of your own.
    write
        Whether the tables are stored.
    errors
        ``"raise"``: the first failure ends it; runs before it are updated. ``"keep"``: the others go on, and the
        failure is in the result and in the log.
    **kwargs
        Further arguments of the updater: ``from_date``, ``hist_ref``, ``fname``, ``loader_cls``, ``calendar``.

    Returns
    -------
    dict
        Run id to `Update`, in the order given.

    Raises
    ------
    UpdateError
        If a run cannot be updated and `errors` is ``"raise"``; the cause says why.
    StoreUnreachableError
        If the store does not answer.
    """
    if errors not in {"raise", "keep"}:
        raise UpdateError(f"errors={errors!r} is unknown.", '"raise" or "keep".')
    given = recorders.values() if hasattr(recorders, "values") else recorders
    runs = {recorder.require_id(): recorder for recorder in given}
    made: dict[str, DSBasedUpdater] = {}
    done: dict[str, Update] = {}
    shared = SharedData()
    for run_id, recorder in runs.items():
        began = time.perf_counter()
        try:
            one = updater(recorder, to_date=to_date, **kwargs)
            if not one.is_current:
                shared.add(one)
            made[run_id] = one
        except Exception as error:  # noqa: BLE001  # of any kind: it is the run's, and reported as such
            done[run_id] = _failed(run_id, error, began, errors)
    for run_id, one in made.items():
        began = time.perf_counter()
        try:
            done[run_id] = _update(one, shared, write, began)
        except Exception as error:  # noqa: BLE001  # of any kind: it is the run's, and reported as such
            done[run_id] = _failed(run_id, error, began, errors)
    return {run_id: done[run_id] for run_id in runs}


def _update(one: DSBasedUpdater, shared: SharedData, write: bool, began: float) -> Update:
    run_id = one.record.require_id()
    if one.is_current:
        return Update(run_id, one.old_data, seconds=time.perf_counter() - began)
    data = one.update(shared.take(one), write=write, ret_new=True)
    dates = data.index.get_level_values(DATETIME)
    new = dates[(dates >= one.start) & (dates <= one.to_date)] if one.start is not None else dates
    seconds = time.perf_counter() - began
    return Update(run_id, data, new.min(), new.max(), len(new), write, seconds)


def _failed(run_id: str, error: Exception, began: float, errors: str) -> Update:
    if isinstance(error, StoreUnreachableError):
        raise error
    if errors == "raise":
        raise UpdateError(
            f"Run {run_id} cannot be updated: {error}", remedy='errors="keep" goes on with the others.'
        ) from error
    logger.warning("Run %s is not updated: %s", run_id, error, exc_info=error)
    return Update(run_id, seconds=time.perf_counter() - began, error=error)
