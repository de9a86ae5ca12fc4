"""Which settings exist, and what a caller who used Qlib's own should use instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollforward.errors import SettingsError
from rollforward.settings.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

FIELDS = (
    "uri",
    "experiment",
    "exp_manager",
    "artifact_root",
    "task_store",
    "task_db_name",
    "calendar",
    "async_log",
    "spool",
    "spool_dir",
    "heartbeat",
    "provenance",
    "capture_output",
    "system_metrics",
    "trusted_classes",
    "qlib_init",
)
KEYS = (*FIELDS, "mongo")
MANAGER_KEYS = ("class", "module_path", "kwargs")
MONGO_KEYS = ("task_url", "task_db_name")

_DATA = "Data are named in the task: give its handler a loader or a file."
_CACHE = "There is no such cache: drop it."
_POOL = "Task pools live in `task_store`: sqlite:///... or mongodb://..."
_WORKERS = "The number of workers is an argument of the call that starts them: drop it."
_LOGGING = 'Set the level of the standard logger: logging.getLogger("rollforward").setLevel(...).'
_SERVER = "There is no data server: drop it."
_CALENDAR = "Give sessions as `calendar=`: a name, a list or a Calendar."

# Names of Qlib's own settings, each with what stands in for it here.
REPLACED = {
    "auto_mount": _DATA,
    "calendar_cache": _CALENDAR,
    "calendar_provider": _CALENDAR,
    "clear_mem_cache": _CACHE,
    "client": "There is one mode only: drop it.",
    "custom_ops": "Features are plain pandas in a handler: drop it.",
    "dataset_cache": _CACHE,
    "dataset_provider": _DATA,
    "default_conf": "There is one mode only: drop it.",
    "default_disk_cache": _CACHE,
    "default_exp_name": "Use `experiment=`.",
    "dump_protocol_version": "The pickle protocol is fixed: drop it.",
    "expression_cache": _CACHE,
    "expression_provider": _DATA,
    "feature_provider": _DATA,
    "flask_port": _SERVER,
    "flask_server": _SERVER,
    "instrument_provider": _DATA,
    "joblib_backend": _WORKERS,
    "kernels": _WORKERS,
    "local_cache_path": _CACHE,
    "logging_config": _LOGGING,
    "logging_level": _LOGGING,
    "maxtasksperchild": _WORKERS,
    "mem_cache_expire": _CACHE,
    "mem_cache_limit_type": _CACHE,
    "mem_cache_size_limit": _CACHE,
    "mem_cache_type": _CACHE,
    "mlflow": "Use `uri=` and `experiment=`.",
    "mount_path": _DATA,
    "pit_provider": _DATA,
    "provider": _DATA,
    "provider_uri": _DATA,
    "redis_host": _POOL,
    "redis_password": _POOL,
    "redis_port": _POOL,
    "redis_task_db": _POOL,
    "region": _CALENDAR,
    "skip_if_reg": "Calling init again with the same arguments changes nothing: drop it.",
    "task_url": 'Use `task_store=`, or mongo={"task_url": ...}.',
}


def refuse_unknown(keys: Iterable[object], known: tuple[str, ...], place: str) -> None:
    """Refuse the first key that is no setting.

    Parameters
    ----------
    keys
        What was given.
    known
        What exists at this place.
    place
        How the message calls the place.

    Raises
    ------
    SettingsError
        Naming the nearest known key, or what replaces a setting of Qlib.
    """
    for key in keys:
        if key in known:
            continue
        remedy = REPLACED.get(str(key)) or did_you_mean(key, known, otherwise="Remove it.")
        raise SettingsError(f"{place}: there is no setting {key!r}.", f"one of {', '.join(sorted(known))}.", remedy)
