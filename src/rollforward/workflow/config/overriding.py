"""``--set task.model.kwargs.alpha=0.1``: single values over those of the files."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

import yaml

from rollforward.instantiate import deepcopy_basic_type
from rollforward.instantiate.structure import DROP
from rollforward.settings.nearest import did_you_mean
from rollforward.workflow.config.files import BASE
from rollforward.workflow.config.problems import KeyPath, Place, Places, Problem, parse_path, spell_path, step
from rollforward.workflow.config.scalars import parse_value

if TYPE_CHECKING:
    from collections.abc import Sequence

OPTION = "--set"
# An equals sign inside a key has a backslash before it.
_ASSIGNMENT = re.compile(r"(?P<path>(?:\\.|[^=\\])+)=(?P<value>.*)", re.DOTALL)


class _BadAssignmentError(Exception):
    """Carries a problem up to where the next assignment goes on."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def override(content: Any, places: Places, assignments: Sequence[str]) -> tuple[Any, Places, list[Problem]]:
    r"""Change single values.

    Parameters
    ----------
    content, places
        A file; both stay as they are.
    assignments
        ``path=value`` each, in order. Between the keys of a path are dots, ``\.`` is a dot inside a key, and numbers
        are positions in lists. The value is read as YAML; ``__DROP__`` removes the key or the item.

    Returns
    -------
    content, places, problems
        Changed copies, and what could not be done.
    """
    changed, where = deepcopy_basic_type(content), dict(places)
    problems = []
    for assignment in assignments:
        try:
            _assign(changed, where, assignment)
        except _BadAssignmentError as error:
            problems.append(error.problem)
    return changed, where, problems


def _assign(content: Any, places: Places, assignment: str) -> None:
    match = _ASSIGNMENT.fullmatch(assignment)
    if match is None:
        _refuse((), f"{assignment!r} is no assignment.", "path=value, such as task.model.kwargs.alpha=0.1.")
        return
    parts = parse_path(match["path"])
    if parts[0] == BASE:
        _refuse(
            parts, "the bases are read before it.", "a value over those of the files.", f"Change {BASE} in the file."
        )
    value = _value(match["value"], parts)
    owner, path = _walk(content, parts[:-1])
    key = _key(owner, path, parts[-1], is_dropped=value == DROP)
    here = (*path, key)
    if value == DROP:
        del owner[key]
    else:
        owner[key] = value
    # What was below is gone; of a list from which an item was taken, the lines of the others.
    gone = path if value == DROP and isinstance(owner, list) else here
    for known in [known for known in places if known[: len(gone)] == gone and len(known) > len(gone)]:
        del places[known]
    places[here if value != DROP else path] = Place(OPTION)


def _walk(content: Any, parts: Sequence[str]) -> tuple[Any, KeyPath]:
    node = content
    path: KeyPath = ()
    for part in parts:
        found = step(node, part)
        if found is None:
            _refuse_missing(node, path, part)
        else:
            path, node = (*path, found[0]), found[1]
    return node, path


def _key(owner: Any, path: KeyPath, part: str, *, is_dropped: bool) -> Any:
    """Return the key or position to assign to; a mapping may get a new key, a list no new item."""
    found = step(owner, part)
    if found is not None:
        return found[0]
    if not isinstance(owner, dict) or is_dropped or not part:
        _refuse_missing(owner, path, part)
    return part


def _refuse_missing(node: Any, path: KeyPath, part: str) -> None:
    inside = f"{spell_path(path)!r}" if path else "the file"
    if isinstance(node, dict):
        known = [str(key) for key in node]
        value = f"--set '{spell_path((*path, part))}={{...}}'"
        remedy = did_you_mean(part, known, otherwise=f"Create it as a whole: {value}.")
        _refuse((*path, part), f"there is no {part!r} in {inside}.", f"one of {', '.join(known) or 'nothing'}.", remedy)
    elif isinstance(node, list):
        whole = f"To add items, give the whole list: --set '{spell_path(path)}=[...]'."
        _refuse((*path, part), f"{inside} has {len(node)} items.", f"a position from 0 to {len(node) - 1}.", whole)
    else:
        whole = f"Give it as a whole: --set '{spell_path(path)}={{{part}: ...}}'."
        _refuse((*path, part), f"{inside} is {node!r} and has nothing inside.", "a mapping or a list.", whole)


def _value(text: str, path: KeyPath) -> Any:
    try:
        return copy.deepcopy(parse_value(text))
    except (yaml.YAMLError, ValueError) as error:
        _refuse(
            path, f"{text!r} is no value: {str(error).splitlines()[0]}.", "a value as in YAML.", "Correct the value."
        )
        raise


def _refuse(path: KeyPath, given: str, expected: str, remedy: str = "Correct the option.") -> None:
    raise _BadAssignmentError(Problem(Place(OPTION), path, given, expected, remedy))
