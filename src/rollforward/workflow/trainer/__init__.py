"""Training: one task, and batches of tasks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rollforward.workflow.trainer.base import STATUS_BEGIN, STATUS_END, STATUS_KEY, TM_ID, Trainer
    from rollforward.workflow.trainer.delay import DelayTrainerR
    from rollforward.workflow.trainer.local import TrainerR
    from rollforward.workflow.trainer.pool import TrainerRM
    from rollforward.workflow.trainer.pool_delay import DelayTrainerRM
    from rollforward.workflow.trainer.train import begin_task_train, end_task_train, task_train

__all__ = [
    "STATUS_BEGIN",
    "STATUS_END",
    "STATUS_KEY",
    "TM_ID",
    "DelayTrainerR",
    "DelayTrainerRM",
    "Trainer",
    "TrainerR",
    "TrainerRM",
    "begin_task_train",
    "end_task_train",
    "task_train",
]

_HOMES = {
    "STATUS_BEGIN": "base",
    "STATUS_END": "base",
    "STATUS_KEY": "base",
    "TM_ID": "base",
    "DelayTrainerR": "delay",
    "DelayTrainerRM": "pool_delay",
    "Trainer": "base",
    "TrainerR": "local",
    "TrainerRM": "pool",
    "begin_task_train": "train",
    "end_task_train": "train",
    "task_train": "train",
}


def __getattr__(name: str) -> Any:
    """Load the module behind a public name when the name is first used."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
