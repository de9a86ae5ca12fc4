"""Processor, memory, disk, network and GPU as metrics of a run, measured by MLflow."""

from __future__ import annotations

import importlib
import importlib.util
import logging
from typing import Any

logger = logging.getLogger(__name__)

_warned: set[str] = set()


def start(uri: str, run_id: str, *, resumed: bool) -> Any:
    """Begin to measure; ``None`` if that is not possible, which is warned of once."""
    if importlib.util.find_spec("psutil") is None:
        _warn("psutil", "system_metrics is on, and psutil is not installed: pip install 'rollforward[system-metrics]'")
        return None
    module = importlib.import_module("mlflow.system_metrics.system_metrics_monitor")
    level = logging.getLogger(module.__name__).level
    monitor = module.SystemMetricsMonitor(run_id, resume_logging=resumed, tracking_uri=uri)
    logging.getLogger(module.__name__).setLevel(max(level, logging.WARNING))
    try:
        monitor.start()
    finally:
        logging.getLogger(module.__name__).setLevel(level)
    return monitor


def stop(monitor: Any) -> None:
    """Write what was measured last."""
    if monitor is not None:
        monitor.finish()


def _warn(key: str, message: str) -> None:
    if key not in _warned:
        _warned.add(key)
        logger.warning("%s", message)
