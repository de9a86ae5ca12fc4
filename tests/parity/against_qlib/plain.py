"""Values in Python's own types, which the pickles of any two Pythons, pandas and numpy agree on."""

import datetime as dt
import math

import numpy as np
import pandas as pd

TIME, ARRAY, INDEX, FRAME, SERIES = "$time", "$array", "$index", "$frame", "$series"


def pack(value):
    """Turn a value into plain ones; what is plain stays, tuples and lists are kept apart."""
    if isinstance(value, dict):
        return {str(key) if isinstance(key, pd.Timestamp) else key: pack(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(pack(item) for item in value)
    for kind, form in FORMS:
        if isinstance(value, kind):
            return form(value)
    raise TypeError(f"{type(value).__name__} has no plain form")


def pack_index(index):
    rows = [pack(row) for row in index.tolist()]
    return {INDEX: rows, "names": list(index.names), "deep": isinstance(index, pd.MultiIndex)}


def pack_series(series):
    values = pack(series.tolist())
    return {SERIES: values, "index": pack_index(series.index), "name": series.name, "dtype": kind_of(series)}


def pack_frame(frame):
    columns = [frame.iloc[:, at] for at in range(frame.shape[1])]
    index = {"index": pack_index(frame.index), "columns": pack_index(frame.columns)}
    return {FRAME: [pack(column.tolist()) for column in columns], **index, "dtypes": [kind_of(c) for c in columns]}


def kind_of(column):
    return str(column.dtype) if column.dtype.kind == "f" else column.dtype.kind


FORMS = (
    (pd.Timestamp | type(pd.NaT), lambda time: {TIME: str(time)}),
    (np.generic, lambda number: number.item()),
    (np.ndarray, lambda array: {ARRAY: array.tolist()}),
    (pd.Index, pack_index),
    (pd.Series, pack_series),
    (pd.DataFrame, pack_frame),
    (str | int | float | dt.date | None, lambda plain: plain),
)


def unpack(value):
    """Undo `pack`."""
    if isinstance(value, tuple | list):
        return type(value)(unpack(item) for item in value)
    if not isinstance(value, dict):
        return value
    for mark, form in ((TIME, unpack_time), (ARRAY, unpack_array), (SERIES, unpack_series), (FRAME, unpack_frame)):
        if mark in value:
            return form(value)
    return unpack_index(value) if INDEX in value else {key: unpack(item) for key, item in value.items()}


def unpack_time(value):
    return pd.Timestamp(value[TIME])


def unpack_array(value):
    return np.array(value[ARRAY])


def unpack_series(value):
    series = pd.Series(unpack(value[SERIES]), index=unpack_index(value["index"]), name=value["name"])
    return series.astype(dtype_of(value["dtype"]))


def unpack_index(value):
    rows = unpack(value[INDEX])
    if value["deep"]:
        return pd.MultiIndex.from_tuples(rows, names=value["names"])
    return pd.Index(rows, name=value["names"][0])


def unpack_frame(value):
    columns = {
        at: np.array(column, dtype=dtype_of(name))
        for at, (column, name) in enumerate(zip(value[FRAME], value["dtypes"], strict=True))
    }
    frame = pd.DataFrame(columns, index=unpack_index(value["index"]))
    return frame.set_axis(unpack_index(value["columns"]), axis=1)


def dtype_of(name):
    return {"b": bool, "i": "int64", "O": object}.get(name, name)


def same(left, right):
    """Tell whether two plain values are equal: numbers up to rounding, NaN equals NaN, a tuple is no list."""
    if isinstance(left, dict) and isinstance(right, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, tuple | list):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, int | float):
        return (math.isnan(left) and math.isnan(right)) or math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)
    return type(left) is type(right) and left == right
