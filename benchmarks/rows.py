"""One measured line of a benchmark, for the table that ``benchmarks/run.py`` writes."""

from __future__ import annotations

import json
import os
from pathlib import Path

ROWS = "BENCH_ROWS"


def note(what, ours, *, qlib=None, other=None, unit="s", rate=False):
    """Keep a line in the file that the environment names; without one nothing is done.

    Parameters
    ----------
    what
        What was measured, and of how much.
    ours, qlib
        The figures; ``None`` was not measured.
    other
        ``(name, figure)``: a floor or a peer of the same run.
    unit
        Of all of them.
    rate
        More is better.
    """
    path = os.environ.get(ROWS)
    if path:
        row = {"what": what, "ours": ours, "qlib": qlib, "other": other, "unit": unit, "rate": rate}
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
