"""Records: what is computed from a trained model and stored in its run.

A record names its artifacts (`RecordTemp.list`), the record it builds on (`RecordTemp.depend_cls`) and computes
(`RecordTemp.generate`). What is missing is an error, never a silent nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rollforward.workflow.record_temp.analysis import SigAnaRecord
    from rollforward.workflow.record_temp.base import LABEL, PRED, ACRecordTemp, RecordTemp
    from rollforward.workflow.record_temp.hf import HFSignalRecord
    from rollforward.workflow.record_temp.mse import SignalMseRecord
    from rollforward.workflow.record_temp.multipass import MultiPassPortAnaRecord
    from rollforward.workflow.record_temp.portfolio import PortAnaRecord
    from rollforward.workflow.record_temp.segments import MultiSegRecord
    from rollforward.workflow.record_temp.signal import SignalRecord

__all__ = [
    "LABEL",
    "PRED",
    "ACRecordTemp",
    "HFSignalRecord",
    "MultiPassPortAnaRecord",
    "MultiSegRecord",
    "PortAnaRecord",
    "RecordTemp",
    "SigAnaRecord",
    "SignalMseRecord",
    "SignalRecord",
]

_HOMES = {
    "LABEL": "base",
    "PRED": "base",
    "ACRecordTemp": "base",
    "HFSignalRecord": "hf",
    "MultiPassPortAnaRecord": "multipass",
    "MultiSegRecord": "segments",
    "PortAnaRecord": "portfolio",
    "RecordTemp": "base",
    "SigAnaRecord": "analysis",
    "SignalMseRecord": "mse",
    "SignalRecord": "signal",
}


def __getattr__(name: str) -> Any:
    """Load the module behind a public name when the name is first used."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Name what is public, also before it is loaded: misspelt names are compared with it."""
    return sorted({*globals(), *__all__})
