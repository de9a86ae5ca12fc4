"""Pictures that are made when somebody looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Pictures(Mapping[str, bytes]):
    """PNG pictures by name, each made when it is first asked for.

    Parameters
    ----------
    makers
        What makes each picture.
    """

    def __init__(self, makers: Mapping[str, Callable[[], bytes]]) -> None:
        self._makers = dict(makers)
        self._made: dict[str, bytes] = {}

    def __getitem__(self, name: str) -> bytes:
        """Return a picture."""
        if name not in self._made:
            self._made[name] = self._makers[name]()
            # The drawing behind it may go.
            self._makers[name] = bytes
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)

    def __reduce__(self) -> tuple[type[dict[str, bytes]], tuple[dict[str, bytes]]]:
        """Pickle the pictures, not what makes them."""
        return dict, (dict(self),)
