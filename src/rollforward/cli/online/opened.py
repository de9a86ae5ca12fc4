"""The manager that the command line names: out of its ledger, or out of a file."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from rollforward import settings
from rollforward.errors import DataSourceError, OnlineError, SettingsError, TaskError
from rollforward.instantiate import init_instance_by_config
from rollforward.serialize import save_object
from rollforward.settings.nearest import did_you_mean
from rollforward.workflow.online.manager import OnlineManager
from rollforward.workflow.online.strategy import OnlineStrategy, RollingStrategy
from rollforward.workflow.task.gen import RollingGen

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

_SECTIONS = ("init", "online", "strategies")
_ONLINE = (
    "name",
    "begin_time",
    "trainer",
    "guard",
    "all_at_once",
    "future",
    "require_proof",
    "on_hold",
    "lease",
    "calendar",
    "registry",
)
_FRAME_KINDS = (".csv", ".parquet", ".pkl")
_STRATEGY = ("task", "rolling", "role", "ahead", "promotion")


def open_manager(arguments: argparse.Namespace) -> OnlineManager:
    """Open the manager that the command line names, by its ledger or by a file."""
    if _is_file(arguments.ledger):
        return from_file(arguments)
    _set_up(arguments, {})
    changes = _changes(arguments)
    manager = OnlineManager.load(name=arguments.ledger, **changes)
    if settings.current().calendar is None and manager.calendar is not None:
        settings.init(calendar=manager.calendar)
    return manager


def from_file(arguments: argparse.Namespace) -> OnlineManager:
    """Make the manager that a file describes.

    Raises
    ------
    DataSourceError
        If there is no such file.
    SettingsError, TaskError
        If something in it is missing, or not as it should be.
    """
    path = Path(arguments.ledger)
    content = _read(path)
    _set_up(arguments, content.get("init") or {})
    online = {**(content.get("online") or {})}
    _refuse_unknown(online, _ONLINE, f"Section 'online' of {path}")
    if "trainer" in online:
        online["trainer"] = _trainer(online["trainer"], path)
    given = settings.current().calendar
    if isinstance(given, str | Path):
        online.setdefault("calendar", str(given))  # so that the ledger knows it, too
    strategies = [_strategy(name, one, path) for name, one in content["strategies"].items()]
    return OnlineManager(strategies, **{**online, **_changes(arguments)})


def frame_file(file: str) -> Path:
    """Check the name of a file that a frame is to be written into, before the work that makes the frame.

    Raises
    ------
    SettingsError
        If its kind takes no frame.
    """
    path = Path(file)
    if path.suffix not in _FRAME_KINDS:
        raise SettingsError(f"--out is {file!r}.", "a name that ends in .csv, .parquet or .pkl.", "Change the name.")
    return path


def write_frame(found: Any, path: Path) -> None:
    """Write a frame or a Series into a file of `frame_file`."""
    save_object(found.to_frame() if found.ndim == 1 else found, path)


def say(arguments: argparse.Namespace, document: Any, text: str) -> None:
    """Print a document as JSON if that is asked for, else a text."""
    print(json.dumps(document, indent=2, default=str) if arguments.json else text)


def _is_file(name: str) -> bool:
    return name.endswith((".yaml", ".yml"))


def _changes(arguments: argparse.Namespace) -> dict[str, Any]:
    """Collect what the command line says about the manager."""
    changes: dict[str, Any] = {}
    if getattr(arguments, "no_wait", False):
        changes["wait"] = False
    if getattr(arguments, "lease", None) is not None:
        changes["lease"] = arguments.lease
    if arguments.calendar:
        changes["calendar"] = arguments.calendar
    if _is_file(arguments.ledger) and getattr(arguments, "name", None):
        changes["name"] = arguments.name
    return changes


def _set_up(arguments: argparse.Namespace, init: Mapping[str, Any]) -> None:
    given = {"uri": arguments.uri, "calendar": arguments.calendar}
    settings.init(**{**init, **{name: value for name, value in given.items() if value}})


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataSourceError(f"There is no file {path}.", "the path of a file.", "Correct the path.") from error
    except OSError as error:
        raise DataSourceError(f"{path} cannot be read: {error.strerror}.", "a readable YAML file.") from error
    except (yaml.YAMLError, ValueError) as error:  # a ValueError: bytes that are no text, or a date that is none
        raise TaskError(f"{path} is not YAML: {error}", "a YAML file.", "Correct the place named.") from error
    if not isinstance(content, dict) or not isinstance(content.get("strategies"), dict) or not content["strategies"]:
        raise TaskError(
            f"{path} has no section 'strategies'.", f"sections {', '.join(_SECTIONS)}.", "Name one strategy at least."
        )
    _refuse_unknown(content, _SECTIONS, str(path))
    for name in ("init", "online"):
        if not isinstance(content.get(name) or {}, dict):
            raise TaskError(f"Section {name!r} of {path} is {content[name]!r}.", "a mapping.")
    return content


def _strategy(name: str, config: Any, path: Path) -> OnlineStrategy:
    where = f"Strategy {name!r} of {path}"
    if not isinstance(config, dict):
        raise TaskError(f"{where} is {config!r}.", f"a mapping with {', '.join(_STRATEGY)}.")
    if "class" in config:
        made: OnlineStrategy = init_instance_by_config(config, accept_types=OnlineStrategy, where=where)
        return made
    _refuse_unknown(config, _STRATEGY, where)
    if "task" not in config:
        raise TaskError(f"{where} has no task.", "a task, or a list of tasks, under 'task'.")
    rolling = {"rtype" if key == "type" else key: value for key, value in (config.get("rolling") or {}).items()}
    known = [one for one in inspect.signature(RollingGen).parameters if one not in ("task_copy_func", "calendar")]
    _refuse_unknown(rolling, known, f"Section 'rolling' of {where}")
    options = {key: config[key] for key in ("role", "ahead", "promotion") if key in config}
    return RollingStrategy(name, config["task"], RollingGen(**rolling), **options)


def _trainer(config: Any, path: Path) -> Any:
    whole = {"class": config} if isinstance(config, str) else config
    if not isinstance(whole, dict) or "class" not in whole:
        raise TaskError(f"'trainer' of {path} is {config!r}.", "a class, such as DelayTrainerR, or class and kwargs.")
    return init_instance_by_config(whole, default_module="rollforward.workflow.trainer", where=f"trainer of {path}")


def _refuse_unknown(section: Mapping[str, Any], known: Any, where: str) -> None:
    for key in section:
        if key not in known:
            hint = did_you_mean(key, known, otherwise="Remove it.")
            raise SettingsError(f"{where} has a key {key!r}.", f"one of {', '.join(known)}.", hint)


def strategy_of(manager: OnlineManager, name: str) -> OnlineStrategy:
    """Find a strategy of a manager.

    Raises
    ------
    OnlineError
        If there is none of this name.
    """
    for strategy in manager.strategies:
        if strategy.name_id == name:
            return strategy
    names = [one.name_id for one in manager.strategies]
    raise OnlineError(f"There is no strategy {name!r}.", f"one of {', '.join(names)}.", did_you_mean(name, names))
