"""What it costs to merge predictions, against Qlib and the bare concat of pandas in the same run, by turns.

    python benchmarks/bench_ensemble.py [--oracle PYTHON] [--rounds 5]

PYTHON is one with pyqlib, such as ``.oracle-venv/bin/python``, which ``scripts/oracle`` makes; it runs this file too,
and times Qlib's classes inside itself. Without it, Qlib's lines are its formulas, timed here.
Medians of several rounds. Nothing here is a test: read the ratios, not the seconds.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import subprocess
import sys
import time

import numpy as np
import pandas as pd
from rows import note

N_FOLDS, N_DATES, N_NAMES = 100, 200, 500
N_MODELS = 10
LEVELS = ["datetime", "instrument"]
DATES = pd.bdate_range("1990-01-01", periods=(N_FOLDS + 1) * N_DATES)
NAMES = np.array([f"S{number:04d}" for number in range(N_NAMES + 60)])

JOINS = {
    "join 100 x 100,000 rows": {},
    "... a quarter of them overlap": {"overlap": 50},
    "... in shuffled rows": {"is_shuffled": True},
    "... both": {"overlap": 50, "is_shuffled": True},
    "... of other instruments each": {"is_same_names": False},
}
AVERAGES = {
    "average 10 x 100,000 rows": {},
    "... 90 % of the rows, shuffled": {"share": 0.9},
}


def folds(overlap=0, is_shuffled=False, is_same_names=True):
    rng = np.random.default_rng(0)
    made = {}
    for number in range(N_FOLDS):
        first = number * (N_DATES - overlap)
        names = NAMES[:N_NAMES] if is_same_names else np.sort(rng.permutation(NAMES)[:N_NAMES])
        index = pd.MultiIndex.from_product([DATES[first : first + N_DATES], names], names=LEVELS)
        frame = pd.DataFrame({"score": rng.normal(size=len(index))}, index=index)
        made[number] = frame.sample(frac=1, random_state=number) if is_shuffled else frame
    order = rng.permutation(list(made))
    return {number: made[number] for number in order}


def models(share=1.0):
    rng = np.random.default_rng(0)
    made = {}
    for number in range(N_MODELS):
        index = pd.MultiIndex.from_product([DATES[:N_DATES], NAMES[:N_NAMES]], names=LEVELS)
        frame = pd.DataFrame({"score": rng.normal(size=len(index))}, index=index)
        made[number] = frame.sample(frac=share, random_state=number) if share < 1 else frame
    return made


def plain_join(frames):
    joined = pd.concat(sorted(frames.values(), key=lambda frame: frame.index.get_level_values("datetime").min()))
    return joined[~joined.index.duplicated(keep="last")].sort_index()


def plain_average(frames):
    by_date = pd.concat(list(frames.values()), axis=1).groupby("datetime", group_keys=False)
    return by_date.apply(lambda day: (day - day.mean()) / day.std()).mean(axis=1).sort_index()


def qlib_ways():
    """Qlib's classes where they are installed, else its formulas."""
    try:
        from qlib.model.ens.ensemble import AverageEnsemble, RollingEnsemble
    except ImportError:
        return plain_join, plain_average
    logging.disable(logging.CRITICAL)
    return RollingEnsemble(), AverageEnsemble()


def case_of(name):
    return folds(**JOINS[name]) if name in JOINS else models(**AVERAGES[name])


def seconds_of(call, frames):
    start = time.perf_counter()
    call(frames)
    return time.perf_counter() - start


class Oracle:
    """Answers for a Python with pyqlib, in a process of its own: one line names a case, the next ones time it."""

    def __init__(self, python):
        command = [python, __file__, "--serve"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Here:
    """The same without another process."""

    def ask(self, text):
        return answer(self, text)

    def close(self):
        pass


def answer(state, text):
    join, average = qlib_ways()
    if text != "time":
        state.name, state.frames = text, case_of(text)
        return 0
    return seconds_of(join if state.name in JOINS else average, state.frames)


def serve():
    state = Here()
    for line in sys.stdin:
        print(json.dumps(answer(state, line.strip())), flush=True)


def measure(name, qlib, rounds):
    from rollforward.model.ens.ensemble import AverageEnsemble, RollingEnsemble

    is_join = name in JOINS
    frames = case_of(name)
    qlib.ask(name)
    ours = RollingEnsemble() if is_join else AverageEnsemble()
    expected = (plain_join if is_join else plain_average)(frames)
    same = pd.testing.assert_frame_equal if is_join else pd.testing.assert_series_equal
    same(ours(frames), expected, **({} if is_join else {"rtol": 1e-10, "atol": 1e-12}))
    del expected

    def bare(values):
        return pd.concat(list(values.values()), axis=0 if is_join else 1)

    ways = {"ours": lambda: seconds_of(ours, frames), "concat": lambda: seconds_of(bare, frames)}
    if not is_join:
        ways |= new_ways(frames)
    ways["Qlib"] = lambda: qlib.ask("time")
    taken = {way: [] for way in ways}
    for _ in range(rounds):
        for way, call in ways.items():
            taken[way].append(call())
    return {way: statistics.median(seconds) for way, seconds in taken.items()}


def new_ways(frames):
    from rollforward.model.ens.blend import RankEnsemble, WeightedEnsemble

    weights = WeightedEnsemble({key: 1 + key for key in frames})
    return {
        "weighted": lambda: seconds_of(weights, frames),
        "ranks": lambda: seconds_of(RankEnsemble(), frames),
    }


def origins(rounds):
    """What the origin beside the score costs."""
    from rollforward.model.ens.ensemble import RollingEnsemble
    from rollforward.model.ens.origin import with_origin

    plain = folds(overlap=50)
    carried = {
        key: with_origin(frame, cutoff=frame.index[0][0] - pd.Timedelta(days=1), recorder_id=f"{key:032x}", fold=key)
        for key, frame in plain.items()
    }
    ways = {"score": plain, "with origin": carried}
    taken = {way: [] for way in ways}
    for _ in range(rounds):
        for way, frames in ways.items():
            taken[way].append(seconds_of(RollingEnsemble(), frames))
    mib = {way: RollingEnsemble()(frames).memory_usage(index=False).sum() / 2**20 for way, frames in ways.items()}
    for way, seconds in taken.items():
        print(f"join with overlap, {way:12} {statistics.median(seconds):7.3f} s, {mib[way]:5.0f} MiB of columns")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--oracle", metavar="PYTHON", help="an interpreter that has pyqlib: scripts/oracle makes one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    qlib = Oracle(options.oracle) if options.oracle else Here()
    try:
        for name in [*JOINS, *AVERAGES]:
            taken = measure(name, qlib, options.rounds)
            shown = ", ".join(f"{way} {seconds:.3f}" for way, seconds in taken.items())
            print(f"{name:32} {shown} s: Qlib takes {taken['Qlib'] / taken['ours']:.1f} times as long", flush=True)
            others = [(way, seconds) for way, seconds in taken.items() if way not in ("ours", "Qlib")]
            note(name, taken["ours"], qlib=taken["Qlib"] if options.oracle else None, other=next(iter(others), None))
        origins(options.rounds)
    finally:
        qlib.close()


if __name__ == "__main__":
    main()
