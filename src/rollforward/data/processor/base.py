"""What a processor is, and how a list of them is built from a configuration."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rollforward.adapters.qlib import PROCESSORS, is_theirs
from rollforward.data.selection import as_range, column_positions
from rollforward.errors import ColumnError, DataError
from rollforward.instantiate import get_callable_kwargs, init_instance_by_config
from rollforward.instantiate.signatures import takes
from rollforward.serialize import Serializable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

PROCESSOR_MODULE = "rollforward.data.processor"
FIT_WINDOW = ("fit_start_time", "fit_end_time")


class Processor(Serializable):
    """Turns a frame into another one, perhaps by what it learned from a first one.

    Frames have rows ``(datetime, instrument)``, sorted, and columns ``(group, name)`` (or names only). A processor is
    stored whole, with all that it learned, whatever ``config`` says of private attributes.
    """

    @property
    def dump_all(self) -> bool:
        """Always true."""
        return True

    def fit(self, df: pd.DataFrame) -> None:
        """Learn from data; a processor with a fit window looks at its rows only.

        Parameters
        ----------
        df
            The raw data, or what the processor before this one made of them.
        """

    @abstractmethod
    def __call__(self, df: pd.DataFrame) -> pd.DataFrame:
        """Return the processed data.

        Parameters
        ----------
        df
            May be changed in place, and returned, unless ``readonly()`` is true.
        """

    def is_for_infer(self) -> bool:
        """Say whether data for inference may pass through; not so, if rows are dropped by what only the past knows."""
        return True

    def readonly(self) -> bool:
        """Say whether ``__call__`` leaves its argument as it is. If not, the handler hands over a copy."""
        return False

    def config(self, recursive: bool = False, **kwargs: Any) -> None:
        """Set ``fit_start_time`` and ``fit_end_time`` where the processor has them; others go to ``Serializable``."""
        for name in FIT_WINDOW:
            if name in kwargs:
                value = kwargs.pop(name)
                if hasattr(self, name):
                    setattr(self, name, value)
        super().config(recursive, **kwargs)


class PureProcessor(Processor):
    """A processor that returns a new frame and leaves its argument as it is."""

    def readonly(self) -> bool:
        """Return true."""
        return True


def build_processors(configs: Iterable[Any], fit_start_time: Any = None, fit_end_time: Any = None) -> list[Processor]:
    """Build processors, handing the fit window to those that take one.

    Parameters
    ----------
    configs
        Each an instance, the name of a class, or a configuration ``{"class": ..., "kwargs": {...}}``; without
        ``module_path``, the class is one of this package, else of Qlib's if that is installed.
    fit_start_time, fit_end_time
        The fit window, both inclusive. An end given here replaces that of the configuration; instances keep theirs.

    Raises
    ------
    DataError
        If a processor needs a fit window and none is given: fitted on all data, it would know the test range.
    """
    window = dict(zip(FIT_WINDOW, (fit_start_time, fit_end_time), strict=True))
    return [_build(config, window) for config in configs]


def _build(config: Any, window: Mapping[str, Any]) -> Processor:
    if _is_processor(config):
        return config  # type: ignore[no-any-return]
    if not isinstance(config, str | Mapping):
        raise _not_a_processor(config)
    factory, kwargs = get_callable_kwargs(config, default_module=PROCESSORS)
    if all(takes(factory, name) for name in FIT_WINDOW):
        kwargs = {**dict.fromkeys(FIT_WINDOW), **kwargs, **{k: v for k, v in window.items() if v is not None}}
        if kwargs["fit_end_time"] is None:
            raise DataError(
                f"The processor {getattr(factory, '__name__', factory)} has no fit window.",
                "fit_end_time, the last time it may learn from.",
                "Give fit_start_time and fit_end_time to the handler; usually the bounds of the train segment.",
            )
    processor = init_instance_by_config({"class": factory, "kwargs": kwargs})
    if not _is_processor(processor):
        raise _not_a_processor(config)
    return processor  # type: ignore[no-any-return]


def _is_processor(value: Any) -> bool:
    # Qlib's are asked for the same.
    return isinstance(value, Processor) or (not isinstance(value, type) and is_theirs(value, PROCESSORS))


def _not_a_processor(config: Any) -> DataError:
    return DataError(
        f"{config!r} is not a processor.",
        "an instance of a subclass of rollforward.data.processor.Processor, the name of its class, or a configuration.",
    )


def positions_of(df: pd.DataFrame, fields_group: Any) -> NDArray[np.intp]:
    """Find the positions of a group's columns; ``None`` is every column.

    Raises
    ------
    ColumnError
        If there is no such group.
    """
    return column_positions(df.columns, fields_group)


def positions_of_columns(df: pd.DataFrame, columns: pd.Index) -> NDArray[np.intp]:
    """Find the positions of columns by their full names.

    Raises
    ------
    ColumnError
        If one is missing.
    """
    positions = df.columns.get_indexer(columns)
    if (positions < 0).any():
        missing = columns[positions < 0][0]
        raise ColumnError(
            f"The data have no column {missing!r}.", f"the columns the processor was fitted on: {list(columns)}."
        )
    return positions


def values_at(df: pd.DataFrame, positions: NDArray[np.intp]) -> NDArray[Any]:
    """Return the values of some columns as an array (rows x columns) that must not be written to."""
    values: NDArray[Any] = df.iloc[:, as_range(positions)].to_numpy()
    return values


def with_values(df: pd.DataFrame, positions: NDArray[np.intp], values: NDArray[Any]) -> pd.DataFrame:
    """Return a new frame with the values of some columns replaced; the number types of all columns stay.

    Parameters
    ----------
    df
        Not changed.
    positions
        Positions of the columns.
    values
        Rows x columns.
    """
    dtypes = set(df.dtypes)
    if len(dtypes) == 1 and next(iter(dtypes)).kind == "f":
        if len(positions) == df.shape[1]:
            table = np.asarray(values, dtype=next(iter(dtypes)))
        else:
            # Column by column in memory, as frames are: what follows works on columns.
            table = np.array(df.to_numpy(), order="F", copy=True)
            table[:, as_range(positions)] = values
        return pd.DataFrame(table, index=df.index, columns=df.columns, copy=False)
    columns: dict[int, Any] = {position: df.iloc[:, position] for position in range(df.shape[1])}
    for number, position in enumerate(positions):
        old = columns[int(position)]
        dtype = old.dtype if old.dtype.kind == "f" else np.float64
        columns[int(position)] = pd.Series(values[:, number].astype(dtype), index=df.index)
    return pd.DataFrame(columns, index=df.index).set_axis(df.columns, axis=1)
