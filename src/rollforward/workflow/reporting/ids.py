"""Runs by their ids, whole or the beginning of one, as tables print it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rollforward.errors import RecorderNotFoundError
from rollforward.workflow import R

if TYPE_CHECKING:
    from rollforward.workflow.recorder import Recorder

_WHOLE = re.compile(r"[0-9a-f]{32}")
_BEGINNING = re.compile(r"[0-9a-f]{6,31}")
_SHOWN = 5


def is_whole_id(text: str) -> bool:
    """Tell whether a text is a run's id."""
    return _WHOLE.fullmatch(text) is not None


def may_begin_id(text: str) -> bool:
    """Tell whether a text may be the beginning of a run's id: 6 hexadecimal digits or more."""
    return _BEGINNING.fullmatch(text) is not None


def recorder_of(text: str, experiment_name: str | None = None) -> Recorder:
    """Find a run by its id, or by the beginning of it.

    Parameters
    ----------
    text
        The id, or 6 or more of its first digits.
    experiment_name
        Where to look; ``None`` is every experiment.

    Raises
    ------
    ExperimentNotFoundError
        If there is no such experiment.
    RecorderNotFoundError
        If there is no such run, or several whose ids begin so.
    """
    whole = _whole_id(text, experiment_name) if may_begin_id(text) else text
    return R.get_recorder(recorder_id=whole, experiment_name=experiment_name)


def _whole_id(beginning: str, experiment_name: str | None) -> str:
    if experiment_name is None:
        places = {experiment.id: name for name, experiment in R.list_experiments().items()}
    else:
        places = {R.get_exp(experiment_name=experiment_name, create=False).id: experiment_name}
    where = f"in {experiment_name!r}" if experiment_name else "in any experiment"
    filter_string = f"attributes.run_id LIKE '{beginning}%'"
    # MLflow answers a search in no experiment with an error.
    ids = list(R.search_records(list(places), filter_string=filter_string).get("run_id", ())) if places else []
    if len(ids) == 1:
        return str(ids[0])
    if not ids:
        raise RecorderNotFoundError(
            f"No run {where} has an id that begins with {beginning!r}.", "the id of a run that is not deleted."
        )
    shown = ", ".join(map(str, ids[:_SHOWN]))
    raise RecorderNotFoundError(f"{len(ids)} runs {where} have ids that begin with {beginning!r}: {shown}.", "one run.")
