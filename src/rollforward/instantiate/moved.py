"""The table of moved names: where Qlib's modules are here."""

from __future__ import annotations

# Qlib's module -> our modules that hold its names, tried in this order.
MOVED: dict[str, tuple[str, ...]] = {
    "qlib": ("rollforward", "rollforward.log"),
    "qlib.config": ("rollforward.settings",),
    "qlib.contrib.eva.alpha": ("rollforward.evaluation.alpha",),
    "qlib.contrib.rolling": ("rollforward.workflow.rolling",),
    "qlib.contrib.rolling.base": ("rollforward.workflow.rolling",),
    "qlib.contrib.evaluate": ("rollforward.backtest.risk", "rollforward.backtest"),
    "qlib.contrib.strategy": ("rollforward.backtest.strategy",),
    "qlib.contrib.strategy.signal_strategy": ("rollforward.backtest.strategy",),
    "qlib.contrib.workflow": ("rollforward.workflow.record_temp",),
    "qlib.contrib.workflow.record_temp": ("rollforward.workflow.record_temp",),
    "qlib.data.dataset": ("rollforward.data.dataset", "rollforward.data.handler"),
    "qlib.data.dataset.handler": ("rollforward.data.handler",),
    "qlib.data.dataset.loader": ("rollforward.data.loader",),
    "qlib.data.dataset.processor": ("rollforward.data.processor",),
    "qlib.log": ("rollforward.log",),
    "qlib.model": ("rollforward.model.base",),
    "qlib.model.base": ("rollforward.model.base",),
    "qlib.model.ens": ("rollforward.model.ens", "rollforward.model.ens.ensemble", "rollforward.model.ens.group"),
    "qlib.model.ens.ensemble": ("rollforward.model.ens.ensemble",),
    "qlib.model.ens.group": ("rollforward.model.ens.group",),
    "qlib.model.trainer": ("rollforward.workflow.trainer",),
    "qlib.utils": (
        "rollforward.instantiate",
        "rollforward.serialize",
        "rollforward.log",
        "rollforward.workflow.task.utils",
    ),
    "qlib.utils.data": ("rollforward.instantiate",),
    "qlib.utils.exceptions": ("rollforward.errors",),
    "qlib.utils.mod": ("rollforward.instantiate",),
    "qlib.utils.serial": ("rollforward.serialize",),
    "qlib.workflow": (
        "rollforward.workflow",
        "rollforward.workflow.facade",
        "rollforward.workflow.expm",
        "rollforward.workflow.exp",
        "rollforward.workflow.recorder",
    ),
    "qlib.workflow.exp": ("rollforward.workflow.exp", "rollforward.workflow.mlflow_backend"),
    "qlib.workflow.expm": ("rollforward.workflow.expm", "rollforward.workflow.mlflow_backend"),
    "qlib.workflow.online": ("rollforward.workflow.online",),
    "qlib.workflow.online.manager": ("rollforward.workflow.online.manager",),
    "qlib.workflow.online.strategy": ("rollforward.workflow.online.strategy",),
    "qlib.workflow.online.update": ("rollforward.workflow.online.update",),
    "qlib.workflow.online.utils": ("rollforward.workflow.online.utils",),
    "qlib.workflow.record_temp": ("rollforward.workflow.record_temp",),
    "qlib.workflow.recorder": ("rollforward.workflow.recorder", "rollforward.workflow.mlflow_backend"),
    "qlib.workflow.task": ("rollforward.workflow.task",),
    "qlib.workflow.task.collect": ("rollforward.workflow.task.collect",),
    "qlib.workflow.task.gen": ("rollforward.workflow.task.gen",),
    "qlib.workflow.task.manage": ("rollforward.workflow.task.manage",),
    "qlib.workflow.task.utils": ("rollforward.workflow.task.utils", "rollforward.data.segments"),
}

# What to use instead of a name of Qlib that is not ported; the longest name that fits counts.
INSTEAD = {
    "qlib.__version__": "the version of what you have installed: rollforward.__version__",
    "qlib.auto_init": "rollforward.init(), or nothing: rollforward.toml and the environment are read by themselves",
    "qlib.backtest": "rollforward.backtest.backtest, which is the daily one and has no executor",
    "qlib.config": "rollforward.init(...) to set and rollforward.settings.current() to read settings",
    "qlib.contrib.data": "rollforward.data.price_handler.PriceHandler, or a DataHandlerLP with your own loader",
    "qlib.contrib.eva.alpha": "rollforward.evaluation, and the record SigAnaRecord for turnover and autocorrelation",
    "qlib.contrib.evaluate": "rollforward.backtest.backtest, which the record PortAnaRecord runs too",
    "qlib.contrib.evaluate_portfolio": "rollforward.backtest.risk_analysis",
    "qlib.contrib.model": "rollforward.model.sklearn.SklearnModel around any estimator with fit and predict",
    "qlib.contrib.report": "rollforward report, or rollforward.signal_report",
    "qlib.contrib.rolling": "rollforward.workflow.rolling.RollingJob",
    "qlib.contrib.strategy": "rollforward.backtest.TopkDropoutStrategy",
    "qlib.data": "a loader of rollforward.data.loader, and rollforward.Calendar for sessions",
    "qlib.data.dataset.processor": "a class of rollforward.data.processor, or a Processor of your own",
    "qlib.init": "rollforward.init for what concerns runs and pools",
    "qlib.init_from_yaml_conf": "rollforward.init() with a rollforward.toml",
    "qlib.log": "logging.getLogger: messages are plain records of the standard library",
    "qlib.model.base.ModelFT": "rollforward.model.base.Model",
    "qlib.tests.config": "a task of your own, written out",
    "qlib.tests.data": "data of your own; rollforward brings bundled:sp500_close along to try things",
    "qlib.utils.data": "pandas, or what rollforward.instantiate has",
    "qlib.utils.get_cls_kwargs": "rollforward.instantiate.get_callable_kwargs, which is the same",
    "qlib.utils.mod": "the standard library, or what rollforward.instantiate has",
    "qlib.utils.mod.get_cls_kwargs": "rollforward.instantiate.get_callable_kwargs, which is the same",
    "qlib.utils.paral": "joblib, or the option call_in_subproc of the trainers",
    "qlib.workflow.RecorderWrapper": "rollforward.workflow.QlibRecorder",
    "qlib.workflow.task.utils.get_mongodb": "TaskManager(pool), or pymongo; the address is the setting task_store",
    "qlib.workflow.utils": "no handler of your own: a run ends by itself, whatever ends the program",
}


def advice(name: str) -> str:
    """Say what to use instead of a name of Qlib, a module or what is in one, that is not here."""
    parts = name.split(".")
    for length in range(len(parts), 1, -1):
        instead = INSTEAD.get(".".join(parts[:length]))
        if instead:
            return f"Use {instead}; or pip install pyqlib to keep Qlib's own."
    return "Look for it in rollforward.instantiate.MOVED; or pip install pyqlib to keep Qlib's own."
