"""rollforward's names, set to do as Qlib does where that is a choice."""

from functools import partial
from inspect import signature
from types import SimpleNamespace

from rollforward import instantiate
from rollforward.data import processor, sampler
from rollforward.data.calendar import Calendar
from rollforward.data.dataset import DatasetH
from rollforward.errors import LoadObjectError
from rollforward.evaluation import alpha
from rollforward.model.ens import blend, ensemble, group, origin
from rollforward.workflow import record_temp
from rollforward.workflow.task import adjuster, gen

# What rollforward does more than Qlib by default, as an argument that says not to.
AS_QLIB = {"purge": 0, "handler_window": "qlib"}


def our_names(sessions, n_current):
    calendar = Calendar(sessions, sessions[n_current - 1])
    options = {name: value for name, value in AS_QLIB.items() if name in signature(gen.RollingGen).parameters}
    found = {
        name: value
        for module in (alpha, ensemble, blend, origin, group, sampler, gen)
        for name, value in vars(module).items()
    }
    found |= {name: getattr(module, name) for module in (instantiate, processor) for name in module.__all__}
    return SimpleNamespace(
        **found
        | {
            **{name: getattr(record_temp, name) for name in ("HFSignalRecord", "MultiSegRecord", "SignalMseRecord")},
            "SigAnaRecord": partial(record_temp.SigAnaRecord, analyses=()),
            "DatasetH": DatasetH,
            "LoadObjectError": LoadObjectError,
            "RollingGen": partial(gen.RollingGen, calendar=calendar, **options),
            "MultiHorizonGenBase": _with_calendar(calendar),
            "TimeAdjuster": partial(adjuster.TimeAdjuster, calendar=calendar),
            "transform_end_date": partial(adjuster.transform_end_date, calendar=calendar),
            "get_date_by_shift": partial(adjuster.get_date_by_shift, calendar=calendar),
        }
    )


def _with_calendar(calendar):
    class Horizons(gen.MultiHorizonGenBase):
        def __init__(self, *args):
            super().__init__(*args, calendar=calendar)

    return Horizons
