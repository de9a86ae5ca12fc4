"""Where data come from: loaders that give rows ``(datetime, instrument)``, sorted, with number columns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from rollforward.adapters.qlib import LOADERS, PREFIX, features, is_address, is_theirs
from rollforward.data.cache import BoundedCache
from rollforward.data.cut import cut_rows, until_cut
from rollforward.data.files import BUNDLED_PREFIX, FILE_SUFFIXES, names_a_file, read_file, resolve_source
from rollforward.data.frames import Layout, to_long
from rollforward.data.selection import INSTRUMENT, covered, nearest, time_positions
from rollforward.errors import ColumnError, DataError, EmptySegmentError
from rollforward.instantiate import init_instance_by_config

__all__ = [
    "BUNDLED_PREFIX",
    "FILE_SUFFIXES",
    "CallableLoader",
    "DataLoader",
    "FileLoader",
    "FrameLoader",
    "Instruments",
    "StaticDataLoader",
    "as_instruments",
    "as_loader",
    "check_instruments",
    "resolve_source",
    "select",
]

# A mapping is a market of Qlib's with filters, which only Qlib's own data take.
Instruments = str | Sequence[str] | Mapping[str, Any] | None

_FILES: BoundedCache[pd.DataFrame] = BoundedCache(8)


class DataLoader(ABC):
    """Gives data for instruments and a range of time.

    Attributes
    ----------
    honours_cut
        Whether nothing that it returns depends on rows after ``rollforward.data.cut.data_cut()``. A loader of your own
        does if it reads through loaders of this package, or looks at ``data_cut()`` itself; then say so.
    """

    honours_cut: ClassVar[bool] = False

    @abstractmethod
    def load(self, instruments: Instruments = None, start_time: Any = None, end_time: Any = None) -> pd.DataFrame:
        """Load data.

        Parameters
        ----------
        instruments
            Names; ``None`` or ``"all"`` for every instrument of the source.
        start_time, end_time
            Both inclusive; ``None`` is open.

        Returns
        -------
            Rows ``(datetime, instrument)``, sorted; the columns are fields, or ``(group, name)``. The caller may change
            it.
        """

    def identity(self) -> Hashable | None:
        """Return a value that changes when the content of the source does; ``None`` if that cannot be known."""
        return None

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _TableLoader(DataLoader):
    """A loader whose source is one table."""

    honours_cut: ClassVar[bool] = True

    @abstractmethod
    def _table(self) -> pd.DataFrame:
        """Return the whole table in its final form; it is not changed."""

    @abstractmethod
    def _origin(self) -> str:
        """Name the source, for the text of errors."""

    def load(self, instruments: Instruments = None, start_time: Any = None, end_time: Any = None) -> pd.DataFrame:
        """Load the rows of some instruments, from ``start_time`` to ``end_time``, both inclusive.

        Raises
        ------
        DataError
            If an instrument is not in the source.
        EmptySegmentError
            If there is no row in the range.
        """
        return select(self._table(), instruments, start_time, end_time, self._origin())


class FileLoader(_TableLoader):
    """Read a CSV (``.csv``, ``.csv.gz``) or Parquet file, wide or long.

    What was read is kept in the process, for the last eight files, until the file's size or time of change differs.

    Parameters
    ----------
    path
        The file, or ``"bundled:sp500_close"``. A relative path starts at the working directory.
    layout
        ``"wide"`` (dates x instruments), ``"long"`` (columns datetime, instrument and fields) or ``"auto"``.
    columns
        Names to change: the name in the file to the name here. Of a long file, the columns of the time and of the
        instrument are found if called datetime, date, time or timestamp, and instrument, symbol, ticker or asset.
    field
        Name given to the values of a wide file.
    fields
        The columns to keep, by their names here; ``None`` keeps all.

    Raises
    ------
    DataSourceError
        At ``load``: the file is missing or cannot be read.
    ColumnError
        At ``load``: a column is missing.
    DataError
        At ``load``: duplicate rows, mixed time zones, a value that is no number, an unknown instrument.
    """

    def __init__(
        self,
        path: str | Path,
        layout: str = "auto",
        columns: Mapping[str, str] | None = None,
        field: str = "close",
        fields: Sequence[str] | None = None,
    ) -> None:
        self.path = str(path)
        self.layout = layout
        self.columns = dict(columns or {})
        self.field = field
        self.fields = None if fields is None else list(fields)
        self._layout()

    def __repr__(self) -> str:
        return f"FileLoader({self.path!r})"

    def _layout(self) -> Layout:
        return Layout(self.layout, tuple(sorted(self.columns.items())), self.field)

    def _origin(self) -> str:
        return f"The file {self.path}"

    def identity(self) -> Hashable:
        """Return the file's absolute path, time of change and size, and how it is read."""
        path = resolve_source(self.path)
        state = path.stat()
        fields = None if self.fields is None else tuple(self.fields)
        return (str(path), state.st_mtime_ns, state.st_size, self._layout(), fields)

    def _table(self) -> pd.DataFrame:
        return _FILES.get_or_build(self.identity(), self._read)

    def _read(self) -> pd.DataFrame:
        frame = to_long(read_file(resolve_source(self.path), self.columns), self._layout(), self._origin())
        if self.fields is None:
            return frame
        for name in self.fields:
            if name not in frame.columns:
                raise ColumnError(f"{self._origin()} has no column {name!r}.", nearest(name, frame.columns))
        return frame[self.fields]


