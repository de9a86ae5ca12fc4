"""``rollforward server`` and ``rollforward ui``: MLflow's own server and pages on our store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rollforward import settings
from rollforward.cli.arguments import port, positive
from rollforward.errors import StoreRefusedError
from rollforward.settings.masking import mask_credentials

if TYPE_CHECKING:
    import argparse

    from rollforward.workflow.mlflow_backend.serving import Serving

_REMOTE = ("http://", "https://")


def add_server(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command ``server``."""
    server = commands.add_parser(
        "server",
        help="start a tracking server on a store",
        description="Start MLflow's server in the foreground, until Ctrl-C: one process, no job consumers, reachable "
        "from this machine only unless --host says otherwise.",
    )
    _add_address(server)
    server.add_argument("--store", dest="uri", help="database that it keeps runs in; the default is that of runs here")
    server.add_argument(
        "--artifacts", metavar="DIR_OR_URL", help="where it keeps artifacts (default: mlartifacts beside the database)"
    )
    server.add_argument("--workers", type=positive, default=1, help="processes that answer (default: %(default)s)")
    server.add_argument(
        "--allowed-hosts", metavar="NAMES", help="names under which it may be called, separated by commas"
    )
    server.add_argument("--auth", action="store_true", help="ask for user name and password (needs mlflow[auth])")
    return server


def add_ui(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command ``ui``."""
    ui = commands.add_parser(
        "ui",
        help="open MLflow's pages on the tracking store of this directory",
        description="Start MLflow's pages on the tracking store of this directory, in the foreground, until Ctrl-C. A "
        "store that is a server has pages of its own: their address is printed.",
    )
    ui.add_argument("--uri", help="tracking store; the default is what runs started here would use")
    _add_address(ui)
    return ui


def _add_address(command: argparse.ArgumentParser) -> None:
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    command.add_argument("--port", type=port, default=5000, help="port to listen on (default: %(default)s)")
    command.add_argument("--json", action="store_true", help="say what is served where as one line of JSON, first")


def server(arguments: argparse.Namespace) -> int:
    """Start a server in the foreground; it takes this process over."""
    return _serve(
        arguments,
        artifacts=arguments.artifacts,
        workers=arguments.workers,
        allowed_hosts=arguments.allowed_hosts,
        auth=arguments.auth,
    )


def ui(arguments: argparse.Namespace) -> int:
    """Start MLflow's pages in the foreground; a remote store has its own already, and its address is printed."""
    store = arguments.uri or settings.current().uri
    if store.startswith(_REMOTE):
        shown = mask_credentials(store)
        print(_line(shown, shown) if arguments.json else f"The store is a server with pages of its own: open {shown}")
        return 0
    return _serve(arguments)


def _serve(arguments: argparse.Namespace, **options: object) -> int:
    store = arguments.uri or settings.current().uri
    if store.startswith(_REMOTE):
        raise StoreRefusedError(
            f"The store {mask_credentials(store)} is a server itself.",
            "a database to keep runs in.",
            "rollforward server --store sqlite:///mlflow.db",
        )
    # Importing MLflow takes a second: first say what is going on.
    address = f"http://{arguments.host}:{arguments.port}"
    shown = mask_credentials(store)
    print(
        _line(shown, address) if arguments.json else f"MLflow on {shown}: open {address}   (Ctrl-C ends it)", flush=True
    )
    from rollforward.workflow.mlflow_backend.serving import Serving, serve  # noqa: PLC0415  # it imports MLflow

    chosen: Serving = Serving(store=store, host=arguments.host, port=arguments.port, **options)  # type: ignore[arg-type]  # as parsed
    serve(chosen)


def _line(store: str, address: str) -> str:
    return json.dumps({"store": store, "address": address})
