"""When a strategy in shadow comes to serve: a rule that is data, and the comparison that it asks for."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.data.times import as_time
from rollforward.errors import OnlineError
from rollforward.evaluation.alpha import IC, ICIR, RANK_IC, RANK_ICIR, calc_ic, ic_summary
from rollforward.workflow.online.signals import score_of

if TYPE_CHECKING:
    from rollforward.data.calendar import Calendar
    from rollforward.data.times import TimeLike

METRICS = (IC, ICIR, RANK_IC, RANK_ICIR)


@dataclass(frozen=True)
class Decision:
    """What a rule decides, with the figures that it decides by.

    Parameters
    ----------
    promote
        Whether the challenger is to serve.
    challenger, champion
        The metric of each; NaN where it is not known.
    n_sessions
        How many sessions were compared.
    first, last
        The first and the last of them; ``None`` if there is none.
    reason
        The decision in words.
    """

    promote: bool
    challenger: float
    champion: float
    n_sessions: int
    first: pd.Timestamp | None
    last: pd.Timestamp | None
    reason: str

    def __bool__(self) -> bool:
        return self.promote


@dataclass(frozen=True)
class PromotionRule:
    """A strategy in shadow is promoted when it was better than another one for some time.

    Parameters
    ----------
    metric
        ``"IC"``, ``"ICIR"``, ``"Rank IC"`` or ``"Rank ICIR"``, over the sessions of the window.
    window
        The last sessions whose labels are known, at most.
    margin
        By how much the challenger has to be better; just as much is not enough.
    min_sessions
        The fewest sessions to decide by; up to `window`.
    against
        The strategy that is challenged, and goes into the shadow in its place. ``None``: the published signal; the
        challenger then joins those that serve.

    Raises
    ------
    OnlineError
        If an argument is none of these.
    """

    metric: str = RANK_IC
    window: int = 60
    margin: float = 0.0
    min_sessions: int = 20
    against: str | None = None

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise OnlineError(f"PromotionRule(metric={self.metric!r}).", f"one of {', '.join(METRICS)}.")
        if isinstance(self.margin, bool) or not isinstance(self.margin, int | float) or not math.isfinite(self.margin):
            raise OnlineError(f"PromotionRule(margin={self.margin!r}).", "a number.")
        for name in ("window", "min_sessions"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise OnlineError(f"PromotionRule({name}={value!r}).", "a whole number of sessions from 1.")
        if self.min_sessions > self.window:
            raise OnlineError(
                f"PromotionRule(window={self.window}, min_sessions={self.min_sessions}) never decides.",
                "min_sessions up to window.",
            )

    def to_dict(self) -> dict[str, Any]:
        """Describe the rule as data: ``PromotionRule(**rule.to_dict())`` is the same."""
        return asdict(self)

    def judge(
        self,
        challenger: pd.DataFrame | pd.Series,
        champion: pd.DataFrame | pd.Series,
        label: pd.DataFrame | pd.Series,
        known_until: TimeLike | None = None,
    ) -> Decision:
        """Compare two strategies on the rows that both have predicted and whose label is known.

        Parameters
        ----------
        challenger, champion
            Their predictions, indexed ``(datetime, instrument)``.
        label
            One column, indexed in the same way.
        known_until
            Last session whose labels were known when this is decided, see `known_until`; ``None``: those that are not
            known are NaN.
        """
        rows = pd.concat([score_of(one) for one in (challenger, champion, label)], axis=1, join="inner").dropna()
        rows.columns = pd.Index(["challenger", "champion", "label"])
        if known_until is not None:
            rows = rows[rows.index.get_level_values("datetime") <= as_time(known_until)]
        sides = {name: _series(rows, name, self.metric) for name in ("challenger", "champion")}
        common = sides["challenger"].dropna().index.intersection(sides["champion"].dropna().index)
        sessions = common.sort_values()[-self.window :]
        values = {name: _condensed(side.loc[sessions], self.metric) for name, side in sides.items()}
        return self._decided(values["challenger"], values["champion"], sessions)

    def _decided(self, challenger: float, champion: float, sessions: pd.Index) -> Decision:
        n_sessions = len(sessions)
        first, last = (sessions[0], sessions[-1]) if n_sessions else (None, None)
        if n_sessions < self.min_sessions:
            promote, reason = False, f"{n_sessions} sessions can be compared, {self.min_sessions} are needed"
        else:
            promote = bool(challenger - champion > self.margin)  # NaN is never greater
            said = f"{self.metric} {challenger:.4f} against {champion:.4f} over {n_sessions} sessions"
            reason = f"{said}, which is {'' if promote else 'not '}more than {self.margin:g} better"
        return Decision(promote, challenger, champion, n_sessions, first, last, reason)


def known_until(calendar: Calendar, session: TimeLike, lookahead: int | None) -> pd.Timestamp:
    """Find the last session whose label is known at the close of a session.

    Parameters
    ----------
    calendar
        The sessions.
    session
        The session.
    lookahead
        Sessions that the label looks ahead, see `rollforward.data.horizon.label_lookahead`.

    Returns
    -------
    pd.Timestamp
        A day before the calendar if no label is known yet.

    Raises
    ------
    OnlineError
        If `lookahead` is ``None``: a comparison might know the future.
    """
    if lookahead is None:
        raise OnlineError(
            "It is not known how far the label looks ahead, and so not which labels are known when.",
            "sessions.",
            'Give task["label_lookahead"] in the template.',
        )
    position = calendar.position(session, "end") - lookahead
    return calendar[position] if position >= 0 else calendar.first - pd.Timedelta(days=1)


def _series(rows: pd.DataFrame, name: str, metric: str) -> pd.Series:
    if rows.empty:
        return pd.Series([], index=pd.DatetimeIndex([]), dtype="float64")
    ic, ric = calc_ic(rows[name], rows["label"])
    return ric if metric in (RANK_IC, RANK_ICIR) else ic


def _condensed(series: pd.Series, metric: str) -> float:
    if series.empty:
        return math.nan
    return ic_summary(series, series)[metric]
