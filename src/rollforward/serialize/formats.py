"""The formats a file may have. Heavy packages are loaded by the format that needs them."""

from __future__ import annotations

import gzip
import io
import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any, cast

from rollforward.errors import SerializationError
from rollforward.serialize.plain import JSON_TYPES, YAML_TYPES, require_plain

# 5 is read by every Python that this package supports, and writes an array without copying it in memory first.
PICKLE_PROTOCOL = 5
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Format:
    """One way to write an object and to read it back.

    Parameters
    ----------
    name
        How messages call it.
    write, read
        Get a binary file; `write` also gets the object. Both may raise anything.
    """

    name: str
    write: Callable[[Any, IO[bytes]], None]
    read: Callable[[IO[bytes]], Any]


def require(obj: Any, types: type | tuple[type, ...], expected: str, remedy: str) -> None:
    """Refuse an object that a format does not take."""
    if not isinstance(obj, types):
        raise SerializationError(f"an object of type {type(obj).__name__}.", expected, remedy)


def _write_pickle(obj: Any, file: IO[bytes]) -> None:
    pickle.dump(obj, file, protocol=PICKLE_PROTOCOL)


def _write_joblib(obj: Any, file: IO[bytes]) -> None:
    import joblib  # noqa: PLC0415  # loads numpy

    joblib.dump(obj, file, protocol=PICKLE_PROTOCOL)


def _read_joblib(file: IO[bytes]) -> Any:
    import joblib  # noqa: PLC0415  # loads numpy

    return joblib.load(file)


def _write_json(obj: Any, file: IO[bytes]) -> None:
    require_plain(obj, JSON_TYPES, "json")
    file.write(json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False).encode())


def _write_yaml(obj: Any, file: IO[bytes]) -> None:
    import yaml  # noqa: PLC0415  # few need it

    require_plain(obj, YAML_TYPES, "yaml")
    text = yaml.safe_dump(obj, sort_keys=False, allow_unicode=True)
    # A few texts and time zones do not survive this format; what would come back is known before the file exists.
    if repr(yaml.safe_load(text)) != repr(obj):
        raise SerializationError(
            "yaml would not give the object back as it is.",
            "texts without control characters, and dates without unusual time zones.",
            "Write a .json or a .pkl file.",
        )
    file.write(text.encode())


def _read_yaml(file: IO[bytes]) -> Any:
    import yaml  # noqa: PLC0415  # few need it

    return yaml.safe_load(file.read().decode())


def _write_parquet(obj: Any, file: IO[bytes]) -> None:
    import pandas as pd  # noqa: PLC0415  # heavy

    require(obj, pd.DataFrame, "a DataFrame.", "Make it one with .to_frame(name), or write a .pkl file.")
    obj.to_parquet(file, engine="pyarrow")


def _read_parquet(file: IO[bytes]) -> Any:
    import pandas as pd  # noqa: PLC0415  # heavy

    return pd.read_parquet(file, engine="pyarrow")


def _write_csv(obj: Any, file: IO[bytes]) -> None:
    import pandas as pd  # noqa: PLC0415  # heavy

    frame = obj.to_frame("value" if obj.name is None else obj.name) if isinstance(obj, pd.Series) else obj
    require(frame, pd.DataFrame, "a DataFrame or a Series.", "Make it a DataFrame, or write a .json file.")
    if frame.columns.nlevels > 1:
        raise SerializationError(
            f"a DataFrame whose columns have {frame.columns.nlevels} levels.",
            "columns with one level.",
            "Select one column group, or write a .parquet file.",
        )
    unnamed_rows = isinstance(frame.index, pd.RangeIndex) and frame.index.name is None
    (frame if unnamed_rows else frame.reset_index()).to_csv(file, index=False)


def _read_csv(file: IO[bytes]) -> Any:
    import pandas as pd  # noqa: PLC0415  # heavy

    return pd.read_csv(file)


def _write_csv_gz(obj: Any, file: IO[bytes]) -> None:
    # Without a time in it, the same frame gives the same bytes.
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
        _write_csv(obj, cast(IO[bytes], packed))


def _read_csv_gz(file: IO[bytes]) -> Any:
    with gzip.GzipFile(fileobj=file) as packed:
        return _read_csv(cast(IO[bytes], packed))


def _write_npy(obj: Any, file: IO[bytes]) -> None:
    import numpy as np  # noqa: PLC0415  # heavy

    require(obj, np.ndarray, "a numpy array.", "Make it one with np.asarray(...), or write a .pkl file.")
    np.save(file, obj, allow_pickle=False)


def _read_npy(file: IO[bytes]) -> Any:
    import numpy as np  # noqa: PLC0415  # heavy

    return np.load(file, allow_pickle=False)


def _write_npz(obj: Any, file: IO[bytes]) -> None:
    import numpy as np  # noqa: PLC0415  # heavy

    remedy = 'Write {"name": array}, or a .npy file for one array.'
    require(obj, Mapping, "a dictionary of numpy arrays.", remedy)
    for key, array in obj.items():
        require(key, str, "a dictionary with text keys.", remedy)
        require(array, np.ndarray, f"a dictionary of numpy arrays (see {key!r}).", remedy)
        if array.dtype.hasobject:
            raise SerializationError(f"an array of Python objects (see {key!r}).", "numbers, dates or texts.", remedy)
    np.savez_compressed(file, **obj)


def _read_npz(file: IO[bytes]) -> Any:
    import numpy as np  # noqa: PLC0415  # heavy

    with np.load(file, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def _write_text(obj: Any, file: IO[bytes]) -> None:
    require(obj, str, "a text.", "Write str(...) of it, or a .pkl file.")
    file.write(obj.encode())


def _write_png(obj: Any, file: IO[bytes]) -> None:
    if hasattr(obj, "savefig"):
        buffer = io.BytesIO()
        obj.savefig(buffer, format="png")
        obj = buffer.getvalue()
    require(obj, bytes, "a matplotlib figure, or the bytes of a PNG picture.", "Draw it first, or write a .pkl file.")
    if not obj.startswith(_PNG_SIGNATURE):
        raise SerializationError("bytes that are no PNG picture.", "bytes that begin with PNG's signature.", "Draw it.")
    file.write(obj)


PICKLE = Format("pickle", _write_pickle, pickle.load)
_TEXT = Format("text", _write_text, lambda file: file.read().decode())
_YAML = Format("yaml", _write_yaml, _read_yaml)

# A suffix that is not here, or none at all, means pickle.
FORMATS: dict[str, Format] = {
    ".csv": Format("csv", _write_csv, _read_csv),
    ".csv.gz": Format("csv.gz", _write_csv_gz, _read_csv_gz),
    ".html": _TEXT,
    ".joblib": Format("joblib", _write_joblib, _read_joblib),
    ".json": Format("json", _write_json, lambda file: json.loads(file.read().decode())),
    ".npy": Format("npy", _write_npy, _read_npy),
    ".npz": Format("npz", _write_npz, _read_npz),
    ".parquet": Format("parquet", _write_parquet, _read_parquet),
    ".png": Format("png", _write_png, lambda file: file.read()),
    ".txt": _TEXT,
    ".yaml": _YAML,
    ".yml": _YAML,
}


def format_of(name: str) -> Format:
    """Find the format by a file's name, capitals or not."""
    name = name.lower()
    suffixes = sorted(FORMATS, key=len, reverse=True)
    return next((FORMATS[suffix] for suffix in suffixes if name.endswith(suffix) and name != suffix), PICKLE)
