"""Cases of calendar arithmetic."""


def get(rng, times):
    low = -3 if rng.random() < 0.5 else 0
    return {"args": [None if rng.random() < 0.05 else rng.randint(low, times.n + 3)], **window(rng, times)}


def maximum(rng, times):
    return {"args": [], **window(rng, times)}


def align(rng, times):
    side = rng.choice(["start", "end", "end", "start", "middle"] if rng.random() < 0.1 else ["start", "end"])
    return {"args": [times.any(none=0.0 if side == "middle" else 0.05), side], **window(rng, times)}


def cal_interval(rng, times):
    return {"args": [times.any(none=0.02), times.any(none=0.02)], **window(rng, times)}


def align_seg(rng, times):
    if rng.random() < 0.5:
        return {"args": [times.pair(none=0.08)], **window(rng, times)}
    if rng.random() < 0.1:
        return {"args": [times.boxed(times.any(), -1)]}
    if rng.random() < 0.2:
        return {"args": [{"test": times.boxed(times.any(none=0.1), times.any(none=0.1))}]}
    return {"args": [{name: times.pair(none=0.1) for name in ("train", "test")}]}


def whole_days(rng, times):
    return {"args": [times.boxed(times.near(times.index()) if rng.random() < 0.5 else None, times.whole_day())]}


def truncate(rng, times):
    days = rng.choice([0, 1, 2, 3, 5, 8, rng.randint(0, times.n)])
    if rng.random() < 0.3:
        return {"args": [times.pair(none=0.04), times.any(), days]}
    first, last, test_start = sorted(times.index() for _ in range(3))
    return {"args": [times.boxed(times.near(first), times.near(last), lists=0.03), times.near(test_start), days]}


def shift(rng, times):
    step = times.step() * rng.choice([1, 1, 1, -1])
    rtype = rng.choice(["sliding", "expanding"]) if rng.random() < 0.97 else "jumping"
    return {"args": [times.pair(none=0.06), 0 if rng.random() < 0.03 else step, rtype], **window(rng, times)}


def set_end_time(rng, times):
    return {"end_time": None if rng.random() < 0.2 else times.near(rng.randint(0, times.n + 3))}


def window(rng, times):
    """Arguments of `TimeAdjuster`: mostly none."""
    options = {}
    if rng.random() < 0.15:
        options["future"] = rng.random() < 0.5
    if rng.random() < 0.1:
        options["end_time"] = times.near(rng.randint(1, times.n + 2))
    return options


def transform_end_date(rng, times):
    if rng.random() < 0.25:
        return {"end_date": rng.choice([None, -1, "-1"])}
    return {"end_date": times.any()}


def get_date_by_shift(rng, times):
    args = {"trading_date": times.any() if rng.random() < 0.5 else times.near(times.index(), away=0)}
    args["shift"] = rng.randint(-times.n - 2, times.n + 2) if rng.random() < 0.3 else rng.randint(-5, 5)
    if rng.random() < 0.6:
        args["align"] = rng.choice(["left", "right", None, "up"] if rng.random() < 0.2 else ["left", "right"])
    if rng.random() < 0.4:
        args["future"] = True
    if rng.random() < 0.4:
        args["clip_shift"] = False
    return {"args": args}


CASES = {
    "TimeAdjuster.get": (120, get),
    "TimeAdjuster.max": (60, maximum),
    "TimeAdjuster.align_idx": (300, align),
    "TimeAdjuster.align_time": (300, align),
    "TimeAdjuster.cal_interval": (300, cal_interval),
    "TimeAdjuster.align_seg": (400, align_seg),
    "TimeAdjuster.align_seg, whole days": (100, whole_days),
    "TimeAdjuster.truncate": (500, truncate),
    "TimeAdjuster.shift": (600, shift),
    "TimeAdjuster.set_end_time": (60, set_end_time),
    "transform_end_date": (200, transform_end_date),
    "get_date_by_shift": (500, get_date_by_shift),
}
