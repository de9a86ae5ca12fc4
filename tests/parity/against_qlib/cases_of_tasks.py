"""Cases of task generation."""

FIT = {"fit_start_time": "2015-01-01", "fit_end_time": "2020-01-10", "instruments": "csi300"}
MODEL = {"class": "LGBModel", "module_path": "qlib.contrib.model.gbdt", "kwargs": {"loss": "mse", "sizes": [1, 2]}}


def rolling(rng, times):
    return {"task": task(rng, times), "options": options(rng, times)}


def rolling_keys(rng, times):
    """Segments under other names, or a train segment that slides with the others."""
    case = rolling(rng, times)
    rename = rng.choice([{"test": "backtest"}, {"train": "fit"}, {"train": "fit", "test": "out"}, {}])
    segments = case["task"]["dataset"]["kwargs"]["segments"]
    case["task"]["dataset"]["kwargs"]["segments"] = {rename.get(name, name): s for name, s in segments.items()}
    if rng.random() < 0.9:
        case["options"]["test_key"] = rename.get("test", "test")
    case["options"]["train_key"] = rng.choice([None, "fit", "train", "valid"])
    return case


def several(rng, times):
    tasks = [task(rng, times, until_now=None) for _ in range(rng.randint(1, 2))]
    given = tasks[0] if len(tasks) == 1 and rng.random() < 0.5 else tasks
    return {"tasks": given, "options": options(rng, times) if rng.random() < 0.8 else None}


def following(rng, times):
    """The folds after a fold, which is what `generate` gives: bounds on sessions, tuples."""
    step = rng.randint(1, max(2, times.n // 5))
    start = rng.randint(4, times.n - 1)
    end = start + rng.choice([step, step, rng.randint(1, step)]) - 1
    fold = task(rng, times)
    segments = {"train": (times.sessions[0], times.sessions[start // 2])}
    if rng.random() < 0.5:
        segments["valid"] = (times.sessions[start // 2 + 1], times.sessions[start - 1])
    # A fold that was open when the calendar ended is still so when the calendar goes on.
    is_open = end >= times.n or rng.random() < 0.1
    segments["test"] = (times.sessions[start], None if is_open else times.sessions[end])
    fold["dataset"]["kwargs"]["segments"] = segments
    test_end = times.sessions[times.index()] if rng.random() < 0.9 else times.any(none=0.5)
    return {"task": fold, "test_end": test_end, "options": {"step": step, "rtype": rtype(rng)}}


def trunc_segments(rng, times):
    segments = segments_in_order(rng, times, lists=0.03)
    if rng.random() < 0.8:  # Qlib compares both bounds as they are, texts as texts
        segments["test"] = tuple(sorted(times.sessions[times.index()] for _ in range(2)))
    elif isinstance(segments["test"][0], str):
        segments["test"] = (segments["test"][0], times.sessions[-1])
    return {
        "segments": segments,
        "days": rng.choice([0, 1, 2, 3, 5, 10]),
        "test_key": "test",
    }


def horizons(rng, times):
    return {
        "task": task(rng, times),
        "horizon": rng.choice([[1], [1, 5], [2, 3, 10], []]),
        "label_leak_n": rng.choice([2, 2, 0, 1]),
    }


def options(rng, times):
    chosen = {"step": rng.choice([times.step(), 2, 3, 4, 5]), "rtype": rtype(rng)}
    if rng.random() < 0.45:
        chosen["trunc_days"] = rng.choice([0, 1, 1, 2, 2, 3, 3, 5, 7, rng.randint(0, times.n)])
    if rng.random() < 0.02:
        chosen["rtype"] = "jumping"
    return chosen


def rtype(rng):
    return rng.choice(["expanding", "sliding"])


def task(rng, times, until_now=-1):
    kwargs = {"segments": segments_in_order(rng, times, until_now=until_now), "flags": (1, [2, 3])}
    kwargs |= handler(rng, times)
    made = {"model": MODEL, "dataset": {"class": "DatasetH", "module_path": "qlib.data.dataset", "kwargs": kwargs}}
    return made | ({"record": [{"class": "SignalRecord"}, "SigAnaRecord"]} if rng.random() < 0.5 else {})


def handler(rng, times):
    """A handler in each way that a task may have one."""
    made = {"class": "Alpha158", "module_path": "qlib.contrib.data.handler"}
    weighted = {
        15: {},
        10: {"handler": "file:///data/handler.pkl"},
        3: {"handler": made},
        14: {"handler": made | {"kwargs": {"start_time": "2010-01-01", **FIT}}},
        9: {"handler": made | {"kwargs": {"end_time": None, **FIT}}},
        2: {"handler": made | {"kwargs": {"end_time": "<dataset.kwargs.segments.test.1>"}}},
        1: {"handler": made | {"kwargs": {"end_time": "the end"}}},
        46: {"handler": made | {"kwargs": {"start_time": times.sessions[0], "end_time": times.any(), **FIT}}},
    }
    return rng.choices(list(weighted.values()), list(weighted))[0]


def segments_in_order(rng, times, lists=None, until_now=-1):
    """Train, perhaps valid, test; mostly one after the other."""
    names = ["train", "valid", "test"] if rng.random() < 0.7 else ["train", "test"]
    room = times.n + 2 if rng.random() < 0.3 else max(2 * len(names), times.n - times.n // 4)
    bounds = sorted(rng.sample(range(room), 2 * len(names)))
    if rng.random() < 0.04:
        rng.shuffle(bounds)
    elif rng.random() < 0.03:
        bounds[-3] = bounds[-2]
    boxes = rng.choice([0.0, 0.0, 1.0]) if lists is None else lists
    made = {}
    for at, name in enumerate(names):
        first, last = (times.near(bound) for bound in bounds[2 * at : 2 * at + 2])
        if name == "train" and rng.random() < 0.03:
            first = None
        if name == "test" and rng.random() < 0.12:
            last = rng.choice([None, None, None, until_now])
        elif name == "test" and rng.random() < 0.02:
            first = None
        made[name] = times.boxed(first, last, lists=boxes)
    return dict(rng.sample(list(made.items()), len(made))) if rng.random() < 0.1 else made


CASES = {
    "RollingGen.generate": (1500, rolling),
    "RollingGen.generate, no mod function": (300, rolling_keys),
    "RollingGen.gen_following_tasks": (400, following),
    "task_generator": (150, several),
    "trunc_segments": (200, trunc_segments),
    "MultiHorizonGenBase.generate": (300, horizons),
}
