"""The settings in force: one value for the process, and a temporary one per context.

The process-wide value is replaced under a lock and is itself immutable, so a thread sees one value or the other and
never a mixture. A temporary value (`override`) lives in a ``ContextVar`` and not in the process-wide place: with a
shared place, two threads whose overrides overlap would restore each other's values. The price is that a thread which is
started inside an override does not see it, unless it runs in a copy of the context
(``contextvars.copy_context().run``).
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollforward.errors import SettingsError
from rollforward.settings.normalize import Source, normalize
from rollforward.settings.sources import collect
from rollforward.settings.values import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from os import PathLike

_QLIB_ADAPTER = "rollforward.adapters.qlib.starting"


class _Process:
    """What all threads share."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.settings: Settings | None = None
        self.guards: list[Callable[[], None]] = []


_process = _Process()
_temporary: ContextVar[Settings | None] = ContextVar("rollforward_settings", default=None)


def init(
    *,
    exp_manager: Mapping[str, Any] | None = None,
    mongo: Mapping[str, Any] | None = None,
    uri: str | PathLike[str] | None = None,
    experiment: str | None = None,
    task_store: str | None = None,
    task_db_name: str | None = None,
    calendar: Any = None,
    artifact_root: str | PathLike[str] | None = None,
    async_log: bool | None = None,
    spool: str | bool | None = None,
    spool_dir: str | PathLike[str] | None = None,
    heartbeat: float | None = None,
    provenance: bool | None = None,
    capture_output: bool | None = None,
    system_metrics: bool | None = None,
    trusted_classes: Iterable[str] | None = None,
    qlib_init: Mapping[str, Any] | None = None,
    **unknown: Any,
) -> Settings:
    """Decide the settings of this process.

    An argument wins over the environment (its name in capitals after ``ROLLFORWARD_``, as in ``ROLLFORWARD_URI``; the
    two dictionaries have no variable), which wins over the nearest ``rollforward.toml`` or
    ``[tool.rollforward]`` of a ``pyproject.toml`` upward from the working directory, which wins over the defaults. What
    an earlier call was given does not carry over. Relative paths are made absolute now: those of a file belong to the
    file's folder, all others to the working directory.

    Parameters
    ----------
    exp_manager
        Qlib's dictionary: ``class``, ``module_path`` and ``kwargs`` with ``uri`` and ``default_exp_name``. Every part
        may be left out.
    mongo
        Qlib's dictionary: ``task_url`` and ``task_db_name``.
    uri
        Tracking store. Default: ``MLFLOW_TRACKING_URI``, else ``mlflow.db`` in the working directory.
    experiment
        Experiment that is used where none is named. Default: ``"Experiment"``.
    task_store
        Store of the task pools. Default: ``rollforward_tasks.db`` in the working directory.
    task_db_name
        Database of the task pools on a MongoDB server. Default: ``"default_task_db"``.
    calendar
        A name, a list of sessions or a calendar object.
    artifact_root
        Where new experiments put their artifacts.
    async_log
        Whether params, metrics and tags are written in the background (the default), or each before its call returns.
    spool
        Whether what is logged is kept in a local journal until the store has it: ``"on"``, ``"off"``, or ``"auto"``
        (the default) for stores behind a server and not for databases.
    spool_dir
        Folder of the journals. Default: the user's folder for the state of programs.
    heartbeat
        Seconds between two signs of life of an open run (default 30); 0 gives none.
    provenance
        Whether a run keeps where it came from: code, packages, command line, environment (the default).
    capture_output
        Whether the last 64 kB of what is printed are kept with the run (the default).
    system_metrics
        Whether MLflow logs processor, memory, disk, network and GPU. Default: off.
    trusted_classes
        Patterns (``"package.module.Class"``, ``"package.*"``) of the classes that may be unpickled from a store, beside
        data. Default: every class.
    qlib_init
        Arguments of ``qlib.init`` for Qlib's data (``provider_uri``, ``region``, ...), which are started at once. A
        worker process starts them when a task needs them. Default: Qlib is left alone.
    **unknown
        Settings of Qlib's data by themselves, ``init(provider_uri=..., region=...)``, are added to ``qlib_init`` if
        pyqlib is installed. Others are refused, with the nearest setting that exists.

    Raises
    ------
    SettingsError
        If a setting is unknown, of the wrong type or contradicts another one, or inside `override`.
    RecorderInitializationError
        If a recorder is active. Nothing has changed then.
    DataSourceError, MissingDependencyError
        If Qlib's data are not there, or pyqlib is not.
    """
    if _temporary.get() is not None:
        raise SettingsError(
            "init() was called inside `with override(...)`.",
            "init() before or after it: inside, its result would stay hidden.",
            "Move the call, or use change(...) for the rest of the block.",
        )
    given = {
        "exp_manager": exp_manager,
        "mongo": mongo,
        "uri": uri,
        "experiment": experiment,
        "task_store": task_store,
        "task_db_name": task_db_name,
        "calendar": calendar,
        "artifact_root": artifact_root,
        "async_log": async_log,
        "spool": spool,
        "spool_dir": spool_dir,
        "heartbeat": heartbeat,
        "provenance": provenance,
        "capture_output": capture_output,
        "system_metrics": system_metrics,
        "trusted_classes": trusted_classes,
        "qlib_init": qlib_init,
    }
    settings = _decide(given | unknown)
    for guard in tuple(_process.guards):
        guard()
    install(settings)
    if settings.qlib_init is not None and (qlib_init is not None or unknown):
        # The adapter is a room above; it is reached by name, and only by those who ask for Qlib.
        import_module(_QLIB_ADAPTER).start()
    return settings


