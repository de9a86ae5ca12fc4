"""How many sessions before the first new one a dataset loads, so that its new rows are as they would always be."""

from __future__ import annotations

from typing import Any

from rollforward.adapters.qlib import HANDLERS, PROCESSORS
from rollforward.data.handler import DataHandler, DataHandlerLP
from rollforward.data.processor.base import PROCESSOR_MODULE, Processor

_BASES = (DataHandlerLP, DataHandler)
_MADE_HERE = ("setup_data", "process_data", "fetch", "_frame")


def warm_up(dataset: Any) -> int | None:
    """Count the sessions of history that the new rows of a dataset depend on.

    It is the length of a window less one (``step_len`` of a ``TSDatasetH``), and what the processors look back. Those
    of this package, and of Qlib's module of them, look at one session only. A processor of your own says how far it
    looks by an attribute ``lookback``, a number of sessions, and so does a handler that processes in its own way.

    Parameters
    ----------
    dataset
        As it was stored.

    Returns
    -------
    int or None
        ``None`` if somebody does not say: then only all the history of the training is surely enough.
    """
    handler = getattr(dataset, "handler", None)
    parts = [_of_handler(handler), *(_of_processor(one) for one in _processors(handler))]
    if None in parts:
        return None
    return max(0, int(getattr(dataset, "step_len", 1)) - 1) + sum(part for part in parts if part is not None)


def silent_parts(dataset: Any) -> list[str]:
    """Name what does not say how far it looks back."""
    handler = getattr(dataset, "handler", None)
    named = [handler] if _of_handler(handler) is None else []
    named += [one for one in _processors(handler) if _of_processor(one) is None]
    return [type(one).__name__ for one in named]


def _processors(handler: Any) -> list[Any]:
    # What the learn processors make is not predicted from.
    return [*getattr(handler, "shared_processors", ()), *getattr(handler, "infer_processors", ())]


def _of_handler(handler: Any) -> int | None:
    said: int | None = getattr(handler, "lookback", None)
    if said is not None or handler is None:
        return said or 0
    base = next((one for one in type(handler).__mro__ if one in _BASES or one.__module__ == HANDLERS), None)
    if base is None or getattr(getattr(handler, "data_loader", None), "inst_processors", None):
        return None
    is_ours = all(getattr(type(handler), name, None) is getattr(base, name, None) for name in _MADE_HERE)
    return 0 if is_ours else None


def _of_processor(processor: Processor) -> int | None:
    said: int | None = getattr(processor, "lookback", None)
    module = type(processor).__module__
    if said is None and (module.startswith(f"{PROCESSOR_MODULE}.") or module == PROCESSORS):
        return 0
    return said
