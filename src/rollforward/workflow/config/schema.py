"""What a workflow file may hold, as a JSON Schema: for editors, and for our own check."""

from __future__ import annotations

from typing import Any

from rollforward.instantiate.structure import DROP
from rollforward.settings.keys import KEYS

_PATHS = {"type": ["string", "array"], "items": {"type": "string"}}
_ARGUMENTS = {"type": ["object", "null"]}
_OBJECT = {
    "type": ["object", "string"],
    "description": "An object: its class, where that is, and its arguments; or its dotted name.",
    "properties": {
        "class": {"type": "string"},
        "func": {"type": "string"},
        "module_path": {"type": "string", "description": "A dotted name, or the path of a .py file."},
        "kwargs": _ARGUMENTS,
    },
    "additionalProperties": False,
}
_SESSIONS = {"type": ["integer", "null"], "minimum": 1}
_LAG = {"type": ["integer", "string", "null"], "minimum": 0, "words": ["auto"]}
# A record's name is looked up among the records.
_RECORD = {**_OBJECT, "type": ["object", "string"]}

ROLLING: dict[str, Any] = {
    "type": ["object", "null"],
    "description": "Roll the task over time; without this section it is trained once.",
    "properties": {
        "step": {
            "type": ["integer", "string", "array"],
            "minimum": 1,
            "description": "Sessions, a frequency such as QE, or the first dates of the test segments.",
        },
        "rtype": {"type": "string", "words": ["expanding", "sliding"]},
        "type": {"type": "string", "words": ["expanding", "sliding"], "description": "The same as rtype."},
        "purge": _LAG,
        "gap": {"type": "integer", "minimum": 0},
        "trunc_days": _LAG,
        "max_train": _SESSIONS,
        "last": {"type": "string", "words": ["whole", "clip", "open"]},
        "refit": _SESSIONS,
        "handler_window": {"type": "string", "words": ["follow", "qlib"]},
        "name": {"type": "string", "description": "Of the job's run."},
    },
    "additionalProperties": False,
}

TASK: dict[str, Any] = {
    "type": "object",
    "description": "What is trained, on what, and what is recorded of it.",
    "properties": {
        "model": _OBJECT,
        "dataset": _OBJECT,
        "record": {"type": ["array", "object", "string", "null"], "items": _RECORD},
        "reweighter": {**_OBJECT, "type": ["object", "string", "null"]},
        "refit": {"type": "boolean"},
        "refit_from": {},
        "fold": {},
        "scheme": {"type": ["object", "null"]},
        "label_lookahead": {"type": ["integer", "null"], "minimum": 0},
    },
    "required": ["model", "dataset"],
}

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Workflow file of rollforward",
    "type": "object",
    "properties": {
        "BASE_CONFIG_PATH": {"type": ["string", "null"], "description": "The file that this one is laid over."},
        "experiment_name": {"type": ["string", "null"], "description": "Where the runs go; the command line wins."},
        "init": {
            "type": ["object", "null"],
            "description": "Arguments of rollforward.init.",
            "properties": {key: {} for key in KEYS},
            "additionalProperties": False,
        },
        "qlib_init": {"type": ["object", "null"], "description": "Qlib's section; its data keys are for pyqlib."},
        "sys": {
            "type": ["object", "null"],
            "description": "Folders to import from.",
            "properties": {"path": _PATHS, "rel_path": {**_PATHS, "description": "From the folder of the file."}},
            "additionalProperties": False,
        },
        "task": TASK,
        "rolling": ROLLING,
    },
    "required": ["task"],
}


def published() -> dict[str, Any]:
    """Return the schema in standard words only: alternatives of words become ``enum``, where nothing else is text."""
    standard: dict[str, Any] = _standard(SCHEMA)
    # A file that has a base may leave everything to it.
    standard.pop("required")
    standard["anyOf"] = [{"required": ["task"]}, {"required": ["BASE_CONFIG_PATH"]}]
    standard["properties"]["task"].pop("required")
    return standard


def _standard(part: Any) -> Any:
    if isinstance(part, list):
        return [_standard(item) for item in part]
    if not isinstance(part, dict):
        return part
    if part is _ARGUMENTS:
        # A file over a base may remove the base's.
        return {"anyOf": [_ARGUMENTS, {"const": DROP}]}
    if not isinstance(part.get("words"), list):
        return {key: _standard(value) for key, value in part.items()}
    kept = {key: _standard(value) for key, value in part.items() if key not in ("words", "type")}
    others = [kind for kind in _kinds(part) if kind != "string"]
    words = {"enum": part["words"]}
    if not others:
        return {**{key: value for key, value in kept.items() if key != "minimum"}, **words}
    return {"anyOf": [words, {"type": others, **kept}]}


def _kinds(part: dict[str, Any]) -> list[str]:
    kinds = part["type"]
    return [kinds] if isinstance(kinds, str) else kinds
