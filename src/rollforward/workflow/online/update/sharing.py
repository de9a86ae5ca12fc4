"""Loading the data of many datasets once: runs of one strategy mostly read the same rows."""

from __future__ import annotations

import hashlib
import pickle
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rollforward.data.cut import data_cut
from rollforward.data.handler import DataHandler
from rollforward.data.loader import DataLoader, select
from rollforward.workflow.online.update.loader import DATASET, RMDLoader

if TYPE_CHECKING:
    import pandas as pd

    from rollforward.data.loader import Instruments
    from rollforward.workflow.online.update.updaters import DSBasedUpdater

_TIMES = ("start_time", "end_time")


@dataclass
class _Source:
    """A loader that several handlers have, and the range that one of them needs."""

    loader: DataLoader
    instruments: Instruments
    start: pd.Timestamp
    end: pd.Timestamp
    frames: dict[Any, pd.DataFrame] = field(default_factory=dict)

    def frame(self) -> pd.DataFrame:
        cut = data_cut()
        if cut not in self.frames:
            self.frames[cut] = self.loader.load(self.instruments, self.start, self.end)
        return self.frames[cut]


class _LoadedOnce(DataLoader):
    """Stands in for a loader while a dataset is made ready."""

    def __init__(self, source: _Source) -> None:
        self._source = source

    def load(self, instruments: Instruments = None, start_time: Any = None, end_time: Any = None) -> pd.DataFrame:
        del instruments  # those of the source: handlers that have others do not share it
        return select(self._source.frame(), None, start_time, end_time)


@dataclass
class _Need:
    """What one updater needs."""

    dataset: Any
    source: str | None = None
    twin: str | None = None


class SharedData:
    """Makes the datasets of updaters ready, loading and processing what is the same only once.

    Two handlers share rows if their loaders and instruments are the same. Two datasets are one if everything but their
    times is the same, what the processors learned too, and the same sessions are wanted. Objects that are not those of
    this package share nothing.
    """

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}
        self._needs: dict[int, _Need] = {}
        self._left: dict[str, int] = {}
        self._ready: dict[str, Any] = {}

    def add(self, updater: DSBasedUpdater) -> None:
        """Load the description of an updater's dataset; all are added before the first is taken."""
        need = self._needs[id(updater)] = self._register(updater)
        if need.twin is not None:
            self._left[need.twin] = self._left.get(need.twin, 0) + 1

    def take(self, updater: DSBasedUpdater) -> Any:
        """Return the dataset of an updater, made ready; once for each."""
        need = self._needs.pop(id(updater))
        if need.twin is None:
            return self._prepared(updater, need)
        self._left[need.twin] -= 1
        dataset = self._ready.pop(need.twin, None)
        if dataset is None:
            dataset = self._prepared(updater, need)
        if self._left[need.twin]:
            self._ready[need.twin] = dataset
        return dataset

    def _register(self, updater: DSBasedUpdater) -> _Need:
        dataset = updater.record.load_object(DATASET)
        handler = getattr(dataset, "handler", None)
        # Other classes may load in ways of their own.
        if type(updater.rmdl) is not RMDLoader or not isinstance(handler, DataHandler):
            return _Need(dataset)
        first, start = updater.window(dataset)
        loader = _digest((handler.data_loader, handler.instruments))
        state = _digest(_timeless(dataset))
        if loader is None or state is None:
            return _Need(dataset)
        found = self._sources.get(loader)
        if found is None:
            self._sources[loader] = _Source(handler.data_loader, handler.instruments, first, updater.to_date)
        else:
            found.start, found.end = min(found.start, first), max(found.end, updater.to_date)
        return _Need(dataset, loader, f"{type(updater).__qualname__} {state} {first} {start} {updater.to_date}")

    def _prepared(self, updater: DSBasedUpdater, need: _Need) -> Any:
        if need.source is None:
            return updater.prepare_data(need.dataset)
        handler = need.dataset.handler
        own = handler.data_loader
        handler.data_loader = _LoadedOnce(self._sources[need.source])
        try:
            return updater.prepare_data(need.dataset)
        finally:
            handler.data_loader = own


def _timeless(dataset: Any) -> Any:
    """Copy a dataset without what `RMDLoader` sets."""
    twin = copy(dataset)
    twin.segments, twin.handler = {}, copy(dataset.handler)
    for name in _TIMES:
        setattr(twin.handler, name, None)
    return twin


def _digest(value: Any) -> str | None:
    """Hash an object by its pickle; ``None`` if it has none."""
    try:
        # Twice: how often a text is the same object leaves traces in a pickle, and those of a copy are alike.
        data = pickle.dumps(pickle.loads(pickle.dumps(value)))
    except (pickle.PicklingError, TypeError, AttributeError):
        return None
    return hashlib.sha256(data).hexdigest()
