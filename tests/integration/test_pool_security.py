"""A task pool on a MongoDB server that asks for a password and for TLS, as the how-to and deploy/ set it up."""

from __future__ import annotations

import base64
import secrets
import shutil
import signal
import subprocess
import time
from urllib.parse import quote

import pytest

from rollforward.cli.main import main
from rollforward.errors import StoreUnreachableError, TrackingError
from rollforward.workflow.task.manage import TaskManager
from rollforward.workflow.task.store.opening import open_store

pytestmark = pytest.mark.xdist_group("server")

# With what an address must escape.
PASSWORD = "p@ss/w?rd:%"  # noqa: S105  # of a server that lives for this test
ROOT_PASSWORD = "hush"  # noqa: S105  # the same


class Guarded:
    """The server: who has the right password may read and write one database, over TLS only."""

    def __init__(self, folder, mongod):
        import pymongo

        self.folder, self.port = folder, mongod.port
        self.certificate = folder / "ca.pem"
        self._certify()
        key = folder / "keyfile"
        key.write_bytes(base64.b64encode(secrets.token_bytes(300)))
        key.chmod(0o400)
        data = folder / "data"
        data.mkdir()
        command = [
            *(mongod._binary, "--dbpath", data, "--port", str(self.port), "--bind_ip", "127.0.0.1"),
            *("--nounixsocket", "--replSet", "rs0", "--oplogSize", "64", "--wiredTigerCacheSizeGB", "0.25"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false", "--logpath", folder / "mongod.log"),
            *("--keyFile", key, "--tlsMode", "requireTLS", "--tlsCertificateKeyFile", folder / "server.pem"),
            *("--tlsCAFile", self.certificate, "--tlsAllowConnectionsWithoutCertificates"),
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        # As long as there is no user, whoever comes from this machine may make the first one.
        options = {"tls": True, "tlsCAFile": str(self.certificate), "directConnection": True}
        with pymongo.MongoClient("127.0.0.1", self.port, serverSelectionTimeoutMS=30_000, **options) as client:
            members = [{"_id": 0, "host": f"127.0.0.1:{self.port}"}]
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
            deadline = time.monotonic() + 30
            while not client.admin.command("hello")["isWritablePrimary"]:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            client.admin.command("createUser", "root", pwd=ROOT_PASSWORD, roles=["root"])
        root = {"username": "root", "password": ROOT_PASSWORD, **options}
        with pymongo.MongoClient("127.0.0.1", self.port, **root) as client:
            roles = [{"role": "readWrite", "db": "default_task_db"}]
            client["default_task_db"].command("createUser", "rollforward", pwd=PASSWORD, roles=roles)

    def _certify(self):
        request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
        names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.folder / "key.pem"]
        subprocess.run([*request, *names, "-out", self.certificate], check=True, capture_output=True)
        together = (self.folder / "key.pem").read_text() + self.certificate.read_text()
        (self.folder / "server.pem").write_text(together)

    def url(self, password=PASSWORD, **options):
        tls = {"tls": "true", "tlsCAFile": self.certificate} | options
        words = "&".join(f"{key}={value}" for key, value in tls.items())
        user = f"rollforward:{quote(password, safe='')}"
        return f"mongodb://{user}@127.0.0.1:{self.port}/?replicaSet=rs0&authSource=default_task_db&{words}"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, request):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    conftest = request.config.pluginmanager
    module = next(plugin for plugin in conftest.get_plugins() if hasattr(plugin, "_mongod_binary"))
    folder = tmp_path_factory.mktemp("guarded")
    server = Guarded(folder, module.Mongod(folder, module._mongod_binary()))
    yield server
    from rollforward.workflow.task.store.mongo_server import close_clients

    close_clients()
    server.process.send_signal(signal.SIGINT)
    server.process.wait(120)


def test_a_user_of_one_database_can_do_all_that_a_pool_needs(guarded, capsys, monkeypatch):
    monkeypatch.setenv("ROLLFORWARD_TASK_STORE", guarded.url())
    pool = TaskManager("rolling")
    pool.create_task([{"n": i} for i in range(3)])
    pool.claim().commit({"x": "y" * 9_000_000})
    pool.claim().fail("no luck", retry=False)
    pool.retry()
    for action in (["list"], ["stat", "rolling"], ["workers", "rolling"], ["purge", "rolling", "--yes"]):
        assert main(["pool", *action]) == 0
    said = capsys.readouterr()
    assert quote(PASSWORD, safe="") not in said.out + said.err
    assert PASSWORD not in said.out + said.err
    assert TaskManager.list() == ["rolling"]
    assert "***" in repr(pool)


def test_a_wrong_password_is_said_at_once_and_without_it(guarded, capsys, monkeypatch):
    monkeypatch.setenv("ROLLFORWARD_TASK_STORE", guarded.url("wr0ng"))
    assert main(["pool", "list"]) == 1
    said = capsys.readouterr()
    assert "Authentication failed" in said.err
    assert "wr0ng" not in said.out + said.err


def test_without_tls_nobody_gets_in(guarded):
    store = open_store("rolling", guarded.url(tls="false").replace(f"&tlsCAFile={guarded.certificate}", ""), patience=1)
    with pytest.raises(StoreUnreachableError):
        store.pools()


def test_an_unknown_certificate_is_not_trusted(guarded):
    url = guarded.url().replace(f"&tlsCAFile={guarded.certificate}", "")
    with pytest.raises(TrackingError, match="certificate") as caught:
        open_store("rolling", url, patience=1).pools()
    assert quote(PASSWORD, safe="") not in str(caught.value)
