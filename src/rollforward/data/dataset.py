"""Datasets: a handler's data, cut into named segments of time."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from rollforward.adapters.qlib import HANDLERS, is_theirs
from rollforward.data.handler import DataHandlerABC
from rollforward.data.ranges import is_ranges, parse_all, parse_ranges
from rollforward.data.sampler import TSDataSampler
from rollforward.data.selection import (
    CS_ALL,
    CS_RAW,
    DATETIME,
    as_slice,
    covered,
    joined,
    nearest,
    select_rows,
    time_positions,
)
from rollforward.errors import DataError, EmptySegmentError, SegmentError
from rollforward.instantiate import init_instance_by_config
from rollforward.serialize import Serializable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Dataset", "DatasetH", "TSDataSampler", "TSDatasetH"]


class Dataset(Serializable):
    """What a model is trained on and predicts for.

    A stored dataset holds its configuration, not its data: attributes whose name begins with ``_`` are left out unless
    ``config(dump_all=True)`` says otherwise. ``setup_data`` loads data anew.
    """

    default_dump_all: ClassVar[bool] = False

    def __init__(self, **kwargs: Any) -> None:
        self.setup_data(**kwargs)

    def setup_data(self, **kwargs: Any) -> None:
        """Load the data; what they are to be was said to the constructor or to ``config``."""

    def prepare(self, *args: Any, **kwargs: Any) -> Any:
        """Return data for a model."""
        raise NotImplementedError(f"{type(self).__name__} does not define prepare().")


class DatasetH(Dataset):
    """A dataset over a data handler.

    Parameters
    ----------
    handler
        A handler, its configuration, or ``"file://..."``, the path of a stored one.
    segments
        Names (``train``, ``valid``, ``test``, ...) to pairs of times, both inclusive, ``None`` open; a segment with
        holes is a list of such pairs, in time order.
    fetch_kwargs
        Arguments of every ``handler.fetch``; those of ``prepare`` win.
    **kwargs
        ``handler_kwargs``: arguments of ``handler.setup_data``, called once more with them.

    Raises
    ------
    SegmentError
        If a segment is neither a pair of times nor a list of pairs, begins after its end, or its ranges overlap.
    """

    def __init__(
        self,
        handler: Any,
        segments: Mapping[str, Any],
        fetch_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        parse_all(segments)
        is_qlib = not isinstance(handler, type) and is_theirs(handler, HANDLERS)
        self.handler: Any = handler if is_qlib else init_instance_by_config(handler, accept_types=DataHandlerABC)
        if not hasattr(self.handler, "fetch"):
            raise DataError(f"{self.handler!r} is not a data handler.", "a DataHandler, or its configuration.")
        self.segments = dict(deepcopy(segments))
        self.fetch_kwargs = dict(fetch_kwargs or {})
        super().__init__(**kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(handler={self.handler!r}, segments={self.segments!r})"

    def config(
        self, recursive: bool = False, *, handler_kwargs: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """Change what the next ``setup_data`` loads and ``prepare`` returns.

        Parameters
        ----------
        recursive
            As of ``Serializable``.
        handler_kwargs
            Arguments of ``handler.config``: ``instruments``, ``start_time``, ``end_time``, ``processor_kwargs``.
        **kwargs
            ``segments``: new segments, instead of all; others as of ``Serializable`` (``dump_all``, ...).

        Raises
        ------
        SegmentError
            As of the constructor.
        """
        if "segments" in kwargs:
            segments = kwargs.pop("segments")
            parse_all(segments)
            self.segments = dict(deepcopy(segments))
        if handler_kwargs is not None:
            self.handler.config(**handler_kwargs)
        super().config(recursive, **kwargs)

    def setup_data(self, handler_kwargs: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        """Load the handler's data anew; without ``handler_kwargs``, leave them as they are.

        Parameters
        ----------
        handler_kwargs
            Arguments of ``handler.setup_data``, such as ``{"init_type": "load_state"}``.
        **kwargs
            None here; subclasses take some.
        """
        if kwargs:
            raise TypeError(f"{type(self).__name__} takes no argument {next(iter(kwargs))!r}")
        if handler_kwargs is not None:
            self.handler.setup_data(**handler_kwargs)

    def prepare(self, segments: Any, col_set: Any = CS_ALL, data_key: str = "infer", **kwargs: Any) -> Any:
        """Return the data of one segment, or a list of those of several.

        Parameters
        ----------
        segments
            The name of a segment; a list or tuple of names; a selector of ``handler.fetch`` (a slice or pair of times,
            both inclusive, or one time); or a list of pairs, whose rows come one after the other.
        col_set, data_key, **kwargs
            As of ``handler.fetch``.

        Raises
        ------
        SegmentError
            If there is no such segment.
        EmptySegmentError
            If a segment selects no row.
        ColumnError
            If there is no such column group.
        """
        fetch_kwargs = {**self.fetch_kwargs, "col_set": col_set, "data_key": data_key, **kwargs}
        if isinstance(segments, list | tuple) and any(
            isinstance(item, str) and item in self.segments for item in segments
        ):
            return [self._prepare_named(name, fetch_kwargs) for name in segments]
        if isinstance(segments, str) and (segments in self.segments or not _is_time(segments)):
            return self._prepare_named(segments, fetch_kwargs)
        return self._prepare_checked("The selected segment", segments, fetch_kwargs)

    def prepare_rows(self, segments: Any, col_set: Any = CS_ALL, data_key: str = "infer", **kwargs: Any) -> Any:
        """Do what `prepare` does, always as rows, also where a subclass prepares windows or another form.

        Parameters
        ----------
        segments, col_set, data_key, **kwargs
            As of ``prepare``.
        """
        return DatasetH(self.handler, self.segments, self.fetch_kwargs).prepare(segments, col_set, data_key, **kwargs)

    def _prepare_named(self, name: str, fetch_kwargs: dict[str, Any]) -> Any:
        if name not in self.segments:
            raise SegmentError(f"There is no segment {name!r}.", nearest(name, self.segments))
        segment = self.segments[name]
        parse_ranges(segment, f"segment {name!r}")
        title = f"The segment {name!r}"
        selector = [as_slice(part) for part in segment] if is_ranges(segment) else as_slice(segment)
        return self._prepare_checked(title, selector, fetch_kwargs)

    def _prepare_checked(self, title: str, selector: Any, fetch_kwargs: dict[str, Any]) -> Any:
        if is_ranges(selector):
            data = self._prepare_ranges([as_slice(part) for part in selector], **fetch_kwargs)
        else:
            data = self._prepare_seg(selector, **fetch_kwargs)
        if len(data):
            return data
        parts = [part for part in (selector if is_ranges(selector) else [selector]) if isinstance(part, slice)]
        bounds = ", ".join(f"{part.start} to {part.stop}" for part in parts) or repr(selector)
        data_key = fetch_kwargs["data_key"]
        times = self.handler.fetch(col_set=CS_RAW, data_key=data_key).index.get_level_values(DATETIME)
        raise EmptySegmentError(
            f"{title}, {bounds}, selects no row of the {data_key} data.",
            f"a segment inside the data; {covered(times)}.",
            "Change the segment, or start_time, end_time and source of the handler.",
        )

    def _prepare_seg(self, selector: Any, **kwargs: Any) -> Any:
        """Fetch one segment; what subclasses turn into other forms of data."""
        return self.handler.fetch(selector, **kwargs)

    def _prepare_ranges(self, ranges: list[slice], **kwargs: Any) -> Any:
        """Fetch a segment of several ranges, in time order; what subclasses turn into other forms of data."""
        return joined([self.handler.fetch(part, **kwargs) for part in ranges])

    @staticmethod
    def get_min_time(segments: Mapping[str, Any]) -> Any:
        """Return the earliest start of some segments, as it is written there; ``None`` if one is open."""
        return _extreme([_hull(segment).start for segment in segments.values()], min)

    @staticmethod
    def get_max_time(segments: Mapping[str, Any]) -> Any:
        """Return the latest end of some segments, as it is written there; ``None`` if one is open."""
        return _extreme([_hull(segment).stop for segment in segments.values()], max)


class TSDatasetH(DatasetH):
    """A dataset of time-series windows: ``prepare`` returns a ``TSDataSampler``.

    The windows of a segment's first rows reach back before its start, as far as the handler has data; in a segment of
    several ranges, into the hole before each. No window reaches beyond its own row.

    Parameters
    ----------
    step_len
        Sessions of a window.
    flt_col
        A column ``(group, name)``, or a group with one column, of zeros and ones: only rows with one are samples.
    handler, segments, fetch_kwargs, **kwargs
        As of ``DatasetH``.
    """

    DEFAULT_STEP_LEN: ClassVar[int] = 30

    def __init__(
        self,
        step_len: int = DEFAULT_STEP_LEN,
        flt_col: Any = None,
        *,
        handler: Any,
        segments: Mapping[str, Any],
        fetch_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.step_len = step_len
        self.flt_col = flt_col
        super().__init__(handler, segments, fetch_kwargs, **kwargs)

    def config(
        self, recursive: bool = False, *, handler_kwargs: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """As of ``DatasetH``; ``step_len`` and ``flt_col`` may be changed too."""
        for name in ("step_len", "flt_col"):
            if name in kwargs:
                setattr(self, name, kwargs.pop(name))
        super().config(recursive, handler_kwargs=handler_kwargs, **kwargs)

    def _prepare_seg(self, selector: Any, **kwargs: Any) -> TSDataSampler:
        """Fetch a segment and the history of its first windows.

        Takes two more arguments from ``prepare``: ``flt_col``, and ``dtype`` of the windows.
        """
        is_range = isinstance(selector, slice | tuple | list)
        return self._prepare_ranges([as_slice(selector) if is_range else slice(selector, selector)], **kwargs)

    def _prepare_ranges(self, ranges: list[slice], **kwargs: Any) -> TSDataSampler:
        """Fetch all from the history of the first range to the end of the last; only rows of the ranges are samples."""
        flt_col = kwargs.pop("flt_col", self.flt_col)
        dtype = kwargs.pop("dtype", None)
        whole = slice(ranges[0].start, ranges[-1].stop)
        data = self._fetch_with_history(whole, kwargs)
        flt_data = None if flt_col is None else self._fetch_with_history(whole, {**kwargs, "col_set": flt_col})
        if len(ranges) > 1:
            chosen = pd.DataFrame({"chosen": True}, index=data.index) if flt_data is None else flt_data
            flt_data = joined([select_rows(chosen, part) for part in ranges])
        return TSDataSampler(data, whole.start, whole.stop, self.step_len, dtype=dtype, flt_data=flt_data)

    def _fetch_with_history(self, segment: slice, fetch_kwargs: dict[str, Any]) -> pd.DataFrame:
        data: pd.DataFrame = self.handler.fetch(slice(None, segment.stop), **fetch_kwargs)
        times = data.index.get_level_values(DATETIME)
        start, _ = time_positions(times, segment.start, None)
        history = times[:start].unique()
        n_history = min(self.step_len - 1, len(history))
        first = start if n_history == 0 else int(times.searchsorted(history[-n_history]))
        return data.iloc[first:]


def _hull(segment: Any) -> slice:
    if not is_ranges(segment):
        return as_slice(segment)
    return slice(as_slice(segment[0]).start, as_slice(segment[-1]).stop)


def _is_time(text: str) -> bool:
    try:
        pd.Timestamp(text)
    except ValueError:
        return False
    return True


def _extreme(bounds: list[Any], choose: Callable[..., Any]) -> Any:
    if not bounds or any(bound is None for bound in bounds):
        return None
    return choose(bounds, key=pd.Timestamp)
