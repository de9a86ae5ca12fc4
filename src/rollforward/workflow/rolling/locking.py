"""Two processes that run the same job: the second one waits, and then finds what the first one trained."""

from __future__ import annotations

import getpass
import hashlib
import logging
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import filelock

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)


@contextmanager
def one_at_a_time(uri: str, experiment_name: str, job_hash: str | None) -> Iterator[None]:
    """Let one process of this machine and user at a time run a job.

    The lock ends with the process that holds it, however it ends.

    Parameters
    ----------
    uri, experiment_name, job_hash
        What the job is; a job without a hash is not the same as any other, and is not held up.
    """
    if job_hash is None:
        yield
        return
    identity = hashlib.sha256(f"{uri}\n{experiment_name}\n{job_hash}".encode()).hexdigest()[:32]
    lock = filelock.FileLock(_folder() / f"{identity}.lock")
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        logger.warning("Another process is running this job; waiting for its end, to reuse what it trains.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"rollforward-jobs-{getpass.getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
