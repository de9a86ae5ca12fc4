"""What a program that is moved can trip over although every name is found."""

from __future__ import annotations

# Qlib's regions are texts.
REGIONS = {
    f"qlib.{module}.REG_{region.upper()}": region for module in ("constant", "config") for region in ("cn", "us", "tw")
}
REGION_HOMES = ("qlib.constant", "qlib.config")

_POOLS = (
    "Pools of Qlib hold pickles, which are not read here: submit their tasks again. A worker that dies gives its "
    "tasks back by itself."
)
# A name that exists here -> what is different; told where the name is imported.
CHANGED = {
    "DelayTrainerRM": _POOLS,
    "OnlineManager": "Its state is in the tracking store under name=..., not in a pickle: OnlineManager.load(name=...) "
    "goes on with it, and a manager that Qlib pickled is not read.",
    "Rolling": "It needs a positive horizon, and leaves out of the training what its label knows ahead: purge=0 is "
    "Qlib's way.",
    "RollingGen": "Train and valid are purged by the label's look-ahead, and handlers follow the folds: purge=0 and "
    'handler_window="qlib" are Qlib\'s way.',
    "TaskManager": _POOLS,
    "TrainerRM": _POOLS,
    "backtest_daily": "Prices are named, prices=..., unless Qlib's data are in use; the benchmark is the mean of all "
    "instruments unless another is named; there is no executor.",
    "fill_placeholder": "It returns a copy and leaves the configuration alone: use what it returns.",
    "set_global_logger_level": "It sets the loggers of rollforward.",
}

# Configurations of Qlib's that are taken here as they are -> why nothing of Qlib has to be installed for them.
TAKEN_AS_IT_IS = {
    "qlib.backtest.executor.SimulatorExecutor": "Left: PortAnaRecord takes the daily one, and needs no pyqlib for it.",
}

FILE_STORE = (
    "MLflow no longer opens stores of this kind: use sqlite:///mlflow.db or a server, and bring old runs along as "
    "docs/how-to/migrate-store.md says."
)
AMBIGUOUS = "Rename one of the two and migrate again; its uses are left as they are."
IN_PIECES = "Write {} here, and migrate again: it is in an f-string, or spelt in pieces."
PUT_TOGETHER = "A name of Qlib is put together here: look where it leads."
STAR = "Name what is imported, and migrate again."
LEFT = "It is left as it is: a text with a name of Qlib that a program seems to read."
DATA_TAKEN = (
    "Taken out: data are named in the task here. If handlers of Qlib are used by another file, say "
    "rollforward.init(qlib_init={...}) (docs/how-to/with-pyqlib.md)."
)
DATA_HANDED = (
    "Kept for Qlib's data, because names of Qlib stay in this file: pyqlib is told (docs/how-to/with-pyqlib.md)."
)
QLIB_INIT = "For Qlib's data, which needs pyqlib (docs/how-to/with-pyqlib.md); else take it out."
UNPACKED = (
    "What is unpacked here is not known: leave exp_manager and mongo in it, and take what concerns Qlib's data out "
    "unless pyqlib is installed."
)
