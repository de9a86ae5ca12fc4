"""List the public names that modules of Qlib define, by their sources: run with Qlib's Python, prints JSON.

``qlib_names.json`` is what it prints for pyqlib 0.9.7.
"""

import ast
import importlib.util
import json
import sys
from pathlib import Path

MODULES = (
    "qlib.contrib.eva.alpha",
    "qlib.contrib.rolling.base",
    "qlib.contrib.workflow",
    "qlib.contrib.workflow.record_temp",
    "qlib.data.dataset",
    "qlib.data.dataset.handler",
    "qlib.data.dataset.loader",
    "qlib.data.dataset.processor",
    "qlib.log",
    "qlib.model",
    "qlib.model.base",
    "qlib.model.ens.ensemble",
    "qlib.model.ens.group",
    "qlib.model.trainer",
    "qlib.utils.data",
    "qlib.utils.exceptions",
    "qlib.utils.mod",
    "qlib.utils.serial",
    "qlib.workflow",
    "qlib.workflow.exp",
    "qlib.workflow.expm",
    "qlib.workflow.online.manager",
    "qlib.workflow.online.strategy",
    "qlib.workflow.online.update",
    "qlib.workflow.online.utils",
    "qlib.workflow.record_temp",
    "qlib.workflow.recorder",
    "qlib.workflow.task.collect",
    "qlib.workflow.task.gen",
    "qlib.workflow.task.manage",
    "qlib.workflow.task.utils",
    "qlib.workflow.utils",
)


def names_in(tree, package):
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign):
            yield node.target.id
        elif isinstance(node, ast.ImportFrom) and package and node.level == 1:
            yield from (alias.asname or alias.name for alias in node.names)


def surface():
    root = Path(importlib.util.find_spec("qlib").origin).parent
    found = {}
    for module in MODULES:
        path = root.joinpath(*module.split(".")[1:])
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        names = names_in(ast.parse(file.read_text(encoding="utf-8")), path.is_dir())
        found[module] = sorted({name for name in names if not name.startswith("_") and name != "logger"})
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(surface(), indent=1) + "\n")
