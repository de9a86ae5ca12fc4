"""pyqlib beside rollforward: its data, handlers and models in our tasks, and our `R` in its code.

Nothing here imports pyqlib unless it is loaded already, or something of it is asked for. Tested with pyqlib 0.9.7.
"""

from __future__ import annotations

from rollforward.adapters.qlib.kinds import HANDLERS, LOADERS, PROCESSORS, SERIALIZABLE, is_theirs
from rollforward.adapters.qlib.reading import PREFIX, data_digest, exchange_defaults, features, is_address, sessions
from rollforward.adapters.qlib.starting import init_qlib, is_loaded, is_started, make_ready

__all__ = [
    "HANDLERS",
    "LOADERS",
    "PREFIX",
    "PROCESSORS",
    "SERIALIZABLE",
    "data_digest",
    "exchange_defaults",
    "features",
    "init_qlib",
    "is_address",
    "is_loaded",
    "is_started",
    "is_theirs",
    "make_ready",
    "sessions",
]
