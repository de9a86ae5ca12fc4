"""Fixtures of all tests: a clean environment, and a tracking store that is there at once."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as examples

from rollforward import settings

# Read when MLflow is imported, which may be before the first fixture.
_NO_TELEMETRY = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
os.environ.update(_NO_TELEMETRY)

_MONGO = os.environ.get("ROLLFORWARD_TEST_MONGO")
_MONGOD_VENV = os.environ.get("ROLLFORWARD_MONGOD_VENV", Path(__file__).parent.parent / ".mongod-venv")
_WITH_QLIB = {name: os.environ.get(f"ROLLFORWARD_TEST_{name.upper()}") for name in ("adapter", "oracle")}
_FOREIGN = ("MLFLOW_", "ROLLFORWARD_", "_QLIB_", "GIT_")
# How wide and colourful a terminal is, and the way to other machines: here there are none.
_OF_THE_MACHINE = {
    *("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "PYTHON_COLORS", "TTY_COMPATIBLE", "TTY_INTERACTIVE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"),
}


# How long an example takes says how busy the machine is. In CI the examples are the same each time.
examples.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=os.environ.get("CI") == "true"
)
examples.load_profile("patient")


def pytest_configure(config):
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # What a shell starts in the background ignores Ctrl-C, and so would all that is started here.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # MLflow's own use of SQLAlchemy 2.1, which no one outside can change; a user does not see it.
    config.addinivalue_line("filterwarnings", "ignore:The ``noload`` loader strategy is deprecated")


@pytest.fixture(autouse=True)
def _clean_process(monkeypatch, tmp_path):
    """Every test starts in an empty folder, without settings, and ends without an active run."""
    for name in list(os.environ):
        is_foreign = name.startswith(_FOREIGN) and name not in _NO_TELEMETRY
        if is_foreign or name.upper() in _OF_THE_MACHINE:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))  # where journals go
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # where copies of remote artifacts go
    settings.reset()
    yield
    settings.reset()
    _stop_carriers()
    _refuse_open_runs()


def _stop_carriers():
    """What a test leaves to be carried to a server that is gone would be tried again for hours, beside other tests."""
    for thread in threading.enumerate():
        carry = getattr(thread, "_target", None)
        if thread.name == "rollforward-spool" and carry is not None:
            carry.__self__.stop()


def _refuse_open_runs():
    active = sys.modules.get("rollforward.workflow.active")
    left = active.open_runs() if active else []
    for run in reversed(left):
        run.close("FAILED")
    if left:
        pytest.fail(f"still active at the end: {[run.recorder for run in left]}")


@pytest.fixture(scope="session")
def template_store(tmp_path_factory):
    """File of an empty tracking store; copy it, do not open it."""
    from rollforward.testing import create_store

    database = tmp_path_factory.mktemp("template") / "mlflow.db"
    create_store(database)
    return database


@pytest.fixture
def tracking_uri(template_store, tmp_path):
    """Address of an empty tracking store of this test."""
    from rollforward.testing import copy_store, release_store

    uri = copy_store(template_store, tmp_path / "mlflow.db")
    yield uri
    release_store(uri)


@pytest.fixture
def recording(tracking_uri):
    """`R`, on an empty tracking store of this test."""
    from rollforward.workflow import R

    settings.init(uri=tracking_uri)
    return R


class Mongod:
    """A MongoDB server of this test run: a replica set of one, in a folder of its own."""

    def __init__(self, folder, binary):
        self.folder = folder
        self._binary = binary
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"mongodb://127.0.0.1:{self.port}/?replicaSet=rs0"
        self._process = None

    def start(self):
        """Start it, again on the same port and data; returns when it can be written to."""
        import pymongo

        # Not --fork: so it ends with the process group of the tests, and its end can be waited for.
        command = [
            *(self._binary, "--dbpath", self.folder, "--port", str(self.port), "--bind_ip", "127.0.0.1"),
            *("--nounixsocket", "--replSet", "rs0", "--oplogSize", "64", "--wiredTigerCacheSizeGB", "0.25"),
            *("--networkMessageCompressors", "disabled", "--setParameter", "diagnosticDataCollectionEnabled=false"),
            *("--logpath", self.folder / "mongod.log", "--logappend"),
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        direct = self.url.replace("replicaSet=rs0", "directConnection=true")
        with pymongo.MongoClient(direct, serverSelectionTimeoutMS=120_000) as client:
            if "setName" not in client.admin.command("hello"):
                member = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
                try:
                    client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
                except pymongo.errors.OperationFailure as error:
                    if error.codeName not in ("AlreadyInitialized", "InvalidReplicaSetConfig"):
                        raise
            deadline = time.monotonic() + 120
            while not client.admin.command("hello")["isWritablePrimary"]:
                assert time.monotonic() < deadline, (self.folder / "mongod.log").read_text()[-3000:]
                time.sleep(0.02)

    def kill(self):
        """End it at once, as a crash would."""
        self._process.kill()
        self._process.wait()

    def stop(self):
        """End it in order."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(120)


def _mongod_binary():
    found = next(iter(Path(_MONGOD_VENV).glob("lib/python3*/site-packages/fiftyone/db/bin/mongod")), None)
    binary = found or shutil.which("mongod")
    if binary is None:
        _give_up("no MongoDB server: scripts/mongod installs one, or set ROLLFORWARD_TEST_MONGO=mongodb://...")
    return binary


def _give_up(message):
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)


def _python_with_qlib(name):
    """Find the Python of an environment that ``scripts/NAME`` makes; the variable names it or its environment."""
    given = Path(_WITH_QLIB[name] or Path(__file__).parent.parent / f".{name}-venv")
    python = given if given.is_file() else given / "bin" / "python"
    if not python.is_file():
        _give_up(f"no pyqlib: scripts/{name} installs it, or set ROLLFORWARD_TEST_{name.upper()}=/path/to/python")
    return python


@pytest.fixture(scope="session")
def adapter():
    """Return the Python that has rollforward and pyqlib together."""
    return _python_with_qlib("adapter")


@pytest.fixture(scope="session")
def oracle():
    """Return the Python that has pyqlib and no rollforward."""
    return _python_with_qlib("oracle")


@pytest.fixture(scope="session")
def mongod(tmp_path_factory):
    """A MongoDB server for all tests; `url` is its address. Nobody may stop it."""
    if _MONGO:

        class Given:
            url = _MONGO

        yield Given()
    else:
        yield from _running(Mongod(tmp_path_factory.mktemp("mongod"), _mongod_binary()))


@pytest.fixture
def own_mongod(tmp_path):
    """A MongoDB server of this test, which it may kill and start again."""
    folder = tmp_path / "own-mongod"
    folder.mkdir()
    yield from _running(Mongod(folder, _mongod_binary()))


def _running(server):
    try:
        server.start()
        yield server
    finally:
        if "rollforward.workflow.task.store.mongo_server" in sys.modules:
            sys.modules["rollforward.workflow.task.store.mongo_server"].close_clients()
        server.stop()


@pytest.fixture(params=["sqlite", "mongo"])
def task_store(request, tmp_path):
    """Address of an empty task store: one SQLite file, or one database on a MongoDB server; set in the settings."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'tasks.db'}"
        settings.init(task_store=url)
        yield url
        return
    url = request.getfixturevalue("mongod").url
    database = f"test_{uuid.uuid4().hex[:12]}"
    settings.init(task_store=url, task_db_name=database)
    yield url
    import pymongo

    with pymongo.MongoClient(url) as client:
        client.drop_database(database)
