"""Times of points, each its own."""

from __future__ import annotations

_MANY_STEPS = 10_000


class Clock:
    """Gives each point of a metric a time of its own, in the order of the calls.

    MLflow takes the greatest time at one step as the latest, and two points that are the same in all their parts as
    one.
    """

    def __init__(self) -> None:
        self._time = self._latest = -1
        # By step, the times of the keys at or after the time of the last call.
        self._seen: dict[int, dict[str, int]] = {}

    def place(self, time: int, step: int, values: dict[str, float]) -> dict[int, dict[str, float]]:
        """Return the values of one call by their times in milliseconds: that of the call, or a bit later."""
        if time > self._latest or len(self._seen) > _MANY_STEPS:
            self._time = self._latest = max(time, self._latest + 1)
            self._seen = {step: dict.fromkeys(values, self._time)}
            return {self._time: values}
        # The same millisecond; two threads at once; a clock that was set back.
        self._time = time = max(time, self._time)
        seen = self._seen.setdefault(step, {})
        placed: dict[int, dict[str, float]] = {}
        for key, value in values.items():
            at = seen[key] = max(time, seen.get(key, -1) + 1)
            placed.setdefault(at, {})[key] = value
        self._latest = max(self._latest, *placed) if placed else self._latest
        return placed
