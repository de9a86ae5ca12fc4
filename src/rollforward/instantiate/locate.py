"""Find what a configuration names: modules, files of Python, attributes, moved names."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import re
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from rollforward.adapters.qlib import make_ready
from rollforward.errors import InstantiationError
from rollforward.instantiate.moved import MOVED, advice
from rollforward.settings.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

_executing = threading.RLock()
_stamps: dict[str, tuple[int, int]] = {}


def at(where: str) -> str:
    """Spell a place in a configuration as the start of a message."""
    return f"{where}: " if where else ""


def split_module_path(module_path: str) -> tuple[str, str]:
    """Split ``"a.b.Cls"`` into ``("a.b", "Cls")``; a name without a module gives ``("", name)``.

    Examples
    --------
    >>> split_module_path("sklearn.linear_model.Ridge")
    ('sklearn.linear_model', 'Ridge')
    """
    module, _, name = module_path.rpartition(".")
    return module, name


def get_module_by_module_path(module_path: str | ModuleType, where: str = "") -> ModuleType:
    """Import a module by its dotted name, or by the path of a ``.py`` file.

    A relative file path is relative to the working directory. A file is executed once, and again after it changed.

    Parameters
    ----------
    module_path
        A module object is returned as it is. A moved module of Qlib gives the first module that holds its names.
    where
        Place in the configuration, for the message.

    Raises
    ------
    InstantiationError
        If there is no such module. An error inside a module reaches the caller as it is.
    """
    return next(_candidates(module_path, where))


def locate(module_path: str | ModuleType, name: str, where: str = "") -> Any:
    """Return an attribute of a module.

    A name of Qlib that is ported comes from here; any other name of Qlib comes from Qlib if that is installed.

    Raises
    ------
    InstantiationError
        If there is no such module or attribute; names the nearest attribute.
    """
    searched = []
    for module in _candidates(module_path, where):
        if hasattr(module, name):
            return getattr(module, name)
        searched.append(module)
    known = sorted({key for module in searched for key in dir(module) if not key.startswith("_")})
    remedy = did_you_mean(name, known, otherwise=f"Correct the name {name!r}.")
    if isinstance(module_path, str) and module_path in MOVED:
        remedy = f"{remedy} {advice(module_path)}"
    raise InstantiationError(f"{at(where)}{searched[0].__name__} has no {name!r}.", "a name that exists there.", remedy)


def _candidates(module_path: str | ModuleType, where: str) -> Iterator[ModuleType]:
    """Yield the modules that may hold a name, importing each only when the former ones did not."""
    if isinstance(module_path, ModuleType):
        yield module_path
        return
    if module_path.endswith(".py"):
        yield _module_of_file(module_path, where)
        return
    n_found = 0
    for target in MOVED.get(module_path, ()):
        module = _import(target, where, optional=True)
        if module is not None:
            n_found += 1
            yield module
    original = _import(module_path, where, optional=n_found > 0)
    if original is not None:
        yield original


def _import(module_path: str, where: str, *, optional: bool = False) -> ModuleType | None:
    try:
        module = importlib.import_module(module_path)
    except ModuleNotFoundError as error:
        # A module that exists and lacks one of its own imports is another error: it reaches the caller as it is.
        if error.name is None or not f"{module_path}.".startswith(f"{error.name}."):
            raise
        if optional:
            return None
        missing = error.name
        if missing == "qlib" or missing.startswith("qlib."):
            raise InstantiationError(
                f"{at(where)}{module_path} is a module of Qlib that is not ported, and Qlib does not provide it here.",
                "a name of the table rollforward.instantiate.MOVED, or any module that is installed.",
                advice(module_path),
            ) from error
        raise InstantiationError(
            f"{at(where)}there is no module {missing!r} (asked for: {module_path!r}).",
            "a module that is installed, or the path of a .py file.",
            f"Correct the name, install what provides it, or add its folder to sys.path.{_near_module(missing)}",
        ) from error
    except (TypeError, ValueError) as error:
        raise InstantiationError(
            f"{at(where)}{module_path!r} is no module.", "a dotted name like package.module.", "Correct the name."
        ) from error
    make_ready()  # what is Qlib's needs its data, and logs
    return module


def _near_module(missing: str) -> str:
    parent, _, leaf = missing.rpartition(".")
    package = sys.modules.get(parent or missing)
    if parent:
        paths = [Path(path) for path in getattr(package, "__path__", ())]
        siblings = {item.stem for path in paths if path.is_dir() for item in path.iterdir() if item.stem.isidentifier()}
    else:
        siblings = {name for name in sys.modules if "." not in name}
    hint = did_you_mean(leaf, sorted(siblings))
    return f" {hint}" if hint else ""


def _module_of_file(path: str, where: str) -> ModuleType:
    file = Path(path).resolve()
    try:
        stat = file.stat()
    except OSError as error:
        raise InstantiationError(
            f"{at(where)}there is no file {path}.",
            f"the path of a Python file, relative to {Path.cwd()} unless absolute.",
            "Correct the path.",
        ) from error
    # The name is the same in every process that loads the same file.
    digest = hashlib.sha256(str(file).encode()).hexdigest()[:8]
    name = f"{re.sub(r'[^0-9A-Za-z_]', '_', file.stem)}_{digest}"
    stamp = (stat.st_mtime_ns, stat.st_size)
    with _executing:
        if name in sys.modules and _stamps.get(name) == stamp:
            return sys.modules[name]
        return _execute(name, file, stamp, where)


def _execute(name: str, file: Path, stamp: tuple[int, int], where: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise InstantiationError(f"{at(where)}{file} cannot be imported.", "a Python file.", "Correct the path.")
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    # Pickle and dataclasses look a module up by its name while its body runs.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        raise
    _stamps[name] = stamp
    return module
