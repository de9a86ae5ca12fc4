"""Resolve ``"<dataset.kwargs.segments.train.0>"`` and ``"<MODEL>"`` inside a configuration.

A placeholder is a whole text. ``<a.b.0>`` whose first part is a key of the configuration refers to another place in
it; a name that is given as extra, like ``<MODEL>``, stands for a live object. Anything else in angle brackets is left
as it is, for whoever knows it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rollforward.errors import InstantiationError
from rollforward.instantiate.structure import rebuild
from rollforward.settings.nearest import did_you_mean

_PLACEHOLDER = re.compile(r"<([^<>]+)>")


def resolve_placeholders(task: Mapping[str, Any], extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a copy of a configuration with its placeholders replaced.

    Dictionaries, lists and tuples are copied; every other object is shared with the original. The original is left as
    it is. What a reference points to is resolved too, so references may point to references.

    Parameters
    ----------
    task
        The configuration; its keys are the roots of the references.
    extra
        Live objects by placeholder, e.g. ``{"<MODEL>": model}``. They win over references.

    Raises
    ------
    InstantiationError
        If a reference leads nowhere or in a circle, or a key of `extra` is no placeholder.

    Examples
    --------
    >>> resolve_placeholders({"segments": {"train": ("2020", "2021")}, "fit_start": "<segments.train.0>"})
    {'segments': {'train': ('2020', '2021')}, 'fit_start': '2020'}
    """
    for key in extra or {}:
        if not isinstance(key, str) or _PLACEHOLDER.fullmatch(key) is None:
            raise InstantiationError(
                f"{key!r} is no placeholder.", "a name in angle brackets, like <MODEL>.", f"Write '<{key}>'."
            )
    if not isinstance(task, Mapping):
        raise InstantiationError(f"A task of type {type(task).__name__}.", "a dictionary.", "Pass the dictionary.")
    resolver = _Resolver(task, extra or {})
    return {key: resolver.value(item, str(key), ()) for key, item in task.items()}


def fill_placeholder(config: Mapping[str, Any], config_extend: Mapping[str, Any]) -> dict[str, Any]:
    """Do as `resolve_placeholders`, under Qlib's name; unlike Qlib's it leaves the argument as it is.

    Raises
    ------
    InstantiationError
        As `resolve_placeholders`.
    """
    return resolve_placeholders(config, config_extend)


class _Resolver:
    """One configuration whose placeholders are being resolved.

    Each method takes ``where``, the place for messages, and ``trail``, the references being followed just now.
    """

    def __init__(self, root: Mapping[str, Any], extra: Mapping[str, Any]) -> None:
        self.root = root
        self.extra = extra

    def value(self, value: Any, where: str, trail: tuple[str, ...]) -> Any:
        """Copy a value with everything in it resolved."""
        if isinstance(value, str):
            return self.text(value, where, trail)
        return rebuild(value, lambda item, key: self.value(item, f"{where}.{key}", trail))

    def text(self, text: str, where: str, trail: tuple[str, ...]) -> Any:
        """Resolve a text if it is a placeholder."""
        match = _PLACEHOLDER.fullmatch(text)
        if text in self.extra:
            return self.extra[text]
        if match is None or not self.is_reference(match[1], where):
            return text
        if text in trail:
            circle = " -> ".join([*trail[trail.index(text) :], text])
            raise InstantiationError(
                f"{where}: {text} refers to itself: {circle}.", "a reference that ends at a value.", "Break the circle."
            )
        return self.value(self.target(match[1], where, (*trail, text)), where, (*trail, text))

    def is_reference(self, name: str, where: str) -> bool:
        """Tell whether a name in brackets points into the configuration."""
        root, dot, _ = name.partition(".")
        if root in self.root:
            return True
        hint = did_you_mean(root, [key for key in self.root if isinstance(key, str)]) if dot else ""
        if hint:
            raise InstantiationError(f"{where}: <{name}> starts at no key of the configuration.", "", hint)
        return False

    def target(self, name: str, where: str, trail: tuple[str, ...]) -> Any:
        """Walk to the place that a reference names; a reference on the way is followed first."""
        node: Any = self.root
        walked = ""
        for part in name.split("."):
            if isinstance(node, str):
                node = self.text(node, where, trail)
            try:
                node = _step(node, part)
            except (KeyError, IndexError, ValueError, TypeError) as error:
                known = [str(key) for key in node] if isinstance(node, Mapping) else []
                raise InstantiationError(
                    f"{where}: <{name}> leads nowhere: {f'{walked!r} has' if walked else 'there is'} no {part!r}.",
                    f"one of {', '.join(known)}." if known else "a key or a position that exists.",
                    did_you_mean(part, known, otherwise="Correct the reference."),
                ) from error
            walked = f"{walked}.{part}" if walked else part
        return node


def _step(node: Any, part: str) -> Any:
    if isinstance(node, Mapping):
        return node[part] if part in node or not part.isdigit() else node[int(part)]
    if isinstance(node, list | tuple):
        return node[int(part)]
    raise TypeError(type(node).__name__)
