"""Numbers of things in sentences."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """Say how many there are: ``1 run``, ``2 runs``, ``1,000 runs``.

    Parameters
    ----------
    number
        How many.
    thing
        The word for one of them, whose plural ends in ``s``.
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
