"""YAML into plain values, with the line of every key, through anchors and merges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from rollforward.workflow.config.problems import KeyPath, Place, Places, Problem, refuse
from rollforward.workflow.config.scalars import AMBIGUOUS, WorkflowLoader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollforward.workflow.config.render import Rendered

_MOST_KEYS = 200_000
_MERGE = "tag:yaml.org,2002:merge"
_TEXT = "tag:yaml.org,2002:str"
# Settings take these words, as TOML files and shells spell them.
_WORDS_WELCOME = ("init", "qlib_init")


@dataclass(frozen=True)
class Parsed:
    """A document.

    Attributes
    ----------
    content
        Plain values.
    places
        The line of every key and item.
    referenced
        The keys at the top that an alias somewhere refers to.
    problems
        What is wrong and does not keep the rest from being read.
    """

    content: Any
    places: Places
    referenced: frozenset[Any] = frozenset()
    problems: tuple[Problem, ...] = ()


def parse(rendered: Rendered, file: str) -> Parsed:
    """Read the text of a file.

    Raises
    ------
    WorkflowFileError
        If it is not YAML.
    """
    loader = WorkflowLoader(rendered.text)
    try:
        node = loader.get_single_node()
        if node is None:
            return Parsed(None, {})
        reader = _Reader(loader, rendered, file)
        reader.look_through(node)
        content = loader.construct_document(node)
        reader.locate(node, ())
    except yaml.MarkedYAMLError as error:
        refuse([_not_yaml(error, rendered, file)])
        raise
    except yaml.YAMLError as error:
        refuse([Problem(Place(file), (), f"this is not YAML: {error}", "a YAML file.", "Correct the place named.")])
        raise
    finally:
        loader.dispose()
    return Parsed(content, reader.places, reader.referenced, tuple(reader.problems))


def _not_yaml(error: yaml.MarkedYAMLError, rendered: Rendered, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    place = Place(file, rendered.line(mark.line + 1) if mark else 0)
    said = ", ".join(part for part in (error.context, error.problem) if part)
    if isinstance(error, yaml.constructor.ConstructorError):
        return Problem(place, (), f"this value cannot be: {said}.", "a value of YAML.", "Correct it, or quote a text.")
    return Problem(place, (), f"this is not YAML: {said}.", "a YAML file.", "Correct the line.")


class _Reader:
    """Goes through the nodes of one document."""

    def __init__(self, loader: WorkflowLoader, rendered: Rendered, file: str) -> None:
        self.loader = loader
        self.rendered = rendered
        self.file = file
        self.places: Places = {}
        self.problems: list[Problem] = []
        self.referenced: frozenset[Any] = frozenset()
        self._sizes: dict[int, int] = {}

    def place(self, node: yaml.Node) -> Place:
        return Place(self.file, self.rendered.line(node.start_mark.line + 1))

    def look_through(self, root: yaml.Node) -> None:
        """Find keys that are there twice, circles and sizes, before merges are carried out."""
        if self._size(root, (), set()) > _MOST_KEYS:
            given = f"the file has more than {_MOST_KEYS:,} keys, by its aliases."
            refuse([Problem(Place(self.file), (), given, "fewer keys.", "Take aliases of aliases out.")])
        if isinstance(root, yaml.MappingNode):
            self.referenced = frozenset(_referenced(root))

    def _size(self, node: yaml.Node, path: KeyPath, above: set[int]) -> int:
        """Count the keys and items below a node, where an alias counts as all that it stands for."""
        if id(node) in above:
            given = "an alias that stands for what it is in."
            refuse([Problem(self.place(node), path, given, "a tree, no circle.", "Take the alias out.")])
        if id(node) in self._sizes:
            return self._sizes[id(node)]
        size = 1
        if isinstance(node, yaml.MappingNode):
            self._refuse_twins(node, path)
            for key, value in node.value:
                size += self._size(value, (*path, getattr(key, "value", "?")), above | {id(node)})
        elif isinstance(node, yaml.SequenceNode):
            for i, item in enumerate(node.value):
                size += self._size(item, (*path, i), above | {id(node)})
        else:
            self._refuse_unclear(node, path)
        self._sizes[id(node)] = size
        return size

    def _refuse_twins(self, node: yaml.MappingNode, path: KeyPath) -> None:
        first: dict[tuple[str, str], yaml.Node] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            earlier = first.setdefault((key.tag, key.value), key)
            if earlier is not key:
                self.problems.append(
                    Problem(
                        self.place(key),
                        (*path, key.value),
                        f"the key is there twice, first in line {self.place(earlier).line}.",
                        "each key once in a mapping.",
                        "Remove one of them.",
                    )
                )

    def _refuse_unclear(self, node: yaml.Node, path: KeyPath) -> None:
        is_plain = isinstance(node, yaml.ScalarNode) and node.style is None and node.tag == _TEXT
        if is_plain and AMBIGUOUS.fullmatch(node.value) and path and path[0] not in _WORDS_WELCOME:
            self.problems.append(
                Problem(
                    self.place(node),
                    path,
                    f"{node.value} is a truth value in YAML 1.1 and a text in YAML 1.2.",
                    "true or false, or a text in quotes.",
                    f'Write true or false, or "{node.value}".',
                )
            )

    def locate(self, node: yaml.Node, path: KeyPath) -> None:
        """Note the line of each key; merges have been carried out, and a later key wins over a merged one."""
        for key, at, value in _children(self.loader, node):
            here = (*path, key)
            self.places[here] = self.place(at)
            self.locate(value, here)


def _children(loader: WorkflowLoader, node: yaml.Node) -> Iterator[tuple[Any, yaml.Node, yaml.Node]]:
    """Yield key or position, the node that says where it is, and the node of the value."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield loader.construct_object(key, deep=True), key, value
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            yield i, item, item


def _referenced(root: yaml.MappingNode) -> Iterator[Any]:
    """Yield the keys whose values hold an anchor that an alias under another key refers to."""
    owners: dict[int, Any] = {}
    for key, value in root.value:
        for identity in _ids(value):
            owner = owners.setdefault(identity, key)
            if owner is not key:
                yield owner.value


def _ids(node: yaml.Node) -> Iterator[int]:
    """Yield the identities of a node and of all nodes below, each once."""
    open_nodes, seen = [node], set()
    while open_nodes:
        one = open_nodes.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield id(one)
        if isinstance(one, yaml.MappingNode):
            open_nodes += [value for _, value in one.value]
        elif isinstance(one, yaml.SequenceNode):
            open_nodes += one.value
