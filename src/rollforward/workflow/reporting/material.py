"""What a page about a run is made from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rollforward.report import signal_report
from rollforward.report.inputs import check_horizon

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from rollforward.report import SignalReport


@dataclass(frozen=True, eq=False)
class Material:
    """Frames and words, as `signal_report` takes them.

    Attributes
    ----------
    pred, label
        Indexed ``(datetime, instrument)``; of several columns of a label the first is meant.
    folds
        One row per fold; ``None`` without any.
    portfolio, horizons, ages, horizon
        See `signal_report`.
    title, subtitle, links, notes, when
        Words around them.
    """

    pred: pd.DataFrame
    label: pd.DataFrame
    folds: pd.DataFrame | None = None
    portfolio: pd.DataFrame | None = None
    horizons: pd.DataFrame | None = None
    ages: pd.DataFrame | None = None
    horizon: int | None = None
    title: str = ""
    subtitle: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    when: str = ""

    def spanning(self, horizon: int | None) -> Material:
        """Say how many sessions one label spans; ``None`` changes nothing.

        Raises
        ------
        DataError
            If it is below 1.
        """
        check_horizon(horizon)
        return self if horizon is None else replace(self, horizon=horizon)

    def noting(self, *notes: str) -> Material:
        """Say more before what is said already."""
        return replace(self, notes=(*notes, *self.notes))

    def report(self, *, percent: bool = True, cost: float = 0.001) -> SignalReport:
        """Make the page.

        Parameters
        ----------
        percent, cost
            See `signal_report`.
        """
        return signal_report(
            self.pred,
            self.label,
            folds=self.folds,
            title=self.title,
            subtitle=self.subtitle,
            links=self.links,
            notes=self.notes,
            when=self.when,
            horizon=self.horizon,
            percent=percent,
            portfolio=self.portfolio,
            horizons=self.horizons,
            ages=self.ages,
            cost=cost,
        )
