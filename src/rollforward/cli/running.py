"""What ``rollforward run`` and ``rollforward demo`` do."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollforward import settings
from rollforward.cli.checking import check_settings, check_task, start_qlib
from rollforward.cli.document import documents_only, print_document
from rollforward.cli.results import Teller
from rollforward.errors import DataError, RollforwardError, SettingsError, WorkflowFileError
from rollforward.workflow.config import (
    Place,
    Problem,
    Workflow,
    artifacts,
    load_workflow,
    on_search_path,
    parse_rolling,
    refuse,
    seed_assignments,
    seed_generators,
    tags,
)

if TYPE_CHECKING:
    import pandas as pd

    from rollforward.workflow.recorder import Recorder
    from rollforward.workflow.rolling import RollingJob
    from rollforward.workflow.trainer import Trainer


@dataclass(frozen=True)
class Choices:
    """What the command line decides.

    Attributes
    ----------
    experiment_name
        Wins over the file's.
    rolling
        Options of the rolling job as text; they win over the file's.
    assignments
        Single values that win over the file's, ``task.model.kwargs.alpha=0.1`` each.
    check_only
        Look for mistakes and stop.
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
    seed
        Of the random numbers, and of the model if it takes one.
    as_json
        Print the result for a program.
    """

    experiment_name: str | None = None
    rolling: str | None = None
    assignments: tuple[str, ...] = ()
    check_only: bool = False
    plan_only: bool = False
    plot: str | None = None
    reuse: bool | None = None
    uri: str | None = None
    pool: str | None = None
    n_workers: int | None = None
    seed: int | None = None
    as_json: bool = False


def run(config: str | Path, choices: Choices) -> int:
    """Run a workflow file and say what it did.

    Parameters
    ----------
    config
        Path of the YAML file.
    choices
        What the command line decides.
    """
    _check(choices)
    with documents_only(active=choices.as_json):
        return _checked_run(config, choices)


def _checked_run(config: str | Path, choices: Choices) -> int:
    try:
        workflow = _load(config, choices)
        with on_search_path(workflow.search_path):
            return _run(workflow, Place(str(config)), choices)
    except WorkflowFileError as error:
        if not (choices.check_only and choices.as_json):
            raise
        found = [problem.as_dict() for problem in error.problems]  # type: ignore[attr-defined]
        print_document({"file": str(config), "ok": False, "problems": found})
        return 1


def _load(config: str | Path, choices: Choices) -> Workflow:
    workflow = load_workflow(config, choices.assignments)
    if choices.seed is None:
        return workflow
    added = seed_assignments(workflow.task, choices.seed)
    if not added:
        print(f"--seed {choices.seed}: the model takes no seed; random and numpy have it.", file=sys.stderr)
        return workflow
    return load_workflow(config, [*choices.assignments, *added])


def _run(workflow: Workflow, file: Place, choices: Choices) -> int:
    rolling = workflow.rolling
    if choices.rolling is not None:
        rolling = (rolling or {}) | parse_rolling(choices.rolling)
    current = settings.init(**_settings(workflow, choices))
    check_settings(workflow, file)
    start_qlib(workflow, file)
    check_task(workflow, file)
    teller = Teller(choices.as_json)
    if choices.check_only:
        if rolling is not None:
            _foresee(workflow, rolling, file, choices)
        teller.tell({"file": file.file, "ok": True, "problems": []}, f"{file}: no mistake found.")
        return 0
    if choices.seed is not None:
        seed_generators(choices.seed)
    name = choices.experiment_name or workflow.experiment_name or current.experiment
    workflow = _with_choices(workflow, rolling, choices)
    if rolling is None:
        return _run_once(workflow, name, choices, teller)
    return _run_rolling(workflow, rolling, name, choices, teller)


def _with_choices(workflow: Workflow, rolling: dict[str, Any] | None, choices: Choices) -> Workflow:
    """Write into the content what the command line decided, so that what is stored does the same again."""
    decided: dict[str, Any] = {} if choices.rolling is None else {"rolling": rolling}
    if choices.experiment_name is not None:
        decided["experiment_name"] = choices.experiment_name
    return replace(workflow, content=workflow.content | decided)


def _settings(workflow: Workflow, choices: Choices) -> dict[str, Any]:
    """Put the store of the command line in place of the file's, also inside Qlib's dictionary."""
    given = dict(workflow.init)
    if choices.uri is None:
        return given
    manager = given.get("exp_manager") or {}
    kwargs = {key: value for key, value in (manager.get("kwargs") or {}).items() if key != "uri"}
    return given | {"uri": choices.uri} | ({"exp_manager": {**manager, "kwargs": kwargs}} if manager else {})


def _foresee(workflow: Workflow, rolling: dict[str, Any], file: Place, choices: Choices) -> None:
    """Find what only making the folds can tell."""
    try:
        _ = _job(workflow, rolling, "", choices).tasks
    except RollforwardError as error:
        place = Place("--rolling") if choices.rolling else workflow.places.get(("rolling",), file)
        refuse([Problem.of(error, place, ("rolling",))], error)


def _job(workflow: Workflow, rolling: dict[str, Any], name: str, choices: Choices) -> RollingJob:
    from rollforward.workflow.rolling import RollingJob  # noqa: PLC0415  # `run --help` must not load it

    # Keys are checked where they are read; what a value has to be, the job says.
    return RollingJob(task=workflow.task, experiment_name=name, trainer=_trainer(choices), **rolling)


def _run_once(workflow: Workflow, name: str, choices: Choices, teller: Teller) -> int:
    from rollforward.workflow.rolling import plan  # noqa: PLC0415  # `run --help` must not load it

    reuse = bool(choices.reuse)
    if choices.plan_only or choices.plot:
        _show_plan(plan(workflow.task, name, reuse=reuse), "Plan: one task", choices, teller)
        if choices.plan_only:
            return 0
    trainer = _trainer(choices).with_options(experiment_name=name, reuse=reuse, progress=False)
    (recorder,) = trainer(workflow.task)
    if not trainer.reused:
        # Who trained it has stored what it was trained by.
        _keep(recorder, workflow)
    teller.run(recorder, name, workflow, is_reused=bool(trainer.reused))
    return 0


def _run_rolling(workflow: Workflow, rolling: dict[str, Any], name: str, choices: Choices, teller: Teller) -> int:
    job = _job(workflow, rolling, name, choices)
    reuse = choices.reuse is not False
    _show_plan(job.plan(reuse=reuse), _plan_title(job), choices, teller)
    if choices.plan_only:
        return 0
    result = job.run(reuse=reuse, progress=True)
    _keep(result.recorder, workflow)
    teller.job(result, name, workflow)
    return 0


def _keep(recorder: Recorder, workflow: Workflow) -> None:
    """Store the configuration with the finished run."""
    objects, texts = artifacts(workflow)
    recorder.save_objects(**objects)
    for name, text in texts.items():
        recorder.log_text(text, name)
    recorder.set_tags(**tags(workflow))


def _check(choices: Choices) -> None:
    if choices.plot is not None and Path(choices.plot).suffix.lower() != ".png":
        raise SettingsError(f"--plot is {choices.plot!r}.", "a file name that ends in .png.", "Change the name.")
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


def _show_plan(planned: pd.DataFrame, title: str, choices: Choices, teller: Teller) -> None:
    teller.plan(planned, title, is_all=choices.plan_only)
    if choices.plot is not None:
        _draw(planned, Path(choices.plot))
        teller.say(f"Windows drawn into {choices.plot}")


def _draw(planned: pd.DataFrame, path: Path) -> None:
    from rollforward.report import windows_png  # noqa: PLC0415  # matplotlib, only when a picture is asked for

    try:
        path.write_bytes(windows_png(planned))
    except OSError as error:
        raise DataError(
            f"The picture cannot be written to {path}: {error.strerror}.",
            "a file in a folder that can be written to.",
            "Give another path with --plot.",
        ) from error


def _plan_title(job: RollingJob) -> str:
    step = f"{job.step} sessions each" if isinstance(job.step, int) else f"cut at {job.step}"
    return f"Plan: {len(job.tasks)} folds, {job.rtype} train window, {step}"
