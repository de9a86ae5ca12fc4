"""Check a document against `schema`, and say each mistake in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollforward.settings.nearest import did_you_mean
from rollforward.workflow.config.problems import KeyPath, Place, Places, Problem, place_of
from rollforward.workflow.config.schema import SCHEMA

_ANCHOR_ONLY = "A section that only holds an anchor may have any other name."
_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}


def violations(content: Any, places: Places, referenced: frozenset[Any], file: Place) -> Iterator[Problem]:
    """Yield what a document has that the schema does not.

    Parameters
    ----------
    content, places, referenced
        The document; see `files.Merged`.
    file
        The place if a mistake has no line.
    """
    if not isinstance(content, Mapping):
        yield _no_task(content, file)
        return
    if content.get("task") is None and not any(did_you_mean(key, ["task"]) for key in content if key != "task"):
        yield _no_task(content, file)
    if _is_online(content):
        return
    for key in content:
        if key in SCHEMA["properties"] or key in referenced:
            continue
        # Qlib's files keep anchors under names of their own, such as market and data_handler_config.
        hint = did_you_mean(key, SCHEMA["properties"])
        if hint:
            known = ", ".join(SCHEMA["properties"])
            place = place_of(places, (key,), file)
            yield Problem(place, (key,), f"there is no section {key!r}.", f"one of {known}.", f"{hint} {_ANCHOR_ONLY}")
    for key, part in SCHEMA["properties"].items():
        if key in content and not (key == "task" and content[key] is None):
            yield from _check(content[key], (key,), part, places, file)


def rolling_violations(options: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield what options of a rolling job have that the schema does not."""
    return _check(options, ("rolling",), SCHEMA["properties"]["rolling"], {}, place)


def _no_task(content: Any, file: Place) -> Problem:
    if isinstance(content, Mapping) and _is_online(content):
        return Problem(
            file, (), "there is no section 'task'.", "a workflow file.", "This file is for `rollforward online`."
        )
    known = ", ".join(SCHEMA["properties"])
    if content is not None and not isinstance(content, Mapping):
        kind = "list" if isinstance(content, list) else "single value"
        return Problem(file, (), f"the file is a {kind}.", f"a mapping with sections {known}.", "Add the task.")
    return Problem(file, (), "there is no section 'task'.", f"sections {known}.", "Add the task.")


def _is_online(content: Mapping[Any, Any]) -> bool:
    return "task" not in content and "strategies" in content


def _check(value: Any, path: KeyPath, part: Mapping[str, Any], places: Places, file: Place) -> Iterator[Problem]:
    place = place_of(places, path, file)
    kinds = part.get("type")
    if kinds is not None:
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if not any(_is_kind(value, kind) for kind in kinds) or _is_other_word(value, part):
            yield Problem(place, path, f"it is {value!r}.", f"{_spell(kinds, part)}.", _remedy(value, part))
            return
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield from _check(item, (*path, i), part.get("items", {}), places, file)
    elif isinstance(value, Mapping):
        yield from _check_keys(value, path, part, places, file)
    elif _is_kind(value, "integer") and value < part.get("minimum", value):
        yield Problem(place, path, f"it is {value!r}.", f"at least {part['minimum']}.", "Correct the number.")


def _check_keys(
    value: Mapping[Any, Any], path: KeyPath, part: Mapping[str, Any], places: Places, file: Place
) -> Iterator[Problem]:
    known = part.get("properties", {})
    for key in value:
        here = (*path, key)
        if key in known:
            yield from _check(value[key], here, known[key], places, file)
            continue
        hint = did_you_mean(key, known) if known else ""
        is_closed = part.get("additionalProperties") is False
        if hint or is_closed:
            expected = f"one of {', '.join(known)}{'' if is_closed else ', or any other word'}."
            yield Problem(
                place_of(places, here, file), here, f"there is no key {key!r} here.", expected, hint or "Remove it."
            )
    for key in part.get("required", ()):
        # One that is misspelt has been named above.
        if value.get(key) is None and not any(other not in known and did_you_mean(other, [key]) for other in value):
            place = place_of(places, path, file)
            yield Problem(place, path, f"there is no {key!r}.", f"keys {', '.join(known)}.", f"Add {key!r}.")


def _is_other_word(value: Any, part: Mapping[str, Any]) -> bool:
    return isinstance(value, str) and "words" in part and value not in part["words"]


def _is_kind(value: Any, kind: str) -> bool:
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    types = {"object": Mapping, "array": list, "string": str, "boolean": bool, "null": type(None)}
    return isinstance(value, types[kind])


def _spell(kinds: list[str], part: Mapping[str, Any]) -> str:
    spelt = [" or ".join(part["words"]) if kind == "string" and "words" in part else _WORDS[kind] for kind in kinds]
    return " or ".join(spelt)


def _remedy(value: Any, part: Mapping[str, Any]) -> str:
    return did_you_mean(value, part.get("words", ()), otherwise="Correct the value.")
