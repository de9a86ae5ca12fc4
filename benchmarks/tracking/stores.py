"""Where the benchmark writes to: a fresh database, or a real server on this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request


def database(folder):
    """A SQLite store, its schema made."""
    from rollforward.testing import create_store

    path = folder / "mlflow.db"
    create_store(path)
    return f"sqlite:///{path}"


@contextlib.contextmanager
def server(folder):
    """A tracking server with one worker, over a database of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    process = subprocess.Popen(
        [*command, "--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", f"{folder}/a"],
        env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def repository(folder):
    """A repository with a change that is not committed: there is something to say about the code."""
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.org", "-C", str(folder)]
    script = folder / "train.py"
    script.write_text("print(1)\n")
    for arguments in (["init", "--quiet"], ["add", "train.py"], ["commit", "--quiet", "-m", "first"]):
        subprocess.run([*git, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    script.write_text("print(2)\n")