class FrameLoader(_TableLoader):
    """Give data from a DataFrame: wide, long, or already indexed ``(datetime, instrument)``.

    Parameters
    ----------
    frame
        The data, copied; or a mapping of column groups (``"feature"``, ``"label"``) to such frames, joined by their
        rows.
    layout, columns, field
        As of ``FileLoader``.

    Raises
    ------
    DataError
        At once, if the frame is not as described there.
    """

    def __init__(
        self,
        frame: pd.DataFrame | Mapping[str, pd.DataFrame],
        layout: str = "auto",
        columns: Mapping[str, str] | None = None,
        field: str = "close",
    ) -> None:
        how = Layout(layout, tuple(sorted((columns or {}).items())), field)
        if isinstance(frame, pd.DataFrame):
            self.frame = to_long(frame, how, self._origin())
            # An indexed frame shares memory with the caller's, who may go on changing it.
            self.frame = self.frame.copy()
        else:
            groups = {name: to_long(part, how, f"The DataFrame of {name!r}") for name, part in frame.items()}
            self.frame = pd.concat(groups, axis=1).sort_index()

    def _origin(self) -> str:
        return "The DataFrame"

    def _table(self) -> pd.DataFrame:
        return self.frame

    def identity(self) -> Hashable:
        """Return a hash of rows, columns and values."""
        hashes = pd.util.hash_pandas_object(self.frame).to_numpy()
        return ("frame", tuple(map(str, self.frame.columns)), hashes.tobytes())


StaticDataLoader = FrameLoader


class CallableLoader(DataLoader):
    """Give what a function returns, for any source there is no loader for.

    Parameters
    ----------
    function
        Called as ``function(instruments, start_time, end_time)`` with what ``load`` was given; returns a frame in any
        layout. It may return more than was asked for. Must be importable if the handler is to be pickled.
    layout, columns, field
        As of ``FileLoader``.
    version
        Names the state of what the function reads, such as the day of a download: as long as it stays the same, the
        data are taken to be the same, and a rolling job reuses what was trained on them. ``None``: what the function
        returns is not known before it is called, and nothing is reused.
    """

    def __init__(
        self,
        function: Callable[[Instruments, Any, Any], pd.DataFrame],
        layout: str = "auto",
        columns: Mapping[str, str] | None = None,
        field: str = "close",
        version: str | None = None,
    ) -> None:
        self.function = function
        self.layout = Layout(layout, tuple(sorted((columns or {}).items())), field)
        self.version = version

    def identity(self) -> Hashable | None:
        """Return the function, the version and how the table is read; ``None`` without a version."""
        return None if self.version is None else (self.function, self.version, self.layout)

    def load(self, instruments: Instruments = None, start_time: Any = None, end_time: Any = None) -> pd.DataFrame:
        """Call the function, bring what it returns into form and select from it."""
        name = getattr(self.function, "__qualname__", repr(self.function))
        origin = f"What {name} returned"
        table = self.function(instruments, start_time, until_cut(end_time))
        if not isinstance(table, pd.DataFrame):
            raise DataError(f"{origin} is {type(table).__name__}.", "a pandas DataFrame.")
        return select(to_long(table, self.layout, origin), instruments, start_time, end_time, origin)


