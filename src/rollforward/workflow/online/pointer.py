"""The online set of an experiment: one tag of the experiment, so that it changes in one write.

Its value is a JSON list of recorder ids (``experiment/id`` for a recorder of another experiment). A list that is too
long for a tag lies in an artifact of its first recorder, and the tag says where.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from rollforward.errors import OnlineError
from rollforward.workflow.trainer.reuse import FoundRun, read_recorders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollforward.workflow.exp import Experiment
    from rollforward.workflow.recorder import Recorder

ONLINE_SET = "online.set"
# The ledger that decides what is online in an experiment, so that no simulation and no other ledger does.
ONLINE_BY = "online.by"

# What an experiment's tag may hold in every version of MLflow.
_MAX_TAG = 5000
_RECORDER, _ARTIFACT = "recorder", "artifact"


def write_set(experiment: Experiment, recorders: Sequence[Recorder]) -> None:
    """Say which recorders are online in an experiment: at once, and in place of those that were."""
    addresses = [_address(recorder, experiment) for recorder in recorders]
    text = json.dumps(addresses, separators=(",", ":"))
    if len(text) > _MAX_TAG:
        name = f"online_set/{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
        recorders[0].save_objects(**{name: addresses})
        text = json.dumps({_RECORDER: addresses[0], _ARTIFACT: name}, separators=(",", ":"))
    experiment.set_tags(**{ONLINE_SET: text})


def read_set(experiment: Experiment) -> list[FoundRun] | None:
    """Read where the recorders are that are online in an experiment; ``None`` if nobody ever said.

    Raises
    ------
    OnlineError
        If the tag is not what `write_set` writes.
    """
    text = experiment.tags.get(ONLINE_SET)
    if text is None:
        return None
    try:
        value = json.loads(text)
        if isinstance(value, dict):
            holder = _place(value[_RECORDER], experiment)
            value = read_recorders([holder])[holder.id].load_object(value[_ARTIFACT])
        return [_place(address, experiment) for address in value]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OnlineError(
            f"The tag {ONLINE_SET} of experiment {experiment.name!r} is {text[:200]!r}: {error!r}.",
            "a JSON list of recorder ids.",
            "Put the models online again: OnlineToolR(experiment).reset_online_tag(recorders).",
        ) from error


def recorders_of(experiment: Experiment, places: Sequence[FoundRun]) -> list[Recorder]:
    """Read the recorders of a set, newest first within an experiment.

    Raises
    ------
    OnlineError
        If one of them is gone: what is left is not the set that was put online.
    """
    found = read_recorders(places)
    gone = [place.id for place in places if place.id not in found]
    if gone:
        raise OnlineError(
            f"{len(gone)} of the {len(places)} models online in experiment {experiment.name!r} are gone: "
            f"{', '.join(gone)}.",
            "recorders that are not deleted.",
            "Restore them (experiment.restore_recorder(id)), or put others online with reset_online_tag.",
        )
    return list(found.values())


def _address(recorder: Recorder, experiment: Experiment) -> str:
    run_id = recorder.require_id()
    return run_id if is_own(recorder, experiment) else f"{recorder.experiment_id}/{run_id}"


def is_own(recorder: Recorder, experiment: Experiment) -> bool:
    """Tell whether a recorder is of an experiment."""
    return str(recorder.experiment_id) == str(experiment.id)


def _place(address: Any, experiment: Experiment) -> FoundRun:
    owner, _, run_id = address.rpartition("/")
    return FoundRun(run_id, owner or experiment.id)
