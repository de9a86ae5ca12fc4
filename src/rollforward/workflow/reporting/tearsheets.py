"""Tear sheets of other packages, where they are installed: quantstats and alphalens."""

from __future__ import annotations

import base64
import io
from contextlib import contextmanager, redirect_stdout
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rollforward.errors import DataError, MissingDependencyError
from rollforward.report.equity import booked_long_short
from rollforward.report.inputs import both_sides, tidy_portfolio
from rollforward.report.saving import save_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

    from rollforward.workflow.reporting.material import Material

_QUANTILES = 5


def write_tearsheet(material: Material, kind: str, path: Path, *, cost: float = 0.001) -> Path:
    """Write the tear sheet of another package.

    Parameters
    ----------
    material
        As `gather` returns it.
    kind
        ``"quantstats"``: of the backtest's daily returns net of costs against its benchmark; without a backtest, of the
        long-short position in the outer fifths. ``"alphalens"``: of the score, its quantiles and the label.
    path
        The HTML file.
    cost
        Of one unit bought or sold, for the long-short position.

    Raises
    ------
    MissingDependencyError
        If the package is not installed.
    DataError
        For another kind, or if the file cannot be written.
    """
    if kind not in _KINDS:
        raise DataError(f"The tear sheet is {kind!r}.", f"one of {', '.join(sorted(_KINDS))}.")
    return _KINDS[kind](material, path, cost)


def _quantstats(material: Material, path: Path, cost: float) -> Path:
    reports = _import("quantstats", "quantstats", "its tear sheet").reports
    returns, benchmark = daily_returns(material, cost)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        reports.html(returns, benchmark=benchmark, output=str(path), title=material.title)
    except OSError as error:
        raise DataError(
            f"The tear sheet cannot be written to {path}: {error.strerror or error}.",
            "a file in a folder that can be written to.",
            "Choose another path.",
        ) from error
    return path


def daily_returns(material: Material, cost: float) -> tuple[pd.Series, pd.Series | None]:
    """Return daily results net of costs and, from a backtest, those of its benchmark.

    Parameters
    ----------
    material
        As `gather` returns it.
    cost
        Of one unit bought or sold, for the long-short position.

    Raises
    ------
    DataError
        If there is no backtest, and nobody knows how many sessions a label spans.
    """
    portfolio = tidy_portfolio(material.portfolio)
    if portfolio is None:
        if material.horizon is None:
            raise DataError(
                "There is no backtest, and how many sessions a label spans is not known.",
                "one of the two, for the returns of a day.",
                "Say --horizon, or set the run's tag label_horizon.",
            )
        score, label = both_sides(material.pred, material.label)
        booked = booked_long_short(score, label, span=material.horizon, cost=cost)
        return booked["net"].rename("long-short"), None
    bench = portfolio["bench"] if "bench" in portfolio and portfolio["bench"].notna().any() else None
    return (portfolio["return"] - portfolio["cost"]).rename("strategy"), bench


def _alphalens(material: Material, path: Path, _cost: float) -> Path:
    # Its figures are pyplot's, and pyplot must not look for a screen.
    matplotlib = import_module("matplotlib")
    matplotlib.use("agg")
    tears = _import("alphalens.tears", "alphalens-reloaded", "its tear sheet")
    printed = io.StringIO()
    with _shown(import_module("matplotlib.pyplot")) as pictures, redirect_stdout(printed):
        tears.create_full_tear_sheet(factor_data(material), by_group=False)
    title = escape(material.title)
    images = "".join(f'<p><img alt="{title}, plot {place}" src="{one}"></p>' for place, one in enumerate(pictures, 1))
    head = f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    style = "<style>body{font-family:sans-serif;max-width:1100px;margin:2em auto}img{max-width:100%}</style>"
    tables = f"<pre>{escape(printed.getvalue())}</pre>"
    return save_page(f"{head}{style}</head><body><h1>{title}</h1>{tables}{images}</body></html>", path)


@contextmanager
def _shown(pyplot: Any) -> Iterator[list[str]]:
    """Collect, as PNG data addresses, the figures that are shown or left open meanwhile; then none of them is open."""
    before, show = set(pyplot.get_fignums()), pyplot.show
    pictures: list[str] = []

    def keep(*_args: Any, **_kwargs: Any) -> None:
        new = [number for number in pyplot.get_fignums() if number not in before]
        # alphalens opens a figure or two in which it draws nothing.
        pictures.extend(_picture(pyplot, number) for number in new if pyplot.figure(number).axes)

    pyplot.show = keep
    try:
        yield pictures
        keep()
    finally:
        pyplot.show = show
        for number in set(pyplot.get_fignums()) - before:
            pyplot.close(number)


def factor_data(material: Material) -> pd.DataFrame:
    """Bring score and label into the form of alphalens.

    Parameters
    ----------
    material
        As `gather` returns it.

    Returns
    -------
    pd.DataFrame
        Indexed ``(date, asset)``; a column named after the label's sessions (``"5D"``), ``factor`` and
        ``factor_quantile`` (1 to 5).
    """
    score, label = both_sides(material.pred, material.label)
    period = f"{max(material.horizon or 1, 1)}D"
    table = pd.DataFrame({period: label, "factor": score}).dropna().rename_axis(["date", "asset"])
    rank = table.groupby(level="date")["factor"].rank(method="first", pct=True)
    table["factor_quantile"] = np.ceil(rank * _QUANTILES).astype(int)
    return table


def _picture(pyplot: Any, number: int) -> str:
    figure = pyplot.figure(number)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight")
    pyplot.close(figure)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _import(module: str, package: str, purpose: str) -> ModuleType:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of(package, "", purpose) from error


_KINDS: dict[str, Callable[[Material, Path, float], Path]] = {"quantstats": _quantstats, "alphalens": _alphalens}
