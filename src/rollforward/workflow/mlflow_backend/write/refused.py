"""What a store did not take, as it is told to the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward.errors import TrackingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollforward.workflow.mlflow_backend.write.sending import Request

_SHOWN, _KEPT = 10, 10_000


class Refused:
    """What the store did not take.

    Parameters
    ----------
    run_id
        The run that it was logged to.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._kept: list[str] = []
        self._count = self._reported = 0

    def add(self, refusals: list[str]) -> None:
        """Take note; of very many only the first are kept."""
        self._count += len(refusals)
        self._kept += refusals[: max(0, _KEPT - len(self._kept))]

    @property
    def is_empty(self) -> bool:
        """Whether the store took everything."""
        return self._count == 0

    @property
    def summary(self) -> str:
        """All of it in a few lines."""
        return self._list(0)

    @property
    def text(self) -> str:
        """All of it, a line each."""
        lines = list(self._kept)
        hidden = self._count - len(lines)
        return "\n".join([*lines, *([f"... and {hidden} more"] if hidden else [])]) + "\n"

    def error(self) -> TrackingError | None:
        """Return what was not reported yet as an error, once."""
        first, self._reported = self._reported, self._count
        if first == self._count:
            return None
        return TrackingError(
            f"The store did not take all that was logged to run {self._run_id}: {self._list(first)}.",
            "what the store takes; a param is written once. Everything else was logged.",
            "Correct what is named. What changes is logged as a tag or a metric.",
        )

    def _list(self, first: int) -> str:
        shown = self._kept[first : first + _SHOWN]
        hidden = self._count - first - len(shown)
        return "; ".join([*shown, *([f"and {hidden} more"] if hidden else [])])


def contents(request: Request) -> str:
    """Name what a request holds, as far as a line allows."""
    groups: dict[str, Mapping[str, None]] = {
        "metrics": dict.fromkeys(point[0] for point in request.metrics),
        "params": dict.fromkeys(param.key for param in request.params),
        "tags": dict.fromkeys(tag.key for tag in request.tags),
    }
    named = []
    for kind, keys in groups.items():
        if keys:
            more = ", ..." if len(keys) > _SHOWN else ""
            named.append(f"{kind} {', '.join(list(keys)[:_SHOWN])}{more}")
    return f"{request.size} values ({'; '.join(named)})"
