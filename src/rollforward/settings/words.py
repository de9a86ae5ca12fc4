"""Numbers of things in sentences."""

from __future__ import annotations


def counted(number: int, thing: str, things: str | None = None) -> str:
    """Say how many there are: ``1 run``, ``2 runs``, ``1,000 runs``.

    Parameters
    ----------
    number
        How many.
    thing
        The word for one of them.
    things
        Its plural; ``None``: the word with an ``s``.
    """
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"