def current() -> Settings:
    """Return the settings in force here: the innermost `override`, else what `init` decided, else the defaults.

    The defaults are computed once, when they are first asked for, and then stay even if the working directory changes.

    Raises
    ------
    SettingsError
        If the environment or the configuration file has a setting that is unknown or wrong.
    """
    temporary = _temporary.get()
    if temporary is not None:
        return temporary
    # Asked for each value that is logged: one value or the other is seen without the lock too.
    settings = _process.settings
    if settings is not None:
        return settings
    with _process.lock:
        if _process.settings is None:
            _process.settings = _decide({})
        return _process.settings


@contextmanager
def override(**changes: Any) -> Iterator[Settings]:
    """Change settings for the length of a ``with`` block, in this thread or task only.

    Takes the arguments of `init`; the rest stays as it is now. The former settings are back however the block ends.

    Raises
    ------
    SettingsError
        As `init`.
    """
    token = _temporary.set(_changed(changes))
    try:
        yield current()
    finally:
        _temporary.reset(token)


def change(**changes: Any) -> Settings:
    """Change settings from now on; inside an `override` only until that ends.

    Takes the arguments of `init`, asks no guard and leaves a recorder that is active where it is.

    Raises
    ------
    SettingsError
        As `init`.
    """
    with _process.lock:
        settings = _changed(changes)
        if _temporary.get() is None:
            return install(settings)
    _temporary.set(settings)
    return settings


def install(settings: Settings) -> Settings:
    """Make ready-made settings those of this process, e.g. the parent's in a worker process."""
    with _process.lock:
        _process.settings = settings
    return settings


def reset() -> None:
    """Forget what was decided: the next `current` decides anew. Guards stay registered."""
    _temporary.set(None)
    with _process.lock:
        _process.settings = None


def register_guard(guard: Callable[[], None]) -> None:
    """Let a higher room refuse `init`.

    Parameters
    ----------
    guard
        Called without arguments before anything changes; refuses by raising, and what it raises reaches the caller of
        `init`. A guard that is registered twice is asked once.
    """
    with _process.lock:
        if guard not in _process.guards:
            _process.guards.append(guard)


def _decide(arguments: Mapping[str, Any]) -> Settings:
    cwd = Path.cwd()
    return Settings(**(collect(cwd) | normalize(arguments, Source("init()", cwd))))


def _changed(changes: Mapping[str, Any]) -> Settings:
    fields = normalize(changes, Source("settings", Path.cwd()))
    return replace(current(), **fields)
