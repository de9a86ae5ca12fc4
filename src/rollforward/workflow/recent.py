"""The experiments that this process has just used, so that a run need not look its experiment up once more.

A name may stand for another experiment at any time: somebody renames it, deletes it, or restores one. What is
remembered is therefore good for starting a run only (the store refuses an experiment that is gone, and the name is
looked up again then), and only for a short time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rollforward.workflow.exp import Experiment

# Seconds; a rename by another process is noticed that late.
LIFETIME = 10.0
_MOST = 100


class RecentExperiments:
    """Experiments by store and name, for a short time."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], tuple[float, Experiment]] = {}

    def get(self, uri: str, name: str) -> Experiment | None:
        """Return the experiment that had this name a moment ago."""
        found = self._found.get((uri, name))
        if found is None or time.monotonic() - found[0] > LIFETIME:
            return None
        return found[1]

    def put(self, name: str, experiment: Experiment) -> None:
        """Remember an experiment that was just looked up."""
        if len(self._found) >= _MOST:
            self._found.clear()
        self._found[experiment.uri, name] = time.monotonic(), experiment

    def forget(self) -> None:
        """Forget all of them: something was renamed or deleted here, or was not there."""
        self._found.clear()
