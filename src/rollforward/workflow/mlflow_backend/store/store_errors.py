"""The one table of MLflow's errors: what each becomes here, and which of them mean that nobody answered."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import requests
from mlflow.exceptions import MlflowException, RestException

from rollforward.errors import ExpAlreadyExistError, StoreUnreachableError, TrackingError
from rollforward.settings.masking import mask_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_FOUND = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})
TAKEN = frozenset({"RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"})
REFUSED = frozenset({"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INVALID_STATE"})
CREDENTIALS = frozenset({"UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED", "PERMISSION_DENIED"})
AWAY = frozenset(
    {
        "ABORTED",
        "CANCELLED",
        "DEADLINE_EXCEEDED",
        "REQUEST_LIMIT_EXCEEDED",
        "RESOURCE_EXHAUSTED",
        "TEMPORARILY_UNAVAILABLE",
    }
)
_SERVER_ERROR = 500
_UNAUTHORIZED = (401, 403)

CREDENTIALS_REMEDY = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
REMEDIES = {
    **dict.fromkeys(CREDENTIALS, CREDENTIALS_REMEDY),
    "ENDPOINT_NOT_FOUND": "Check the address: is an MLflow server there, and not older than this client?",
    "TEMPORARILY_UNAVAILABLE": "Check that the database can be reached and written; then try again.",
    "RESOURCE_EXHAUSTED": "Try again more slowly.",
    "REQUEST_LIMIT_EXCEEDED": "Try again more slowly.",
    "INTERNAL_ERROR": "Check that the store can be reached; the server's log has the cause.",
}
_UNREACHABLE_REMEDY = "Check the address, and that the server runs; `rollforward doctor` looks at both."

# What is said of a database that is there and will never do by trying again, and what to do.
_LASTING = {
    "readonly database": "Make the database, and the folder it is in, writable for this user.",
    "disk is full": "Free some space.",
    "file is not a database": "Is the address right? The file is no tracking database; restore it from a backup.",
    "malformed": "The database is damaged: restore it from a backup, or try `sqlite3 FILE .recover`.",
    "out-of-date database schema": "`rollforward doctor` says whether to upgrade the tables, or MLflow.",
    "no such table": "Is the address right? The database was not made by MLflow.",
}

# How urllib3 shows what it wraps, and what is in it.
_WRAPPED = re.compile(r"HTTPS?ConnectionPool|HTTPS?Connection\(|Connection aborted")
_SYSTEM_ERROR = re.compile(r"\[Errno -?\d+\] ([^\"')]+)")
_NO_ANSWER = {
    "timed out": "the server does not answer in time",
    "too many 50": "the server answers with errors of its own (5xx)",
    "closed connection without response": "the server closed the connection without an answer",
    "Connection aborted": "the server closed the connection without an answer",
}


def error_code(error: MlflowException) -> str:
    """Name what MLflow objects to."""
    return str(error.error_code)


def is_away(error: BaseException) -> bool:
    """Whether an error means that the store did not answer, so that the same request may succeed later.

    Parameters
    ----------
    error
        An error of a request to the store: MLflow's, or that of the HTTP library below it.
    """
    if isinstance(error, StoreUnreachableError):
        return True
    if isinstance(error, requests.RequestException):
        return _is_no_answer(error)
    if not isinstance(error, MlflowException):
        return False
    # MLflow has the error of the HTTP library as cause or as context, by kind.
    below = error.__cause__ or error.__context__
    if isinstance(below, requests.RequestException):
        return _is_no_answer(below)
    if lasting_remedy(str(error)) is not None:
        return False
    # The client's own complaints have the code INTERNAL_ERROR too; a server's is a 500.
    return error_code(error) in AWAY or (isinstance(error, RestException) and error_code(error) == "INTERNAL_ERROR")


def _is_no_answer(error: requests.RequestException) -> bool:
    if error.response is not None:
        return error.response.status_code >= _SERVER_ERROR
    kinds = (requests.ConnectionError, requests.Timeout, requests.exceptions.RetryError)
    return isinstance(error, (*kinds, requests.exceptions.ChunkedEncodingError))


@contextmanager
def mapped(action: str) -> Iterator[None]:
    """Turn MLflow's errors, and those of the HTTP library that it lets through, into ours.

    Parameters
    ----------
    action
        What was attempted, as the end of "could not ...".

    Raises
    ------
    StoreUnreachableError
        If the store did not answer: no connection, a time-out, an error inside the server (5xx), a locked database.
    TrackingError
        For everything else.
    """
    try:
        yield
    except (MlflowException, requests.RequestException) as error:
        whole = str(error)
        reason = short_reason(error) if is_away(error) else whole
        given = f"Could not {action}: {mask_credentials(reason)}"
        # Five layers of libraries that say the same would be shown above it; they stay in its __context__.
        raise _kind(error)(given, remedy=_remedy(error)) from (error if reason == whole else None)


def short_reason(error: BaseException) -> str:
    """Say why a server does not answer, without the layers that the HTTP library wraps a refused connection in.

    Parameters
    ----------
    error
        What a request came to. The text of one that is not of the HTTP library is returned as it is.
    """
    text = str(error)
    # What a server says of its own troubles may look the same.
    if isinstance(error, RestException) or not _WRAPPED.search(text):
        return text
    if found := _SYSTEM_ERROR.search(text):
        return f"the server does not answer ({found[1].strip()})"
    return next((said for phrase, said in _NO_ANSWER.items() if phrase in text), text)


def _kind(error: Exception) -> type[TrackingError]:
    if is_away(error):
        return StoreUnreachableError
    if isinstance(error, MlflowException) and error_code(error) in TAKEN:
        return ExpAlreadyExistError
    return TrackingError


def _remedy(error: Exception) -> str:
    if isinstance(error, requests.RequestException):
        status = None if error.response is None else error.response.status_code
        return CREDENTIALS_REMEDY if status in _UNAUTHORIZED else _UNREACHABLE_REMEDY if is_away(error) else ""
    lasting = lasting_remedy(str(error))
    if lasting is not None:
        return lasting
    if isinstance(error.__cause__ or error.__context__, requests.RequestException) and is_away(error):
        return _UNREACHABLE_REMEDY
    return REMEDIES.get(error_code(error), "") if isinstance(error, MlflowException) else ""


def lasting_remedy(text: str) -> str | None:
    """Say what to do about a complaint of a database that no second try will end; ``None`` if it is none."""
    return next((remedy for phrase, remedy in _LASTING.items() if phrase in text), None)
