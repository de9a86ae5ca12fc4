"""Functions that are called in the background, in the order in which they were given."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any, TypeVar

from rollforward.errors import TrackingError
from rollforward.workflow.batch_queue import BatchQueue

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

_SHOWN = 5

_Method = TypeVar("_Method", bound="Callable[..., Any]")


class AsyncCaller:
    """Calls functions one after the other, in a thread of its own.

    A function that fails stops neither the thread nor the functions after it: its error is logged, kept, and raised by
    `wait`.

    Examples
    --------
    >>> seen = []
    >>> caller = AsyncCaller()
    >>> caller(seen.append, 1)
    >>> caller(seen.append, 2)
    >>> caller.wait()
    >>> seen
    [1, 2]
    """

    def __init__(self) -> None:
        self._queue = BatchQueue(self._call, batch=1, interval=0)
        self._errors: list[BaseException] = []

    def __call__(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Have a function called with these arguments, after all that were given before."""
        self._queue.put((1, func, args, kwargs))

    def wait(self, close: bool = True) -> None:
        """Return when all functions were called.

        Parameters
        ----------
        close
            Whether the thread ends; a function that is given later is called by its caller then.

        Raises
        ------
        TrackingError
            If functions failed since the last `wait`; its cause is the error of the first.
        """
        if close:
            self._queue.close()
        else:
            self._queue.drain()
        errors, self._errors = self._errors, []
        if errors:
            shown = "; ".join(f"{type(error).__name__}: {error}" for error in errors[:_SHOWN])
            more = f"; and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
            raise TrackingError(
                f"{len(errors)} of the calls in the background failed: {shown}{more}.",
                "none to fail. All other calls were made.",
            ) from errors[0]

    @staticmethod
    def async_dec(ac_attr: str) -> Callable[[_Method], _Method]:
        """Make a method go through an `AsyncCaller`.

        Parameters
        ----------
        ac_attr
            Attribute of the object that holds the caller. While it is missing or ``None``, the method is called
            directly.
        """

        def decorate(method: _Method) -> _Method:
            @functools.wraps(method)
            def call(self: Any, *args: Any, **kwargs: Any) -> Any:
                caller = getattr(self, ac_attr, None)
                if callable(caller):
                    return caller(method, self, *args, **kwargs)
                return method(self, *args, **kwargs)

            return call  # type: ignore[return-value]  # the same signature

        return decorate

    def _call(self, calls: list[tuple[Any, ...]]) -> None:
        # Taken off first: a call that is interrupted is not made again.
        _, func, args, kwargs = calls.pop()
        try:
            func(*args, **kwargs)
        except Exception as error:
            logger.exception("A call in the background failed: %r", func)
            self._errors.append(error)
