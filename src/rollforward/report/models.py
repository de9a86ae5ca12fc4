"""The page of a batch of models: mean and deviation of their metrics."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rollforward.report import html
from rollforward.report.versions import versions
from rollforward.report.words import MISSING, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def models_page(summary: Mapping[str, Any], *, title: str, subtitle: str) -> str:
    """Write the page of a batch.

    Parameters
    ----------
    summary
        ``metrics`` (the columns), ``sorted_by``, ``models`` in their order (``model``, ``finished``, ``runs``,
        ``seconds`` and, by name, ``metrics`` with ``mean``, ``std`` and ``n``), and ``failures`` (``label``,
        ``reason``, ``tail``), and ``notes``, what to know before reading.
    title, subtitle
        Of the page.

    Returns
    -------
    str
        HTML that needs nothing else.
    """
    models, metrics, failures = summary["models"], summary["metrics"], summary["failures"]
    finished = sum(row["finished"] for row in models)
    rows = [
        {**row, "cells": [_cell(row["metrics"].get(name)) for name in metrics], "took": _took(row)} for row in models
    ]
    return html.render(
        "models.html.j2",
        title=title,
        subtitle=subtitle,
        metrics=metrics,
        sorted_by=summary["sorted_by"],
        rows=rows,
        failures=failures,
        notes=summary["notes"],
        cards=_cards(models, metrics, finished, len(failures)),
        versions=versions(),
    )


def _cell(value: Mapping[str, Any] | None) -> dict[str, Any]:
    if value is None:
        return {"text": MISSING, "minus": False, "spread": ""}
    mean, std = value["mean"], value["std"]
    return {
        "text": number(mean),
        "minus": mean is not None and mean < 0,
        "spread": "" if std is None or math.isnan(std) else number(std),
    }


def _took(row: Mapping[str, Any]) -> str:
    return number(row["seconds"], 1)


def _cards(models: Sequence[Any], metrics: Sequence[str], finished: int, n_failed: int) -> list[dict[str, str]]:
    first = metrics[0] if metrics else None
    best = models[0] if models and first in models[0]["metrics"] else None
    figure = number(best["metrics"][first]["mean"]) if best is not None else MISSING
    return [
        {"name": "Models", "value": f"{len(models):,}", "hint": "rows of the table"},
        {"name": "Runs", "value": f"{finished:,}", "hint": "finished"},
        {"name": "Failures", "value": f"{n_failed:,}", "hint": "at the end of this page" if n_failed else "none"},
        {"name": f"{first or 'Metric'} of the first", "value": figure, "hint": best["model"] if best else ""},
    ]
