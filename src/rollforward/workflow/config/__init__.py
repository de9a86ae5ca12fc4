"""Workflow files: templates, bases, overrides, and every mistake with its file, line and key.

A file passes through these steps: it is rendered (`render`), parsed (`parsing`), laid over its base (`files`),
overridden (`overriding`), checked as a document (`validating`, with `schema`) and as a task (`inspecting`), and taken
apart into what the program needs (`loading`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rollforward.workflow.config.keeping import artifacts, tags
    from rollforward.workflow.config.loading import Workflow, load_workflow
    from rollforward.workflow.config.problems import Place, Problem, locate_error, parse_path, refuse, spell_path
    from rollforward.workflow.config.rolling_option import parse_rolling
    from rollforward.workflow.config.scalars import dump_yaml, parse_value
    from rollforward.workflow.config.schema import SCHEMA
    from rollforward.workflow.config.search_path import on_search_path
    from rollforward.workflow.config.seeding import seed_assignments, seed_generators

__all__ = [
    "SCHEMA",
    "Place",
    "Problem",
    "Workflow",
    "artifacts",
    "dump_yaml",
    "load_workflow",
    "locate_error",
    "on_search_path",
    "parse_path",
    "parse_rolling",
    "parse_value",
    "refuse",
    "seed_assignments",
    "seed_generators",
    "spell_path",
    "tags",
]

_HOMES = {
    "SCHEMA": "schema",
    "Place": "problems",
    "Problem": "problems",
    "Workflow": "loading",
    "artifacts": "keeping",
    "dump_yaml": "scalars",
    "load_workflow": "loading",
    "locate_error": "problems",
    "on_search_path": "search_path",
    "parse_path": "problems",
    "parse_rolling": "rolling_option",
    "parse_value": "scalars",
    "refuse": "problems",
    "seed_assignments": "seeding",
    "seed_generators": "seeding",
    "spell_path": "problems",
    "tags": "keeping",
}


def __getattr__(name: str) -> Any:
    """Load the module behind a public name when the name is first used."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
