"""Cases of records."""

import math

import pandas as pd

from against_qlib.cases_of_frames import INSTRUMENTS, number, some_days


def stored(rng, times):
    """A prediction and its label, of the same rows."""
    rows = index(rng, times)
    columns = {f"LABEL{at}": scores(rng, rows) for at in range(rng.randint(1, 2))}
    pred = {"score": scores(rng, rows)} | ({"other": scores(rng, rows)} if rng.random() < 0.2 else {})
    return {"pred": pd.DataFrame(pred, rows), "label": pd.DataFrame(columns, rows), "options": {}}


def sig_ana(rng, times):
    case = stored(rng, times)
    options = case["options"]
    if rng.random() < 0.6:
        options |= {"ana_long_short": True} | ({"ann_scaler": rng.choice([12, 50, 252])} if rng.random() < 0.5 else {})
    elif rng.random() < 0.4:
        case["label"] = case["label"].mask(case["label"] > 1)
    if case["label"].shape[1] > 1 and rng.random() < 0.5:
        options["label_col"] = 1
    if rng.random() < 0.05:
        case["label"] = None
    elif rng.random() < 0.05:
        case["label"] = case["label"].iloc[:0]
    elif rng.random() < 0.3:
        case["label"] = case["label"].sample(frac=1, random_state=rng.randint(0, 99))
    return case


def mse(rng, times):
    case = stored(rng, times)
    case |= {name: case[name].iloc[:, :1] for name in ("pred", "label")}
    draw = rng.random()
    if draw < 0.2:
        case["label"] = case["label"].mask(case["label"] > 0.5)
    elif draw < 0.4:
        case["label"] = case["label"].sample(frac=1, random_state=rng.randint(0, 99))
    elif draw < 0.45:
        case["label"] = case["label"] * math.nan
    return case


def several_segments(rng, times):
    cases = {name: stored(rng, times) for name in ("train", "valid", "test")[: rng.randint(1, 3)]}
    return {"segments": {name: (segment(rng, case["pred"]), case["label"]) for name, case in cases.items()}}


def segment(rng, pred):
    return pred["score"] if rng.random() < 0.5 else pred


def index(rng, times):
    days = some_days(rng, times, rng.randint(3, 6))
    names = sorted(rng.sample(INSTRUMENTS, rng.randint(6, len(INSTRUMENTS))))
    return pd.MultiIndex.from_product([days, names], names=["datetime", "instrument"])


def scores(rng, rows):
    """Without ties; what is done with them is a case of the figures themselves."""
    return [number(rng, 0) + at * 1e-7 for at in range(len(rows))]


RECORD_CASES = {
    "SigAnaRecord": (120, sig_ana),
    "HFSignalRecord": (80, stored),
    "SignalMseRecord": (80, mse),
    "MultiSegRecord": (40, several_segments),
}
