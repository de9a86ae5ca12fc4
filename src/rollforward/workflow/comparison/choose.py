"""Which runs are meant by the names in a comparison."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rollforward.errors import DataError, ExperimentNotFoundError
from rollforward.workflow import R
from rollforward.workflow.recorder import Recorder
from rollforward.workflow.reporting.find import candidates, find_reported

if TYPE_CHECKING:
    from collections.abc import Sequence

_ID = re.compile(r"[0-9a-f]{32}")


def choose(names: Sequence[str | Recorder], *, everything: bool) -> list[Recorder]:
    """Find the runs that names mean; parameters and errors are those of `compare_recorders`.

    Returns
    -------
    list
        Each run once.
    """
    found: dict[str, Recorder] = {}
    for name in names:
        for recorder in _meant(name, everything=everything or len(names) == 1):
            found.setdefault(recorder.require_id(), recorder)
    if not found:
        raise DataError(
            f"There is nothing to compare in {', '.join(map(str, names)) or 'no names'}.",
            "rolling jobs, or runs with a pred.pkl and a label.pkl.",
            "Name experiments or runs.",
        )
    return list(found.values())


def _meant(name: str | Recorder, *, everything: bool) -> list[Recorder]:
    if isinstance(name, Recorder):
        return [name]
    if _ID.fullmatch(name):
        return [R.get_recorder(recorder_id=name)]
    try:
        experiment = R.get_exp(experiment_name=name, create=False)
    except ExperimentNotFoundError:
        above, _, below = name.rpartition("/")
        if not above:
            raise
        return [R.get_recorder(recorder_name=below, experiment_name=above)]
    return list(candidates(experiment)) if everything else [find_reported(name)]
