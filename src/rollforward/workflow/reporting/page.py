"""The page of a run, and its place in the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rollforward.workflow.reporting.gathering import FOLDS, PRED, gather, is_job

if TYPE_CHECKING:
    from rollforward.report import SignalReport
    from rollforward.workflow.recorder import Recorder

PAGE, PLOTS = "report.html", "plots"
_TABLES = ("ic_by_year", "folds")


def report_of(
    recorder: Recorder, *, title: str = "", percent: bool = True, cost: float = 0.001, horizon: int | None = None
) -> SignalReport:
    """Make the page of a run that is in the store.

    Parameters
    ----------
    recorder
        A run with a prediction and a label, or a rolling job, finished or not.
    title
        Instead of the run's name.
    percent
        Labels are returns.
    cost
        Of one unit bought or sold, as a fraction; for runs without a backtest.
    horizon
        Sessions that one label spans, instead of what the run says.

    Raises
    ------
    MissingArtifactError
        If there is no prediction, or no label.
    DataError
        If the prediction cannot be judged.
    """
    return gather(recorder, title).spanning(horizon).report(percent=percent, cost=cost)


def store_report(recorder: Recorder, report: SignalReport) -> None:
    """Store a page with its tables and plots: ``report.html``, ``ic_by_year.csv``, ``folds.csv`` and ``plots/``.

    A rolling job that has no prediction yet gets no ``folds.csv``: this file says which folds its prediction is of.
    """
    artifacts = artifacts_of(report)
    if FOLDS in artifacts and is_job(recorder) and PRED not in recorder.list_artifacts():
        del artifacts[FOLDS]
    recorder.save_objects(**artifacts)


def artifacts_of(report: SignalReport) -> dict[str, Any]:
    """Name what is stored of a report."""
    plots = {f"{PLOTS}/{name}.png": png for name, png in report.figures.items()}
    tables = {f"{name}.csv": report.tables[name] for name in _TABLES if name in report.tables}
    return {PAGE: report.html, **tables, **plots}
