"""What a callable accepts, read from its signature and never found out by trying."""

from __future__ import annotations

import functools
import inspect
import logging
from typing import TYPE_CHECKING, Any, TypeVar

from rollforward.errors import InstantiationError
from rollforward.instantiate.locate import at
from rollforward.settings.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

logger = logging.getLogger(__name__)

T = TypeVar("T")

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def signature_of(func: Callable[..., Any]) -> inspect.Signature | None:
    """Return the signature; ``None`` for a callable written in C that has none."""
    try:
        return inspect.signature(func)
    except (TypeError, ValueError):
        return None


def takes(func: Callable[..., Any], name: str) -> bool:
    """Tell whether an optional argument may be passed by name.

    A class that takes ``**kwargs`` is expected to hand them to its base class, so the first ``__init__`` along the
    bases decides which names the argument, or which takes no ``**kwargs``. A function with ``**kwargs`` takes all.

    Returns
    -------
    bool
        False also if the callable has no signature.
    """
    signature = signature_of(func)
    if signature is None:
        return False
    verdict = _takes(signature, name)
    if verdict is None and inspect.isclass(func):
        # The class itself was asked; `object` at the end of the bases takes whatever nobody refused.
        constructors = (vars(base).get("__init__") for base in func.__mro__[1:-1])
        asked = (_takes(signature_of(init), name) for init in constructors if init is not None)
        verdict = next((answer for answer in asked if answer is not None), None)
    return verdict is not False


def _takes(signature: inspect.Signature | None, name: str) -> bool | None:
    """Answer yes or no; ``None`` if only ``**kwargs`` would take it, or if nobody can know."""
    if signature is None:
        return None
    parameter = signature.parameters.get(name)
    if parameter is not None and parameter.kind in _BY_NAME:
        return True
    kinds = {item.kind for item in signature.parameters.values()}
    return None if inspect.Parameter.VAR_KEYWORD in kinds else False


def check_arguments(
    func: Callable[..., Any],
    kwargs: Mapping[str, Any],
    where: str,
    *,
    supplied: Collection[str] = (),
    whole: bool = True,
) -> None:
    """Check keyword arguments against a signature without calling.

    Parameters
    ----------
    func
        The callable.
    kwargs
        Arguments from the configuration.
    where
        Place in the configuration, for the message.
    supplied
        Names that the program itself will pass.
    whole
        Whether these are all arguments there will be, so that a missing one is an error.

    Raises
    ------
    InstantiationError
        For a keyword that the callable does not take, one that is given twice, or one that is missing.
    """
    twice = sorted(set(kwargs) & set(supplied))
    if twice:
        raise InstantiationError(
            f"{at(where)}{name_of(func)} would get {twice[0]!r} twice.",
            "it once: the program passes it.",
            f"Remove {twice[0]!r} from kwargs.",
        )
    signature = signature_of(func)
    if signature is None:
        return
    for name in (*kwargs, *supplied):
        if _takes(signature, name) is False:
            _refuse(func, name, signature, where)
    missing = [name for name in _required(signature) if name not in kwargs and name not in supplied]
    if whole and missing:
        raise InstantiationError(
            f"{at(where)}{name_of(func)} lacks the argument {missing[0]!r}.",
            f"kwargs with {', '.join(missing)}; it takes {signature}.",
            f"Add {missing[0]!r} to kwargs.",
        )


def name_of(func: Any) -> str:
    """Spell a callable for a message."""
    return f"{getattr(func, '__module__', '?')}.{getattr(func, '__qualname__', type(func).__name__)}"


def _refuse(func: Callable[..., Any], name: str, signature: inspect.Signature, where: str) -> None:
    known = [key for key, parameter in signature.parameters.items() if parameter.kind in _BY_NAME]
    raise InstantiationError(
        f"{at(where)}{name_of(func)} takes no argument {name!r}.",
        f"one of {', '.join(known)}." if known else "no argument at all.",
        did_you_mean(name, known, otherwise=f"Remove {name!r}."),
    )


def _required(signature: inspect.Signature) -> list[str]:
    return [
        name
        for name, parameter in signature.parameters.items()
        if parameter.default is inspect.Parameter.empty
        and parameter.kind in (*_BY_NAME, inspect.Parameter.POSITIONAL_ONLY)
    ]


def auto_filter_kwargs(func: Callable[..., T], warning: bool = True) -> Callable[..., T]:
    """Wrap a callable so that keyword arguments which it does not take are dropped.

    Parameters
    ----------
    func
        The callable.
    warning
        Whether each dropped argument is logged as a warning.
    """
    signature = signature_of(func)

    @functools.wraps(func)
    def filtered(*args: Any, **kwargs: Any) -> T:
        kept = {name: value for name, value in kwargs.items() if _takes(signature, name) is not False}
        if warning and len(kept) < len(kwargs):
            logger.warning("%s does not take %s: dropped", name_of(func), sorted(set(kwargs) - set(kept)))
        return func(*args, **kept)

    return filtered
