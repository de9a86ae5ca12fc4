"""The report on one signal: a prediction held against what came true."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rollforward._version import __version__
from rollforward.errors import DataError
from rollforward.report import html, inputs, plots, words
from rollforward.report.html import Drawing
from rollforward.report.measures import add_fold_ics, measure
from rollforward.report.picture import to_png, to_svg
from rollforward.report.plots import Shape
from rollforward.report.windows import WIDTH, short_names, timeline_height
from rollforward.serialize.atomic import atomic_write

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    from matplotlib.figure import Figure

    from rollforward.report.measures import Measures

_LIBRARIES = ("pandas", "numpy", "matplotlib")
_WIDE, _NARROW = WIDTH, 360


@dataclass(frozen=True, eq=False)
class SignalReport:
    """A finished report.

    Attributes
    ----------
    html
        One page that needs nothing else: no script, no request to anywhere.
    figures
        PNG pictures by name: ``cumulative_ic``, ``ic_by_year``, ``quantile_returns`` and, with folds, ``windows``.
    tables
        ``ic_by_year`` (index ``year``, the last row ``"all"``) and, with folds, ``folds``: those given, with their mean
        ``IC`` and ``Rank IC`` over the test window.
    summary
        ``IC``, ``ICIR``, ``Rank IC``, ``Rank ICIR`` over all dates; not annualised.
    """

    html: str = field(repr=False)
    figures: dict[str, bytes] = field(repr=False)
    tables: dict[str, pd.DataFrame] = field(repr=False)
    summary: dict[str, float]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page; the file is either the whole new page or what it was before.

        Parameters
        ----------
        path
            The file; its folder is made if needed.

        Returns
        -------
        Path
            The file written.

        Raises
        ------
        DataError
            If the file cannot be written.
        """
        target = Path(path)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(target) as file:
                file.write(self.html.encode())
        except OSError as error:
            raise DataError(
                f"The report cannot be written to {target}: {error.strerror or error}.",
                "a file in a folder that can be written to.",
                "Choose another path.",
            ) from error
        return target

    def _repr_html_(self) -> str:
        """Show the page in a notebook, in a frame of its own so that styles do not mix."""
        style = "width:100%;height:860px;border:0"
        return f'<iframe srcdoc="{escape(self.html)}" style="{style}" title="Signal report"></iframe>'


class _Plot(NamedTuple):
    """How one plot is drawn, how high it is on a laptop and on a phone, and what it shows."""

    draw: Callable[[Shape], Figure]
    title: str
    heights: tuple[int, int]
    description: str = ""


def signal_report(
    pred: pd.Series | pd.DataFrame,
    label: pd.Series | pd.DataFrame,
    *,
    folds: pd.DataFrame | None = None,
    title: str = "",
    subtitle: str = "",
    links: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    when: str = "",
    horizon: int | None = None,
    percent: bool = True,
) -> SignalReport:
    """Report how well a prediction orders what came true.

    The same input gives the same bytes: no clock is read, nothing is random.

    Parameters
    ----------
    pred
        Scores indexed ``(datetime, instrument)``: a series, a frame with a column ``score``, or with one column.
    label
        What was to be predicted, indexed alike: a series or a frame with one column.
    folds
        One row per fold of a rolling job, in time order. Columns ``test_start`` and ``test_end``; ``train_*`` and
        ``valid_*`` where they are known; Timestamps or ISO dates, ends inclusive, ``None`` = open. Optional: ``name``
        (else the index), ``recorder_id``, ``url``, ``status``, ``seconds``, and ``IC``, ``Rank IC`` (else computed from
        the test window).
    title, subtitle
        Head of the page.
    links
        Text to address, shown below the title; what is no web, file or relative address is shown as code instead.
    notes
        Warnings, gaps and failures, shown first; what the report finds out itself is added to them.
    when
        Printed at the foot as the time of making, such as the end of the run.
    horizon
        Sessions that one label spans, if known: ``h`` of ``close[t + h + 1] / close[t + 1] - 1``. Makes the remark on
        overlapping labels precise.
    percent
        Labels are returns and are written as percentages.

    Raises
    ------
    ColumnError
        If a column or an index level is missing.
    DataError
        If one side is empty, holds no number or has duplicate rows, or no date has an IC.
    """
    score = inputs.signal_column(pred, "prediction", inputs.SCORE)
    measures = measure(score, inputs.signal_column(label, "label"))
    table = inputs.tidy_folds(folds)
    windows = None
    if table is not None:
        windows = inputs.close_segments(table, measures.dates[0], measures.dates[-1])
        table = add_fold_ics(table, windows, measures)
    planned = _plots(measures, table, windows, percent=percent)
    page = html.render(
        "signal.html.j2",
        title=title or "Signal report",
        subtitle=subtitle,
        links=html.header_links(links),
        notes=[*map(str, notes), *words.findings(measures, table, windows)],
        cards=html.cards(measures, None if table is None else len(table)),
        measures=measures,
        years=html.year_rows(measures.by_year),
        drawings={name: _drawing(plot) for name, plot in planned.items() if plot.description},
        folds=None if table is None else html.fold_rows(table),
        show=None if table is None else html.fold_columns(table),
        horizon=horizon,
        null_deviation=1 / np.sqrt(max(measures.per_date - 1, 1)),
        when=when,
        versions=_versions(),
    )
    return SignalReport(
        html=page,
        figures={
            name: to_png(plot.draw(Shape(_WIDE, plot.heights[0], title=plot.title))) for name, plot in planned.items()
        },
        tables={"ic_by_year": measures.by_year} | ({} if table is None else {"folds": table}),
        summary=measures.summary,
    )


def _plots(
    measures: Measures, table: pd.DataFrame | None, windows: pd.DataFrame | None, *, percent: bool
) -> dict[str, _Plot]:
    planned = {
        "cumulative_ic": _Plot(
            lambda shape: plots.draw_cumulative_ic(measures.ic, measures.ric, shape),
            "Cumulative IC",
            (320, 250),
            words.describe_cumulative(measures),
        ),
        # On the page its bars stand in the rows of the table.
        "ic_by_year": _Plot(lambda shape: plots.draw_ic_by_year(measures.years, shape), "IC by year", (300, 250)),
        "quantile_returns": _Plot(
            lambda shape: plots.draw_quantile_returns(measures.quantile_means, measures.spread, shape, percent=percent),
            "Returns by quantile",
            (300, 480),
            words.describe_quantiles(measures, percent=percent),
        ),
    }
    if table is not None and windows is not None:
        names, height = short_names(table["name"]), timeline_height(len(table))
        planned["windows"] = _Plot(
            lambda shape: plots.draw_windows(windows, names, shape),
            "Windows",
            (height, height),
            words.describe_windows(windows),
        )
    return planned


def _drawing(plot: _Plot) -> Drawing:
    wide, narrow = plot.heights
    return Drawing(
        wide=to_svg(plot.draw(Shape(_WIDE, wide)), plot.description),
        narrow=to_svg(plot.draw(Shape(_NARROW, narrow, narrow=True)), plot.description),
    )


def _versions() -> dict[str, str]:
    return {
        "rollforward": __version__,
        "Python": platform.python_version(),
        **{library: version(library) for library in _LIBRARIES},
    }
