"""How far a label looks ahead: the sessions after a row whose data its label knows.

A label of session ``t`` that looks L sessions ahead is a leak as soon as ``t + L`` is a session of the test range. The
number comes from the task itself, from its handler, or from the text of the label.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rollforward.adapters.qlib import HANDLERS, is_theirs
from rollforward.data.spans import whole_number
from rollforward.errors import InstantiationError
from rollforward.instantiate import get_callable_kwargs, resolve_placeholders

logger = logging.getLogger(__name__)

LOOKAHEAD = "label_lookahead"

# Their default label, "Ref($close, -2)/Ref($close, -1) - 1", is in no configuration that uses it.
_QLIB_DEFAULTS = {"Alpha158": 2, "Alpha158vwap": 2, "Alpha360": 2, "Alpha360vwap": 2}
_TOKEN = re.compile(r"\$+\w+|[A-Za-z_]\w*|\d+(?:\.\d*)?|\S")
_NOTHING = -math.inf


def label_lookahead(task: Mapping[str, Any]) -> int | None:
    """Find how many sessions the label of a task looks ahead.

    Parameters
    ----------
    task
        Asked in this order: its own entry ``label_lookahead``; a live handler's attribute of that name; for the
        configuration of a handler, the class method ``lookahead_of(**kwargs)`` or the attribute ``label_lookahead`` of
        its class, the expressions in its argument ``label``, and what Qlib's handlers take for a label by default.

    Returns
    -------
    int or None
        Sessions after ``datetime`` whose data the label uses; ``None`` if nobody knows.

    Raises
    ------
    SegmentError
        If what was found is no number of sessions.
    InstantiationError
        If the arguments of the handler refer to a place that does not exist.
    """
    found = task.get(LOOKAHEAD)
    if found is None:
        dataset = task.get("dataset")
        kwargs = dataset.get("kwargs") if isinstance(dataset, Mapping) else None
        handler = (kwargs or {}).get("handler") if isinstance(dataset, Mapping) else getattr(dataset, "handler", None)
        found = _of_config(handler, task) if isinstance(handler, Mapping) else lookahead_of_handler(handler)
    return None if found is None else whole_number(found, LOOKAHEAD, 0)


def callable_of(config: Mapping[str, Any]) -> Callable[..., Any] | None:
    """Find what a configuration would call; ``None`` if that cannot be imported here."""
    try:
        return get_callable_kwargs(config)[0]
    except InstantiationError as error:
        logger.debug("The handler's class is not known: %s", error)
        return None


def is_qlib_handler(config: Mapping[str, Any]) -> bool:
    """Tell whether a configuration names one of Qlib's handlers, which need not be installed."""
    name, module = config.get("class"), config.get("module_path")
    if not isinstance(name, str):
        return False
    home, _, short = name.rpartition(".")
    return short in _QLIB_DEFAULTS and str(home or module).partition(".")[0] == "qlib"


def expression_lookahead(expression: str) -> int | None:
    """Find how many sessions an expression of Qlib's looks ahead.

    Parameters
    ----------
    expression
        ``Ref(x, -k)`` and ``Delta(x, -k)`` look k sessions further than ``x``; every other operator as far as the
        operand that looks farthest.

    Returns
    -------
    int or None
        ``None`` if it is not an expression, or shifts by something that is not a number.

    Examples
    --------
    >>> expression_lookahead("Ref($close, -6) / Ref($close, -1) - 1")
    6
    >>> expression_lookahead("Mean(Ref(Ref($close, -3), -2), 5)")
    5
    """
    if "$" not in expression:
        return None
    try:
        return max(0, int(_reach(expression)))
    except (ValueError, IndexError, OverflowError):
        return None


def _of_config(handler: Mapping[str, Any], task: Mapping[str, Any]) -> Any:
    if is_qlib_handler(handler):
        given = _of_texts(handler.get("kwargs"))
        return _QLIB_DEFAULTS[str(handler["class"]).rpartition(".")[2]] if given is None else given
    cls = callable_of(handler)
    if cls is not None and is_theirs(cls, HANDLERS):
        given = _of_texts(handler.get("kwargs"))
        return _of_their_class(cls) if given is None else given
    if cls is not None and hasattr(cls, "lookahead_of"):
        return cls.lookahead_of(**resolve_placeholders(task)["dataset"]["kwargs"]["handler"].get("kwargs") or {})
    known = getattr(cls, LOOKAHEAD, None)
    return known if isinstance(known, int) else _of_texts(handler.get("kwargs"))


def lookahead_of_handler(handler: Any) -> Any:
    """Find how far the label of a live handler looks ahead: it says so, or its loader, one of Qlib's, has the text."""
    said = getattr(handler, LOOKAHEAD, None)
    fields = getattr(getattr(handler, "data_loader", None), "fields", None)
    return _of_texts(fields) if said is None and isinstance(fields, Mapping) else said


def _of_their_class(cls: Any) -> int | None:
    """Ask a class that is derived from one of Qlib's handlers for its default label."""
    try:
        # As Qlib's own, it has no use for the object.
        return _of_texts({"label": cls.get_label_config(None)})
    except (AttributeError, TypeError):
        return None


def _of_texts(kwargs: Any) -> int | None:
    """Take the farthest look of the expressions of a label, the handler's own or that of its loader."""
    found = [expression_lookahead(text) for label in _labels(kwargs) for text in _texts(label) if "$" in text]
    known = [lookahead for lookahead in found if lookahead is not None]
    return max(known) if known and len(known) == len(found) else None


def _labels(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "label":
                yield item
            else:
                yield from _labels(item)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _reach(expression: str) -> float:
    """Read an expression from left to right; each open bracket is its operator and its operands so far."""
    operators: list[str] = [""]
    operands: list[list[tuple[float, str]]] = [[(_NOTHING, "")]]
    before = ""
    for piece in _TOKEN.findall(expression):
        reach, text = operands[-1][-1]
        if piece == "(":
            operators.append(before)
            operands.append([(_NOTHING, "")])
        elif piece == ")":
            inside = _applied(operators.pop(), operands.pop())
            outside, text = operands[-1][-1]
            operands[-1][-1] = max(outside, inside), text + ")"
        elif piece == ",":
            operands[-1].append((_NOTHING, ""))
        else:
            operands[-1][-1] = (max(reach, 0.0) if piece[0] == "$" else reach), text + piece
        before = piece
    if len(operands) != 1:
        raise ValueError(f"brackets do not match in {expression!r}")
    return max(reach for reach, _ in operands[0])


def _applied(operator: str, operands: list[tuple[float, str]]) -> float:
    reach = max(reach for reach, _ in operands)
    if operator not in {"Ref", "Delta"}:
        return reach
    shifted = operands[0][0] - int(float(operands[1][1]))
    return shifted if operator == "Ref" else max(reach, shifted)
