"""Start Qlib's data."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from rollforward import settings
from rollforward.adapters.qlib.recording import put, share, stands_for, take_over
from rollforward.errors import DataSourceError, MissingDependencyError, SettingsError

logger = logging.getLogger(__name__)

# What `init` of this package decides.
_OURS = ("exp_manager", "mongo")


class _State:
    """What this process has told Qlib."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.told: Mapping[str, Any] | None = None


_state = _State()


def init_qlib(**options: Any) -> None:
    """Start Qlib's data for this process and those that it starts; runs stay with our `R`.

    The same as ``rollforward.init(qlib_init={...})``, but other settings stay as they are. Code of Qlib's that logs
    with ``qlib.workflow.R``, as its models do, logs to the active run of our `R` from now on.

    Parameters
    ----------
    **options
        Arguments of ``qlib.init``: ``provider_uri``, ``region``, ``kernels``, ... ``exp_manager`` and ``mongo`` are
        ignored with a warning: `rollforward.init` takes them.

    Raises
    ------
    MissingDependencyError
        If pyqlib is not installed.
    DataSourceError
        If ``provider_uri`` is a folder of this machine and does not exist.
    """
    for name in _OURS:
        if options.pop(name, None) is not None:
            logger.warning("%s is no matter of Qlib's data and is ignored: give it to rollforward.init().", name)
    settings.change(qlib_init=options)
    start()


def start(*, anew: bool = True) -> None:
    """Start Qlib's data as the setting ``qlib_init`` says; nothing is done if there is no such setting.

    Parameters
    ----------
    anew
        Whether Qlib forgets what it has in memory if it has these data already.

    Raises
    ------
    MissingDependencyError, DataSourceError, SettingsError
        As `init_qlib`.
    """
    options = settings.current().qlib_init
    if options is None:
        return
    with _state.lock:
        if anew or _state.told != options or not _is_registered():
            _start(dict(options))
            _state.told = options


def make_ready() -> None:
    """Let Qlib, if it is loaded, have the data that the settings name, and log to our runs; else do nothing.

    Called where something of Qlib's was imported: in a worker process, this is where its data are started. What a
    script told ``qlib.init`` itself stays, and so does Qlib's `R` outside of our runs.
    """
    if not is_loaded():
        return
    with _state.lock:
        if not _is_registered() or _state.told is not None:
            start(anew=False)
        share()


def is_loaded() -> bool:
    """Tell whether Qlib is imported in this process."""
    return "qlib.config" in sys.modules


def is_started() -> bool:
    """Tell whether Qlib has data: a script called ``qlib.init``, or we did."""
    return is_loaded() and _is_registered()


def require_started(what: str) -> None:
    """Start Qlib's data, which are needed now.

    Raises
    ------
    SettingsError
        If nobody has said where they are.
    """
    start(anew=False)
    make_ready()
    if not is_started():
        raise SettingsError(
            f"{what} is asked of Qlib, and Qlib has no data.",
            "Qlib's data, started before.",
            'Call rollforward.init(qlib_init={"provider_uri": ..., "region": ...}), or qlib.init(...).',
        )


def _is_registered() -> bool:
    if not is_loaded():
        return False
    return bool(import_module("qlib.config").C.get("_registered", False))


def _start(options: dict[str, Any]) -> None:
    qlib = _import_qlib()
    _check_folders(options.get("provider_uri"))
    exits: Any = import_module("qlib.workflow.utils")
    their_exit, their_r = exits.experiment_exit_handler, stands_for()
    put(None)  # Qlib asks an `R` that it has whether it may be replaced
    # Qlib would end runs, and print tracebacks, at the end of the process in its own way.
    exits.experiment_exit_handler = _nothing
    options.setdefault("logging_level", logging.WARNING)
    try:
        qlib.init(options.pop("default_conf", "client"), **options)
    except BaseException:
        put(their_r)
        raise
    finally:
        exits.experiment_exit_handler = their_exit
    take_over(their_r)
    logger.info("Qlib %s has its data from %s.", qlib.__version__, options.get("provider_uri"))


def _import_qlib() -> Any:
    try:
        return import_module("qlib")
    except ModuleNotFoundError as error:
        if error.name != "qlib":
            raise
        raise MissingDependencyError(
            "pyqlib is not installed, and Qlib's data are asked for.",
            "pyqlib, which has them.",
            "pip install pyqlib; or name your data in the task: a handler with a loader or a file.",
        ) from error


def _check_folders(provider: Any) -> None:
    """Refuse a folder that is not there, which Qlib would only log; an address ``host:/path`` is Qlib's to mount."""
    paths = import_module("qlib.config").QlibConfig.DataPathManager
    for uri in provider.values() if isinstance(provider, Mapping) else [provider]:
        if uri is None or paths.get_uri_type(uri) != "local":
            continue
        folder = Path(uri).expanduser()
        if not folder.is_dir():
            raise DataSourceError(
                f"qlib_init: there is no folder {folder}.",
                "provider_uri, the folder of Qlib's data, with calendars, instruments and features in it.",
                "Correct provider_uri, or download the data there first.",
            )


def _nothing() -> None:
    """Stand for what Qlib does at the end of a process."""
