"""What each kind of case does, once, for both sides: `names` holds the classes and functions of a side."""

from itertools import islice

import pandas as pd

from against_qlib.record_calls import RECORD_CALLS

MANY = 400  # folds; more than any calendar here can give


def generate(names, task, options):
    return names.RollingGen(**options).generate(task)


def generate_without_mod(names, task, options):
    return names.RollingGen(ds_extra_mod_func=None, **options).generate(task)


def task_generator(names, tasks, options):
    """Two generators in turn; one of them alone, without a list, where there are no options for the other."""
    horizons = horizon_generator(names)([1, 3], 1)
    return names.task_generator(tasks, horizons if options is None else [horizons, names.RollingGen(**options)])


def gen_following_tasks(names, task, test_end, options):
    return list(islice(names.RollingGen(**options).gen_following_tasks(task, test_end), MANY))


def trunc_segments(names, segments, days, test_key):
    names.trunc_segments(names.TimeAdjuster(), segments, days, test_key)
    return segments


def multi_horizon(names, task, horizon, label_leak_n):
    return horizon_generator(names)(horizon, label_leak_n).generate(task)


def horizon_generator(names):
    class Horizons(names.MultiHorizonGenBase):
        def set_horizon(self, task, hr):
            task["horizon"] = hr

    return Horizons


def adjuster(method):
    def call(names, args, future=True, end_time=None):
        return getattr(names.TimeAdjuster(future=future, end_time=end_time), method)(*args)

    return call


def set_end_time(names, end_time):
    adjuster = names.TimeAdjuster()
    adjuster.set_end_time(end_time)
    return len(adjuster.cals), adjuster.max()


def transform_end_date(names, end_date):
    return names.transform_end_date(end_date)


def get_date_by_shift(names, args):
    return names.get_date_by_shift(**args)


def ensemble(name):
    def call(names, frames):
        return getattr(names, name)()(frames)

    return call


def equal_weights(names, frames):
    """The average; on our side by way of weights that are all the same."""
    if not hasattr(names, "WeightedEnsemble"):
        return names.AverageEnsemble()(frames)
    return names.WeightedEnsemble(lambda key: 0.7)(frames)


def who_won(names, frames):
    """Which fold each joined row is of: Qlib joins a column that says it."""
    if not hasattr(names, "with_origin"):
        frames = {
            key: (frame.to_frame() if frame.ndim == 1 else frame).assign(fold=key) for key, frame in frames.items()
        }
        return names.RollingEnsemble()(frames)
    return names.RollingEnsemble(with_origin=True)(frames).astype({"fold": object})


def single_key(names, value, recursion):
    return names.SingleKeyEnsemble()(value, recursion=recursion)


def rolling_group(names, frames):
    return names.RollingGroup()(frames)


def group(names, values):
    """Sums of the values by the first letter of their names."""

    def by_letter(given):
        letters = sorted({name[0] for name in given})
        return {letter: [value for name, value in given.items() if name[0] == letter] for letter in letters}

    return names.Group(by_letter, sum)(values)


def signal(name):
    def call(names, pred, label, options):
        found = getattr(names, name)(pred, label, **options)
        return [series.rename(None) if series.ndim == 1 else series for series in found]

    return call


def signal_names(names, pred, label, options):
    return [series.name for series in names.calc_ic(pred, label, **options)]


def flatten_dict(names, d, options):
    sep = {"sep": names.FLATTEN_TUPLE} if options.pop("tuples") else {}
    return names.flatten_dict(d, **options, **sep)


def fill_placeholder(names, config, extend):
    return names.fill_placeholder(config, extend)


def update_config(names, base, extension):
    return names.update_config(base, extension)


def hash_args(names, args):
    return names.hash_args(*args)


def processor(names, name, options, fit, frame):
    """Learn from one frame, process another."""
    made = getattr(names, name)(**options)
    made.fit(fit)
    return made(frame)


def sampler_windows(names, frame, options):
    """Each sample's window, under its row: the order of the samples is a case of its own."""
    made = names.TSDataSampler(frame, **options)
    windows = {row: made[at] for at, row in enumerate(made.get_index())}
    return {f"{time:%Y-%m-%d} {name}": windows[time, name] for time, name in sorted(windows)}


def sampler_order(names, frame, options):
    return names.TSDataSampler(frame, **options).get_index()


def sampler_at(names, frame, options, at):
    """Windows by number, row, list of rows."""
    made = names.TSDataSampler(frame, **options)
    return made[[(pd.Timestamp(time), name) for time, name in at] if isinstance(at, list) else at]


ADJUSTER = ("get", "max", "align_idx", "align_time", "cal_interval", "align_seg", "truncate", "shift")
ENSEMBLES = ("RollingEnsemble", "AverageEnsemble")
SIGNALS = ("calc_ic", "calc_long_short_return", "calc_long_short_prec")

CALLS = {
    "RollingGen.generate": generate,
    "RollingGen.generate, no mod function": generate_without_mod,
    "RollingGen.gen_following_tasks": gen_following_tasks,
    "task_generator": task_generator,
    "trunc_segments": trunc_segments,
    "MultiHorizonGenBase.generate": multi_horizon,
    **{f"TimeAdjuster.{method}": adjuster(method) for method in ADJUSTER},
    "TimeAdjuster.align_seg, whole days": adjuster("align_seg"),
    "TimeAdjuster.set_end_time": set_end_time,
    "transform_end_date": transform_end_date,
    "get_date_by_shift": get_date_by_shift,
    **{name: ensemble(name) for name in ENSEMBLES},
    "AverageEnsemble, equal weights": equal_weights,
    "RollingEnsemble, who won": who_won,
    "SingleKeyEnsemble": single_key,
    "RollingGroup": rolling_group,
    "Group": group,
    **{name: signal(name) for name in SIGNALS},
    "signal names": signal_names,
    "flatten_dict": flatten_dict,
    "fill_placeholder": fill_placeholder,
    "update_config": update_config,
    "hash_args": hash_args,
    "processor": processor,
    "TSDataSampler, windows": sampler_windows,
    "TSDataSampler, order": sampler_order,
    "TSDataSampler, one window": sampler_at,
    **RECORD_CALLS,
}


def answer(names, kind, args, pack):
    """Run a case: its result in plain values, or the names of the error's classes."""
    try:
        value = pack(CALLS[kind](names, **args))
    except Exception as error:  # noqa: BLE001  any error is an answer
        classes = [cls.__name__ for cls in type(error).__mro__]
        return {"error": classes[: classes.index("Exception") + 1], "text": str(error)[:300]}
    return {"value": value}
