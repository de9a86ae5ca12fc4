"""``rollforward ui``: MLflow's own pages on our store."""

from __future__ import annotations

import os
import subprocess
import sys

from rollforward import settings


def ui(*, uri: str | None, host: str, port: int) -> int:
    """Start MLflow's server in the foreground, until Ctrl-C.

    One worker and no job consumers: more workers add about 45 ms to each request, and the consumers cost gigabytes.
    A remote store has its own pages already; its address is printed instead.
    """
    store = uri or settings.current().uri
    if store.startswith(("http://", "https://")):
        print(f"The store is a server with pages of its own: open {store}")
        return 0
    print(f"MLflow on {store}: open http://{host}:{port}   (Ctrl-C ends it)", flush=True)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store, "--workers", "1"]
    command += ["--host", host, "--port", str(port)]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    if os.name == "posix":
        # The server takes this process over, so that whatever ends it reaches the server.
        os.execve(sys.executable, command, environment)  # noqa: S606  # a fixed command, no shell
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603  # a fixed command
