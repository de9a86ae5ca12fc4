"""An experiment of 1,000 runs: one by name, the metrics of all."""

from __future__ import annotations

import statistics
import time

from rows import note

from tracking.qlib_itself import against

RUNS, REPEAT = 1000, 3
NAME = f"run {RUNS // 2}"


def filled(client, count=RUNS):
    """Make an experiment of runs with five metrics and three params each."""
    from mlflow.entities import Metric, Param

    experiment = client.create_experiment("many")
    for number in range(count):
        run = client.create_run(experiment, run_name=f"run {number}").info.run_id
        metrics = [Metric(f"m{n}", number / (n + 7), 1_700_000_000_000, 0) for n in range(5)]
        client.log_batch(run, metrics, [Param(f"p{n}", str(number)) for n in range(3)])
        client.set_terminated(run)


def seconds(function):
    """Median of a few."""
    taken = []
    for _ in range(REPEAT):
        begin = time.perf_counter()
        function()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def report(uri, filling, qlib):
    """Read through ``uri`` what was written through the client ``filling``."""
    from rollforward import init
    from rollforward.workflow import R

    filled(filling)
    if qlib.uri != uri:
        qlib.ask("fill", RUNS)
    init(uri=uri)
    print(f"{RUNS} runs, seconds")
    by_name, metrics, found = qlib.ask("listing", NAME) or (None, None, RUNS)
    assert found == RUNS  # noqa: S101  # both read the same
    ours = seconds(lambda: R.get_recorder(recorder_name=NAME, experiment_name="many"))
    note(f"{RUNS} runs, one by name", ours, qlib=by_name)
    print(f"  one by name                        {ours:8.4f}; {against(ours, by_name)}")

    def each():
        return [run.metrics for run in R.list_recorders(experiment_name="many", rtype="list")]

    def frame():
        return R.search_records([R.get_exp(experiment_name="many").id])

    listed = {"list_recorders, .metrics of each": each, "search_records, one frame": frame}
    for name, function in listed.items():
        assert len(function()) == RUNS  # noqa: S101
        ours = seconds(function)
        note(f"{RUNS} runs, {name}", ours, qlib=metrics)
        print(f"  {name:<34} {ours:8.3f}; {against(ours, metrics)}")
    shown = seconds(lambda: str(R.get_exp(experiment_name="many")))
    print(f"  the experiment as a table          {shown:8.3f}")
