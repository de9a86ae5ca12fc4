# ruff: noqa: T201  # what is printed is what is tested
from __future__ import annotations

import contextlib
import io
import logging
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollforward.workflow.mlflow_backend.run import output
from rollforward.workflow.mlflow_backend.run.output import Capture, Tail


class TestTail:
    @given(st.lists(st.text(alphabet="ab\né", max_size=30)))
    def test_a_short_text_is_kept_whole(self, parts):
        tail = Tail(10_000)
        for part in parts:
            tail.add(part)
        assert tail.text() == "".join(parts)

    @given(st.lists(st.text(alphabet="abcé\n", max_size=40)), st.integers(50, 200))
    def test_of_a_long_text_the_end_is_kept(self, parts, limit):
        tail = Tail(limit)
        for part in parts:
            tail.add(part)
        kept, whole = tail.text(), "".join(parts)
        assert len(kept.encode()) <= limit
        end = kept.partition("characters]\n")[2] if kept.startswith("[the end of ") else kept
        assert whole.endswith(end)
        assert kept == whole or kept.startswith(f"[the end of {len(whole)} characters]\n")

    def test_memory_is_bounded(self):
        tail = Tail(1000)
        for n in range(100_000):
            tail.add(f"line {n}\n")
        assert sum(map(len, tail._chunks)) < 1100
        assert tail.text().endswith("line 99998\nline 99999\n")

    def test_a_progress_bar_leaves_its_last_state(self):
        tail = Tail(1000)
        tail.add("before\n")
        for percent in range(101):
            tail.add(f"\r{percent}%")
        assert sum(map(len, tail._chunks)) < 20
        tail.add("\nafter\r\n")
        assert tail.text() == "before\n100%\nafter\n"

    @pytest.mark.parametrize(
        ("parts", "shown"),
        [
            (["1%\r", "2%\r", "done\n"], "done\n"),
            (["a\r", "\n", "b"], "a\nb"),
            (["a\r\nb\r\n"], "a\nb\n"),
            (["x\ny", "\rz"], "x\nz"),
            (["1\r2\r3"], "3"),
        ],
    )
    def test_carriage_returns(self, parts, shown):
        tail = Tail(1000)
        for part in parts:
            tail.add(part)
        assert tail.text() == shown

    def test_colours_and_secrets_are_left_out(self):
        tail = Tail()
        tail.add("\x1b[31mred\x1b[0m https://me:pw@host/ api_key='abc'\n")
        assert tail.text() == "red https://***@host/ api_key='***'\n"


@pytest.fixture
def capture():
    found = Capture()
    yield found
    found.stop()


def test_both_streams_are_heard_in_order_and_still_print(capsys):
    capture = Capture()
    print("one")
    print("two", file=sys.stderr)
    sys.stdout.writelines(["three\n"])
    assert capture.stop() == "one\ntwo\nthree\n"
    assert capsys.readouterr() == ("one\nthree\n", "two\n")


def test_the_streams_are_the_same_objects_before_inside_and_after(capsys):
    stdout, stderr, before = sys.stdout, sys.stderr, dict(vars(sys.stdout))
    capture = Capture()
    assert (sys.stdout, sys.stderr) == (stdout, stderr)
    assert sys.stdout.isatty() is False
    assert sys.stdout.encoding
    assert isinstance(sys.stdout, io.TextIOBase)
    sys.stdout.buffer.write(b"bytes\n")
    capture.stop()
    assert vars(sys.stdout) == before


def test_a_handler_of_logging_that_is_older_than_the_run_is_heard(capsys):
    logger = logging.getLogger("test_run_output")
    handler = logging.StreamHandler(sys.stderr)
    logger.addHandler(handler)
    try:
        capture = Capture()
        logger.warning("from a handler")
        assert capture.stop() == "from a handler\n"
    finally:
        logger.removeHandler(handler)


def test_what_is_redirected_is_not_heard_and_the_redirection_survives(capture):
    with contextlib.redirect_stdout(io.StringIO()) as elsewhere:
        print("hidden")
        text = capture.stop()
        print("after")
    assert text == ""
    assert elsewhere.getvalue() == "hidden\nafter\n"


def test_somebody_who_replaces_write_later_is_left_alone(capsys):
    capture = Capture()
    ours = sys.stdout.write
    sys.stdout.write = lambda text: ours(text.upper())
    theirs = sys.stdout.write
    try:
        assert capture.stop() == ""
        assert sys.stdout.write is theirs
        print("still")
    finally:
        del sys.stdout.write
    assert capsys.readouterr().out == "STILL\n"
    assert capture.tail.text() == ""


def test_who_replaced_write_before_gets_it_back(capsys):
    seen = []
    sys.stdout.write = theirs = seen.append
    try:
        capture = Capture()
        print("x", end="")
        assert capture.stop() == "x"
        assert sys.stdout.write is theirs
    finally:
        del sys.stdout.write
    assert seen[0] == "x"


def test_a_program_without_a_console_and_a_stream_that_cannot_be_changed(monkeypatch):
    class Fixed:
        __slots__ = ()

        def write(self, text):
            return len(text)

    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", Fixed())
    capture = Capture()
    print("x", file=sys.stderr)
    assert capture.stop() == ""


def test_many_threads(capsys):
    capture = Capture()
    threads = [threading.Thread(target=lambda: [print("x" * 9) for _ in range(50)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert capture.stop().count("x") == 8 * 50 * 9


def test_one_listens_at_a_time():
    first = output.claim()
    assert output.claim() is None
    output.release(first)
    second = output.claim()
    assert second is not None
    output.release(second)
