"""Information coefficients over the dates, by year and by month."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rollforward.evaluation.monthly import monthly_ic
from rollforward.report import html, words
from rollforward.report.measures import FEW_DATES
from rollforward.report.plots.ic import draw_cumulative_ic, draw_ic_pairs, draw_monthly_ic
from rollforward.report.sections.base import Plot, Section
from rollforward.report.shades import bound_of

if TYPE_CHECKING:
    from rollforward.report.sections.base import Subject

_FRAME, _ROW, _LEAST_MONTHS = 56, 22, 3


def ic_section(subject: Subject) -> Section:
    """Show the running sums."""
    measures = subject.measures
    plot = Plot(
        lambda shape: draw_cumulative_ic(measures.ic, measures.ric, shape),
        "Cumulative IC",
        (320, 250),
        words.describe_cumulative(measures),
    )
    values = {"positive_share": measures.positive_share, "horizon": subject.horizon}
    return Section("ic", "Cumulative IC", {"cumulative_ic": plot}, values)


def years_section(subject: Subject) -> Section:
    """Show each year in a row; on the page the bars stand in the rows of the table."""
    measures = subject.measures
    thin = measures.thin_years
    plot = Plot(lambda shape: draw_ic_pairs(measures.years, "mean of the year", shape, thin), "IC by year", (300, 250))
    values = {
        "rows": html.year_rows(measures.by_year, thin),
        "least": FEW_DATES if thin else 0,
        "per_date": measures.per_date,
        "null_deviation": 1 / np.sqrt(max(measures.per_date - 1, 1)),
    }
    tables = {"ic_by_year": measures.by_year}
    return Section("years", "IC by year", {"ic_by_year": plot}, values, is_long=True, tables=tables)


def months_section(subject: Subject) -> Section | None:
    """Show each month as a cell of a calendar."""
    table = monthly_ic(subject.measures.ic)
    n_months = int(table.notna().to_numpy().sum())
    if n_months < _LEAST_MONTHS:
        return None
    bound = bound_of(table)
    height = _FRAME + _ROW * len(table)
    plot = Plot(lambda shape: draw_monthly_ic(table, bound, shape), "IC by month", (height, height))
    values = {
        "rows": html.month_rows(table, bound),
        "n_months": n_months,
        "n_positive": int((table > 0).to_numpy().sum()),
    }
    return Section("months", "IC by month", {"ic_by_month": plot}, values, tables={"ic_by_month": table})
