"""What a client does when a server fails, is away, or is no MLflow server; a small stand-in answers from a list."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rollforward.errors import StoreUnreachableError, TrackingError
from rollforward.workflow.mlflow_backend.store import http_store
from rollforward.workflow.mlflow_backend.store.client import client_for, forget_client, is_reachable, mapped

RUN = {"run": {"info": {"run_id": "a" * 32, "experiment_id": "0", "status": "RUNNING", "start_time": 1}, "data": {}}}
CUT = None


class _Answering(BaseHTTPRequestHandler):
    def do_GET(self):
        self._answer()

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer()

    def _answer(self):
        self.server.asked.append(self.path.split("?")[0].rpartition("/")[2])
        status, body = self.server.answers.pop(0) if self.server.answers else (200, RUN)
        if body is CUT:
            self.close_connection = True
            return
        text = body if isinstance(body, str) else json.dumps(body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(http_store, "FACTOR", 0)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answering)
    server.daemon_threads = True
    server.answers, server.asked = [], []
    server.uri = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
    forget_client(server.uri)


def read(server):
    with mapped("read"):
        return client_for(server.uri).get_run("a" * 32).info.run_id


def create(server):
    with mapped("create"):
        return client_for(server.uri).create_run("0").info.run_id


@pytest.mark.parametrize("failure", [(500, "bug"), (502, "<html>"), (503, {"error_code": "X"}), (200, CUT)])
def test_a_read_is_repeated_until_the_server_is_well(server, failure):
    server.answers = [failure] * http_store.RETRIES
    assert read(server) == "a" * 32
    assert len(server.asked) == http_store.RETRIES + 1


@pytest.mark.parametrize(
    "failure",
    [(500, "bug"), (502, "<html>"), (503, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "db"}), (200, CUT)],
)
def test_a_server_that_stays_ill_is_unreachable(server, failure):
    server.answers = [failure] * 20
    with pytest.raises(StoreUnreachableError, match="Could not read"):
        read(server)
    assert len(server.asked) == http_store.RETRIES + 1


def test_a_brief_request_is_tried_once(server):
    server.answers = [(503, "")] * 20
    with http_store.brief(), pytest.raises(StoreUnreachableError):
        read(server)
    assert len(server.asked) == 1


def test_the_users_own_number_of_retries_counts(server, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    server.answers = [(503, "")] * 20
    with pytest.raises(StoreUnreachableError):
        read(server)
    assert len(server.asked) == 2


@pytest.mark.parametrize("failure", [(500, "bug"), (200, CUT)])
def test_a_run_is_never_created_twice(server, failure):
    """The server may have created it before its answer was lost."""
    server.answers = [failure]
    with pytest.raises(StoreUnreachableError):
        create(server)
    assert server.asked == ["create"]


def test_a_run_that_could_not_be_asked_for_is_created_when_the_server_is_back(server, monkeypatch):
    asked = []
    real = http_store._rest.http_request

    def away_at_first(creds, path, *arguments, **options):
        asked.append(path.rpartition("/")[2])
        if len(asked) == 1:
            creds = http_store._creds("http://127.0.0.1:1")
        return real(creds, path, *arguments, **options)

    monkeypatch.setattr(http_store._rest, "http_request", away_at_first)
    assert create(server) == "a" * 32
    assert asked == ["create", "health", "create"]


def test_what_is_refused_is_not_repeated_and_keeps_the_servers_reason(server):
    server.answers = [(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "bad id"})]
    with pytest.raises(TrackingError, match="bad id") as caught:
        read(server)
    assert not isinstance(caught.value, StoreUnreachableError)
    assert len(server.asked) == 1


@pytest.mark.parametrize("answer", [(404, "<html>nothing here</html>"), (200, "<html>log in</html>"), (200, "[1]")])
def test_another_kind_of_server_is_named_as_such(server, answer):
    server.answers = [answer]
    with pytest.raises(TrackingError, match="is an MLflow server there"):
        read(server)


@pytest.mark.parametrize(("status", "expected"), [(200, True), (404, True), (401, True), (500, False), (503, False)])
def test_a_server_is_reachable_if_it_answers_with_anything_but_an_error_of_its_own(server, status, expected):
    server.answers = [(status, "OK")]
    assert is_reachable(server.uri) is expected
    assert server.asked == ["health"]


def test_nobody_listens():
    assert not is_reachable("http://127.0.0.1:1", timeout=1)


def test_a_server_that_does_not_answer_in_time(server):
    done = threading.Event()
    server.RequestHandlerClass = type("Slow", (_Answering,), {"do_GET": lambda self: done.wait(30)})
    assert not is_reachable(server.uri, timeout=0.2)
    with http_store.brief(timeout=0.2), pytest.raises(StoreUnreachableError):
        read(server)
    done.set()
