"""YAML 1.2's plain values, as Qlib reads them: ``1e-3`` is a number, ``012`` is twelve and ``12:30`` is a text.

PyYAML reads YAML 1.1, in which the first is a text, the second ten and the third 750. What 1.1 alone takes for true or
false (``yes``, ``no``, ``on``, ``off``) is a text here, and refused where it is a value: whoever wrote it meant either.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

AMBIGUOUS = re.compile(r"(?i:yes|no|on|off)")

_TAG = "tag:yaml.org,2002:"
_OURS = ("bool", "int", "float")
_BOOL = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_INT = re.compile(r"^(?:[-+]?0b[01_]+|[-+]?0o[0-7_]+|[-+]?0x[0-9a-fA-F_]+|[-+]?[0-9][0-9_]*)$")
_FLOAT = re.compile(
    r"^(?:[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)
_DIGITS = list("-+0123456789")


class WorkflowLoader(yaml.SafeLoader):
    """Reads one document; a value that cannot be read says its line."""


class WorkflowDumper(yaml.SafeDumper):
    """Writes what `WorkflowLoader` reads back."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # PyYAML's signature
        """Write what is shared each time, so that each place can be read alone."""
        return True


def _install(cls: Any, resolvers: dict[str, list[tuple[str, Any]]]) -> None:
    named = {f"{_TAG}{name}" for name in _OURS}
    cls.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in known if tag not in named] for first, known in resolvers.items()
    }
    cls.add_implicit_resolver(f"{_TAG}bool", _BOOL, list("tTfF"))
    cls.add_implicit_resolver(f"{_TAG}int", _INT, _DIGITS)
    cls.add_implicit_resolver(f"{_TAG}float", _FLOAT, [*_DIGITS, "."])


def _int(_loader: WorkflowLoader, node: yaml.ScalarNode) -> int:
    text = node.value.replace("_", "")
    unsigned = text.lstrip("+-")
    base = {"0b": 2, "0o": 8, "0x": 16}.get(unsigned[:2].lower(), 10)
    return int(text, base)


def _float(_loader: WorkflowLoader, node: yaml.ScalarNode) -> float:
    return float(node.value.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))


def _time(loader: WorkflowLoader, node: yaml.ScalarNode) -> Any:
    try:
        return loader.construct_yaml_timestamp(node)
    except ValueError as error:
        # A date such as 2016-13-01.
        raise yaml.constructor.ConstructorError(None, None, f"{node.value}: {error}", node.start_mark) from error


_install(WorkflowLoader, yaml.SafeLoader.yaml_implicit_resolvers)
_install(WorkflowDumper, yaml.SafeDumper.yaml_implicit_resolvers)
# What 1.1 takes for a truth value is written with quotes, for readers of either.
WorkflowDumper.add_implicit_resolver("!ambiguous", re.compile(rf"^{AMBIGUOUS.pattern}$"), list("yYnNoO"))
WorkflowLoader.add_constructor(f"{_TAG}int", _int)
WorkflowLoader.add_constructor(f"{_TAG}float", _float)
WorkflowLoader.add_constructor(f"{_TAG}timestamp", _time)


def parse_value(text: str) -> Any:
    """Read one value, such as ``0.1``, ``null`` or ``[a, b]``.

    Raises
    ------
    yaml.YAMLError
        If it is none.
    """
    return yaml.load(text, Loader=WorkflowLoader)  # noqa: S506  # derived from the safe one


def dump_yaml(content: Any) -> str:
    """Write plain values so that `parse_value` gives them back; keys stay in their order."""
    return yaml.dump(content, Dumper=WorkflowDumper, sort_keys=False, allow_unicode=True, width=120)
