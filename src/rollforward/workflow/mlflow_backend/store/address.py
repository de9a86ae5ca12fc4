"""``offline:DIR``: a tracking store in a folder, which needs no server and is uploaded to one later."""

from __future__ import annotations

from pathlib import Path

from rollforward.errors import StoreRefusedError

SCHEME = "offline:"
DATABASE = "mlflow.db"
# Tag of an uploaded run: the id that it has in the store it comes from.
OFFLINE_ID = "offline_id"


def is_offline(uri: str) -> bool:
    """Whether an address means a folder of runs that are to be uploaded."""
    return uri.startswith(SCHEME)


def folder_of(uri: str) -> Path:
    """Return the folder of an offline store.

    Raises
    ------
    StoreRefusedError
        If the address names none.
    """
    name = uri.removeprefix(SCHEME)
    if not name.strip():
        raise StoreRefusedError(f"The address {uri!r} names no folder.", "offline:DIR, for example offline:runs.")
    return Path(name).expanduser().absolute()


def opened_uri(uri: str) -> str:
    """Return the address that MLflow opens: that of the database in an offline store, and any other as it is."""
    if not is_offline(uri):
        return uri
    return f"sqlite:///{(folder_of(uri) / DATABASE).as_posix()}"
