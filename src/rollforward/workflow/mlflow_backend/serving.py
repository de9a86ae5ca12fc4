"""MLflow's own server, started so that it is quick, small, private and ends when it is told to."""

from __future__ import annotations

import configparser
import importlib.util
import ipaddress
import logging
import os
import secrets
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from rollforward.errors import MissingDependencyError, SettingsError, TrackingError
from rollforward.workflow.mlflow_backend.store.address import opened_uri
from rollforward.workflow.mlflow_backend.store.client import checked_uri, database_file, open_for_server

logger = logging.getLogger(__name__)

_JOBS = "MLFLOW_SERVER_ENABLE_JOB_EXECUTION"
_HOSTS = "MLFLOW_SERVER_ALLOWED_HOSTS"
_PASSWORD, _AUTH_FILE, _SECRET = (
    "MLFLOW_AUTH_ADMIN_PASSWORD",
    "MLFLOW_AUTH_CONFIG_PATH",
    "MLFLOW_FLASK_SERVER_SECRET_KEY",
)
_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
_PRIVATE = ("192.168.*", "10.*", *(f"172.{number}.*" for number in range(16, 32)), "fc00:*", "fd00:*")


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What to serve, and where.

    Parameters
    ----------
    store
        A database, or an offline store.
    host, port
        Where to listen. The loopback address can be reached from this machine only.
    artifacts
        Folder or address where the server keeps the artifacts that clients send; ``None``: ``mlartifacts`` beside a
        SQLite database, and in the current directory for any other.
    workers
        Processes that answer. More than one need ``uvloop``: without it each request takes 40 ms longer.
    allowed_hosts
        Names, separated by commas, under which browsers and clients may call the server; ``None``: this machine's
        names and all private addresses.
    auth
        Whether to ask for user name and password.
    """

    store: str
    host: str = "127.0.0.1"
    port: int = 5000
    artifacts: str | None = None
    workers: int = 1
    allowed_hosts: str | None = None
    auth: bool = False

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost"


def serve(serving: Serving) -> NoReturn:
    """Become MLflow's server; does not return.

    This process becomes the server itself instead of waiting for one, so that whatever ends it ends the server.

    Raises
    ------
    StoreRefusedError, StoreUnreachableError, TrackingError
        If the store cannot be opened.
    SettingsError
        If several workers are asked for and would be slower than one, or the address is taken.
    MissingDependencyError
        If MLflow lacks what authentication needs.
    """
    _check(serving)
    store = opened_uri(checked_uri(serving.store))
    open_for_server(store)
    os.environ.update(environment(serving))
    if serving.auth:
        os.environ.update(_authentication(store))
    os.environ.setdefault(_JOBS, "false")
    _run(arguments(serving, store))


def _run(words: list[str]) -> NoReturn:
    # The program loads all of MLflow; what was refused until here did not need it.
    import mlflow.cli  # noqa: PLC0415
    import mlflow.server  # noqa: PLC0415

    # Private, untyped; tests/dependency pins it.
    server: Any = mlflow.server
    if os.name == "posix" and hasattr(server, "_exec_cmd"):
        server._exec_cmd = _become  # noqa: SLF001  # this process has no other purpose
    program: Any = mlflow.cli.cli
    program(words, prog_name="mlflow")
    sys.exit(0)


def arguments(serving: Serving, store: str) -> list[str]:
    """Return the arguments of the program ``mlflow``."""
    found = ["server", "--backend-store-uri", store, "--host", serving.host, "--port", str(serving.port)]
    found += ["--workers", str(serving.workers), "--serve-artifacts"]
    found += ["--artifacts-destination", serving.artifacts or _artifacts_beside(store)]
    return [*found, "--app-name", "basic-auth"] if serving.auth else found


def environment(serving: Serving) -> dict[str, str]:
    """Return the names under which the server may be called, if the user has not said so in the environment."""
    if serving.allowed_hosts is not None:
        return {_HOSTS: serving.allowed_hosts}
    if serving.is_local or _HOSTS in os.environ:
        return {}
    names = {socket.gethostname(), socket.getfqdn(), serving.host} - {"0.0.0.0", "::"}  # noqa: S104  # no binding
    plain = [*_LOCAL_NAMES, *_PRIVATE, *sorted(names)]
    return {_HOSTS: ",".join(name for host in plain for name in (host, f"{host}:*"))}


def _artifacts_beside(store: str) -> str:
    database = database_file(store)
    folder = Path.cwd() if database is None else database.absolute().parent
    return str(folder / "mlartifacts")


def _check(serving: Serving) -> None:
    if serving.workers < 1:
        raise SettingsError(f"{serving.workers} workers cannot serve anything.", "at least 1.")
    if serving.workers > 1 and importlib.util.find_spec("uvloop") is None:
        raise SettingsError(
            f"{serving.workers} workers without uvloop take 40 ms longer for every request than one.",
            "one worker, or uvloop.",
            "pip install uvloop, or leave --workers away.",
        )
    family = socket.AF_INET6 if ":" in serving.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((serving.host.strip("[]"), serving.port))
        except OSError as error:
            raise SettingsError(
                f"Port {serving.port} of {serving.host} cannot be used: {error}",
                "a port that is free.",
                "Is a server running there already? Choose another one with --port.",
            ) from error


def _authentication(store: str) -> dict[str, str]:
    """Return the variables that MLflow's basic authentication needs; keep its users beside the database."""
    if importlib.util.find_spec("flask_wtf") is None:
        raise MissingDependencyError("Flask-WTF is not installed.", "mlflow[auth]", "pip install 'mlflow[auth]'")
    found = {} if _SECRET in os.environ else {_SECRET: secrets.token_hex(32)}
    if _AUTH_FILE in os.environ:
        return found
    if len(os.environ.get(_PASSWORD, "")) < 12:  # noqa: PLR2004  # MLflow's own limit, checked before anything starts
        raise TrackingError(
            f"{_PASSWORD} is not set, or shorter than 12 characters.",
            "the password of the user 'admin', who makes the other users.",
            f"export {_PASSWORD}=..., or name a file of your own in {_AUTH_FILE}.",
        )
    database = database_file(store)
    folder = Path.cwd() if database is None else database.absolute().parent
    return found | {_AUTH_FILE: str(_auth_file(folder))}


def _auth_file(folder: Path) -> Path:
    """Write MLflow's own defaults, with a database of users that does not depend on the working directory."""
    import mlflow.server.auth.config as auth  # noqa: PLC0415  # needs the packages of mlflow[auth]

    parser = configparser.ConfigParser()
    parser.read(Path(auth.__file__).with_name("basic_auth.ini"))
    parser["mlflow"]["database_uri"] = f"sqlite:///{(folder / 'basic_auth.db').as_posix()}"
    if "admin_password" in parser["mlflow"]:
        # Before 3.14, MLflow looks for the password nowhere else.
        parser["mlflow"]["admin_password"] = os.environ[_PASSWORD].replace("%", "%%")
    path = folder / "basic_auth.ini"
    path.unlink(missing_ok=True)
    with open(path, "x", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        parser.write(file)
    return path


def _become(command: list[Any], *, extra_env: dict[str, str] | None = None, **_: Any) -> NoReturn:
    """Take the place of MLflow's helper that starts the server as a child, which a kill -9 would leave behind."""
    sys.stdout.flush()
    sys.stderr.flush()
    words = [str(word) for word in command]
    os.execve(words[0], words, os.environ | (extra_env or {}))  # noqa: S606  # MLflow's own command, no shell
