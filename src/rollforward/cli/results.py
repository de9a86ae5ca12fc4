"""What a run of a workflow says when it is done: to a reader, or to a program."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from rollforward import settings
from rollforward.cli.document import print_document
from rollforward.cli.tables import ic_table, plan_table, show, totals
from rollforward.workflow.config import tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from rollforward.workflow.config import Workflow
    from rollforward.workflow.recorder import Recorder
    from rollforward.workflow.rolling import RollingResult


@dataclass(frozen=True)
class Teller:
    """Prints what there is to say.

    Parameters
    ----------
    as_json
        Print one JSON document, and nothing else, to standard output.
    """

    as_json: bool = False

    def say(self, text: str) -> None:
        """Print a line for a reader."""
        if not self.as_json:
            print(text)

    def tell(self, facts: Mapping[str, Any], text: str) -> None:
        """Print facts for a program, or the text that says the same to a reader."""
        if self.as_json:
            print_document(facts)
        else:
            print(text)

    def plan(self, planned: pd.DataFrame, title: str, *, is_all: bool) -> None:
        """Print the folds; in JSON only if that is all there will be."""
        if not self.as_json:
            show(plan_table(planned, title=title, whole=is_all))
            print(totals(planned))
        elif is_all:
            rows = json.loads(planned.reset_index().to_json(orient="records", date_format="iso"))
            print_document({"folds": rows, "totals": totals(planned)})

    def run(self, recorder: Recorder, name: str, workflow: Workflow, *, is_reused: bool) -> None:
        """Print what came of one task."""
        if self.as_json:
            print_document(_facts(recorder, name, workflow, recorder.list_metrics(), is_reused))
            return
        how = "reused" if is_reused else recorder.status
        print(f"\nRun {recorder.name} ({recorder.id}) of experiment {name}: {how}")
        metrics = recorder.list_metrics()
        width = max(map(len, metrics), default=0)
        for key, value in metrics.items():
            print(f"  {key:<{width}} {value: .4f}")
        _say_where(recorder)

    def job(self, result: RollingResult, name: str, workflow: Workflow) -> None:
        """Print what came of a rolling job."""
        if not self.as_json:
            print(_summary(result))
            show(ic_table(result.report.tables["ic_by_year"]))
            _say_where(result.recorder, report=True)
            return
        facts = _facts(result.recorder, name, workflow, result.metrics, is_reused=False)
        rolling = {
            "trained": result.n_trained,
            "predicted": result.n_predicted,
            "reused": result.n_reused,
            "resumed": result.resumed,
            "recorders": [recorder.id for recorder in result.recorders],
        }
        print_document(facts | {"rolling": rolling})


def _facts(
    recorder: Recorder, name: str, workflow: Workflow, metrics: Mapping[str, float], is_reused: bool
) -> dict[str, Any]:
    return {
        "experiment": name,
        "run_id": recorder.id,
        "name": recorder.name,
        "status": recorder.status,
        "reused": is_reused,
        "metrics": {key: _finite(value) for key, value in metrics.items()},
        "artifact_uri": recorder.get_artifact_uri(),
        "uri": settings.mask_credentials(settings.current().uri),
        "overrides": tags(workflow).get("overrides", "").splitlines(),
    }


def _finite(value: float) -> float | None:
    """JSON has no NaN."""
    number = float(value)
    return number if number - number == 0 else None


def _summary(result: RollingResult) -> str:
    predicted = f"predicted {result.n_predicted} with the model of another fold, " if result.n_predicted else ""
    home = result.recorder.experiment_id
    n_shared = sum(recorder.experiment_id != home for recorder in result.recorders)
    shared = f" ({n_shared} of other experiments)" if n_shared else ""
    how = "continued and its report replaced" if result.resumed else "new"
    return (
        f"\nFolds: trained {result.n_trained}, {predicted}reused {result.n_reused} from earlier runs{shared}. "
        f"Job run {result.recorder.id}: {how}."
    )


def _say_where(recorder: Recorder, *, report: bool = False) -> None:
    address = recorder.get_artifact_uri()
    if address.startswith("file:"):
        # As a path, without the percent signs of an address, it can be opened as it is printed.
        address = url2pathname(urlsplit(address).path)
    print(f"\nReport:    {address}/report.html" if report else "")
    print(f"Artifacts: {address}")
    print(f"Runs:      {_program()} ui --uri {shlex.quote(settings.mask_credentials(settings.current().uri))}")


def _program() -> str:
    """Spell this program as it can be typed here: its name if that finds it, else its path."""
    found = shutil.which("rollforward")
    here = Path(sys.argv[0])
    if found is not None and here.exists() and Path(found).samefile(here):
        return "rollforward"
    return shlex.quote(str(here)) if here.name == "rollforward" else f"{shlex.quote(sys.executable)} -m rollforward"
