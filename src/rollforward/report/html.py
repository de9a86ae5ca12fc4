"""The page: values put into the template, everything escaped."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rollforward.report.shades import shade_of
from rollforward.report.theme import PALETTE
from rollforward.report.words import MISSING, UNFINISHED, day, number, short_number

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Mapping

    from rollforward.report.measures import Measures

_SCHEMES = frozenset({"", "http", "https", "file"})
_OPTIONAL = ("status", "seconds", "recorder_id", "url")
_SHORT_ID = 8


@dataclass(frozen=True)
class Drawing:
    """A plot as it stands on the page, drawn for a laptop and for a phone, as SVG elements."""

    wide: str
    narrow: str


@dataclass(frozen=True)
class Link:
    """A text that leads somewhere, or only stands there if its target is not to be followed."""

    text: str
    href: str | None
    address: str = ""


def render(template: str, **values: Any) -> str:
    """Fill a template of this package.

    Parameters
    ----------
    template
        File name in ``templates/``.
    values
        What the template names; a missing one is an error.
    """
    return _environment().get_template(template).render(palette=PALETTE, **values)


def safe_href(address: object) -> str | None:
    """Return an address that a page may link to, or ``None``.

    Web addresses, files and relative addresses are followed; a script or anything else that a browser would run is not.
    """
    if not isinstance(address, str) or not address or any(ord(sign) <= ord(" ") for sign in address):
        return None
    try:
        scheme = urlsplit(address).scheme
    except ValueError:
        return None
    return address if scheme.lower() in _SCHEMES else None


def header_links(links: Mapping[str, str] | None) -> list[Link]:
    """Prepare the links of the page's head."""
    return [Link(str(text), safe_href(address), str(address)) for text, address in (links or {}).items()]


def cards(measures: Measures, n_folds: int | None) -> list[dict[str, str]]:
    """Prepare the headline figures."""
    summary = measures.summary
    rows = [
        ("IC", number(summary["IC"]), "mean per date"),
        ("ICIR", number(summary["ICIR"], 3), "mean over deviation"),
        ("Rank IC", number(summary["Rank IC"]), "mean per date"),
        ("Rank ICIR", number(summary["Rank ICIR"], 3), "mean over deviation"),
        ("Dates", f"{len(measures.ic):,}", f"{day(measures.ic.index[0])} to {day(measures.ic.index[-1])}"),
        ("Instruments", f"{measures.n_instruments:,}", f"{measures.per_date:,} on a typical date"),
    ]
    if n_folds is not None:
        rows.append(("Folds", f"{n_folds:,}", "test window" if n_folds == 1 else "test windows"))
    return [{"name": name, "value": value, "hint": hint} for name, value, hint in rows]


def year_rows(by_year: pd.DataFrame, thin: Collection[int] = ()) -> list[dict[str, Any]]:
    """Prepare the rows of the table by year; each has its bars as left edge and width in percent of the column.

    Years of few dates, `thin`, are marked and set no scale; their bars are cut off at its ends.
    """
    both = by_year.drop(index=list(thin))[["IC", "Rank IC"]].to_numpy(float)
    low, high = min(0.0, float(pd.DataFrame(both).min().min())), max(0.0, float(pd.DataFrame(both).max().max()))
    span = (high - low) or 1.0
    rows = []
    for year, row in by_year.iterrows():
        shown = [
            (role, min(max(row[name], low), high))
            for name, role in (("IC", "ic"), ("Rank IC", "rank-ic"))
            if pd.notna(row[name])
        ]
        bars = [
            {
                "role": role,
                "left": round((min(value, 0.0) - low) / span * 100, 2),
                "width": round(abs(value) / span * 100, 2),
            }
            for role, value in shown
        ]
        rows.append(
            {
                "year": f"{year}*" if year in thin else str(year),
                "bars": bars,
                "zero": round(-low / span * 100, 2),
                "values": row.to_dict(),
            }
        )
    return rows


def month_rows(table: pd.DataFrame, bound: float) -> list[dict[str, Any]]:
    """Prepare the rows of the calendar of months; each cell has its colour's role, its number and its name."""
    return [
        {
            "year": str(year),
            "cells": [
                {"role": shade_of(value, bound), "text": "" if pd.isna(value) else short_number(value)} for value in row
            ],
        }
        for year, row in zip(table.index, table.to_numpy(float), strict=True)
    ]


def fold_rows(folds: pd.DataFrame) -> list[dict[str, Any]]:
    """Prepare the rows of the table of folds."""
    return [
        {
            "name": str(row["name"]),
            "segments": {
                segment: (day(row.get(f"{segment}_start")), day(row.get(f"{segment}_end")))
                for segment in ("test", "train", "valid")
                if f"{segment}_start" in folds
            },
            "IC": row.get("IC"),
            "Rank IC": row.get("Rank IC"),
            "status": _text(row.get("status")),
            "unfinished": _text(row.get("status")).lower() in UNFINISHED,
            "seconds": number(row.get("seconds"), 1),
            "run": _run_link(row),
        }
        for row in folds.to_dict("records")
    ]


def fold_columns(folds: pd.DataFrame) -> dict[str, bool]:
    """Tell which optional columns the table of folds has something for."""
    known = {column: column in folds and bool(folds[column].notna().any()) for column in _OPTIONAL}
    return {"status": known["status"], "seconds": known["seconds"], "run": known["recorder_id"] or known["url"]}


def _run_link(row: Mapping[Hashable, Any]) -> Link:
    recorder_id, href = _text(row.get("recorder_id")), safe_href(row.get("url"))
    return Link(recorder_id[:_SHORT_ID] or ("run" if href else MISSING), href)


def _text(value: object) -> str:
    return "" if value is None or value is pd.NaT or value != value else str(value)  # noqa: PLR0124  # NaN


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("rollforward.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(number=number, svg=Markup)
    return environment
