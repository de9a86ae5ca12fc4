"""Python: what a text says about Qlib, by its syntax tree."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollforward.migrate.draft import Draft


@dataclass(frozen=True)
class Use:
    """A dotted chain of attributes that starts at an imported module.

    Parameters
    ----------
    node
        The whole chain.
    parts
        What comes after the module.
    """

    node: ast.expr
    parts: tuple[str, ...]


@dataclass
class Code:
    """A parsed text.

    Parameters
    ----------
    tree
        Its syntax tree.
    imports
        Its statements ``import ...`` that name Qlib.
    from_imports
        Its statements ``from ... import ...`` that name Qlib.
    chains
        Every name that is read, with the attributes that follow it.
    bound
        How often each name is bound by something else than an import of Qlib.
    """

    tree: ast.Module
    imports: list[ast.Import] = field(default_factory=list)
    from_imports: list[ast.ImportFrom] = field(default_factory=list)
    chains: dict[str, list[Use]] = field(default_factory=dict)
    bound: set[str] = field(default_factory=set)

    def calls(self) -> Iterator[ast.Call]:
        """Yield the calls."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))


def parse(text: str) -> ast.Module:
    """Parse a text; a notebook's ``await`` outside functions is allowed.

    Raises
    ------
    SyntaxError, ValueError
        If it is no Python.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = compile(text, "<text>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    if not isinstance(tree, ast.Module):
        raise TypeError("not a module")
    return tree


def read(draft: Draft) -> Code:
    """Parse a draft and collect what concerns Qlib."""
    code = Code(parse(draft.text))
    covered: set[int] = set()
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Import) and any(_is_qlib(alias.name) for alias in node.names):
            code.imports.append(node)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and _is_qlib(node.module or ""):
            code.from_imports.append(node)
        elif isinstance(node, ast.Attribute | ast.Name) and id(node) not in covered:
            _collect(node, code, covered)
        code.bound.update(_bindings(node))
    for uses in code.chains.values():
        uses.sort(key=lambda use: (use.node.lineno, use.node.col_offset))
    return code


def _is_qlib(module: str) -> bool:
    return module == "qlib" or module.startswith("qlib.")


def _collect(node: ast.Attribute | ast.Name, code: Code, covered: set[int]) -> None:
    """Note a chain; `ast.walk` meets the whole chain before its parts."""
    parts: list[str] = []
    inner: ast.expr = node
    while isinstance(inner, ast.Attribute):
        covered.add(id(inner))
        parts.append(inner.attr)
        inner = inner.value
    if isinstance(inner, ast.Name):
        covered.add(id(inner))
        code.chains.setdefault(inner.id, []).append(Use(node, tuple(reversed(parts))))


def _bindings(node: ast.AST) -> Iterator[str]:
    """Yield names that a node binds, other than by importing Qlib."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from names
        case ast.ExceptHandler(name=str(name)):
            yield name
        case ast.Import(names=aliases):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in aliases if not _is_qlib(alias.name))
        case ast.ImportFrom(names=aliases, module=module, level=level):
            if level or not _is_qlib(module or ""):
                yield from (alias.asname or alias.name for alias in aliases)
        case _:
            return
