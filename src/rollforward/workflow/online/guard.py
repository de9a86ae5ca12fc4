"""Whether a day's predictions are good enough to be published."""

from __future__ import annotations

import json
import logging
import os
import shlex
import subprocess  # the command is the operator's own
from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from rollforward.data.selection import DATETIME
from rollforward.errors import OnlineError
from rollforward.workflow.online.signals import places_of, score_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

logger = logging.getLogger(__name__)

Hook: TypeAlias = "Callable[[dict[str, Any]], Any] | str | Sequence[str]"

_HOOK_SECONDS = 60


@dataclass(frozen=True)
class Verdict:
    """What a guard says of predictions.

    Parameters
    ----------
    good
        Whether they may be published.
    partial
        Whether they may, with a part of them missing.
    reasons
        Why they may not, or what is missing.
    """

    good: bool
    partial: bool = False
    reasons: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.good


@dataclass(frozen=True)
class Guard:
    """Limits of what is published; each date is judged for itself.

    Parameters
    ----------
    max_missing
        The greatest share of the usual instruments that may be absent.
    max_nan
        The greatest share of the instruments that are there whose score may be NaN or infinite.
    min_unique
        The fewest different scores; a date with a single instrument, where no more is usual, is not judged by it.
    min_partial
        A date with a greater share than this missing, or without a score, is marked as partial.
    history
        Dates from which is taken how many instruments are usual, see `usual_number`.

    Raises
    ------
    OnlineError
        If a share is not between 0 and 1, or a number is below 1.
    """

    max_missing: float = 0.2
    max_nan: float = 0.2
    min_unique: int = 2
    min_partial: float = 0.01
    history: int = 20

    def __post_init__(self) -> None:
        for name in ("max_missing", "max_nan", "min_partial"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise OnlineError(f"Guard({name}={value!r}).", "a share from 0 to 1.")
        for name in ("min_unique", "history"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise OnlineError(f"Guard({name}={value!r}).", "a whole number from 1.")

    def to_dict(self) -> dict[str, Any]:
        """Describe the guard as data: ``Guard(**guard.to_dict())`` is the same."""
        return asdict(self)

    def check(
        self, pred: pd.DataFrame | pd.Series, usual: int | None = None, sessions: Iterable[Any] | None = None
    ) -> Verdict:
        """Judge predictions as a whole: good if each date is.

        Parameters
        ----------
        pred
            Indexed ``(datetime, instrument)``.
        usual
            How many instruments a date usually has; ``None``: not known, nothing is called missing.
        sessions
            Dates that have to be there; ``None``: those that are, at least one.
        """
        verdicts = self.check_days(pred, sessions, usual)
        if not verdicts:
            return Verdict(good=False, reasons=("there is no prediction",))
        reasons = tuple(f"{day.date()}: {why}" for day, one in verdicts.items() for why in one.reasons)
        good = all(one.good for one in verdicts.values())
        return Verdict(good, good and any(one.partial for one in verdicts.values()), reasons)

    def check_days(
        self, pred: pd.DataFrame | pd.Series, sessions: Iterable[Any] | None = None, usual: int | None = None
    ) -> dict[pd.Timestamp, Verdict]:
        """Judge each date of predictions; arguments as of `check`."""
        scores = score_of(pred)
        dates, values = scores.index.get_level_values(DATETIME), scores.to_numpy()
        wanted = dates.unique() if sessions is None else [pd.Timestamp(session) for session in sessions]
        return {day: self._judge(values[places_of(dates, day)], usual) for day in wanted}

    def _judge(self, scores: np.ndarray[Any, Any], usual: int | None) -> Verdict:
        n_rows = len(scores)
        if n_rows == 0:
            return Verdict(good=False, reasons=("there is no prediction",))
        known = scores[np.isfinite(scores)]
        n_missing, n_nan = max(0, (usual or 0) - n_rows), n_rows - len(known)
        missing = n_missing / usual if usual else 0.0
        unknown = n_nan / n_rows
        lacks = [
            (missing, self.max_missing, f"{n_missing} of usually {usual} instruments are missing"),
            (unknown, self.max_nan, f"{n_nan} of {n_rows} scores are NaN or infinite"),
        ]
        bad = [f"{text} (limit {limit:.0%})" for share, limit, text in lacks if share > limit]
        n_unique, needed = len(np.unique(known)), self._needed(n_rows, usual)
        if n_unique < needed:
            bad.append(f"{n_unique} different scores (at least {needed})")
        if bad:
            return Verdict(good=False, reasons=tuple(bad))
        partial = tuple(text for share, _, text in lacks if share > self.min_partial)
        return Verdict(good=True, partial=bool(partial), reasons=partial)

    def _needed(self, n_rows: int, usual: int | None) -> int:
        return min(self.min_unique, n_rows if usual is None else max(usual, 1))


def count_scores(scores: pd.DataFrame | pd.Series) -> dict[pd.Timestamp, int]:
    """Count for each date the scores that are neither NaN nor infinite.

    Parameters
    ----------
    scores
        Indexed ``(datetime, instrument)``.

    Returns
    -------
    dict
        In the order of the dates; of one without any such score 0.
    """
    known = score_of(scores)
    days, starts = np.unique(known.index.get_level_values(DATETIME).to_numpy(), return_index=True)  # they are sorted
    numbers = np.add.reduceat(np.isfinite(known.to_numpy()), starts, dtype=int) if len(days) else ()
    return {pd.Timestamp(day): int(number) for day, number in zip(days, numbers, strict=True)}


def usual_number(numbers: Iterable[int], history: int = 20) -> int | None:
    """Find how many instruments a date usually has: the median over the last dates that have any.

    Parameters
    ----------
    numbers
        Of the dates in their order, as `count_scores` gives them.
    history
        How many dates count.

    Returns
    -------
    int or None
        ``None`` if there is none.
    """
    last = [number for number in numbers if number][-history:]
    return int(median(last)) if last else None


def tell(hook: Hook | None, info: Mapping[str, Any]) -> bool:
    """Tell an operator that something was held; a hook that fails is logged and breaks nothing.

    Parameters
    ----------
    hook
        A function that is called with `info`; or a command, which gets it as JSON on standard input, and its texts
        and numbers as variables ``ROLLFORWARD_...`` in its environment. It has a minute. ``None``: nobody is told.
    info
        Texts, numbers and lists.

    Returns
    -------
    bool
        Whether somebody was told.
    """
    if hook is None:
        return False
    try:
        if callable(hook):
            hook(dict(info))
        else:
            _run(shlex.split(hook) if isinstance(hook, str) else list(hook), info)
    except Exception:
        logger.exception("The hook %r failed; what it was to tell: %s", hook, dict(info))
        return False
    return True


def _run(command: list[str], info: Mapping[str, Any]) -> None:
    plain = {f"ROLLFORWARD_{key.upper()}": str(value) for key, value in info.items() if isinstance(value, str | int)}
    subprocess.run(  # noqa: S603  the operator's own command
        command,
        input=json.dumps(dict(info), default=str),
        env={**os.environ, **plain},
        text=True,
        check=True,
        timeout=_HOOK_SECONDS,
    )
