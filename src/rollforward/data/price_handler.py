"""A handler that makes features and a forward-return label from closing prices alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rollforward.data.cache import BoundedCache
from rollforward.data.cut import cut_rows, data_cut
from rollforward.data.features import DEFAULT_FEATURES, check_names, compute_features
from rollforward.data.frames import grid_index
from rollforward.data.handler import DataHandlerLP
from rollforward.data.loader import DataLoader, Instruments, as_instruments, as_loader, check_instruments
from rollforward.data.selection import covered, nearest, time_positions
from rollforward.errors import ColumnError, DataError, EmptySegmentError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

LABEL_NAME = "LABEL0"
ENTRY_LAG = 1

_REF_LABEL = re.compile(r"Ref\(\$close,-(\d+)\)/Ref\(\$close,-(\d+)\)-1")


@dataclass(frozen=True)
class ForwardReturn:
    """The label ``close[t + exit_lag] / close[t + entry_lag] - 1``, in sessions of the data.

    Parameters
    ----------
    entry_lag
        Sessions from ``t``, when the prediction is made, to the close that is bought at.
    exit_lag
        Sessions from ``t`` to the close that is sold at.
    """

    entry_lag: int
    exit_lag: int

    def __post_init__(self) -> None:
        if not 0 <= self.entry_lag < self.exit_lag:
            raise DataError(
                f"A label cannot be bought {self.entry_lag} and sold {self.exit_lag} sessions ahead.",
                "a horizon of at least one session.",
            )

    @classmethod
    def parse(cls, label: str | Sequence[str] | None, horizon: int) -> ForwardReturn:
        """Build the label from Qlib's expression, or from the horizon if there is none.

        Raises
        ------
        DataError
            If the expression is not of the form ``Ref($close, -b) / Ref($close, -a) - 1``, or the horizon is not
            positive.
        """
        if label is None:
            if isinstance(horizon, bool) or not isinstance(horizon, Integral):
                raise DataError(f"horizon is {horizon!r}.", "a number of sessions, an integer from 1.")
            return cls(ENTRY_LAG, ENTRY_LAG + horizon)
        expressions = [label] if isinstance(label, str) else list(label)
        match = _REF_LABEL.fullmatch(re.sub(r"\s", "", expressions[0])) if len(expressions) == 1 else None
        if match is None:
            raise DataError(
                f"The label {label!r} is not understood.",
                "'Ref($close, -b) / Ref($close, -a) - 1', or None and a horizon.",
                "For other labels, give a DataHandlerLP a frame that holds them.",
            )
        return cls(int(match[2]), int(match[1]))

    def compute(self, close: NDArray[np.float64], first: int, last: int) -> NDArray[np.float64]:
        """Compute the label of rows ``first`` to ``last``, exclusive, from all closes (times x instruments)."""
        return (
            _rows(close, first + self.exit_lag, last + self.exit_lag)
            / _rows(close, first + self.entry_lag, last + self.entry_lag)
            - 1
        )


def _rows(matrix: NDArray[np.float64], first: int, last: int) -> NDArray[np.float64]:
    """Return rows of a matrix, missing ones beyond its end."""
    found = matrix[first:last]
    return np.concatenate([found, np.full((last - first - len(found), matrix.shape[1]), np.nan)])


@dataclass(frozen=True)
class _Panel:
    """Closes (times x instruments) and features (features x times x instruments); shared, so not writable."""

    times: pd.DatetimeIndex
    instruments: pd.Index
    close: NDArray[np.float64]
    features: NDArray[np.float64]


_PANELS: BoundedCache[_Panel] = BoundedCache(3)


class PriceFeatureLoader(DataLoader):
    """Loads closes and gives features and label, as columns ``("feature", name)`` and ``("label", "LABEL0")``.

    Features at the first rows use the history before ``start_time``, and labels at the last rows the closes after
    ``end_time``, as far as the source has them. The features of the last three sources are kept in the process.

    Parameters
    ----------
    source
        A loader, a DataFrame, a path or ``"bundled:sp500_close"``, a function or a loader's configuration.
    label
        The label.
    features
        Names of features (see ``rollforward.data.features``).
    field
        Column of the source that holds the closes.
    """

    def __init__(self, source: Any, label: ForwardReturn, features: Sequence[str], field: str = "close") -> None:
        self.source = as_loader(source)
        self.label = label
        self.features = tuple(features)
        self.field = field
        check_names(self.features)

    def __repr__(self) -> str:
        return f"PriceFeatureLoader({self.source!r}, {len(self.features)} features)"

    def load(self, instruments: Instruments = None, start_time: Any = None, end_time: Any = None) -> pd.DataFrame:
        """Compute features and label of the rows from ``start_time`` to ``end_time``, both inclusive.

        Raises
        ------
        DataSourceError, ColumnError, DataError
            If the source, its column of closes or an instrument is not there, or a close is not positive.
        EmptySegmentError
            If there is no row in the range.
        """
        panel = self._panel(as_instruments(instruments))
        first, last = time_positions(panel.times, start_time, end_time)
        if first == last:
            raise EmptySegmentError(
                f"There are no prices from {start_time} to {end_time}.",
                f"a range that holds data; {covered(panel.times)}.",
                "Change start_time and end_time, or the source.",
            )
        n_features, n_rows = len(self.features), (last - first) * len(panel.instruments)
        values = np.empty((n_features + 1, n_rows))
        values[:n_features] = panel.features[:, first:last].reshape(n_features, n_rows)
        values[n_features] = self.label.compute(panel.close, first, last).ravel()
        index = grid_index(panel.times[first:last], panel.instruments)
        present = ~np.isnan(panel.close[first:last]).ravel()
        if not present.all():
            values, index = np.ascontiguousarray(values[:, present]), index[present]
        columns = pd.MultiIndex.from_tuples([*(("feature", name) for name in self.features), ("label", LABEL_NAME)])
        # Transposed, each column is contiguous in memory.
        return pd.DataFrame(values.T, index=index, columns=columns, copy=False)

    def _panel(self, instruments: list[str] | None) -> _Panel:
        identity = self.source.identity()
        if identity is None:
            return self._compute(instruments)
        names = None if instruments is None else tuple(instruments)
        key: Hashable = (identity, self.field, self.features, names, data_cut())
        return _PANELS.get_or_build(key, lambda: self._compute(instruments))

    def _compute(self, instruments: list[str] | None) -> _Panel:
        prices = cut_rows(self.source.load(instruments))
        if self.field not in prices.columns:
            raise ColumnError(
                f"The source has no column {self.field!r}.",
                nearest(self.field, prices.columns),
                "Name the column of the closes: field='...'.",
            )
        column = prices[self.field].dropna()
        # Before a cut, an instrument may not have begun yet.
        if instruments is not None and data_cut() is None:
            check_instruments(instruments, column.index.get_level_values(1).unique(), "The source")
        bad = column[~((column > 0) & np.isfinite(column))]
        if len(bad):
            time, name = bad.index[0]
            raise DataError(
                f"The close of {name!r} at {time} is {bad.iloc[0]}.",
                "positive closes; NaN, or no row, where there is none.",
                "Correct or remove these closes.",
            )
        row_times, times = pd.factorize(column.index.get_level_values(0))
        row_names, names = pd.factorize(column.index.get_level_values(1), sort=True)
        close = np.full((len(times), len(names)), np.nan)
        close[row_times, row_names] = column.to_numpy()
        features = compute_features(close, self.features)
        close.flags.writeable = features.flags.writeable = False
        return _Panel(pd.DatetimeIndex(times), pd.Index(names), close, features)


class PriceHandler(DataHandlerLP):
    """Features and a forward-return label from closing prices, ready for ``DatasetH``.

    By default: with a fit window, features for inference are scaled robustly (``RobustZScoreNorm`` with its clipping at
    3) and missing ones filled with 0, the median; without one they stay as computed. For learning, rows without a label
    are dropped (``DropnaLabel``) and the label is ranked among the instruments of its time (``CSRankNorm``). The raw
    data hold the return itself.

    Parameters
    ----------
    instruments
        Names; ``None`` or ``"all"`` for every instrument of the source. Features that compare instruments compare
        these.
    start_time, end_time
        Range of the rows, both inclusive; ``None`` is open. Features use the history before, the label closes after it.
    fit_start_time, fit_end_time
        Fit window of the processors, both inclusive; usually the bounds of the train segment. A start of ``None`` is
        open.
    source
        Where closes come from: ``"bundled:sp500_close"``, the path of a CSV or Parquet file, a DataFrame (wide or
        long), a function, a loader or its configuration.
    horizon
        Sessions a position of the label is held: ``close[t + 1 + horizon] / close[t + 1] - 1``.
    label
        Qlib's expression ``Ref($close, -b) / Ref($close, -a) - 1``, instead of a horizon.
    features
        Names of features; ``None`` for the 34 of ``rollforward.data.features.DEFAULT_FEATURES``.
    infer_processors, learn_processors, shared_processors
        ``None`` for the default above; otherwise as of ``DataHandlerLP``.
    field
        Column of the source that holds the closes.
    process_type, drop_raw, init_data, fetch_orig
        As of ``DataHandlerLP``.

    Attributes
    ----------
    label_lookahead
        Sessions after ``t`` whose data the label at ``t`` uses: ``horizon + 1``. Train segments have to end that much
        before the test segment begins.

    Raises
    ------
    DataSourceError
        If the source is missing or cannot be read.
    ColumnError
        If the column of closes, or a feature, does not exist.
    DataError
        If an instrument is unknown, a close is not positive, or the label is not understood.
    EmptySegmentError
        If there is no row from ``start_time`` to ``end_time``, or in the fit window.
    """

    def __init__(
        self,
        instruments: Instruments = "all",
        start_time: Any = None,
        end_time: Any = None,
        fit_start_time: Any = None,
        fit_end_time: Any = None,
        *,
        source: Any,
        horizon: int = 5,
        label: str | Sequence[str] | None = None,
        features: Sequence[str] | None = None,
        infer_processors: Sequence[Any] | None = None,
        learn_processors: Sequence[Any] | None = None,
        shared_processors: Sequence[Any] = (),
        field: str = "close",
        process_type: str = "append",
        drop_raw: bool = False,
        init_data: bool = True,
        fetch_orig: bool = True,
    ) -> None:
        forward_return = ForwardReturn.parse(label, horizon)
        self.horizon = forward_return.exit_lag - forward_return.entry_lag
        self.label_lookahead = forward_return.exit_lag
        self.features = list(DEFAULT_FEATURES if features is None else features)
        super().__init__(
            instruments,
            start_time,
            end_time,
            PriceFeatureLoader(source, forward_return, self.features, field),
            infer_processors=default_infer_processors(fit_end_time) if infer_processors is None else infer_processors,
            learn_processors=DEFAULT_LEARN_PROCESSORS if learn_processors is None else learn_processors,
            shared_processors=shared_processors,
            process_type=process_type,
            drop_raw=drop_raw,
            init_data=init_data,
            fetch_orig=fetch_orig,
            fit_start_time=fit_start_time,
            fit_end_time=fit_end_time,
        )

    @classmethod
    def lookahead_of(cls, *, label: str | Sequence[str] | None = None, horizon: int = 5, **_: Any) -> int:
        """Tell the `label_lookahead` of a handler with these arguments, without building it."""
        return ForwardReturn.parse(label, horizon).exit_lag


DEFAULT_LEARN_PROCESSORS: tuple[Any, ...] = (
    "DropnaLabel",
    {"class": "CSRankNorm", "kwargs": {"fields_group": "label"}},
)


def default_infer_processors(fit_end_time: Any) -> tuple[Any, ...]:
    """Return the processors ``PriceHandler`` uses for inference if none are given; none without a fit window."""
    if fit_end_time is None:
        return ()
    return (
        {"class": "RobustZScoreNorm", "kwargs": {"fields_group": "feature"}},
        {"class": "Fillna", "kwargs": {"fields_group": "feature"}},
    )
