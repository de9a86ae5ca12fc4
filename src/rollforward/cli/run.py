"""``rollforward run`` and ``rollforward demo``."""

from __future__ import annotations

import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from rollforward import settings
from rollforward.cli.config import Workflow, load_workflow, parse_rolling
from rollforward.cli.tables import ic_table, plan_table, show, totals
from rollforward.errors import DataError, SettingsError

if TYPE_CHECKING:
    import pandas as pd

    from rollforward.workflow.recorder import Recorder
    from rollforward.workflow.rolling import RollingJob, RollingResult
    from rollforward.workflow.trainer import Trainer

DEMO = Path(__file__).with_name("demo.yaml")


@dataclass(frozen=True)
class Choices:
    """What the command line decides.

    Attributes
    ----------
    experiment_name
        Wins over the file's.
    rolling
        Options of the rolling job as text; they win over the file's.
    plan_only
        Print the folds and stop.
    plot
        File for a picture of the folds' windows.
    reuse
        Take finished runs of the same task, data, code and version instead of training again. ``None``: rolling jobs
        do, a single task does not.
    uri
        Tracking store; wins over the file's.
    pool
        Task store whose pool trains the tasks; ``None`` trains them in this process.
    n_workers
        Processes to start for the pool; 0 waits for workers that run elsewhere.
    """

    experiment_name: str | None = None
    rolling: str | None = None
    plan_only: bool = False
    plot: str | None = None
    reuse: bool | None = None
    uri: str | None = None
    pool: str | None = None
    n_workers: int | None = None


def run(config: str | Path, choices: Choices) -> int:
    """Run a workflow file and say what it did.

    Parameters
    ----------
    config
        Path of the YAML file.
    choices
        What the command line decides.
    """
    workflow = load_workflow(config)
    rolling = workflow.rolling
    if choices.rolling is not None:
        rolling = (rolling or {}) | parse_rolling(choices.rolling)
    if choices.plot is not None and Path(choices.plot).suffix.lower() != ".png":
        raise SettingsError(f"--plot is {choices.plot!r}.", "a file name that ends in .png.", "Change the name.")
    _check_pool(choices)
    current = settings.init(**workflow.init | ({"uri": choices.uri} if choices.uri else {}))
    name = choices.experiment_name or workflow.experiment_name or current.experiment
    if rolling is None:
        return _run_once(workflow, name, choices)
    return _run_rolling(workflow, rolling, name, choices)


def _run_once(workflow: Workflow, name: str, choices: Choices) -> int:
    from rollforward.workflow.rolling import plan  # noqa: PLC0415  # `run --help` must not load it

    reuse = bool(choices.reuse)
    if choices.plan_only or choices.plot:
        planned = plan(workflow.task, name, reuse=reuse)
        _show_plan(planned, "Plan: one task", choices)
        if choices.plan_only:
            return 0
    trainer = _trainer(choices).with_options(experiment_name=name, reuse=reuse, progress=False)
    (recorder,) = trainer(workflow.task)
    how = "reused" if trainer.reused else recorder.status
    print(f"\nRun {recorder.name} ({recorder.id}) of experiment {name}: {how}")
    for key, value in recorder.list_metrics().items():
        print(f"  {key:<16} {value: .4f}")
    _say_where(recorder)
    return 0


def _run_rolling(workflow: Workflow, rolling: dict[str, object], name: str, choices: Choices) -> int:
    from rollforward.workflow.rolling import RollingJob  # noqa: PLC0415  # `run --help` must not load it

    # Keys are checked where they are read; what a value has to be, the job says.
    job = RollingJob(task=workflow.task, experiment_name=name, trainer=_trainer(choices), **rolling)  # type: ignore[arg-type]
    reuse = choices.reuse is not False
    _show_plan(job.plan(reuse=reuse), _plan_title(job), choices)
    if choices.plan_only:
        return 0
    result = job.run(reuse=reuse, progress=True)
    print(_summary(result))
    show(ic_table(result.report.tables["ic_by_year"]))
    _say_where(result.recorder, report=True)
    return 0


def _check_pool(choices: Choices) -> None:
    if choices.pool is None and choices.n_workers is not None:
        raise SettingsError(
            "--workers is given without --pool.",
            "the task store that the workers share.",
            "Add --pool sqlite:///tasks.db.",
        )
    if choices.n_workers is not None and choices.n_workers < 0:
        raise SettingsError(f"--workers is {choices.n_workers}.", "0 or more.", "Correct it.")


def _trainer(choices: Choices) -> Trainer:
    from rollforward.workflow.trainer import TrainerR, TrainerRM  # noqa: PLC0415  # `run --help` must not load it

    if choices.pool is None:
        return TrainerR()
    n_workers = 1 if choices.n_workers is None else choices.n_workers
    return TrainerRM(store=choices.pool, n_workers=n_workers, skip_run_task=n_workers == 0)


def _show_plan(planned: pd.DataFrame, title: str, choices: Choices) -> None:
    show(plan_table(planned, title=title, whole=choices.plan_only))
    print(totals(planned))
    if choices.plot is not None:
        _draw(planned, Path(choices.plot))


def _draw(planned: pd.DataFrame, path: Path) -> None:
    from rollforward.report import windows_png  # noqa: PLC0415  # matplotlib, only when a picture is asked for

    try:
        path.write_bytes(windows_png(planned))
    except OSError as error:
        raise DataError(
            f"The picture cannot be written to {path}: {error.strerror}.", "a file in a folder that can be written to."
        ) from error
    print(f"Windows drawn into {path}")


def _plan_title(job: RollingJob) -> str:
    step = f"{job.step} sessions each" if isinstance(job.step, int) else f"cut at {job.step}"
    return f"Plan: {len(job.tasks)} folds, {job.rtype} train window, {step}"


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
