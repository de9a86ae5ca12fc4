"""A strategy as data: what a ledger keeps of it, and how another machine makes it again."""

from __future__ import annotations

import inspect
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollforward.errors import OnlineError, TaskError
from rollforward.workflow.task.codec import decode, encode
from rollforward.workflow.task.gen import RollingGen, fold_window, handler_mod

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollforward.workflow.online.base import OnlineStrategy

_CLASS, _KWARGS = "class", "kwargs"
_OVERRIDE = "Override options(), of the strategy or of its generator: a dictionary of the arguments that make it again."


def definition_of(strategy: OnlineStrategy) -> dict[str, Any]:
    """Describe a strategy as plain JSON.

    Raises
    ------
    OnlineError
        If something in it is no data; names the place. Or if what it describes would be another strategy.
    """
    form = _form_of(strategy)
    try:
        is_same = _form_of(strategy_from(form)) == form
    except OnlineError as error:
        raise OnlineError(
            f"Strategy {strategy.name_id!r} cannot be made again of what it keeps. {error.given}",
            "a class that can be called with what options() says.",
            _OVERRIDE,
        ) from error
    if not is_same:
        raise OnlineError(
            f"Strategy {strategy.name_id!r}, made again of what it keeps, is another one.",
            "attributes that hold what was given.",
            _OVERRIDE,
        )
    return form


def _form_of(strategy: OnlineStrategy) -> dict[str, Any]:
    whole = {_CLASS: type(strategy), _KWARGS: strategy.options()}
    try:
        text = encode(whole, f"strategy {strategy.name_id}")
    except TaskError as error:
        raise OnlineError(
            f"A strategy must be data, so that another machine can go on with it. {error.given}",
            "plain values, dates, and classes or functions by name.",
            error.remedy,
        ) from error
    form: dict[str, Any] = json.loads(text)
    return form


def strategy_from(definition: Mapping[str, Any], role: str | None = None, **changes: Any) -> OnlineStrategy:
    """Make the strategy that `definition_of` described.

    Parameters
    ----------
    definition
        As it was made.
    role
        Its role; ``None``: the one it has by default.
    **changes
        Arguments of the strategy in place of those described.

    Raises
    ------
    OnlineError
        If it is none, or names something that is not there.
    """
    try:
        whole = decode(json.dumps(definition))
        cls, options = whole[_CLASS], whole[_KWARGS]
        made: OnlineStrategy = cls.of_options({**options, **changes})
    except (TaskError, KeyError, TypeError, AttributeError) as error:
        raise OnlineError(
            f"The definition of a strategy cannot be read: {error}",
            "what OnlineStrategy.definition() returned, and the code that it names.",
            "Install here what it was written with.",
        ) from error
    if role is not None:
        made.role = role
    return made


def options_of(thing: Any, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Collect the arguments that something was made with, from its attributes of the same names.

    Parameters
    ----------
    thing
        An object.
    known
        Arguments whose values are not found in this way.

    Raises
    ------
    OnlineError
        If there is no attribute for one of them.
    """
    options: dict[str, Any] = {}
    cls: type = type(thing)
    for name in _arguments(cls):
        if known is not None and name in known:
            options[name] = known[name]
            continue
        if not hasattr(thing, name):
            raise OnlineError(
                f"{type(thing).__name__} takes {name!r} and does not keep it.",
                f"an attribute {name!r} with what was given.",
                "Keep it, or override options().",
            )
        options[name] = getattr(thing, name)
    return options


def generator_options(generator: RollingGen) -> dict[str, Any]:
    """Describe a generator: its class, and the arguments that are not as by default.

    A class of the user's that has a method ``options`` says them itself.

    Raises
    ------
    OnlineError
        If its calendar is a set of sessions: such a calendar ends one day.
    """
    calendar = generator.ta.given
    if calendar is not None and not isinstance(calendar, str | Path):
        raise OnlineError(
            f"The generator's calendar is a {type(calendar).__name__}, which ends one day.",
            "the name of an exchange, a file, or no calendar: then it is that of the settings, asked each time.",
            'Give RollingGen(..., calendar="XNYS") or settings: init(calendar=...).',
        )
    if hasattr(generator, "options"):
        return {_CLASS: type(generator), _KWARGS: dict(generator.options())}
    options = options_of(generator, _asked(generator) | {"calendar": calendar})
    if type(generator) is RollingGen:  # a class of the user's may have other defaults
        default = _asked(RollingGen()) | {"calendar": None}
        options = {name: value for name, value in options.items() if value != default[name]}
    return {_CLASS: type(generator), _KWARGS: options}


def generator_from(options: Any) -> RollingGen:
    """Make the generator that `generator_options` described; one that is made stays as it is."""
    made: RollingGen = options if isinstance(options, RollingGen) else options[_CLASS](**options[_KWARGS])
    return made


def _asked(generator: RollingGen) -> dict[str, Any]:
    """Read the arguments of `RollingGen` back."""
    modify = generator.ds_extra_mod_func
    is_qlib = modify is handler_mod
    return {
        "step": generator.step,
        "rtype": generator.rtype,
        "ds_extra_mod_func": fold_window if is_qlib else modify,
        "test_key": generator.test_key,
        "train_key": generator.train_key,
        "trunc_days": generator.purging.trunc_days,
        "task_copy_func": generator.task_copy_func,
        "purge": generator.purging.purge,
        "gap": generator.purging.gap,
        "max_train": generator.max_train,
        "last": generator.last,
        "refit": generator.refit,
        "handler_window": "qlib" if is_qlib else "follow",
    }


@cache  # a simulation asks it every day
def _arguments(cls: type) -> tuple[str, ...]:
    """List the arguments that reach an object: of its own initialiser, and of the next while one passes on the rest."""
    names: dict[str, None] = {}
    for base in cls.__mro__:
        own = vars(base).get("__init__")
        if own is None or base is object:
            continue
        parameters = inspect.signature(own).parameters.values()
        names |= dict.fromkeys(one.name for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD))
        if not any(one.kind is one.VAR_KEYWORD for one in parameters):
            break
    return tuple(name for name in names if name != "self")
