"""Cases of ensembles, figures, processors and windows."""

import math

import pandas as pd

INSTRUMENTS = ("AAA", "BB", "C", "DDDD", "E", "FF", "GGG", "HH", "II", "JJ", "KK", "LL")
COLUMNS = (("feature", "OPEN"), ("feature", "CLOSE"), ("label", "LABEL0"))


def rolling_ensemble(rng, times):
    """Predictions; or figures by day; or predictions with the instruments first."""
    frames = {f"fold {at}": fold(rng, times) for at in range(rng.randint(0 if rng.random() < 0.1 else 1, 4))}
    draw = rng.random()
    if draw < 0.15:
        frames = {name: frame.droplevel("instrument") for name, frame in frames.items()}
    elif draw < 0.25:
        frames = {name: frame.swaplevel() for name, frame in frames.items()}
    return {"frames": frames}


def average_ensemble(rng, times):
    days = some_days(rng, times, 3)
    frames = {name: signal(rng, days, rng.randint(1, 5)) for name in ("a", "b", "c")[: rng.randint(1, 3)]}
    if rng.random() < 0.3:
        frames = {"x": frames, "y": {"z": {"d": signal(rng, days, 3)}}}
    if rng.random() < 0.3:
        frames["frame"] = signal(rng, days, 4).to_frame("score")
    if rng.random() < 0.05:
        frames = {"twice": pd.concat([signal(rng, days, 3)] * 2)}
    return {"frames": {} if rng.random() < 0.02 else frames}


def rolling_group(rng, times):
    models = ["A", "B"][: rng.randint(1, 2)]
    frames = {(model, at): fold(rng, times) for model in models for at in range(rng.randint(1, 3))}
    if rng.random() < 0.2:
        frames = {(rng.choice("xy"), *key): frame for key, frame in frames.items()}
    if rng.random() < 0.1:
        frames["plain"] = fold(rng, times)
    return {"frames": frames}


def group(rng, times):
    names = ["".join(rng.choice("abc") for _ in range(3)) for _ in range(rng.randint(0, 6))]
    return {"values": {name: rng.randint(0, 9) for name in names}}


def single_key(rng, times, depth=0):
    def nested(depth):
        if depth == 4 or rng.random() < 0.3:
            return rng.choice([1, "x", None, (1, 2), {}])
        return {key: nested(depth + 1) for key in "abc"[: rng.choice([1, 1, 2, 3])]}

    return {"value": nested(0), "recursion": rng.random() < 0.7}


def ic(rng, times):
    days = some_days(rng, times, 4)
    n_names = rng.randint(2, len(INSTRUMENTS))
    pred = signal(rng, days, n_names, missing=rng.choice([0, 0, 0.15]))
    label = signal(rng, days, n_names, missing=rng.choice([0, 0, 0.15]))
    if rng.random() < 0.3:
        label = label.sample(frac=1, random_state=rng.randint(0, 99))
    if rng.random() < 0.1:
        label = label.iloc[: rng.randint(1, len(label))]
    if rng.random() < 0.05:
        pred = pred.to_frame("score")
    return {"pred": pred, "label": label, "options": {"dropna": True} if rng.random() < 0.3 else {}}


def series_ic(rng, times):
    case = ic(rng, times)
    return case | {"pred": case["pred"].squeeze()}


def long_short(rng, times):
    case = ic(rng, times)
    if rng.random() < 0.5:
        case["options"]["quantile"] = rng.choice([0.1, 0.25, 0.3, 0.5])
    return case


def long_short_prec(rng, times):
    case = long_short(rng, times)
    if rng.random() < 0.4:
        case["options"]["is_alpha"] = True
        if rng.random() < 0.9:
            days = case["label"].index.get_level_values("datetime")
            case["label"] = case["label"].mask(days == rng.choice(days.tolist()), rng.choice([0.1, 0.7, 1.3]))
    if rng.random() < 0.05:
        days = some_days(rng, times, 1)
        case["pred"], case["label"] = (signal(rng, days, 11) for _ in range(2))
    return case


def processor(rng, times):
    name = rng.choice(list(PROCESSORS))
    days = some_days(rng, times, 5) if rng.random() < 0.8 else sorted(rng.sample(times.sessions, 5))
    options = {}
    if name in FITTED:
        first, last = (0, 2) if rng.random() < 0.8 else sorted((rng.randrange(5), rng.randrange(5)))
        options = {"fit_start_time": days[first], "fit_end_time": times.written(days[last])}
        if rng.random() < 0.04:
            options = {"fit_start_time": "2030-01-01", "fit_end_time": "2031-01-01"}
    options |= PROCESSORS[name](rng)
    missing = rng.choice([0, 0, 0.2]) if name not in FILLING else 0.3
    return {
        "name": name,
        "options": options,
        "fit": table(rng, days, missing=missing),
        "frame": table(rng, days, missing=missing),
    }


