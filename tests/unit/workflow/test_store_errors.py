from __future__ import annotations

import sqlite3
import traceback

import pytest
import requests
from mlflow.exceptions import MlflowException, RestException

from rollforward.errors import ExpAlreadyExistError, StoreUnreachableError, TrackingError
from rollforward.workflow.mlflow_backend.store.store_errors import is_away, mapped, short_reason


def below(error):
    """Return MLflow's error for an error of the HTTP library, as its client makes it."""
    outer = MlflowException(f"API request failed with exception {error}")
    outer.__context__ = error
    return outer


def response(status):
    answer = requests.Response()
    answer.status_code = status
    return requests.HTTPError(f"{status} Error", response=answer)


def mlflow_error(code, text="because"):
    return RestException({"error_code": code, "message": text})


@pytest.mark.parametrize(
    "error",
    [
        below(requests.ConnectionError("refused")),
        below(requests.ReadTimeout("slow")),
        below(requests.exceptions.RetryError("too many 503 error responses")),
        below(requests.exceptions.ChunkedEncodingError("cut")),
        requests.ConnectionError("refused"),
        response(502),
        mlflow_error("TEMPORARILY_UNAVAILABLE", "database is locked"),
        mlflow_error("INTERNAL_ERROR"),
        mlflow_error("REQUEST_LIMIT_EXCEEDED"),
        StoreUnreachableError("gone"),
    ],
    ids=str,
)
def test_no_answer_means_that_the_same_call_may_succeed_later(error):
    assert is_away(error)
    if not isinstance(error, StoreUnreachableError):
        with pytest.raises(StoreUnreachableError, match="Could not do it"), mapped("do it"):
            raise error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MlflowException("the client's own complaint"), "server's log"),
        (mlflow_error("INVALID_PARAMETER_VALUE"), ""),
        (mlflow_error("TEMPORARILY_UNAVAILABLE", "attempt to write a readonly database"), "writable"),
        (mlflow_error("TEMPORARILY_UNAVAILABLE", "database or disk is full"), "Free some space"),
        (response(404), ""),
        (response(401), "MLFLOW_TRACKING_USERNAME"),
        (response(403), "MLFLOW_TRACKING_USERNAME"),
    ],
    ids=str,
)
def test_an_answer_that_stays_the_same_is_an_error_to_look_at(error, says):
    assert not is_away(error)
    with pytest.raises(TrackingError) as caught, mapped("do it"):
        raise error
    assert type(caught.value) is TrackingError
    assert says in caught.value.remedy


def test_a_name_that_is_taken():
    with pytest.raises(ExpAlreadyExistError), mapped("create"):
        raise mlflow_error("RESOURCE_ALREADY_EXISTS")


def test_credentials_in_an_address_are_not_shown():
    with pytest.raises(TrackingError) as caught, mapped("do it"):
        raise requests.ConnectionError("https://me:secret@host/api refused")
    assert "secret" not in str(caught.value)


def test_other_errors_pass():
    assert not is_away(sqlite3.OperationalError("database is locked"))
    with pytest.raises(KeyError), mapped("do it"):
        raise KeyError("mine")


@pytest.mark.parametrize(
    ("inner", "says"),
    [
        ("Failed to establish a new connection: [Errno 111] Connection refused", "not answer (Connection refused)"),
        ("Read timed out. (read timeout=5)", "not answer in time"),
        ("too many 503 error responses", "(5xx)"),
    ],
)
def test_the_reason_of_no_answer_is_short(inner, says):
    pool = "HTTPConnectionPool(host='127.0.0.1', port=1)"
    error = requests.ConnectionError(f"{pool}: Max retries exceeded with url: /a (Caused by X('{pool}: {inner}'))")
    with pytest.raises(StoreUnreachableError) as caught, mapped("do it"):
        raise below(error)
    assert "Pool" not in caught.value.given
    assert says in caught.value.given
    # What a server says of its own troubles stays.
    said = mlflow_error("INTERNAL_ERROR", f"S3: {error}")
    assert short_reason(said) == str(said)


def test_a_server_that_is_away_is_one_error_and_not_a_page_of_them():
    """What each layer of the libraries says of it is in ``__context__``, for who wants it."""
    from rollforward.workflow.mlflow_backend.store.client import client_for
    from rollforward.workflow.mlflow_backend.store.http_store import brief

    uri = "http://127.0.0.1:9"
    with pytest.raises(StoreUnreachableError, match="Connection refused") as caught, brief(), mapped("read it"):
        client_for(uri).get_run("r")
    shown = "".join(traceback.format_exception(caught.value))
    assert shown.count("Traceback") == 1
    assert "urllib3" not in shown
    assert isinstance(caught.value.__context__, MlflowException)
