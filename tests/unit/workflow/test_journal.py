"""The file in which calls are kept until the store has them."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from rollforward.errors import SpoolError
from rollforward.workflow import journal as module
from rollforward.workflow.journal import Journal
from rollforward.workflow.spool_dir import store_address, store_folder


@pytest.fixture
def made(tmp_path):
    journal = Journal.create(tmp_path / "spool", "r1", {"store": "http://host", "is_owner": True})
    yield journal
    journal.close()


def entries(journal, position=None):
    data = journal.read(journal.sent if position is None else position)
    return [json.loads(line) for line in data.splitlines()]


def reopened(journal):
    """Take the file over, as after the death of its process."""
    journal.close()
    return Journal.take_over(journal.path)


def test_lines_come_back_in_order_to_whoever_takes_the_file_over(made):
    made.append(b'["t",{"a":"1"}]\n')
    made.append(b'["t",{"a":"2"}]\n["n","x"]\n')
    other = reopened(made)
    assert entries(other) == [["t", {"a": "1"}], ["t", {"a": "2"}], ["n", "x"]]
    assert (other.header["store"], other.header["format"]) == ("http://host", 1)
    other.close()


def test_what_is_acknowledged_is_not_read_again(made):
    made.append(b"[1]\n[2]\n")
    made.acknowledge(made.sent + 4)
    other = reopened(made)
    assert entries(other) == [[2]]
    other.close()


def test_a_file_of_which_everything_is_sent_is_cut_and_goes_on(made):
    size = made.path.stat().st_size
    for number in range(3):
        made.append(b"[%d]\n" % number)
        assert entries(made) == [[number]]
        made.acknowledge(made.end)
        assert made.path.stat().st_size == size
    made.append(b"[7]\n")
    other = reopened(made)
    assert entries(other) == [[7]]
    other.close()


def test_a_crash_while_cutting_sends_nothing_twice(made, monkeypatch):
    made.append(b"[1]\n")
    noted = []
    note = made._note
    monkeypatch.setattr(made, "_note", lambda sent: note(sent) if not noted.append(sent) and len(noted) == 1 else None)
    made.acknowledge(made.end)
    assert len(noted) == 2
    other = reopened(made)
    assert entries(other) == []
    assert other.end <= other.sent
    other.close()


def test_a_file_that_is_never_empty_gets_shorter(made, monkeypatch):
    monkeypatch.setattr(module, "_LONG", 1000)
    monkeypatch.setattr(module, "_SHORT", 100)
    seen, position, longest = [], made.sent, 0
    made.append(b"[0]\n")
    for number in range(1, 500):
        made.append(b"[%d]\n" % number)
        # One line is always left.
        line = made.read(position).splitlines(keepends=True)[0]
        seen += json.loads(line)
        position += len(line)
        made.acknowledge(position)
        longest = max(longest, made.path.stat().st_size)
    assert longest < 1300
    assert seen == list(range(499))
    assert Journal.take_over(made.path) is None, "the shorter file is locked too"
    other = reopened(made)
    assert entries(other) == [[499]]
    other.close()


def test_a_torn_last_line_is_left_out(made):
    made.append(b'["t",{"a":"1"}]\n["t",{"a"')
    other = reopened(made)
    assert entries(other) == [["t", {"a": "1"}]]
    other.close()


def test_a_long_line_is_read_whole(made):
    made.append(b'["t",{"a":"%s"}]\n' % (b"x" * 100))
    assert len(made.read(made.sent, 16)) == 100 + 15


def test_nobody_gets_the_file_of_a_living_process(made):
    assert Journal.take_over(made.path) is None
    other = reopened(made)
    assert Journal.take_over(made.path) is None
    other.remove()
    assert Journal.take_over(made.path) is None
    assert not made.path.exists()


def test_a_forked_child_neither_writes_nor_unlocks(made):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            made.append(b"[1]\n")
        except SpoolError:
            status = 0
        os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    assert Journal.take_over(made.path) is None
    assert entries(made) == []


def test_a_child_that_lives_on_does_not_keep_the_file_locked(tmp_path):
    script = (
        "import os, sys, signal\nfrom pathlib import Path\nfrom rollforward.workflow.journal import Journal\n"
        "j = Journal.create(Path(sys.argv[1]), 'r1', {})\n"
        "read, write = os.pipe()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n    os.write(write, b'!')\n    signal.pause()\n"
        "os.read(read, 1)\n"  # the child lives, and has let go of the file
        "print(pid, j.path, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = _run_until_line(script, tmp_path)
    pid, path = done.split()
    try:
        other = Journal.take_over(Path(path))
        assert other is not None
        other.close()
    finally:
        os.kill(int(pid), signal.SIGKILL)


def _run_until_line(script, folder):
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        line = process.stdout.readline()
        process.wait(60)
        # The child has the other end of the pipe.
        process.stdout.close()
    return line


def test_only_the_user_can_read_it(made):
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.path.parent.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match=r"(?s)cannot be written.*spool_dir"):
        Journal.create(tmp_path / "file" / "spool", "r1", {})


def test_without_room_a_call_fails_and_leaves_no_part_of_a_line(tmp_path):
    resource = pytest.importorskip("resource")
    made = Journal.create(tmp_path, "r1", {})
    made.append(b"[1]\n")
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (made.path.stat().st_size + 10, limits[1]))
        with pytest.raises(SpoolError, match=r"(?s)cannot be written.*room"):
            made.append(b'["t",{"a":"0123456789"}]\n')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    made.append(b"[2]\n")
    other = reopened(made)
    assert entries(other) == [[1], [2]]
    other.close()


def test_a_journal_of_another_version_is_left_alone(made):
    made.path.write_bytes(made.path.read_bytes().replace(b'"format":1', b'"format":2'))
    made.close()
    with pytest.raises(SpoolError, match="another version"):
        Journal.take_over(made.path)
    assert made.path.exists()


def test_a_file_whose_owner_died_before_the_first_line_goes_away_in_time(tmp_path):
    path = tmp_path / "r1.0.jsonl"
    path.write_bytes(b"")
    assert Journal.take_over(path) is None
    assert path.exists(), "its owner may be about to lock it"
    os.utime(path, (0, 0))
    assert Journal.take_over(path) is None
    assert not path.exists()


def test_a_store_is_the_same_with_other_credentials():
    assert store_address("http://me:s@cret@host:5000/x/?token=1") == "http://host:5000/x/?token=***"
    assert store_folder("http://me:a@host:5000") == store_folder("http://host:5000/")
    assert store_folder("http://host:5000") != store_folder("http://host:5001")
    assert "host" in store_folder("http://host:5000").name