class QlibLoader(CallableLoader):
    """Give expressions from Qlib's data; instruments may be the name of a market there, such as ``"csi300"``.

    Parameters
    ----------
    address
        ``"qlib:$open;$close"``.
    """

    def __init__(self, address: str) -> None:
        super().__init__(partial(features, address.removeprefix(PREFIX).split(";")))
        self.address = address

    def load(self, instruments: Instruments = None, start_time: Any = None, end_time: Any = None) -> pd.DataFrame:
        """Read them. An instrument of a market has rows while it is a member."""
        table = self.function(instruments, start_time, until_cut(end_time))
        named = None if isinstance(instruments, str | Mapping) else instruments
        return select(to_long(table, self.layout, self.address), named, start_time, end_time, self.address)


def select(
    frame: pd.DataFrame, instruments: Instruments, start_time: Any, end_time: Any, origin: str = "The data"
) -> pd.DataFrame:
    """Copy the rows of some instruments and a range of time out of a sorted frame.

    Parameters
    ----------
    frame
        Rows ``(datetime, instrument)``, sorted.
    instruments
        Names; ``None`` or ``"all"`` for every one.
    start_time, end_time
        Both inclusive; ``None`` is open.
    origin
        Where the frame comes from, for the text of errors.

    Raises
    ------
    DataError
        If an instrument is not in the frame.
    EmptySegmentError
        If no row is left.
    """
    wanted = as_instruments(instruments)
    if wanted is not None:
        check_instruments(wanted, frame.index.get_level_values(INSTRUMENT).unique().sort_values(), origin)
    frame = cut_rows(frame)
    times = frame.index.get_level_values(0)
    first, last = time_positions(times, start_time, end_time)
    rows = frame.iloc[first:last]
    if wanted is not None:
        names = frame.index.get_level_values(INSTRUMENT)
        rows = rows[names[first:last].isin(wanted)]
    if rows.empty:
        raise EmptySegmentError(
            f"{origin} has no row from {start_time} to {end_time}.",
            f"a range that holds data; {covered(times)}.",
            "Change start_time and end_time, or the source.",
        )
    return rows.copy()


def as_instruments(instruments: Instruments) -> list[str] | None:
    """Return the asked instruments as sorted names, each once; ``None`` for all.

    Raises
    ------
    DataError
        If they are a mapping.
    """
    if instruments is None or (isinstance(instruments, str) and instruments == "all"):
        return None
    if isinstance(instruments, Mapping):
        raise DataError(
            f"instruments is {dict(instruments)!r}.",
            "names; a market with filters is for Qlib's data.",
            "Name the instruments, or take the data from a source 'qlib:...'.",
        )
    names = [instruments] if isinstance(instruments, str) else [str(name) for name in instruments]
    return sorted(set(names))


def check_instruments(wanted: Iterable[str], known: pd.Index, origin: str) -> None:
    """Check that every wanted instrument is known.

    Raises
    ------
    DataError
        Naming the first that is not, the nearest one and the list.
    """
    for name in wanted:
        if name not in known:
            raise DataError(f"{origin} has no instrument {name!r}.", nearest(name, known))


def as_loader(source: Any) -> DataLoader:
    """Build a loader from whatever names a source.

    Parameters
    ----------
    source
        A loader; a DataFrame; the path of a CSV or Parquet file or ``"bundled:sp500_close"``; ``"qlib:$open;$close"``,
        expressions that Qlib's data give; a function; the configuration of a loader (a class of this module or of
        Qlib's, or any with ``module_path``).

    Raises
    ------
    DataError
        If it is none of these.
    """
    if isinstance(source, DataLoader) or is_theirs(source, LOADERS):
        return source  # type: ignore[no-any-return]  # Qlib's loaders load in the same way
    if is_address(source):
        return QlibLoader(source)
    if isinstance(source, pd.DataFrame):
        return FrameLoader(source)
    if isinstance(source, Path) or (isinstance(source, str) and names_a_file(source)):
        return FileLoader(source)
    if isinstance(source, str | Mapping):
        loader = init_instance_by_config(source, default_module=LOADERS, accept_types=DataLoader)
        if hasattr(loader, "load"):
            return loader  # type: ignore[no-any-return]
    if callable(source):
        return CallableLoader(source)
    raise DataError(
        f"{source!r} is not a source of data.",
        "a loader or its configuration, a DataFrame, a path, or a function.",
    )
