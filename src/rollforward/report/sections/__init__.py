"""The sections of a signal report, in the order of the page; what has no input is absent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward.report.sections.decay import age_section, horizon_section
from rollforward.report.sections.folds import folds_section, windows_section
from rollforward.report.sections.ic import ic_section, months_section, years_section
from rollforward.report.sections.money import equity_section
from rollforward.report.sections.quantiles import quantiles_section, spread_section, steadiness_section

if TYPE_CHECKING:
    from rollforward.report.sections.base import Section, Subject

_ALL = (
    windows_section,
    ic_section,
    years_section,
    months_section,
    quantiles_section,
    spread_section,
    steadiness_section,
    equity_section,
    age_section,
    horizon_section,
    folds_section,
)


def sections_of(subject: Subject) -> list[Section]:
    """Build the sections that there is something for."""
    made = [build(subject) for build in _ALL]
    return [section for section in made if section is not None]
