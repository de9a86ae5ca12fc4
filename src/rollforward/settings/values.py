"""What the settings are, once decided."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rollforward.settings.masking import masked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_EXPERIMENT = "Experiment"
DEFAULT_TASK_DB_NAME = "default_task_db"
DEFAULT_HEARTBEAT = 30.0
DEFAULT_MANAGER = MappingProxyType(
    {"class": "MLflowExpManager", "module_path": "rollforward.workflow.mlflow_backend", "kwargs": {}}
)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Settings:
    """The settings in force; a value that never changes.

    Two settings are equal if all their fields are. The repr hides credentials; the fields do not.

    Parameters
    ----------
    uri
        Tracking store, as MLflow spells it.
    task_store
        Store of the task pools: ``sqlite:///...`` or ``mongodb://...``.
    experiment
        Experiment that is used where none is named.
    task_db_name
        Database of the task pools; only a MongoDB server has several.
    exp_manager
        Configuration of the experiment manager: ``class``, ``module_path`` and ``kwargs`` other than the store and the
        default experiment. Read-only.
    artifact_root
        Where new experiments put their artifacts; ``None`` lets the tracking backend decide.
    calendar
        A name, a list of sessions or a calendar object, as it was given.
    async_log
        Whether what is logged is written in the background; off, each call writes before it returns.
    spool
        Whether what is logged is kept in a local journal until the store has it: ``"on"``, ``"off"``, or ``"auto"`` for
        stores behind a server and not for databases.
    spool_dir
        Folder of the journals; ``None`` is the user's folder for the state of programs.
    heartbeat
        Seconds between two signs of life of an open run; 0 gives none.
    provenance
        Whether a run keeps where it came from: code, packages, command line, environment.
    capture_output
        Whether the end of what is printed is kept with the run.
    system_metrics
        Whether MLflow logs processor, memory, disk, network and GPU.
    trusted_classes
        Patterns of the classes that may be unpickled from a store, beside data; ``None`` is every class.
    qlib_init
        Arguments of ``qlib.init`` for Qlib's data, as they were given; ``None`` leaves Qlib alone.
    """

    uri: str
    task_store: str
    experiment: str = DEFAULT_EXPERIMENT
    task_db_name: str = DEFAULT_TASK_DB_NAME
    exp_manager: Mapping[str, Any] = field(default_factory=lambda: DEFAULT_MANAGER)
    artifact_root: str | None = None
    calendar: Any = None
    async_log: bool = True
    spool: str = "auto"
    spool_dir: str | None = None
    heartbeat: float = DEFAULT_HEARTBEAT
    provenance: bool = True
    capture_output: bool = True
    system_metrics: bool = False
    trusted_classes: tuple[str, ...] | None = None
    qlib_init: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Take the manager's configuration out of the caller's hands."""
        manager = {key: copy.copy(value) for key, value in self.exp_manager.items()}
        object.__setattr__(self, "exp_manager", MappingProxyType(manager))

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as keyword arguments of `init`, with the credentials they hold."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return values | {"exp_manager": dict(self.exp_manager)}

    def __repr__(self) -> str:
        """Show every field and no credential."""
        shown = ", ".join(f"{name}={value!r}" for name, value in masked(self.as_dict()).items())
        return f"Settings({shown})"

    def __eq__(self, other: object) -> bool:
        """Compare field by field; a calendar without a plain truth value (an array) equals only itself."""
        if not isinstance(other, Settings):
            return NotImplemented
        mine, theirs = self.as_dict(), other.as_dict()
        a, b = mine.pop("calendar"), theirs.pop("calendar")
        return mine == theirs and (a is b or (type(a) is type(b) and (a == b) is True))

    def __hash__(self) -> int:
        return hash((self.uri, self.task_store, self.experiment, self.task_db_name, self.artifact_root))

    def __reduce__(self) -> tuple[Callable[[dict[str, Any]], Settings], tuple[dict[str, Any]]]:
        """Pickle as plain fields: a read-only mapping cannot be pickled itself."""
        return _restore, (self.as_dict(),)


def _restore(values: dict[str, Any]) -> Settings:
    return Settings(**values)
