"""The one sentence that corrects a misspelt name."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(name: object, known: Iterable[str], otherwise: str = "") -> str:
    """Suggest the known name nearest to a misspelt one, in whatever case.

    Parameters
    ----------
    name
        What was given.
    known
        The names that exist.
    otherwise
        The sentence when nothing known resembles it.
    """
    spelt = {one.casefold(): one for one in known}
    near = difflib.get_close_matches(str(name).casefold(), spelt, n=1)
    return f"Did you mean {spelt[near[0]]!r}?" if near else otherwise
