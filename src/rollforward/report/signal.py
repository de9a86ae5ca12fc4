"""The report on one signal: a prediction held against what came true."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollforward.report import html, inputs, words
from rollforward.report.measures import add_fold_ics, measure
from rollforward.report.pictures import Pictures
from rollforward.report.saving import save_page
from rollforward.report.sections import sections_of
from rollforward.report.sections.base import Subject, drawn
from rollforward.report.versions import versions

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    import pandas as pd


@dataclass(frozen=True, eq=False)
class SignalReport:
    """A finished report.

    Attributes
    ----------
    html
        One page that needs nothing else: no script, no request to anywhere.
    figures
        PNG pictures by name, drawn when asked for: ``cumulative_ic``, ``ic_by_year``, ``quantile_returns`` and, where
        there is input for them, ``windows``, ``ic_by_month``, ``quantile_spread``, ``turnover``, ``equity``,
        ``ic_by_age`` and ``ic_by_horizon``.
    tables
        ``ic_by_year`` (index ``year``, the last row ``"all"``) and, with folds, ``folds``: those given, with their mean
        ``IC`` and ``Rank IC`` over the test window. Where there is input: ``ic_by_month`` (years by months), ``equity``
        (see `Equity.figures`), ``ic_by_age`` and ``ic_by_horizon``.
    summary
        ``IC``, ``ICIR``, ``Rank IC``, ``Rank ICIR`` over all dates; not annualised.
    """

    html: str = field(repr=False)
    figures: Mapping[str, bytes] = field(repr=False)
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
        return save_page(self.html, Path(path))

    def save_plots(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write each plot as a PNG file, named after it.

        Parameters
        ----------
        folder
            Made if needed.

        Raises
        ------
        DataError
            If a file cannot be written.
        """
        return [save_page(png, Path(folder) / f"{name}.png") for name, png in self.figures.items()]

    def _repr_html_(self) -> str:
        """Show the page in a notebook, in a frame of its own so that styles do not mix."""
        style = "width:100%;height:860px;border:0"
        return f'<iframe srcdoc="{escape(self.html)}" style="{style}" title="Signal report"></iframe>'


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
    portfolio: pd.DataFrame | None = None,
    horizons: pd.DataFrame | None = None,
    ages: pd.DataFrame | None = None,
    cost: float = 0.001,
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
        Sessions that one label spans, at least 1: ``h`` of ``close[t + h + 1] / close[t + 1] - 1``. What the label
        returns is spread over as many. ``None``, where nobody knows: there is no long-short position then.
    percent
        Labels are returns and are written as percentages.
    portfolio
        Daily report of a backtest, indexed by date: columns ``return`` and ``cost`` (fractions of the account),
        ``bench`` and ``turnover`` where they are known, as in Qlib's ``report_normal_1day.pkl``. Without it, and if
        labels are returns over a known `horizon`, equity is that of a long-short position in the outer fifths.
    horizons
        As `ic_by_horizon` returns it.
    ages
        As `ic_by_age` returns it. Without it, it is taken from the folds' test windows.
    cost
        Of one unit bought or sold in the long-short position, as a fraction.

    Raises
    ------
    ColumnError
        If a column or an index level is missing.
    DataError
        If one side is empty, holds no number or has duplicate rows, if their time zones differ, if no date has an IC,
        or `horizon` is below 1.
    """
    inputs.check_horizon(horizon)
    score, target = inputs.both_sides(pred, label)
    measures = measure(score, target)
    table = inputs.tidy_folds(folds)
    windows = None
    if table is not None:
        windows = inputs.close_segments(table, measures.dates[0], measures.dates[-1])
        table = add_fold_ics(table, windows, measures)
    subject = Subject(
        score=score,
        label=target,
        measures=measures,
        folds=table,
        windows=windows,
        horizon=horizon,
        percent=percent,
        cost=cost,
        portfolio=inputs.tidy_portfolio(portfolio),
        horizons=horizons,
        ages=ages,
    )
    head = {"title": title or "Signal report", "subtitle": subtitle, "links": html.header_links(links), "when": when}
    found = [*words.findings(measures, table, windows), *words.about_horizon(subject)]
    return _page(subject, head, [*map(str, notes), *found])


def _page(subject: Subject, head: dict[str, Any], notes: list[str]) -> SignalReport:
    measures = subject.measures
    sections = sections_of(subject)
    drawings, makers = {}, {}
    for section in sections:
        for name, plot in section.plots.items():
            drawings[name], makers[name] = drawn(plot)
    page = html.render(
        "signal.html.j2",
        **head,
        notes=notes,
        cards=html.cards(measures, None if subject.folds is None else len(subject.folds)),
        sections=sections,
        drawings=drawings,
        measures=measures,
        versions=versions(),
    )
    tables = {name: table for section in sections for name, table in section.tables.items()}
    return SignalReport(html=page, figures=Pictures(makers), tables=tables, summary=measures.summary)
