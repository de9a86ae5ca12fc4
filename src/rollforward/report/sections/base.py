"""What a page is made of: sections, and the plots in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from rollforward.report.html import Drawing
from rollforward.report.picture import to_png, to_svg
from rollforward.report.plots.canvas import TITLE_HEIGHT, Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from matplotlib.figure import Figure

    from rollforward.report.measures import Measures

WIDE, NARROW = 1024, 360
# Plots that stand side by side on a laptop and below each other on a phone, in points.
BESIDE = (300, 480)


class Plot(NamedTuple):
    """How one plot is drawn, how high it is on a laptop and on a phone, and what it shows.

    Without a description it is not on the page: there is a table of the same there.
    """

    draw: Callable[[Shape], Figure]
    title: str
    heights: tuple[int, int]
    description: str = ""


@dataclass(frozen=True)
class Section:
    """One section of a page.

    Attributes
    ----------
    key
        Name of its template and of its place on the page.
    title
        Its heading.
    plots
        By name.
    values
        What its template names.
    is_long
        May be broken over pages when it is printed.
    tables
        By name; for who works on with the numbers.
    """

    key: str
    title: str
    plots: Mapping[str, Plot] = field(default_factory=lambda: MappingProxyType({}))
    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    is_long: bool = False
    tables: Mapping[str, pd.DataFrame] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, eq=False)
class Subject:
    """What a page is about; the parameters are those of `signal_report`, in one form and checked."""

    score: pd.Series
    label: pd.Series
    measures: Measures
    folds: pd.DataFrame | None = None
    windows: pd.DataFrame | None = None
    horizon: int | None = None
    percent: bool = True
    cost: float = 0.0
    portfolio: pd.DataFrame | None = None
    horizons: pd.DataFrame | None = None
    ages: pd.DataFrame | None = None

    @property
    def span(self) -> int:
        """Sessions that one label spans; 1 if nobody knows."""
        return 1 if self.horizon is None else max(self.horizon, 1)


def drawn(plot: Plot) -> tuple[Drawing | None, Callable[[], bytes]]:
    """Draw a plot for the page, if it has a place there; the other result makes a picture of the same drawing."""
    wide, narrow = plot.heights
    shape = Shape(WIDE, wide, title=plot.title)
    if not plot.description:
        return None, lambda: to_png(plot.draw(shape))
    figure = plot.draw(shape)
    drawing = Drawing(
        wide=to_svg(figure, plot.description, top=TITLE_HEIGHT),
        narrow=to_svg(plot.draw(Shape(NARROW, narrow, narrow=True)), plot.description),
    )
    return drawing, partial(to_png, figure)
