"""The classes and functions that a pickle of plain data names, each by its module and its name.

What numbers, dates, containers, arrays and frames are pickled as, by the supported versions of Python, NumPy, pandas
and pyarrow. No prefix, no module as a whole: many functions of these packages would run whatever a pickle gives them.
"""

from __future__ import annotations

_BUILTINS = (
    "Ellipsis NotImplemented bool bytearray bytes complex dict float frozenset int list long object range set"
    " slice str tuple unicode xrange"
)
_PLAIN = {
    "builtins": _BUILTINS,
    "__builtin__": _BUILTINS,
    "collections": "Counter OrderedDict defaultdict deque",
    "copy_reg": "_reconstructor",
    "copyreg": "_reconstructor",
    "datetime": "date datetime time timedelta timezone",
    "dateutil.relativedelta": "relativedelta",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "pathlib": "Path PosixPath PurePath PurePosixPath PureWindowsPath WindowsPath",
    "pathlib._local": "Path PosixPath PurePath PurePosixPath PureWindowsPath WindowsPath",
    "pytz": "_UTC _p",
    "uuid": "UUID",
    "zoneinfo": "ZoneInfo",
}

_RECONSTRUCTION = "_reconstruct scalar"
_NUMPY = {
    "numpy": (
        "bool bool_ complex128 complex64 datetime64 dtype float16 float32 float64 int16 int32 int64 int8 ndarray str_"
        " timedelta64 uint16 uint32 uint64 uint8"
    ),
    "numpy._core.multiarray": _RECONSTRUCTION,
    "numpy._core.numeric": "_frombuffer",
    "numpy.core.multiarray": _RECONSTRUCTION,
    "numpy.core.numeric": "_frombuffer",
}

_PANDAS_INDEXES = "CategoricalIndex DatetimeIndex Index IntervalIndex MultiIndex PeriodIndex RangeIndex TimedeltaIndex"
_PANDAS_DTYPES = "ArrowDtype CategoricalDtype DatetimeTZDtype IntervalDtype PeriodDtype SparseDtype"
_FLOATING, _WHOLE = "Float32 Float64", "Int16 Int32 Int64 Int8 UInt16 UInt32 UInt64 UInt8"
_MASKED_DTYPES = " ".join(f"{name}Dtype" for name in f"{_FLOATING} {_WHOLE}".split())
_OFFSETS = (
    "BMonthBegin BMonthEnd BQuarterBegin BQuarterEnd BYearBegin BYearEnd BusinessDay BusinessHour BusinessMonthBegin"
    " BusinessMonthEnd DateOffset Day Hour Micro Milli Minute MonthBegin MonthEnd Nano QuarterBegin QuarterEnd Second"
    " SemiMonthBegin SemiMonthEnd Week YearBegin YearEnd"
)
_PANDAS = {
    "pandas": (
        f"BooleanDtype Categorical DataFrame DateOffset Interval NA Period Series StringDtype"
        f" {_PANDAS_INDEXES} {_PANDAS_DTYPES} {_MASKED_DTYPES}"
    ),
    "pandas._libs.arrays": "__pyx_unpickle_NDArrayBacked",
    "pandas._libs.internals": "_unpickle_block",
    "pandas._libs.interval": "Interval __pyx_unpickle_IntervalMixin",
    "pandas._libs.missing": "NA",
    "pandas._libs.sparse": "BlockIndex IntIndex",
    "pandas._libs.tslibs.nattype": "__nat_unpickle _nat_unpickle",
    "pandas._libs.tslibs.offsets": _OFFSETS,
    "pandas._libs.tslibs.period": "Period",
    "pandas._libs.tslibs.timedeltas": "_timedelta_unpickle",
    "pandas._libs.tslibs.timestamps": "_unpickle_timestamp",
    "pandas.arrays": (
        "ArrowExtensionArray ArrowStringArray BooleanArray DatetimeArray FloatingArray IntegerArray IntervalArray"
        " PeriodArray SparseArray StringArray TimedeltaArray"
    ),
    "pandas.core.arrays.arrow.array": "ArrowExtensionArray",
    "pandas.core.arrays.boolean": "BooleanArray BooleanDtype",
    "pandas.core.arrays.categorical": "Categorical",
    "pandas.core.arrays.datetimes": "DatetimeArray",
    "pandas.core.arrays.floating": "Float32Dtype Float64Dtype FloatingArray",
    "pandas.core.arrays.integer": " ".join([*(f"{name}Dtype" for name in _WHOLE.split()), "IntegerArray"]),
    "pandas.core.arrays.interval": "IntervalArray",
    "pandas.core.arrays.period": "PeriodArray",
    "pandas.core.arrays.sparse.array": "SparseArray",
    "pandas.core.arrays.string_": "StringArray StringDtype",
    "pandas.core.arrays.string_arrow": "ArrowStringArray ArrowStringArrayNumpySemantics",
    "pandas.core.arrays.timedeltas": "TimedeltaArray",
    "pandas.core.dtypes.dtypes": _PANDAS_DTYPES,
    "pandas.core.frame": "DataFrame",
    "pandas.core.indexes.base": "Index _new_Index",
    "pandas.core.indexes.category": "CategoricalIndex",
    "pandas.core.indexes.datetimes": "DatetimeIndex _new_DatetimeIndex",
    "pandas.core.indexes.interval": "IntervalIndex _new_IntervalIndex",
    "pandas.core.indexes.multi": "MultiIndex",
    "pandas.core.indexes.period": "PeriodIndex",
    "pandas.core.indexes.range": "RangeIndex",
    "pandas.core.indexes.timedeltas": "TimedeltaIndex _new_TimedeltaIndex",
    "pandas.core.internals.managers": "BlockManager SingleBlockManager",
    "pandas.core.series": "Series",
    "pyarrow.lib": "_restore_array py_buffer type_for_alias",
}

PLAIN_CLASSES: frozenset[tuple[str, str]] = frozenset(
    (module, name) for table in (_PLAIN, _NUMPY, _PANDAS) for module, names in table.items() for name in names.split()
)
