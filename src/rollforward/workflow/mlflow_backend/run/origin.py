"""Where a run comes from, written in the background while it goes on, or after its end if that comes first."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from rollforward.workflow.mlflow_backend.provenance import capture, command, packages

if TYPE_CHECKING:
    from rollforward.workflow.mlflow_backend.run.recorder import MLflowRecorder

logger = logging.getLogger(__name__)

REQUIREMENTS = "requirements.txt"


class Origin:
    """What is kept of the origin of one run, beside the tags that it was created with.

    Parameters
    ----------
    recorder
        The run.
    code_is_tagged
        Whether the tags of the code are among those.
    """

    def __init__(self, recorder: MLflowRecorder, *, code_is_tagged: bool) -> None:
        self._recorder = recorder
        self._code_is_tagged = code_is_tagged
        self._params: dict[str, str] | None = command.params()
        # Reentrant: a signal handler may read the run.
        self._lock = threading.RLock()

    def put_params(self) -> None:
        """Log the params beside what else is logged, if they are not logged yet."""
        with self._lock:
            if self._params is not None:
                self._recorder.log_params(**self._params)
                self._params = None

    def write(self) -> None:
        """Write everything that is not written yet."""
        if self._recorder.is_open:
            self.put_params()
        texts = {}
        try:
            texts[REQUIREMENTS] = packages.requirements()
        except Exception as error:  # noqa: BLE001  # there is more to keep
            logger.warning("The list of packages of run %s is not kept: %s", self._recorder.id, error)
        # The first time, git takes a moment.
        code = capture.wait()
        with self._lock:
            self._recorder.add(
                params=self._params or {},
                tags={} if self._code_is_tagged else code.tags,
                # In one call: it costs a quarter, and over HTTP the files go at once.
                texts=texts | dict(code.texts),
            )
            self._params = None
