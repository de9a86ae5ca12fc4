"""Data handlers: they load raw data, process them for inference and for learning, and hand out rows and columns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from rollforward.data.cut import cut_rows, data_cut, until_cut
from rollforward.data.loader import DataLoader, FrameLoader, Instruments, as_loader
from rollforward.data.processor import build_processors
from rollforward.data.selection import (
    CS_ALL,
    CS_RAW,
    DATETIME,
    covered,
    nearest,
    require_sorted,
    select_columns,
    select_rows,
)
from rollforward.errors import DataError, LaterDataError
from rollforward.serialize import Serializable

if TYPE_CHECKING:
    from rollforward.data.processor import Processor

ProcFunc = Callable[[pd.DataFrame], pd.DataFrame]


class DataHandlerABC(Serializable):
    """What a dataset asks of a handler: ``fetch``, and ``config`` and ``setup_data`` to load other data.

    Data keys: ``DK_R`` raw, ``DK_I`` for inference, ``DK_L`` for learning. Column sets: ``CS_ALL`` all columns without
    their group, ``CS_RAW`` all columns as stored, or the name of a group.

    A stored handler holds its configuration and what its processors learned, not its data (attributes whose name begins
    with ``_``), unless ``config(dump_all=True)`` says otherwise.
    """

    default_dump_all: ClassVar[bool] = False

    CS_ALL: ClassVar[str] = CS_ALL
    CS_RAW: ClassVar[str] = CS_RAW
    DK_R: ClassVar[str] = "raw"
    DK_I: ClassVar[str] = "infer"
    DK_L: ClassVar[str] = "learn"

    @abstractmethod
    def fetch(
        self,
        selector: Any = slice(None, None),
        level: str | int | None = DATETIME,
        col_set: Any = CS_ALL,
        data_key: str = "infer",
        squeeze: bool = False,
        proc_func: ProcFunc | None = None,
    ) -> Any:
        """Return rows and columns of the data of one key."""

    @abstractmethod
    def setup_data(self) -> None:
        """Load the data."""


class DataHandler(DataHandlerABC):
    """Loads data and hands them out unprocessed.

    Parameters
    ----------
    instruments
        Names; ``None`` or ``"all"`` for every instrument of the source.
    start_time, end_time
        Range of the rows, both inclusive; ``None`` is open.
    data_loader
        A loader, its configuration, a DataFrame, the path of a data file, or a function (see ``loader.as_loader``).
    init_data
        Whether to load at once.
    fetch_orig
        Whether ``fetch`` may return a view of the handler's data; if not, it copies.
    """

    def __init__(
        self,
        instruments: Instruments = None,
        start_time: Any = None,
        end_time: Any = None,
        data_loader: Any = None,
        init_data: bool = True,
        fetch_orig: bool = True,
    ) -> None:
        self.data_loader: DataLoader = as_loader(data_loader)
        self.instruments = instruments
        self.start_time = start_time
        self.end_time = end_time
        self.fetch_orig = fetch_orig
        if init_data:
            self.setup_data()

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.instruments!r}, {self.start_time!r}, {self.end_time!r}, {self.data_loader!r})"
        )

    def config(self, recursive: bool = False, **kwargs: Any) -> None:
        """Set ``instruments``, ``start_time`` or ``end_time`` for the next ``setup_data``.

        Other arguments are those of ``Serializable``.
        """
        for name in ("instruments", "start_time", "end_time"):
            if name in kwargs:
                setattr(self, name, kwargs.pop(name))
        super().config(recursive, **kwargs)

    def setup_data(self, *, enable_cache: bool = False) -> None:
        """Load the data anew.

        Parameters
        ----------
        enable_cache
            Part of Qlib's signature; loaders keep what they read by themselves.
        """
        del enable_cache
        frame = self.data_loader.load(self.instruments, self.start_time, until_cut(self.end_time))
        self._data = cut_rows(require_sorted(frame))
        self._cut = data_cut()

    def fetch(
        self,
        selector: Any = slice(None, None),
        level: str | int | None = DATETIME,
        col_set: Any = CS_ALL,
        data_key: str = "infer",
        squeeze: bool = False,
        proc_func: ProcFunc | None = None,
    ) -> Any:
        """Return rows and columns.

        Parameters
        ----------
        selector
            On the level ``datetime``: a slice or a pair (both ends inclusive, ``None`` open), one time, or an Index of
            times. On the level ``instrument``: a name, or a list of names.
        level
            The index level the selector speaks of; ``None`` hands the selector to ``.loc``.
        col_set
            ``"__all"``: all columns without their group; ``"__raw"``: as stored; a group: its columns without the
            group; a list of groups or of ``(group, name)``: these columns with their group.
        data_key
            ``"raw"``, ``"infer"`` or ``"learn"``.
        squeeze
            Drop levels of length one: one column gives a Series, one time loses its level.
        proc_func
            Applied to a copy of the selected rows, before the columns are selected.

        Returns
        -------
            A DataFrame with rows ``(datetime, instrument)``, sorted; perhaps without a row.

        Raises
        ------
        SegmentError
            If a time cannot be read as one.
        ColumnError
            If the column group or the level does not exist.
        DataError
            If there are no data of this key.
        """
        frame = select_rows(self._frame(data_key), selector, level)
        if proc_func is not None:
            frame = proc_func(frame.copy())
        frame = select_columns(frame, col_set)
        if not self.fetch_orig:
            frame = frame.copy()
        return _squeeze(frame, selector, level) if squeeze else frame

    def get_cols(self, col_set: Any = CS_ALL, data_key: str = "infer") -> list[Any]:
        """List the names of the columns of a column set."""
        return list(select_columns(self._frame(data_key).iloc[:0], col_set).columns)

    def get_range_selector(self, cur_date: Any, periods: int) -> slice:
        """Return the slice of the ``periods`` sessions that end with ``cur_date``; fewer where the data begin.

        Raises
        ------
        DataError
            If ``cur_date`` is no session of the data, or ``periods`` is not positive.
        """
        sessions = self._frame(self.DK_R).index.get_level_values(DATETIME).unique()
        date = pd.Timestamp(cur_date)
        if date not in sessions or periods < 1:
            raise DataError(
                f"There is no range of {periods} sessions up to {cur_date}.",
                f"a session of the data and a positive number; {covered(sessions)}.",
            )
        position = int(sessions.searchsorted(date))
        return slice(sessions[max(0, position - periods + 1)], date)

    def _frame(self, data_key: str) -> pd.DataFrame:
        """Return the stored data of one key; a plain handler has one frame for every key."""
        _check_key(data_key)
        frame = getattr(self, "_data", None)
        return self._loaded(frame, data_key)

    def _loaded(self, frame: pd.DataFrame | None, data_key: str) -> pd.DataFrame:
        if frame is None:
            raise DataError(
                f"{type(self).__name__} holds no {data_key} data.",
                "data that were loaded; a handler read from a file comes without them.",
                "Call dataset.setup_data(handler_kwargs={'init_type': 'load_state'}), or setup_data() of the handler.",
            )
        self._refuse_later_rows()
        return frame

    def _refuse_later_rows(self) -> None:
        cut, loaded = data_cut(), getattr(self, "_cut", None)
        if cut is not None and (loaded is None or loaded > cut):
            raise LaterDataError(
                f"{type(self).__name__} holds data that were loaded {'without a cut' if loaded is None else loaded}.",
                f"data loaded inside data_cut_at, up to {cut}.",
                "Call setup_data() inside the cut; one that you wrote yourself has to call that of its base class.",
            )


class DataHandlerLP(DataHandler):
    """A handler with learnable processors: raw data, data for inference and data for learning.

    ``"append"``: raw -> shared -> infer processors = data for inference -> learn processors = data for learning.
    ``"independent"``: raw -> shared -> infer processors = data for inference; raw -> shared -> learn processors = data
    for learning.

    Parameters
    ----------
    instruments, start_time, end_time, data_loader, init_data, fetch_orig
        As of ``DataHandler``.
    infer_processors, learn_processors, shared_processors
        Each a list of processors, names of their classes, or configurations.
    process_type
        ``"append"`` or ``"independent"``.
    drop_raw
        Whether to forget the raw data once they are processed.
    fit_start_time, fit_end_time
        Fit window of the processors that take one, both inclusive. Usually the bounds of the train segment.

    Raises
    ------
    DataError
        If the process type is neither, a processor of inference is not for inference, or a processor needs a fit window
        and none is given.
    """

    PTYPE_I: ClassVar[str] = "independent"
    PTYPE_A: ClassVar[str] = "append"
    IT_FIT_SEQ: ClassVar[str] = "fit_seq"
    IT_FIT_IND: ClassVar[str] = "fit_ind"
    IT_LS: ClassVar[str] = "load_state"

    def __init__(
        self,
        instruments: Instruments = None,
        start_time: Any = None,
        end_time: Any = None,
        data_loader: Any = None,
        infer_processors: Sequence[Any] = (),
        learn_processors: Sequence[Any] = (),
        shared_processors: Sequence[Any] = (),
        process_type: str = "append",
        drop_raw: bool = False,
        init_data: bool = True,
        fetch_orig: bool = True,
        fit_start_time: Any = None,
        fit_end_time: Any = None,
    ) -> None:
        if process_type not in (self.PTYPE_A, self.PTYPE_I):
            raise DataError(
                f"{process_type!r} is no process type.", nearest(process_type, (self.PTYPE_A, self.PTYPE_I))
            )
        self.fit_start_time = fit_start_time
        self.fit_end_time = fit_end_time
        self.infer_processors = build_processors(infer_processors, fit_start_time, fit_end_time)
        self.learn_processors = build_processors(learn_processors, fit_start_time, fit_end_time)
        self.shared_processors = build_processors(shared_processors, fit_start_time, fit_end_time)
        self.process_type = process_type
        self.drop_raw = drop_raw
        for processor in (*self.shared_processors, *self.infer_processors):
            if not processor.is_for_infer():
                raise DataError(
                    f"{type(processor).__name__} cannot process data for inference.",
                    "processors that use nothing a prediction cannot know.",
                    "Move it to learn_processors.",
                )
        super().__init__(instruments, start_time, end_time, data_loader, init_data, fetch_orig)

    @classmethod
    def from_df(cls, df: pd.DataFrame) -> DataHandlerLP:
        """Make a handler of a DataFrame, without processors."""
        return cls(data_loader=FrameLoader(df))

    def get_all_processors(self) -> list[Processor]:
        """Return the processors: shared, then infer, then learn."""
        return [*self.shared_processors, *self.infer_processors, *self.learn_processors]

    def config(self, recursive: bool = False, *, processor_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Set ``instruments``, ``start_time``, ``end_time``; ``processor_kwargs`` go to ``config`` of every processor.

        ``processor_kwargs={"fit_start_time": ..., "fit_end_time": ...}`` moves the fit window.
        """
        super().config(recursive, **kwargs)
        if processor_kwargs is not None:
            for processor in self.get_all_processors():
                processor.config(**processor_kwargs)
            for name in ("fit_start_time", "fit_end_time"):
                if name in processor_kwargs:
                    setattr(self, name, processor_kwargs[name])

    def setup_data(self, init_type: str = "fit_seq", *, enable_cache: bool = False) -> None:
        """Load the data anew and process them.

        Parameters
        ----------
        init_type
            ``"fit_seq"``: each processor is fitted on what the one before it made. ``"fit_ind"``: each is fitted on the
            raw data. ``"load_state"``: none is fitted; they were, before the handler was stored.
        enable_cache
            Part of Qlib's signature; loaders keep what they read by themselves.
        """
        known = (self.IT_FIT_SEQ, self.IT_FIT_IND, self.IT_LS)
        if init_type not in known:
            raise DataError(f"{init_type!r} is no init type.", nearest(init_type, known))
        super().setup_data(enable_cache=enable_cache)
        if init_type == self.IT_FIT_IND:
            self.fit()
        self.process_data(with_fit=init_type == self.IT_FIT_SEQ)

    def fit(self) -> None:
        """Fit every processor on the raw data; nothing is processed."""
        for processor in self.get_all_processors():
            processor.fit(self._frame(self.DK_R))

    def fit_process_data(self) -> None:
        """Fit and apply each processor on what the one before it made."""
        self.process_data(with_fit=True)

    def process_data(self, with_fit: bool = False) -> None:
        """Apply the processors to the raw data.

        Parameters
        ----------
        with_fit
            Whether each is fitted first, on what the one before it made.
        """
        raw = self._frame(self.DK_R)
        shared = _run(raw, self.shared_processors, with_fit)
        self._infer = _run(shared, self.infer_processors, with_fit)
        base = shared if self.process_type == self.PTYPE_I else self._infer
        self._learn = _run(base, self.learn_processors, with_fit)
        if self.drop_raw:
            del self._data

    def _frame(self, data_key: str) -> pd.DataFrame:
        _check_key(data_key)
        if data_key == self.DK_R and self.drop_raw and not hasattr(self, "_data"):
            raise DataError(
                "The raw data were dropped.", "data_key 'infer' or 'learn'.", "Set drop_raw=False to keep them."
            )
        attribute = {self.DK_R: "_data", self.DK_I: "_infer", self.DK_L: "_learn"}[data_key]
        return self._loaded(getattr(self, attribute, None), data_key)


def _check_key(data_key: str) -> None:
    known = (DataHandlerABC.DK_R, DataHandlerABC.DK_I, DataHandlerABC.DK_L)
    if data_key not in known:
        raise DataError(f"{data_key!r} is no data key.", nearest(data_key, known))


def _run(df: pd.DataFrame, processors: Sequence[Any], with_fit: bool) -> pd.DataFrame:
    # Raw, infer and learn data may be one object, so a processor that writes gets a copy of its own.
    is_own = False
    for processor in processors:
        if not is_own and not processor.readonly():
            df, is_own = df.copy(), True
        if with_fit:
            processor.fit(df)
        df = processor(df)
    return df


def _squeeze(frame: pd.DataFrame, selector: Any, level: str | int | None) -> Any:
    squeezed: Any = frame.squeeze(axis=1)
    is_single = level is not None and not isinstance(selector, slice | tuple | list | pd.Index)
    return squeezed.droplevel(level) if is_single else squeezed
