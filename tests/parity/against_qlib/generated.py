"""All cases: the same ones in every run, unless another seed is asked for."""

import os
import random

from against_qlib import cases_of_configs, cases_of_frames, cases_of_tasks, cases_of_time
from against_qlib.cases_of_records import RECORD_CASES
from against_qlib.times import Times, calendars

SEED = int(os.environ.get("ROLLFORWARD_TEST_PARITY_SEED", "20260401"))
KINDS = {
    **cases_of_time.CASES,
    **cases_of_tasks.CASES,
    **cases_of_frames.CASES,
    **cases_of_configs.CASES,
    **RECORD_CASES,
}


def all_cases(seed=SEED):
    """Make calendars, and cases that name one of them by its position."""
    known = calendars(dice(f"calendars {seed}"))
    cases = []
    for kind, (count, make) in KINDS.items():
        rng = dice(f"{kind} {seed}")
        for _ in range(count):
            at = rng.randrange(len(known))
            cases.append({"kind": kind, "calendar": at, "args": make(rng, Times(rng, *known[at]))})
    return known, cases


def dice(seed):
    return random.Random(seed)  # noqa: S311  what is drawn must repeat
