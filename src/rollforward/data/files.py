"""Data files: where they are, and how they are read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from rollforward.data.frames import INSTRUMENT_NAMES
from rollforward.data.selection import nearest
from rollforward.errors import DataSourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

BUNDLED_PREFIX = "bundled:"
FILE_SUFFIXES = (".csv", ".csv.gz", ".parquet")

_BUNDLED = Path(__file__).parent / "bundled"
_MISSING = ["", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None"]


def resolve_source(source: str | Path) -> Path:
    """Return the absolute path of a data file; ``"bundled:NAME"`` is a file that comes with this package.

    Raises
    ------
    DataSourceError
        If there is no such file.
    """
    text = str(source)
    if text.startswith(BUNDLED_PREFIX):
        name = text.removeprefix(BUNDLED_PREFIX)
        bundled = {path.name.split(".")[0]: path for path in sorted(_BUNDLED.glob("*.csv.gz"))}
        if name not in bundled:
            raise DataSourceError(f"There is no bundled data {name!r}.", nearest(name, bundled))
        return bundled[name]
    path = Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100 - resolve() would follow links, and a link may move
    if not path.is_file():
        raise DataSourceError(
            f"There is no data file {text!r} ({path}).",
            "a .csv, .csv.gz or .parquet file, or 'bundled:sp500_close'.",
            "Check the path; a relative one starts at the working directory.",
        )
    return path


def names_a_file(text: str) -> bool:
    """Say whether a text is the address of a data file, by its beginning and its end."""
    return text.startswith(BUNDLED_PREFIX) or text.lower().endswith(FILE_SUFFIXES)


def read_file(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """Read a data file as it is laid out.

    Parameters
    ----------
    path
        An existing file.
    columns
        Names in the file to names here; says which column holds the instruments.

    Raises
    ------
    DataSourceError
        If the file is of no known kind, or is broken.
    """
    if not path.name.lower().endswith(FILE_SUFFIXES):
        raise DataSourceError(f"{path.name} has an unknown kind.", f"a name ending in {', '.join(FILE_SUFFIXES)}.")
    try:
        return pd.read_parquet(path) if path.name.lower().endswith(".parquet") else _read_csv(path, columns)
    except (OSError, ValueError, EOFError) as error:
        raise DataSourceError(
            f"The file {path} cannot be read ({error}).", "a readable CSV or Parquet file."
        ) from error


def _read_csv(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    header = list(pd.read_csv(path, nrows=0).columns)
    instruments = [name for name in header if columns.get(name, name).lower() in INSTRUMENT_NAMES]
    if not instruments:
        return pd.read_csv(path)
    # Instruments as they are written: 000001 is not 1, and "NA" is a ticker.
    missing = {name: _MISSING for name in header if name not in instruments}
    return pd.read_csv(path, dtype=dict.fromkeys(instruments, str), keep_default_na=False, na_values=missing)
