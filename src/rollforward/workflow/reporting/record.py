"""The page as a record: listed in a task, it is made when the others are done."""

from __future__ import annotations

from typing import Any

from rollforward.workflow.record_temp import ACRecordTemp, SignalRecord
from rollforward.workflow.reporting.page import PAGE, artifacts_of, report_of


class ReportRecord(ACRecordTemp):
    """The page of a run, in the run: ``report.html``, ``ic_by_year.csv``, ``folds.csv`` and ``plots/``.

    List it last, after the records whose results it shows:
    ``{"class": "ReportRecord", "module_path": "rollforward.workflow.reporting"}``.

    Parameters
    ----------
    recorder
        The run.
    percent
        Labels are returns.
    cost
        Of one unit bought or sold, as a fraction; for runs without a backtest.
    skip_existing
        Do nothing if the page is there.
    """

    depend_cls = SignalRecord

    def __init__(self, recorder: Any, percent: bool = True, cost: float = 0.001, skip_existing: bool = False) -> None:
        super().__init__(recorder=recorder, skip_existing=skip_existing)
        self.percent = percent
        self.cost = cost

    def _generate(self, *_args: Any, **_kwargs: Any) -> dict[str, Any]:
        """Make the page."""
        return artifacts_of(report_of(self.recorder, percent=self.percent, cost=self.cost))

    def list(self) -> list[str]:
        """Name the files: the page."""
        return [PAGE]
