"""Reading what a page about a run is made from."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pandas as pd

from rollforward.errors import LoadObjectError, MissingArtifactError, RollforwardError
from rollforward.workflow import R
from rollforward.workflow.record_temp.sources import LABEL_HORIZON, find_horizon
from rollforward.workflow.reporting.addresses import is_server, run_url
from rollforward.workflow.reporting.children import children_of, merge_finished
from rollforward.workflow.reporting.material import Material
from rollforward.workflow.reporting.segments import fold_rows_of
from rollforward.workflow.reporting.words import job_notes, run_notes

if TYPE_CHECKING:
    from rollforward.workflow.recorder import Recorder

logger = logging.getLogger(__name__)

KIND, ROLLING = "kind", "rolling"
# A batch of models is no result; the run of each of them, which names its batch in a tag, is one.
BATCH, IN_BATCH = "run_all", "batch"
PRED, LABEL, FOLDS = "pred.pkl", "label.pkl", "folds.csv"
_ANALYSIS, _PORTFOLIO = "sig_analysis", "portfolio_analysis"
_REPORT = f"{_PORTFOLIO}/report_normal_"


def is_job(recorder: Recorder) -> bool:
    """Tell whether a run is the parent of a rolling job."""
    return recorder.list_tags().get(KIND) == ROLLING


def gather(recorder: Recorder, title: str = "") -> Material:
    """Read what a page about a run is made from.

    Parameters
    ----------
    recorder
        A run with ``pred.pkl`` and ``label.pkl``, or a rolling job; of one that has not finished, the folds that have.
    title
        Instead of the run's name.

    Returns
    -------
    Material
        With the results of a backtest and of the analyses where the run has them.

    Raises
    ------
    MissingArtifactError
        If there is no prediction, or no label.
    LoadObjectError
        If one cannot be read.
    """
    tags, names = recorder.list_tags(), set(recorder.list_artifacts())
    notes = run_notes(recorder, tags)
    if {PRED, LABEL} <= names:
        pred, label = recorder.load_object(PRED), recorder.load_object(LABEL)
        folds = recorder.load_object(FOLDS) if FOLDS in names else fold_rows_of([recorder], {})
    elif tags.get(KIND) == ROLLING:
        children = children_of(recorder)
        pred, label, lost = merge_finished(recorder, children)
        folds = fold_rows_of(children, lost)
        notes += job_notes(recorder, children, lost)
    else:
        raise _without(recorder, PRED if PRED not in names else LABEL)
    uri = R.get_uri()
    return Material(
        pred=pred,
        label=_first_column(label),
        folds=folds,
        horizon=_horizon(recorder, tags, folds),
        title=title or recorder.name or "",
        subtitle=_experiment_name(recorder),
        links={"Run in MLflow": run_url(recorder, uri)} if is_server(uri) else {},
        notes=notes,
        when=recorder.end_time or "",
        **_results(recorder, names),
    )


def _results(recorder: Recorder, names: set[str]) -> dict[str, pd.DataFrame | None]:
    """Read what the records of a run have found out."""
    analyses = set(recorder.list_artifacts(_ANALYSIS)) if _ANALYSIS in names else set()
    backtests = recorder.list_artifacts(_PORTFOLIO) if _PORTFOLIO in names else []
    reports = sorted(
        (name for name in backtests if name.startswith(_REPORT)), key=lambda name: ("1day" not in name, name)
    )
    return {
        "horizons": _table(recorder, f"{_ANALYSIS}/ic_by_horizon.csv", "horizon", analyses),
        "ages": _table(recorder, f"{_ANALYSIS}/ic_by_age.csv", "age", analyses),
        "portfolio": _optional(recorder, reports[0]) if reports else None,
    }


def _table(recorder: Recorder, name: str, index: str, names: set[str]) -> pd.DataFrame | None:
    table = _optional(recorder, name) if name in names else None
    return table.set_index(index) if isinstance(table, pd.DataFrame) and index in table else None


def _optional(recorder: Recorder, name: str) -> Any:
    try:
        return recorder.load_object(name)
    except LoadObjectError as error:
        logger.warning("%s of run %s is left out of the report: %s", name, recorder.id, error.given)
        return None


def _horizon(recorder: Recorder, tags: dict[str, str], folds: pd.DataFrame | None) -> int | None:
    """Find out how many sessions a label spans; a job that does not say so has folds that may."""
    if LABEL_HORIZON in tags or not is_job(recorder) or folds is None or "recorder_id" not in folds:
        return find_horizon(recorder)
    try:
        return find_horizon(R.get_recorder(recorder_id=str(folds["recorder_id"].iloc[0])))
    except RollforwardError as error:
        logger.info("How far the label of run %s looks ahead is not known: %s", recorder.id, error.given)
        return None


def _first_column(label: Any) -> Any:
    return label.iloc[:, [0]] if isinstance(label, pd.DataFrame) and label.shape[1] > 1 else label


def _experiment_name(recorder: Recorder) -> str:
    return R.get_exp(experiment_id=recorder.experiment_id, create=False).name


def _without(recorder: Recorder, name: str) -> MissingArtifactError:
    return MissingArtifactError(
        f"The run {recorder.name!r} ({recorder.id}) has no {name}.",
        f"a run with {PRED} and {LABEL}, or a rolling job.",
        "List SignalRecord in the task's record; for the label, keep the handler's raw data.",
    )
