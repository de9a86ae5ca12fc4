"""The start and end of a run, and what imports cost."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from rows import note

from tracking.qlib_itself import against

LIVES, FIRST, IMPORTS, ROUNDS = 25, 3, 5, 3
OURS_FIRST = "from rollforward import init; from rollforward.workflow import R; init(uri={uri!r})\nwith R.start(): pass"
MLFLOW_FIRST = "import mlflow; mlflow.set_tracking_uri({uri!r})\nwith mlflow.start_run(): pass"


def lives(uri, **settings):
    """Median milliseconds of the start, of the end, of both; mean ones until all that accompanies runs is written."""
    from rollforward import init
    from rollforward.workflow import R

    init(uri=uri, **settings)
    seconds, runs = [], []
    first = time.perf_counter()
    for _ in range(LIVES):
        begin = time.perf_counter()
        with R.start(experiment_name="lives"):
            middle = time.perf_counter()
            runs.append(R.get_recorder())
        end = time.perf_counter()
        seconds.append((middle - begin, end - middle, end - begin))
    R.search_records(["lives"], max_results=1)  # has it written first
    mean = (time.perf_counter() - first) / LIVES
    for run in runs if settings.get("provenance", True) else ():
        kept = {"requirements.txt", "code_diff.txt", "code_status.txt", "code_cached.txt"}
        if "cmd-sys.argv" not in run.list_params() or not kept <= set(run.list_artifacts()):
            raise SystemExit(f"where run {run.id} comes from is not kept")
    return [*(statistics.median(column) * 1000 for column in zip(*seconds[FIRST:], strict=True)), mean * 1000]


def script(code):
    """Median seconds of a fresh interpreter that runs this."""
    seconds = []
    for _ in range(IMPORTS):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def report(uri, qlib):
    # By turns, and the best of each: other work on the machine comes and goes.
    rounds = [(lives(uri), qlib.ask("lives")) for _ in range(ROUNDS)]
    start, end, both, mean = min((ours for ours, _ in rounds), key=lambda row: row[2])
    theirs = min((milliseconds for _, milliseconds in rounds if milliseconds is not None), default=None)
    note("start and end of a run", both / 1000, qlib=None if theirs is None else theirs / 1000)
    print("start and end of a run with an empty block, provenance included, milliseconds")
    print(
        f"  rollforward                        {both:8.1f} (start {start:.1f}, end {end:.1f}); {against(both, theirs)}"
    )
    print(f"  ... until all of it is written     {mean:8.1f}, one after the other as fast as they go")
    plain = lives(uri, provenance=False, heartbeat=0, capture_output=False)[2]
    print(f"  ... without provenance             {plain:8.1f}")
    bare = script("pass")
    print("imports and the first run, milliseconds in a fresh interpreter, less those of an empty one")
    for code in ("import rollforward", "from rollforward.workflow import R", "import mlflow"):
        print(f"  {code:<34} {(script(code) - bare) * 1000:8.1f}")
    ours, mlflow = (script(code.format(uri=uri)) - bare for code in (OURS_FIRST, MLFLOW_FIRST))
    note("first run in a new process", ours, other=("MLflow alone", mlflow))
    theirs = f"MLflow's own {mlflow * 1000:.1f}, {mlflow / ours:.2f} x ours"
    print(f"  first R.start and its end          {ours * 1000:8.1f}; {theirs}")
