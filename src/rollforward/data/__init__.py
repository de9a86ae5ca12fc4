"""What a model may see, and when: calendars, loaders, handlers, processors and datasets."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rollforward.data.calendar import Calendar
    from rollforward.data.dataset import Dataset, DatasetH, TSDatasetH
    from rollforward.data.handler import DataHandler, DataHandlerABC, DataHandlerLP
    from rollforward.data.loader import CallableLoader, DataLoader, FileLoader, FrameLoader
    from rollforward.data.price_handler import PriceHandler

_HOMES = {
    "Calendar": "calendar",
    "CallableLoader": "loader",
    "DataHandler": "handler",
    "DataHandlerABC": "handler",
    "DataHandlerLP": "handler",
    "DataLoader": "loader",
    "Dataset": "dataset",
    "DatasetH": "dataset",
    "FileLoader": "loader",
    "FrameLoader": "loader",
    "PriceHandler": "price_handler",
    "TSDatasetH": "dataset",
}

__all__ = [
    "Calendar",
    "CallableLoader",
    "DataHandler",
    "DataHandlerABC",
    "DataHandlerLP",
    "DataLoader",
    "Dataset",
    "DatasetH",
    "FileLoader",
    "FrameLoader",
    "PriceHandler",
    "TSDatasetH",
]


def __getattr__(name: str) -> Any:
    """Load the module behind a public name when the name is first used."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