def sampler(rng, times):
    days = some_days(rng, times, 7)
    frame = table(rng, days, missing=0.1, constant=0, infinite=0, gaps=0.2)
    first, last = sorted((rng.randrange(7), rng.randrange(7)))
    options = {"start": times.written(days[first]), "end": times.written(days[last]), "step_len": rng.randint(1, 8)}
    options |= {name: None for name in ("start", "end") if rng.random() < 0.1}
    options["fillna_type"] = rng.choice(["none", "ffill", "ffill+bfill"])
    if rng.random() < 0.3:
        flags = pd.Series([rng.random() < 0.7 for _ in range(len(frame))], index=frame.index)
        options["flt_data"] = (flags if rng.random() < 0.5 else flags.iloc[1:]).rename("flag")
    return {"frame": frame, "options": options}


def sampler_at(rng, times):
    case = sampler(rng, times)
    frame = case["frame"]
    row = rng.choice(frame.index.tolist())
    days = [row[0], row[0] + pd.Timedelta(hours=5), rng.choice(frame.index.tolist())[0]]
    name = row[1] if rng.random() < 0.85 else rng.choice(["NOBODY", "A", "AZ"])
    if rng.random() < 0.1:
        return case | {"at": 1000}
    if rng.random() < 0.1:
        days = [row[0] - pd.Timedelta(days=300)]
    if rng.random() < 0.5:
        return case | {"at": (str(rng.choice(days)), name)}
    return case | {"at": [(str(rng.choice(days)), row[1]) for _ in range(rng.randint(1, 3))]}


def some_days(rng, times, n):
    first = rng.randint(0, times.n - n)
    return times.sessions[first : first + n]


def fold(rng, times):
    """What a fold predicts: overlapping others in time, its rows sometimes shuffled or there twice."""
    made = signal(rng, some_days(rng, times, rng.randint(1, 4)), rng.randint(1, 3))
    if rng.random() < 0.3:
        made = pd.concat([made, made.iloc[: rng.randint(1, len(made))] + 1])
    if rng.random() < 0.3:
        made = made.sample(frac=1, random_state=rng.randint(0, 99))
    if rng.random() < 0.05:
        return made.iloc[:0].to_frame("score")
    return made.to_frame("score") if rng.random() < 0.5 else made


def signal(rng, days, n_names, *, missing=0.0):
    """Scores of some instruments on some days; on a day all of them may be equal."""
    rows = [(day, name) for day in days for name in sorted(rng.sample(INSTRUMENTS, n_names))]
    constant = {day for day in days if rng.random() < 0.06}
    values = [0.1 if row[0] in constant else number(rng, missing) for row in rows]
    return pd.Series(values, pd.MultiIndex.from_tuples(rows, names=["datetime", "instrument"]), name="score")


def table(rng, days, *, missing=0.0, constant=0.08, infinite=0.02, gaps=0.0):
    """Features and a label of some instruments; columns may be constant, values infinite, rows absent."""
    rows = [(day, name) for day in days for name in INSTRUMENTS[: rng.randint(1, 5)] if rng.random() >= gaps]
    rows = rows or [(days[0], INSTRUMENTS[0])]
    index = pd.MultiIndex.from_tuples(rows, names=["datetime", "instrument"])
    columns = {}
    for name in COLUMNS:
        values = [number(rng, missing) for _ in rows]
        if rng.random() < constant:
            values = [0.1] * len(rows)
        if rng.random() < infinite * 4:
            values[rng.randrange(len(rows))] = rng.choice([math.inf, -math.inf])
        columns[name] = values
    return pd.DataFrame(columns, index=index)


def number(rng, missing):
    return math.nan if rng.random() < missing else round(rng.gauss(0, 1), rng.choice([1, 3, 6]))


def grouped(rng):
    return {"fields_group": rng.choice([None, "feature", "label"])}


FITTED = ("ZScoreNorm", "RobustZScoreNorm", "MinMaxNorm")
FILLING = ("Fillna", "CSZFillna", "DropnaLabel", "DropnaProcessor")
PROCESSORS = {
    "ZScoreNorm": grouped,
    "RobustZScoreNorm": lambda rng: grouped(rng) | ({} if rng.random() < 0.5 else {"clip_outlier": False}),
    "MinMaxNorm": grouped,
    "CSRankNorm": grouped,
    "CSZScoreNorm": lambda rng: grouped(rng) | {"method": rng.choice(["zscore", "robust"])},
    "CSZFillna": grouped,
    "Fillna": lambda rng: grouped(rng) | {"fill_value": rng.choice([0, -1.5])},
    "DropnaLabel": lambda rng: {},
    "DropnaProcessor": grouped,
    "TanhProcess": lambda rng: {},
    "ProcessInf": lambda rng: {},
}

CASES = {
    "RollingEnsemble": (250, rolling_ensemble),
    "AverageEnsemble": (250, average_ensemble),
    "AverageEnsemble, equal weights": (100, average_ensemble),
    "RollingEnsemble, who won": (150, rolling_ensemble),
    "RollingGroup": (80, rolling_group),
    "Group": (20, group),
    "SingleKeyEnsemble": (80, single_key),
    "calc_ic": (250, ic),
    "calc_long_short_return": (120, long_short),
    "calc_long_short_prec": (200, long_short_prec),
    "signal names": (5, series_ic),
    "processor": (600, processor),
    "TSDataSampler, windows": (120, sampler),
    "TSDataSampler, order": (20, sampler),
    "TSDataSampler, one window": (120, sampler_at),
}
