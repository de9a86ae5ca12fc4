"""How an entry lies in the tags of its run.

A state that is as it was is not written again but for what changes daily: the entry names the run that has all of it,
never one that names another in turn. So a day without a switch is a few hundred characters, whatever the strategies
are, and whoever reads one entry reads one or two runs.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rollforward.errors import LedgerError
from rollforward.workflow.online.ledger.entry import Entry, as_text, entry_of, to_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SUMMARY = "online.entry"
# Below the 8,000 characters of a tag, beyond which MLflow cuts without a word.
_CHUNK = 7900
_STATES, _NAME, _AS_OF = "states", "name_id", "as_of"
_SLOW = ("role", "definition", "switches")

Plain = dict[str, Any]


@dataclass(frozen=True)
class Stored:
    """An entry, and the JSON values that its run has of it."""

    entry: Entry
    plain: Plain


def packed(entry: Entry, before: Stored | None) -> Stored:
    """Turn an entry into what is stored.

    Parameters
    ----------
    entry
        The entry.
    before
        The one before it; ``None`` for the first.
    """
    plain: Plain = to_plain(entry)
    if before is None:
        return Stored(entry, plain)
    homes = {state[_NAME]: state.get(_AS_OF, before.entry.run_id) for state in before.plain.get(_STATES, [])}
    old = {state.name_id: _slow(to_plain(state)) for state in before.entry.states}
    states = plain.get(_STATES, [])
    for place, state in enumerate(states):
        name = state[_NAME]
        if name in homes and _slow(state) == old[name]:
            states[place] = {key: value for key, value in state.items() if key not in _SLOW} | {_AS_OF: homes[name]}
    return Stored(entry, plain)


def _slow(state: Plain) -> Plain:
    return {key: value for key, value in state.items() if key in _SLOW}


def unpacked(plain: Plain, read: Callable[[str], Plain]) -> Stored:
    """Build the entry of what is stored.

    Parameters
    ----------
    plain
        As it is stored.
    read
        Returns what is stored in the run of an id.
    """
    states = [_whole_state(state, read) for state in plain.get(_STATES, [])]
    return Stored(entry_of(plain | ({_STATES: states} if states else {})), plain)


def _whole_state(state: Plain, read: Callable[[str], Plain]) -> Plain:
    if _AS_OF not in state:
        return state
    home = state[_AS_OF]
    found = next((item for item in read(home).get(_STATES, []) if item[_NAME] == state[_NAME]), None)
    if found is None or _AS_OF in found:
        raise LedgerError(f"Run {home} does not say what the strategy {state[_NAME]!r} is.", "an entry that does.")
    return {key: value for key, value in state.items() if key != _AS_OF} | _slow(found)


def to_tags(plain: Plain) -> dict[str, str]:
    """Spread stored values over tags; the first says how many there are, and what they hash to."""
    text = as_text(plain)
    chunks = [text[first : first + _CHUNK] for first in range(0, len(text), _CHUNK)]
    digest = hashlib.sha256(text.encode("ascii")).hexdigest()
    return {SUMMARY: f"{len(chunks)} {digest}"} | {f"{SUMMARY}.{i}": chunk for i, chunk in enumerate(chunks)}


def from_tags(run_id: str, tags: Mapping[str, str]) -> Plain:
    """Read what `to_tags` wrote.

    Raises
    ------
    LedgerError
        If something is missing, or is not what was written.
    """
    count, _, digest = tags.get(SUMMARY, "").partition(" ")
    try:
        text = "".join(tags[f"{SUMMARY}.{i}"] for i in range(int(count)))
        plain: Plain = json.loads(text)
    except (KeyError, ValueError) as error:
        raise LedgerError(
            f"The entry in run {run_id} is not whole: {error!r}.", f"the tags {SUMMARY}, {SUMMARY}.0 and so on."
        ) from error
    if hashlib.sha256(text.encode()).hexdigest() != digest:
        raise LedgerError(
            f"The entry in run {run_id} was changed after it was written.",
            f"tags {SUMMARY}.* that hash to {digest}.",
            "Find out who changed them; the database's backup has what was written.",
        )
    return plain
