"""Where a name of Qlib is here: read from the sources, so that nothing has to be imported for it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rollforward.instantiate.moved import MOVED

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Place:
    """Where a name of Qlib is here.

    Parameters
    ----------
    module
        The module here.
    name
        What is meant in the module; empty is the module itself.
    rest
        What follows, such as a method, with its leading dot.
    """

    module: str
    name: str = ""
    rest: str = ""

    @property
    def dotted(self) -> str:
        """The whole name."""
        return f"{self.module}.{self.name}{self.rest}" if self.name else f"{self.module}{self.rest}"


def find(dotted: str) -> Place | None:
    """Find a dotted name of Qlib here.

    Parameters
    ----------
    dotted
        Such as ``qlib.workflow.R.start``.

    Returns
    -------
    Place | None
        Nothing if the name is not ported.

    Examples
    --------
    >>> find("qlib.model.trainer.TrainerR")
    Place(module='rollforward.workflow.trainer', name='TrainerR', rest='')
    >>> find("qlib.contrib.model.gbdt.LGBModel") is None
    True
    """
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        targets = MOVED.get(".".join(parts[:length]))
        if targets is None:
            continue
        if length == len(parts):
            return Place(targets[0])
        name, rest = parts[length], "".join(f".{part}" for part in parts[length + 1 :])
        return next((Place(target, name, rest) for target in targets if name in names_of(target)), None)
    return None


def whereabouts(name: str) -> str | None:
    """Find a bare name in any module that the table names, for a hint."""
    homes = [target for targets in MOVED.values() for target in targets]
    return next((target for target in homes if not name.startswith("_") and name in names_of(target)), None)


@cache
def names_of(module: str) -> frozenset[str]:
    """List the public names of a module of this package without importing it."""
    path = _ROOT.joinpath(*module.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(file.read_bytes())
    listed = {name for node in tree.body for name in _listed(node)}
    defined = {name for node in tree.body for name in _defined(node)}
    return frozenset(name for name in listed | defined if not name.startswith("_"))


def _listed(node: ast.stmt) -> Iterator[str]:
    """Yield what ``__all__`` names."""
    if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
        yield from (str(item.value) for item in ast.walk(node.value) if isinstance(item, ast.Constant))


def _defined(node: ast.stmt) -> Iterator[str]:
    """Yield what a statement of a module binds, imports of this package included."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rollforward"):
        yield from (alias.asname or alias.name for alias in node.names)
