"""Jinja2 in a sandbox, with the environment's variables; a variable that is not set is an error and no empty text."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollforward.settings.masking import HIDDEN, masked
from rollforward.settings.nearest import did_you_mean
from rollforward.workflow.config.problems import Place, Problem, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jinja2 import Environment

_MARKS = re.compile(r"\{\{|\{%|\{#")
_NAME = re.compile(r"'(\w+)' is undefined")
_FILE = "<template>"
_SHORTEST_SECRET = 3


@dataclass(frozen=True)
class Rendered:
    """A file whose templates are filled.

    Attributes
    ----------
    text
        What YAML gets to see.
    lines
        For each of its lines, from 0, the line of the file that it came from, from 1; empty: they are the same.
    variables
        The variables of the environment that the file mentions, and their values.
    """

    text: str
    lines: tuple[int, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)

    def line(self, number: int) -> int:
        """Return the line of the file for a line of the text; both count from 1."""
        if not self.lines:
            return number
        return self.lines[min(number, len(self.lines)) - 1]

    @property
    def secrets(self) -> dict[str, str]:
        """The variables that are named like a credential."""
        return {
            name: value
            for name, value in self.variables.items()
            if len(value) >= _SHORTEST_SECRET and masked("x", name) == HIDDEN
        }


def render(text: str, file: str, environment: Mapping[str, str]) -> Rendered:
    """Fill the templates of a file.

    Parameters
    ----------
    text
        Its content.
    file
        How messages call it.
    environment
        The variables; only those that the file mentions are handed on.

    Raises
    ------
    WorkflowFileError
        If a template is none, or mentions a variable that is not set and gives no default.
    """
    if _MARKS.search(text) is None:
        return Rendered(text)
    from jinja2 import StrictUndefined, TemplateSyntaxError, meta  # noqa: PLC0415  # most files have no template
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415  # the same

    jinja = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    jinja.globals = {"range": jinja.globals["range"], "dict": dict}
    try:
        mentioned = meta.find_undeclared_variables(jinja.parse(text))
    except TemplateSyntaxError as error:
        refuse([_syntax(error.message or "a mistake", Place(file, error.lineno))])
        raise
    variables = {name: environment[name] for name in sorted(mentioned) if name in environment}
    filled = _fill(jinja, text, variables, file, environment)
    return Rendered(filled, _line_map(text.splitlines(), filled.splitlines()), variables)


def _fill(
    jinja: Environment, text: str, variables: Mapping[str, str], file: str, environment: Mapping[str, str]
) -> str:
    from jinja2 import UndefinedError  # noqa: PLC0415  # see above

    try:
        return jinja.from_string(text).render(variables)
    except UndefinedError as error:
        refuse([_unset(error, Place(file, _line_of(error)), environment)])
        raise
    except Exception as error:  # whatever an expression of the user's raises
        refuse([_syntax(f"{type(error).__name__}: {error}", Place(file, _line_of(error)))])
        raise


def _unset(error: Exception, place: Place, environment: Mapping[str, str]) -> Problem:
    match = _NAME.search(str(error))
    if match is None:
        return _syntax(str(error), place)
    name = match[1]
    hint = did_you_mean(name, environment)
    return Problem(
        place,
        (),
        f"the template names the environment variable {name}, which is not set.",
        "a variable that is set, or a default in the template.",
        f'{f"{hint} Or set" if hint else "Set"} {name}, or write {{{{ {name} | default("...") }}}}.',
    )


def _syntax(what: str, place: Place) -> Problem:
    return Problem(
        place,
        (),
        f"the template cannot be filled: {what}",
        "Jinja2 between {{ and }}, or {% and %}, that needs nothing but environment variables.",
        "Correct the template; put {% raw %} ... {% endraw %} around braces that are none.",
    )


def _line_of(error: BaseException) -> int:
    """Return the line of the template in which an error arose; 0 if nobody knows."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _line_map(written: Sequence[str], filled: Sequence[str]) -> tuple[int, ...]:
    """Tell which line each filled line came from; between lines that are the same in both, the last such line."""
    if len(written) == len(filled):
        return ()
    lines, last = [0] * len(filled), 1
    for block in difflib.SequenceMatcher(None, written, filled, autojunk=False).get_matching_blocks():
        for i in range(block.size):
            lines[block.b + i] = block.a + i + 1
    for i, line in enumerate(lines):
        last = line or last
        lines[i] = last
    return tuple(lines)
