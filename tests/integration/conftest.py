"""Real servers. All tests of a file run in one process (``--dist loadfile``), so that few are started."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # helpers beside the tests
sys.path.append(str(Path(__file__).parents[1] / "contract"))  # and the small world that is there

SOURCE = Path(__file__).resolve().parents[2] / "src"
_PR_SET_PDEATHSIG = 1


class Server:
    """``rollforward server`` on a database of its own, on a port that stays the same."""

    def __init__(self, folder, store=None, environment=None, options=()):
        self.folder = folder
        self.database = folder / "mlflow.db"
        self.store = store or f"sqlite:///{self.database}"
        self.environment = environment or {}
        self.options = options
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        self.process = None

    def start(self):
        """Start, and wait until it answers."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING")}
        variables |= {"PYTHONPATH": str(SOURCE), "MLFLOW_DISABLE_TELEMETRY": "true", **self.environment}
        command = [sys.executable, "-m", "rollforward", "server", "--store", self.store, "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *self.options],
                cwd=self.folder,
                env=variables,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509  # there is no other way
            )
        while not self.answers():
            if self.process.poll() is not None:
                pytest.fail(f"the server ended with {self.process.returncode}:\n{self.log.read_text()}")
        return self

    def answers(self):
        """Whether a request gets an answer; waits a little for it."""
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as response:  # noqa: S310  # http
                return response.status == 200
        except OSError:
            # Not listening yet: let the process have the processor for a moment.
            if self.process is not None:
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(0.05)
            return False

    def kill(self):
        """End it as the power would: kill -9, to all of its processes."""
        self._end(signal.SIGKILL)

    def stop(self):
        """End it as an administrator would."""
        self._end(signal.SIGTERM)

    def _end(self, number):
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, number)
            self.process.wait(20)
        except ProcessLookupError:
            pass
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def die_with_parent():
    """On Linux, end the server when the tests are ended by force."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def server_template(database, location):
    """Make a copy of an empty store what a server would have created."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = 0", (location,))


def _new_server(template_store, folder, **options):
    server = Server(folder, **options)
    shutil.copyfile(template_store, server.database)
    server_template(server.database, "mlflow-artifacts:/0")
    return server.start()


@pytest.fixture(scope="session")
def mlflow_server(template_store, tmp_path_factory):
    """A server that all tests of this process share: give experiments names of your own; neither kill nor stop it."""
    server = _new_server(template_store, tmp_path_factory.mktemp("server"))
    yield server
    server.kill()


@pytest.fixture
def own_server(template_store, tmp_path_factory):
    """A server of this test alone, which may be killed and started again."""
    server = _new_server(template_store, tmp_path_factory.mktemp("own-server"))
    yield server
    server.kill()


@pytest.fixture(scope="session")
def new_server(tmp_path_factory):
    """Start a server with options, on a database that it creates itself; whoever calls ends it."""

    def start(**options):
        return Server(tmp_path_factory.mktemp("new-server"), **options).start()

    start.unavailable = unavailable
    return start


def unavailable(what, how):
    """Skip a test whose real counterpart is not installed here; CI has to have it."""
    message = f"{what} is not installed; {how}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def _postgres_programs():
    found = shutil.which("pg_ctl")
    folders = (
        [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    )
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    """Address of an empty database of a PostgreSQL server that runs for the tests of this process."""
    programs = _postgres_programs()
    if programs is None:
        unavailable("PostgreSQL", "on Debian and Ubuntu: apt-get install postgresql")
    if importlib.util.find_spec("psycopg2") is None:
        unavailable("psycopg2", "pip install psycopg2-binary")
    # PostgreSQL refuses to run as root, and the tests' own folder is closed to others.
    folder = Path(tempfile.mkdtemp(prefix="rollforward-postgres-"))
    as_user = []
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    port = free_port()

    def run(*words):
        subprocess.run([*as_user, *map(str, words)], cwd=folder, check=True, stdout=subprocess.DEVNULL)

    data, options = folder / "data", f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"
    run(programs / "initdb", "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync")
    run(programs / "pg_ctl", "-D", data, "-o", options, "-w", "-t", "180", "-l", folder / "log", "start")
    try:
        yield f"postgresql+psycopg2://tester@127.0.0.1:{port}/postgres"
    finally:
        run(programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)
