"""The store that is used where none is named: what a manager was given, or what the settings say."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rollforward.settings.state import change, current, override

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class DefaultStore:
    """The default store of a manager.

    Parameters
    ----------
    uri
        What the manager was given; ``None`` follows the settings.
    checked
        Returns an address as it is kept, or raises `StoreRefusedError`.
    """

    def __init__(self, uri: str | None, checked: Callable[[str], str]) -> None:
        self._checked = checked
        self._given = None if uri is None else checked(uri)
        # The store before `set` changed it, and what it was changed to.
        self._changed: tuple[str, str] | None = None

    @property
    def uri(self) -> str:
        """Its address."""
        return self._given or self._checked(current().uri)

    def set(self, uri: str | None) -> None:
        """Use another one; ``None`` goes back to the one before, unless `init` has decided since."""
        now, before = self.uri, self._changed
        is_ours = before is not None and before[1] == now
        if uri is None:
            self._changed = None
            if before is not None and is_ours:
                self._use(before[0])
            return
        checked = self._checked(uri)
        self._changed = (before[0] if before is not None and is_ours else now), checked
        self._use(checked)

    @contextmanager
    def instead(self, uri: str) -> Iterator[None]:
        """Use another one for the length of a block."""
        checked = self._checked(uri)
        if self._given is None:
            with override(uri=checked):
                yield
            return
        before, self._given = self._given, checked
        try:
            yield
        finally:
            self._given = before

    def _use(self, checked: str) -> None:
        if self._given is None:
            change(uri=checked)
        else:
            self._given = checked
