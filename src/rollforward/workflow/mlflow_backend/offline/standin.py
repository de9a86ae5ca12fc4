"""Where runs go while the server is away: a store on this machine, uploaded when the server is back.

There is at most one `StandIn` per process and store. It is *needed* from the moment when a run is to be started and the
store does not answer. A thread then asks every 1 to 30 s; when the store answers it uploads what is there, and goes on
with what still runs. What other processes left is uploaded by the same thread of a later process, or by
``rollforward sync``.
"""

from __future__ import annotations

import atexit
import contextvars
import logging
import os
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rollforward.errors import RollforwardError, StoreUnreachableError
from rollforward.settings.masking import mask_credentials
from rollforward.settings.state import current
from rollforward.workflow.mlflow_backend.offline.leftovers import (
    claim,
    has_leftovers,
    stand_in_address,
    upload_leftovers,
)
from rollforward.workflow.mlflow_backend.store.client import is_reachable
from rollforward.workflow.mlflow_backend.store.http_store import brief
from rollforward.workflow.mlflow_backend.store.reach import is_server

if TYPE_CHECKING:
    from rollforward.workflow.mlflow_backend.offline.leftovers import Uploaded

logger = logging.getLogger(__name__)

# Seconds to wait for an answer before a run is started elsewhere, and for how long an answer is good.
_PROBE, _FRESH = 2.0, 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
# Seconds between two uploads of runs that go on, and how many times longer than an upload that is at least.
_EVERY, _SHARE = 5.0, 10
# Seconds for the last upload when the process ends, and for the question before it.
_AT_EXIT, _PROBE_AT_EXIT = 5.0, 0.5
# Seconds for the answer to one request of an upload.
_ANSWER = 30.0
_PORTS = {"http": 80, "https": 443}

_stand_ins: dict[tuple[int, str, str], StandIn] = {}


def stand_in_for(uri: str) -> StandIn | None:
    """Return the stand-in of a store, or ``None`` if it has none: only servers have, unless ``spool`` is off."""
    if not is_server(uri) or current().spool == "off":
        return None
    address = stand_in_address(uri)
    key = (os.getpid(), uri, address)
    return _stand_ins.get(key) or _stand_ins.setdefault(key, StandIn(uri, address))


def read_from(uri: str) -> str:
    """Return the store to read from: the stand-in, while this process needs it."""
    if not _stand_ins or not is_server(uri):
        return uri
    stand_in = stand_in_for(uri)
    return stand_in.address if stand_in is not None and stand_in.is_needed else uri


class StandIn:
    """The stand-in of one store in this process.

    Parameters
    ----------
    uri
        The store.
    address
        The store that stands in for it.

    Attributes
    ----------
    is_needed
        Whether new runs start here, because the store did not answer and what is here is not uploaded.
    is_used
        Whether a run of this process was started here.
    """

    def __init__(self, uri: str, address: str) -> None:
        self.uri, self.address = uri, address
        self.is_needed = self.is_used = False
        self._good_until = 0.0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._has_looked = self._has_exit = False
        self._claim: object = None

    def must_start_here(self) -> bool:
        """Whether a run that is started now has to start here; asks the store if that is not known."""
        if self.is_needed:
            return True
        if self._answers():
            self._look_for_leftovers()
            return False
        self.need()
        return True

    def need(self) -> None:
        """Take note that the store does not answer."""
        with self._lock:
            if not self.is_needed:
                logger.warning(
                    "The tracking store %s does not answer. Runs go on in %s; they are uploaded when it is back, or by "
                    "`rollforward sync`.",
                    mask_credentials(self.uri),
                    self.address,
                )
            self._claim = self._claim or claim(self.uri)
            self.is_needed = self.is_used = True
            self._good_until = 0.0
            self._watch(_FIRST_PAUSE)

    def _answers(self) -> bool:
        # Between two real questions, only whether somebody listens: MLflow's client would go on asking for minutes.
        if time.monotonic() < self._good_until and _listens(self.uri):
            return True
        if is_reachable(self.uri, _PROBE):
            self._good_until = time.monotonic() + _FRESH
            return True
        return False

    def _look_for_leftovers(self) -> None:
        if self._has_looked:
            return
        self._has_looked = True
        if has_leftovers(self.uri):
            with self._lock:
                self._watch(0.0)

    def _watch(self, pause: float) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        # The settings of this context hold in the thread too.
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(self._keep_up, pause), name="rollforward-sync", daemon=True)
        if not self._has_exit:
            self._has_exit = True
            atexit.register(self._leave)
        self._thread.start()

    def _keep_up(self, pause: float) -> None:
        """Upload when the store answers, until nothing is left."""
        is_done = False
        while not self._stop.wait(pause):
            began = time.monotonic()
            uploaded = self._upload(_PROBE)
            if uploaded is None:
                pause = min(max(2 * pause, _FIRST_PAUSE), _LONGEST_PAUSE)
                continue
            if uploaded.is_done and (is_done or not self.is_used):
                return
            # Once more: a run may have been started while the last upload went on.
            is_done = uploaded.is_done
            pause = max(_EVERY, _SHARE * (time.monotonic() - began))
        if self.is_used:
            self._upload(_PROBE_AT_EXIT)

    def _upload(self, timeout: float) -> Uploaded | None:
        """Upload once; ``None`` if the store does not answer, or it cannot be done now."""
        if not is_reachable(self.uri, timeout):
            return None
        try:
            with brief(_ANSWER):
                uploaded = upload_leftovers(self.uri)
        except StoreUnreachableError:
            return None
        except RollforwardError as error:
            logger.info("Not uploaded now: %s", error)
            return None
        except Exception:
            # A thread of ours must neither end a program nor fill its screen again and again.
            logger.debug("The upload to %s failed", mask_credentials(self.uri), exc_info=True)
            return None
        if self.is_needed and uploaded.is_complete:
            self.is_needed = False
            # As loud as the word that it does not answer.
            logger.warning("The tracking store %s is back; all is uploaded.", mask_credentials(self.uri))
        return uploaded

    def _leave(self) -> None:
        """At the end of the process: upload what can be uploaded quickly."""
        self._stop.set()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(_AT_EXIT)


def _listens(uri: str) -> bool:
    parts = urlsplit(uri)
    with suppress(OSError, ValueError):
        port = parts.port or _PORTS[parts.scheme]
        with socket.create_connection((str(parts.hostname), port), timeout=_PROBE):
            return True
    return False
