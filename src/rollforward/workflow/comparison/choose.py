"""Which runs are meant by the names in a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollforward.errors import DataError, ExperimentNotFoundError
from rollforward.workflow import R
from rollforward.workflow.recorder import Recorder
from rollforward.workflow.reporting.find import candidates, newest_result
from rollforward.workflow.reporting.ids import is_whole_id, may_begin_id, recorder_of

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Chosen:
    """The runs that names mean.

    Attributes
    ----------
    recorders
        Each once.
    named
        Ids of those that were named themselves, not by their experiment.
    notes
        Which runs were passed over.
    experiments
        Ids of the experiments that were named, and of those of the recorders.
    """

    recorders: list[Recorder]
    named: frozenset[str]
    notes: list[str]
    experiments: frozenset[str] = frozenset()


def choose(names: Sequence[str | Recorder], *, everything: bool) -> Chosen:
    """Find the runs that names mean; parameters and errors are those of `compare_recorders`."""
    found: dict[str, Recorder] = {}
    named: set[str] = set()
    notes: list[str] = []
    experiments: set[str] = set()
    for name in names:
        one = _named(name)
        if one is not None:
            named.add(one.require_id())
            found.setdefault(one.require_id(), one)
        elif everything or len(names) == 1:
            experiment = R.get_exp(experiment_name=str(name), create=False)
            experiments.add(str(experiment.id))
            found |= {one.require_id(): one for one in candidates(experiment) if one.require_id() not in found}
        else:
            newest = newest_result(str(name))
            notes += newest.notes
            found.setdefault(newest.recorder.require_id(), newest.recorder)
    if not found:
        raise nothing(names)
    experiments |= {str(one.experiment_id) for one in found.values()}
    return Chosen(list(found.values()), frozenset(named), notes, frozenset(experiments))


def nothing(names: Sequence[str | Recorder]) -> DataError:
    """Return the error for names that mean no result."""
    return DataError(
        f"There is nothing to compare in {', '.join(map(str, names)) or 'no names'}.",
        "rolling jobs, or runs with a pred.pkl and a label.pkl.",
        "Name experiments or runs.",
    )


def _named(name: str | Recorder) -> Recorder | None:
    """Find a run that is named itself; ``None`` for the name of an experiment."""
    if isinstance(name, Recorder):
        return name
    if is_whole_id(name):
        return R.get_recorder(recorder_id=name)
    try:
        R.get_exp(experiment_name=name, create=False)
    except ExperimentNotFoundError:
        if may_begin_id(name):
            return recorder_of(name)
        above, _, below = name.rpartition("/")
        if not above:
            raise
        return R.get_recorder(recorder_name=below, experiment_name=above)
    return None
