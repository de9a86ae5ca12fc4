"""Building a task's data handler once and sharing it as a file."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rollforward.data.cut import data_cut
from rollforward.data.horizon import LOOKAHEAD, label_lookahead
from rollforward.data.identity import content_hash, data_fingerprint
from rollforward.instantiate import deepcopy_basic_type, init_instance_by_config, resolve_placeholders

logger = logging.getLogger(__name__)

_N_DIGITS = 16


def replace_task_handler_with_cache(task: Mapping[str, Any], cache_dir: str | Path = ".") -> dict[str, Any]:
    """Make the same task with its handler read from a file, which is built if it is not there.

    Parameters
    ----------
    task
        Stays as it is. A handler that is no configuration is left alone. Placeholders in it are resolved, so that the
        file is that of this task: its windows do not follow the folds that are made of the result.
    cache_dir
        Where the files are. Their names hold a hash of the handler's configuration and of the content of the data files
        that it names, so that a file is never used for other data; old files are not deleted.

    Returns
    -------
    dict
        A copy, with ``label_lookahead`` if that is known: a file does not tell how far its label looks ahead.

    Raises
    ------
    TaskError
        If the configuration holds an object whose content cannot be hashed.
    InstantiationError
        If a placeholder in it leads nowhere.
    """
    copied: dict[str, Any] = deepcopy_basic_type(task)
    dataset = copied.get("dataset")
    kwargs = dataset.get("kwargs", {}) if isinstance(dataset, Mapping) else {}
    # A file holds all data: not to be built, nor read, where later rows do not exist.
    if isinstance(kwargs.get("handler"), Mapping) and data_cut() is None:
        handler = resolve_placeholders(task)["dataset"]["kwargs"]["handler"]
        path = _path(handler, Path(cache_dir).resolve())
        if not path.exists():
            _build(handler, path)
        lookahead = label_lookahead(task)
        kwargs["handler"] = f"file://{path}"
        if lookahead is not None:
            copied[LOOKAHEAD] = lookahead
    return copied


def _path(handler: Mapping[str, Any], folder: Path) -> Path:
    named = handler.get("class", handler.get("func"))
    name = str(getattr(named, "__name__", named)).rpartition(".")[2]
    key = content_hash([dict(handler), data_fingerprint(handler)])
    return folder / f"{name}.{key[:_N_DIGITS]}.pkl"


def _build(handler: Mapping[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        init_instance_by_config(handler).to_pickle(draft, dump_all=True)
        os.replace(draft, path)  # noqa: PTH105  the atomic step: a reader sees the whole file or none
    finally:
        draft.unlink(missing_ok=True)
    logger.info("The handler was built and stored in %s.", path)
