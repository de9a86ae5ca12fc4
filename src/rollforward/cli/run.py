"""``rollforward run`` and ``rollforward demo``."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from rollforward import settings
from rollforward.cli.config import Workflow, load_workflow
from rollforward.cli.tables import ic_table, plan_table, show

if TYPE_CHECKING:
    from rollforward.workflow.recorder import Recorder
    from rollforward.workflow.rolling import RollingResult

DEMO = Path(__file__).with_name("demo.yaml")


def run(
    config: str | Path,
    *,
    experiment_name: str | None = None,
    plan_only: bool = False,
    reuse: bool = True,
    uri: str | None = None,
) -> int:
    """Run a workflow file and say what it did.

    Parameters
    ----------
    config
        Path of the YAML file.
    experiment_name
        Wins over the file's.
    plan_only
        Print the folds and stop.
    reuse
        Take finished folds of the same task, data and version instead of training them again.
    uri
        Tracking store; wins over the file's.
    """
    workflow = load_workflow(config)
    current = settings.init(**workflow.init | ({"uri": uri} if uri else {}))
    name = experiment_name or workflow.experiment_name or current.experiment
    if workflow.rolling is None:
        return _run_once(workflow, name)
    return _run_rolling(workflow, name, plan_only=plan_only, reuse=reuse)


def _run_once(workflow: Workflow, name: str) -> int:
    from rollforward.workflow.trainer import task_train  # noqa: PLC0415  # `run --help` must not load it

    recorder = task_train(workflow.task, name)
    print(f"\nRun {recorder.name} ({recorder.id}) of experiment {name}: {recorder.status}")
    for key, value in recorder.list_metrics().items():
        print(f"  {key:<16} {value: .4f}")
    _say_where(recorder)
    return 0


def _run_rolling(workflow: Workflow, name: str, *, plan_only: bool, reuse: bool) -> int:
    from rollforward.workflow.rolling import RollingJob  # noqa: PLC0415  # `run --help` must not load it

    job = RollingJob(task=workflow.task, experiment_name=name, **workflow.rolling or {})
    show(plan_table(job.plan(), title=_plan_title(job), whole=plan_only))
    if plan_only:
        return 0
    result = job.run(reuse=reuse, progress=True)
    print(_summary(result))
    show(ic_table(result.report.tables["ic_by_year"]))
    _say_where(result.recorder, report=True)
    return 0


def _plan_title(job: object) -> str:
    folds, step, rtype = len(job.tasks), job.step, job.rtype  # type: ignore[attr-defined]  # RollingJob stays lazy
    return f"Plan: {folds} folds, {rtype} train window, {step} sessions each"


def _summary(result: RollingResult) -> str:
    how = "continued and its report replaced" if result.resumed else "new"
    return (
        f"\nFolds: trained {result.n_trained}, reused {result.n_reused} from earlier runs. "
        f"Job run {result.recorder.id}: {how}."
    )


def _say_where(recorder: Recorder, *, report: bool = False) -> None:
    artifacts = _artifacts(recorder)
    print(f"\nReport:    {artifacts}/report.html" if report else "")
    print(f"Artifacts: {artifacts}")
    print(f"Runs:      {_program()} ui --uri {shlex.quote(settings.mask_credentials(settings.current().uri))}")


def _artifacts(recorder: Recorder) -> str:
    """Spell the place of the artifacts as a path if they are on this machine, else as their address."""
    address = recorder.get_artifact_uri()
    return url2pathname(urlsplit(address).path) if address.startswith("file:") else address


def _program() -> str:
    """Spell this program as it can be typed here: its name if that finds it, else its path."""
    found = shutil.which("rollforward")
    here = Path(sys.argv[0])
    if found is not None and here.exists() and Path(found).samefile(here):
        return "rollforward"
    return shlex.quote(str(here)) if here.name == "rollforward" else f"{shlex.quote(sys.executable)} -m rollforward"
