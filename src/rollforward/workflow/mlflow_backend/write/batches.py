"""What was put, gathered by kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rollforward.workflow.mlflow_backend.write.clock import Clock
from rollforward.workflow.mlflow_backend.write.sending import Request, changed_param, requests_of

if TYPE_CHECKING:
    from rollforward.workflow.mlflow_backend.write.sqlite import Point

METRICS, PARAMS, TAGS = "metrics", "params", "tags"


class Batch(NamedTuple):
    """What was put, by kind."""

    points: list[Point]
    params: dict[str, str]
    tags: dict[str, str]
    refused: list[str]

    def requests(self) -> list[Request]:
        """Cut into requests."""
        return list(requests_of(self.points, self.params, self.tags))


class Builder:
    """Turns what was put into the entities of MLflow."""

    def __init__(self) -> None:
        self._clock = Clock()

    def build(self, entries: list[tuple[Any, ...]]) -> Batch:
        """Gather by kind; the later of two values of a tag counts, and the first of a param."""
        points: list[Point] = []
        params: dict[str, str] = {}
        tags: dict[str, str] = {}
        refused: list[str] = []
        for _, kind, values, time, step in entries:
            if kind is METRICS:
                for at, part in self._clock.place(time, step, values).items():
                    points += [(key, value, at, step) for key, value in part.items()]
            elif kind is TAGS:
                tags |= values
            else:
                for key, value in values.items():
                    if params.setdefault(key, value) != value:
                        refused.append(changed_param(key, params[key], value))
        return Batch(points, params, tags, refused)
