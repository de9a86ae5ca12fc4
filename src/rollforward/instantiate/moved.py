"""The table of moved names: where Qlib's modules are here."""

from __future__ import annotations

# Qlib's module -> our modules that hold its names, tried in this order.
MOVED: dict[str, tuple[str, ...]] = {
    "qlib": ("rollforward",),
    "qlib.config": ("rollforward.settings",),
    "qlib.contrib.eva.alpha": ("rollforward.evaluation.alpha",),
    "qlib.contrib.rolling": ("rollforward.workflow.rolling",),
    "qlib.contrib.rolling.base": ("rollforward.workflow.rolling",),
    "qlib.contrib.evaluate": ("rollforward.backtest.risk",),
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
    "qlib.model.ens": ("rollforward.model.ens.ensemble", "rollforward.model.ens.group"),
    "qlib.model.ens.ensemble": ("rollforward.model.ens.ensemble",),
    "qlib.model.ens.group": ("rollforward.model.ens.group",),
    "qlib.model.trainer": ("rollforward.workflow.trainer",),
    "qlib.utils": ("rollforward.instantiate", "rollforward.serialize"),
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
    "qlib.workflow.online.manager": ("rollforward.workflow.online.manager",),
    "qlib.workflow.online.strategy": ("rollforward.workflow.online.strategy",),
    "qlib.workflow.online.update": ("rollforward.workflow.online.update",),
    "qlib.workflow.online.utils": ("rollforward.workflow.online.utils",),
    "qlib.workflow.record_temp": ("rollforward.workflow.record_temp",),
    "qlib.workflow.recorder": ("rollforward.workflow.recorder", "rollforward.workflow.mlflow_backend"),
    "qlib.workflow.task.collect": ("rollforward.workflow.task.collect",),
    "qlib.workflow.task.gen": ("rollforward.workflow.task.gen",),
    "qlib.workflow.task.manage": ("rollforward.workflow.task.manage",),
    "qlib.workflow.task.utils": ("rollforward.workflow.task.utils", "rollforward.data.segments"),
}

# What to use instead of a module of Qlib that is not ported and not installed.
INSTEAD = {
    "qlib.contrib.data.handler": "rollforward.data.price_handler.PriceHandler, or a DataHandlerLP with your own loader",
    "qlib.contrib.model": "rollforward.model.sklearn.SklearnModel around any estimator with fit and predict",
    "qlib.data": "a loader of rollforward.data.loader",
}


def advice(module_path: str) -> str:
    """Say what to use instead of a name of Qlib that is not here."""
    for prefix, instead in INSTEAD.items():
        if module_path == prefix or module_path.startswith(f"{prefix}."):
            return f"Use {instead}; or pip install pyqlib to keep Qlib's own."
    return "Look for it in rollforward.instantiate.MOVED; or pip install pyqlib to keep Qlib's own."
