"""Definitions on their way into a pool: text, identity and the form for queries."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from rollforward.data.identity import content_hash
from rollforward.errors import TaskError
from rollforward.workflow.task.codec import encode
from rollforward.workflow.task.forms import FormMaker, NotQuickError
from rollforward.workflow.task.store.base import WAITING, NewTask
from rollforward.workflow.task.store.plain import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_DEFINITION = 4_000_000


def new_tasks(definitions: Sequence[Mapping[str, Any]], priority: int = 0) -> list[NewTask]:
    """Prepare definitions for a store, as `new_task` does one; what they share is spelled once."""
    maker = FormMaker()
    return [_new_task(maker, definition, f"task {i}", priority) for i, definition in enumerate(definitions)]


def new_task(definition: Mapping[str, Any], priority: int = 0, name: str = "task", status: str = WAITING, /) -> NewTask:
    """Prepare a definition for a store.

    Parameters
    ----------
    definition
        Must not change before it is stored.
    priority, status
        Of the task.
    name
        What the definition is, for the message.

    Raises
    ------
    TaskError
        If it cannot be stored; names the place.
    """
    return _new_task(FormMaker(), definition, name, priority, status)


def _new_task(
    maker: FormMaker, definition: Mapping[str, Any], name: str, priority: int, status: str = WAITING
) -> NewTask:
    asked: Any
    try:
        text, canonical, asked = maker.forms(definition)
        identity = hashlib.sha256(canonical.encode()).hexdigest()
    except NotQuickError:
        text = encode(definition, name)
        identity, asked = content_hash(definition), plain(definition)
    if len(text) > MAX_DEFINITION:
        raise TaskError(
            f"{name}: the definition has {len(text):,} characters.",
            f"at most {MAX_DEFINITION:,}.",
            "Name the files that hold the data.",
        )
    return NewTask(identity, text, asked, priority, status)
