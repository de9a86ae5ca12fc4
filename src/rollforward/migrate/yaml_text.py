"""Rewrite a YAML file: ``module_path``, ``class`` and other dotted names, at the places where they stand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from rollforward.migrate.changed import FILE_STORE, PUT_TOGETHER, QLIB_INIT
from rollforward.migrate.dotted import IN_TEXT, judge, settle_text
from rollforward.migrate.draft import Draft
from rollforward.migrate.edits import apply

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = re.compile(r"\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_VALUE = re.compile(r"\{\{.*?\}\}")


def rewrite_yaml(text: str) -> Draft:
    """Say what is to be changed in a YAML file; templates of Jinja may be in it.

    Parameters
    ----------
    text
        Of one document or of several.

    Raises
    ------
    SyntaxError
        If it is no YAML.
    """
    draft = Draft(text)
    seen: set[int] = set()
    for document in _compose(text):
        _settle_init(draft, document)
        for key, node, beside in _scalars(document, seen):
            span = (node.start_mark.index, node.end_mark.index)
            line, value = node.start_mark.line + 1, _said(draft, node)
            if value is None:
                if IN_TEXT.search(text, *span):
                    draft.note(line, text[slice(*span)], PUT_TOGETHER)
                continue
            if key == "uri" and value.startswith("file:"):
                draft.note(line, value, FILE_STORE)
            settle_text(draft, span, line, value, judge(value, key, _said(draft, beside) if beside else None))
    if draft.edits:
        _compose(apply(text, draft.edits))
    return draft


def _said(draft: Draft, node: yaml.ScalarNode) -> str | None:
    """Return what a text says; nothing if a template puts it together."""
    return None if _VALUE.search(draft.text, node.start_mark.index, node.end_mark.index) else str(node.value)


def _compose(text: str) -> list[yaml.Node]:
    try:
        return [node for node in yaml.compose_all(text, yaml.SafeLoader) if node is not None]
    except yaml.YAMLError as error:
        masked = _VALUE.sub(lambda match: "x" * len(match.group()), _BLOCK.sub(_comment, text))
        if masked == text:
            raise _no_yaml(error) from error
    try:
        return [node for node in yaml.compose_all(masked, yaml.SafeLoader) if node is not None]
    except yaml.YAMLError as error:
        raise _no_yaml(error) from error


def _comment(match: re.Match[str]) -> str:
    return re.sub(r"[^\r\n]", " ", match.group())


def _no_yaml(error: yaml.YAMLError) -> SyntaxError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    said = ", ".join(part for part in (getattr(error, "context", None), getattr(error, "problem", None)) if part)
    return SyntaxError(said or " ".join(str(error).split()), (None, mark.line + 1 if mark else 1, None, None))


def _scalars(
    node: yaml.Node, seen: set[int], key: str = "", cls: yaml.ScalarNode | None = None
) -> Iterator[tuple[str, yaml.ScalarNode, yaml.ScalarNode | None]]:
    """Yield every text once, with its key and the class that stands beside it."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        yield key, node, cls
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _scalars(item, seen)
    elif isinstance(node, yaml.MappingNode):
        # A template that is not in quotes is a mapping whose key is a mapping.
        beside = next((value for name, value in node.value if name.value in ("class", "func")), None)
        for name, value in node.value:
            yield from _scalars(value, seen, str(name.value), beside if isinstance(beside, yaml.ScalarNode) else None)


def _settle_init(draft: Draft, document: yaml.Node) -> None:
    """Report the section of Qlib's data."""
    for name, value in document.value if isinstance(document, yaml.MappingNode) else ():
        if name.value == "qlib_init" and isinstance(value, yaml.MappingNode):
            for key, _ in value.value:
                if key.value == "provider_uri":
                    draft.note(key.start_mark.line + 1, "qlib_init: provider_uri", QLIB_INIT, "pyqlib")
