"""The oracle: a program for the environment of pyqlib, ``python -m against_qlib.qlib_side CASES ANSWERS``."""

import os
import pickle
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

from against_qlib import calls
from against_qlib.plain import pack, unpack


def main(cases_file, answers_file):
    names = qlib_names()
    with Path(cases_file).open("rb") as file:
        calendars, cases = pickle.load(file)
    calendars = [(unpack(sessions), n_current) for sessions, n_current in calendars]
    answers = []
    for case in cases:
        open_calendar(*calendars[case["calendar"]])
        answers.append(calls.answer(names, case["kind"], unpack(case["args"]), pack))
    with Path(answers_file).open("wb") as file:
        pickle.dump(answers, file, protocol=4)


def qlib_names():
    import logging

    from qlib import utils
    from qlib.config import C
    from qlib.contrib.eva import alpha
    from qlib.contrib.workflow import record_temp as contrib_records
    from qlib.data.dataset import DatasetH, TSDataSampler, processor
    from qlib.model.ens import ensemble, group
    from qlib.utils import data, paral
    from qlib.workflow import record_temp
    from qlib.workflow.task import gen
    from qlib.workflow.task.utils import TimeAdjuster

    logging.disable(logging.CRITICAL)
    # Its worker processes cost seconds for each frame; the arithmetic is the same in threads.
    C["joblib_backend"] = "threading"
    paral.ParallelExt = lambda n_jobs: paral.Parallel(n_jobs=1)
    found = {}
    for module in (utils, data, alpha, processor, ensemble, group, gen, record_temp, contrib_records):
        found |= {name: value for name, value in vars(module).items() if not name.startswith("_")}
    own = {"TSDataSampler": TSDataSampler, "DatasetH": DatasetH, "TimeAdjuster": TimeAdjuster}
    return SimpleNamespace(**found | own)


def open_calendar(sessions, n_current):
    """Let Qlib read these sessions, where it would read its calendar file; all else of its calendar is its own."""
    from qlib.data.cache import H
    from qlib.data.data import BaseProvider, Cal, CalendarProvider, D

    class Provider(CalendarProvider):
        def load_calendar(self, freq, future):
            return sessions if future else sessions[:n_current]

    class Base(BaseProvider):
        def features(self, *args, **kwargs):
            raise NotImplementedError

    H["c"].clear()
    Cal.register(Provider())
    D.register(Base())


if __name__ == "__main__":
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
