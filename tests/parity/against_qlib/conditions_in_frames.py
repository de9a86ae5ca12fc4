"""When a difference in ensembles, figures, processors or windows is the one on purpose: looks at a case and both answers."""

import numpy as np
import pandas as pd

from against_qlib.plain import pack, same, unpack

FITTED = {"ZScoreNorm", "RobustZScoreNorm", "MinMaxNorm"}


def days_of(frame):
    return frame.index.get_level_values("datetime")


def constant_days(column):
    """The days on which all known values of a series are equal."""
    known = column.dropna()
    days = known.groupby(days_of(known)).nunique()
    return set(days.index[days <= 1])


def differ_on(theirs, ours):
    """The rows in which two series or frames with the same index differ."""
    table = pd.DataFrame({"theirs": theirs.stack() if theirs.ndim > 1 else theirs})
    table["ours"] = ours.stack() if ours.ndim > 1 else ours
    equal = np.isclose(table["theirs"], table["ours"], rtol=1e-9, atol=1e-9, equal_nan=True)
    return table.index[~equal]


def leaves(frames):
    for value in frames.values():
        yield from leaves(value) if isinstance(value, dict) else [value]


def constant_columns_are_unknown(case, theirs, ours):
    theirs, ours = unpack(theirs), unpack(ours)
    columns = [frame.squeeze(axis=1) if frame.ndim > 1 else frame for frame in leaves(case.args["frames"])]
    constant = set().union(*map(constant_days, columns))
    return theirs.index.equals(ours.index) and set(differ_on(theirs, ours).get_level_values(0)) <= constant


def some_row_is_there_twice(case, *_):
    return any(frame.index.has_duplicates for frame in leaves(case.args["frames"]))


def some_fold_is_empty(case, *_):
    return any(frame.empty for frame in leaves(case.args["frames"]))


def constant_days_have_no_ic(case, theirs, ours):
    pairs = pd.DataFrame({"pred": case.args["pred"], "label": case.args["label"]}).dropna()
    constant = constant_days(pairs["pred"]) | constant_days(pairs["label"])
    for one, other in zip(map(unpack, theirs), map(unpack, ours), strict=True):
        one, other = one[~one.index.isin(constant)], other[~other.index.isin(constant)]  # noqa: PLW2901
        if not same(pack(one), pack(other)):
            return False
    return True


def a_side_is_a_frame(case, *_):
    return isinstance(case.args["pred"], pd.DataFrame)


def dates_without_a_value_stay(_, theirs, ours):
    """Qlib's answers are ours without dates, on which ours is missing."""
    for one, other in zip(map(unpack, theirs), map(unpack, ours), strict=True):
        if one.ndim > 1 and not one.empty:
            return False
        if one.ndim > 1:  # an empty frame: no date has a value
            one = one.iloc[:0]  # noqa: PLW2901
        gone = other[~other.index.isin(one.index)]
        kept = other[other.index.isin(one.index)]
        if gone.notna().any() or not ((one.empty and kept.empty) or same(pack(one), pack(kept))):
            return False
    return True


def a_date_is_a_frame(_, theirs, ours):
    return unpack(theirs[0]).shape[0] == 1 < unpack(theirs[0]).ndim and unpack(ours[0]).notna().sum() <= 1


def labels_are_their_mean(case, theirs, ours):
    """Only days with equal labels differ, where none is above or below the mean."""
    constant = constant_days(case.args["label"])
    for one, other in zip(map(unpack, theirs), map(unpack, ours), strict=True):
        if one.ndim > 1:
            continue
        odd = [day for day in one.index if not same(float(one[day]), float(other[day]))]
        if not set(odd) <= constant or not all(other[day] == 0 for day in odd):
            return False
    return bool(case.args["options"].get("is_alpha"))


def fit_window(case):
    frame, options = case.args["fit"], case.args["options"]
    first, last = (pd.Timestamp(options[name]) for name in ("fit_start_time", "fit_end_time"))
    return frame[(days_of(frame) >= first) & (days_of(frame) <= last)]


def fit_columns(case, is_odd):
    """The columns of a fit window for which something holds."""
    window = fit_window(case)
    return [column for column in window.columns if is_odd(window[column].dropna().to_numpy())]


def fit_window_is_empty(case, *_):
    return case.args["name"] in FITTED and fit_window(case).empty


def other_columns_are_equal(case, theirs, ours, is_odd):
    if case.args["name"] not in FITTED:
        return False
    odd = fit_columns(case, is_odd)
    theirs, ours = unpack(theirs).drop(columns=odd), unpack(ours).drop(columns=odd)
    return bool(odd) and same(pack(theirs), pack(ours))


def has_no_spread(values):
    finite = values[np.isfinite(values)]
    spread = np.median(np.abs(finite - np.median(finite))) if len(finite) else np.nan
    return len(finite) > 0 and (spread < 1e-12 or finite.min() == finite.max())


def is_odd(values):
    return has_no_spread(values) or has_infinities(values)


def has_infinities(values):
    return bool(np.isinf(values).any())


def constants_are_centred(case, theirs, ours):
    return other_columns_are_equal(case, theirs, ours, has_no_spread)


def infinities_do_not_count(case, theirs, ours):
    return other_columns_are_equal(case, theirs, ours, is_odd)


def equal_instruments_are_zero(case, theirs, ours):
    """Only days differ on which a column has no spread among the instruments."""
    if case.args["name"] != "CSZScoreNorm":
        return False
    frame, theirs, ours = case.args["frame"], unpack(theirs), unpack(ours)
    for column in frame.columns:
        by_day = frame[column].dropna().groupby(level="datetime")
        flat = {day for day, values in by_day if len(values) == 1 or is_odd(values.to_numpy())}
        if not set(differ_on(theirs[column], ours[column]).get_level_values(0)) <= flat:
            return False
    return True


def only_index_names_differ(case, theirs, ours):
    index = {**theirs["index"], "names": ours["index"]["names"]}
    return case.args["name"] == "ProcessInf" and same({**theirs, "index": index}, ours)


def is_reordered(_, theirs, ours):
    theirs, ours = unpack(theirs), unpack(ours)
    return theirs.sort_values().equals(ours.sort_values()) and ours.is_monotonic_increasing


def instrument_is_unknown(case, *_):
    at = case.args["at"]
    return isinstance(at, tuple) and at[1] not in set(case.args["frame"].index.get_level_values(1))


def time_is_before_the_data(case, *_):
    at = case.args["at"]
    times = [time for time, _ in at] if isinstance(at, list) else [at[0]]
    return min(map(pd.Timestamp, times)) < days_of(case.args["frame"]).min()
