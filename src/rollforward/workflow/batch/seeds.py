"""The seeds of a model: taken out, counted, or left as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from rollforward.instantiate.structure import DROP
from rollforward.workflow.config import spell_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SeedMode = Literal["drop", "count", "keep"]
MODES: tuple[SeedMode, ...] = ("drop", "count", "keep")
# As scikit-learn, LightGBM, XGBoost, CatBoost, PyTorch wrappers and Qlib's models call them.
NAMES = frozenset(
    {
        "seed",
        "random_state",
        "random_seed",
        "rand_seed",
        "torch_seed",
        "bagging_seed",
        "feature_fraction_seed",
        "data_random_seed",
        "drop_seed",
        "extra_seed",
        "objective_seed",
    }
)
_ARGUMENTS = ("task", "model", "kwargs")


def mode_for(given: SeedMode | None, times: int) -> SeedMode:
    """Decide what happens to seeds: what was given, else they are dropped if a model is run several times."""
    return given or ("drop" if times > 1 else "keep")


def seed_assignments(content: Mapping[str, Any], mode: SeedMode, time: int) -> list[str]:
    """Say what is changed in a workflow for one of several runs, as ``rollforward run --set`` takes it.

    Parameters
    ----------
    content
        Of the workflow file.
    mode
        ``"drop"`` takes the seeds out of the model's arguments, at any depth; ``"count"`` sets each that is there to
        `time`; ``"keep"`` changes nothing.
    time
        Which of the runs it is, from 0.
    """
    if mode == "keep":
        return []
    arguments: Any = content
    for key in _ARGUMENTS:
        arguments = arguments.get(key) if isinstance(arguments, dict) else None
    value = DROP if mode == "drop" else str(time)
    return [f"{spell_path(path)}={value}" for path in _seeds(arguments, _ARGUMENTS)]


def _seeds(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        if isinstance(value, dict) and key in NAMES:
            yield (*path, key)
        else:
            yield from _seeds(inner, (*path, key))
