"""What was put, gathered by kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rollforward.workflow.mlflow_backend.write.sending import Request, changed_param, requests_of

if TYPE_CHECKING:
    from rollforward.workflow.mlflow_backend.write.sqlite import Point

METRICS, PARAMS, TAGS = "metrics", "params", "tags"
_NEVER: tuple[int, dict[int, int]] = (-1, {})


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
        # Of each key the time of the latest call, and the steps that have a value of that time or later.
        self._times: dict[str, tuple[int, dict[int, int]]] = {}

    def build(self, entries: list[tuple[Any, ...]]) -> Batch:
        """Gather by kind; the later of two values of a tag counts, and the first of a param."""
        points: list[Point] = []
        params: dict[str, str] = {}
        tags: dict[str, str] = {}
        refused: list[str] = []
        for _, kind, values, time, step in entries:
            if kind is METRICS:
                points += [(key, value, self._in_order(key, time, step), step) for key, value in values.items()]
            elif kind is TAGS:
                tags |= values
            else:
                for key, value in values.items():
                    if params.setdefault(key, value) != value:
                        refused.append(changed_param(key, params[key], value))
        return Batch(points, params, tags, refused)

    def _in_order(self, key: str, time: int, step: int) -> int:
        """Keep the last value the last: MLflow takes the greatest of several in one millisecond at one step."""
        latest, times = self._times.get(key, _NEVER)
        if time > latest:
            times = {other: at for other, at in times.items() if at >= time}
            self._times[key] = time, times
        else:
            # Two threads at once, or a clock that was set back: what was put later counts as later.
            time = latest
        before = times.get(step)
        if before is not None and time <= before:
            time = before + 1
        times[step] = time
        return time
