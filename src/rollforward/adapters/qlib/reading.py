"""What Qlib's data hold: sessions, prices, and the identity of all of it."""

from __future__ import annotations

import hashlib
import time
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rollforward.adapters.qlib.starting import is_started, require_started
from rollforward.errors import CalendarError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

PREFIX: Final = "qlib:"
_DEFAULT_FREQ = "day"
# A batch of tasks does not list a hundred thousand files for each.
_FRESH_SECONDS = 10.0


def is_address(value: Any) -> bool:
    """Tell whether a text names Qlib's data: ``"qlib:day"``, ``"qlib:$close"``."""
    return isinstance(value, str) and value.startswith(PREFIX)


def sessions(freq: str = _DEFAULT_FREQ) -> tuple[Any, Any]:
    """Read Qlib's calendar of a frequency.

    Parameters
    ----------
    freq
        As Qlib spells it: ``"day"``, ``"1min"``, ...; empty is ``"day"``.

    Returns
    -------
    sessions, last
        All of them, and the last one that has happened. Sessions to come are there if Qlib's data have a calendar of
        the future (``calendars/day_future.txt``).

    Raises
    ------
    SettingsError
        If Qlib has no data.
    CalendarError
        If its data have no such calendar.
    """
    freq = freq or _DEFAULT_FREQ
    require_started(f"The calendar {freq!r}")
    provider = import_module("qlib.data").D
    try:
        so_far = provider.calendar(freq=freq)
    except (ValueError, FileNotFoundError) as error:
        raise CalendarError(
            f"Qlib cannot give the calendar {freq!r}: {error}", "a frequency that Qlib's data have, such as 'day'."
        ) from error
    if not len(so_far):
        raise CalendarError(f"Qlib's calendar {freq!r} has no session.", "Qlib data with a calendar.")
    folder = import_module("qlib.config").C.dpm.get_data_uri(freq)
    has_future = (Path(folder) / "calendars" / f"{freq}_future.txt").is_file()
    return (provider.calendar(freq=freq, future=True) if has_future else so_far), so_far[-1]


def features(
    fields: Iterable[str], instruments: Any = None, start_time: Any = None, end_time: Any = None
) -> pd.DataFrame:
    """Read expressions from Qlib's data.

    Parameters
    ----------
    fields
        Expressions, such as ``"$close"``.
    instruments
        Names; the name of a market, such as ``"csi300"``; a configuration of Qlib's; ``None`` for all.
    start_time, end_time
        Both inclusive; ``None`` is open.

    Returns
    -------
    pd.DataFrame
        Rows ``(datetime, instrument)`` in order, one column for each expression.

    Raises
    ------
    SettingsError
        If Qlib has no data.
    DataError
        If there are none of these.
    """
    fields = list(fields)
    require_started(f"{fields[0]!r}")
    provider = import_module("qlib.data").D
    wanted = "all" if instruments is None else instruments
    if isinstance(wanted, str):
        wanted = _market(wanted)
    elif not isinstance(wanted, dict):
        wanted = sorted({str(name) for name in wanted})
    found: pd.DataFrame = provider.features(wanted, fields, start_time=start_time, end_time=end_time)
    if found.empty:
        raise DataError(
            f"Qlib's data have no {', '.join(fields)} from {start_time} to {end_time}.",
            "instruments and times that Qlib's data cover.",
            "Check provider_uri, and the names and dates that are asked for.",
        )
    found = found.swaplevel().sort_index()
    found.index.names = ["datetime", "instrument"]
    return found


def _market(name: str) -> Any:
    provider = import_module("qlib.data").D
    found = provider.instruments(name)
    try:
        provider.list_instruments(found, as_list=True)
    except (ValueError, FileNotFoundError) as error:
        raise DataError(
            f"Qlib's data have no market {name!r}: {error}",
            "'all', another file of their folder instruments, or a list of names.",
            "Correct the name; for one instrument give a list of it.",
        ) from error
    return found


def exchange_defaults() -> Mapping[str, Any]:
    """Return the rules of trading of Qlib's region: ``deal_price``, ``limit_threshold``, ``trade_unit``."""
    settings = import_module("qlib.config").C
    return {name: settings.get(name) for name in ("deal_price", "limit_threshold", "trade_unit")}


def data_digest() -> str | None:
    """Hash the content of the folders that Qlib has its data from: 64 hexadecimal digits.

    All files are read once per process and again after one of them changed, which is noticed after ten seconds.

    Returns
    -------
    str or None
        ``None`` if Qlib is not started, or its data are on another machine.
    """
    if not is_started():
        return None
    settings = import_module("qlib.config").C
    folders = tuple(sorted(str(settings.dpm.get_data_uri(freq)) for freq in settings.dpm.provider_uri))
    return _digest_now(folders, int(time.monotonic() / _FRESH_SECONDS))


@lru_cache(maxsize=4)
def _digest_now(folders: tuple[str, ...], _moment: int) -> str | None:
    state = tuple(_state_of(Path(folder)) for folder in folders)
    return _digest_of(folders, state) if any(state) else None


@lru_cache(maxsize=4)
def _digest_of(folders: tuple[str, ...], state: tuple[tuple[tuple[Any, ...], ...], ...]) -> str:
    total = hashlib.sha256()
    for folder, files in zip(folders, state, strict=True):
        for name, *_ in files:
            with (Path(folder) / name).open("rb") as file:
                total.update(f"{name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def _state_of(folder: Path) -> tuple[tuple[Any, ...], ...]:
    found = []
    for file in folder.rglob("*"):
        if file.is_file() and "cache" not in file.relative_to(folder).parts[0]:
            stat = file.stat()
            found.append((file.relative_to(folder).as_posix(), stat.st_size, stat.st_mtime_ns, stat.st_ino))
    return tuple(sorted(found))
