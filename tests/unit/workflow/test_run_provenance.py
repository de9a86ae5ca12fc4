from __future__ import annotations

import subprocess
import sys

import pytest

from rollforward.workflow.mlflow_backend import provenance


@pytest.fixture(autouse=True)
def _ask_git_anew(monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    provenance._code.cache_clear()
    yield
    provenance._code.cache_clear()


def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path):
    git("init", "-q")
    git("config", "user.email", "a@b.c")
    git("config", "user.name", "A")
    (tmp_path / "model.py").write_text("alpha = 1\n")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    return tmp_path


def test_a_repository_gives_commit_diff_status_and_what_is_staged(repository):
    (repository / "model.py").write_text("alpha = 2\n")
    (repository / "new.py").write_text("beta = 3\n")
    git("add", "new.py")

    code = provenance.code()

    assert code.commit == git("rev-parse", "HEAD")
    assert set(code.texts) == {"code_diff.txt", "code_status.txt", "code_cached.txt"}
    assert "+alpha = 2" in code.texts["code_diff.txt"]
    assert "modified:   model.py" in code.texts["code_status.txt"]
    assert "+beta = 3" in code.texts["code_cached.txt"]


def test_outside_a_repository_there_is_nothing_and_nothing_is_printed(capfd):
    assert provenance.code() == provenance.Code(None, {})
    assert capfd.readouterr() == ("", "")


def test_a_machine_without_git_is_no_problem(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance.code() == provenance.Code(None, {})


def test_a_repository_without_a_commit_has_no_commit(tmp_path):
    git("init", "-q")
    code = provenance.code()
    assert code.commit is None
    assert "No commits yet" in code.texts["code_status.txt"]


def test_text_that_is_not_utf8_does_not_break_the_capture(repository):
    (repository / "model.py").write_bytes(b"name = '\xff\xfe'\n")
    assert "+name = '\ufffd\ufffd'" in provenance.code().texts["code_diff.txt"]


def test_a_huge_diff_is_cut_and_says_so(repository, monkeypatch):
    monkeypatch.setattr(provenance, "_MAX_BYTES", 1000)
    (repository / "model.py").write_text("x\n" * 5000)
    text = provenance.code().texts["code_diff.txt"]
    assert len(text) < 1100
    assert "[cut: " in text


def test_git_is_asked_once_per_process_and_directory(repository, monkeypatch):
    provenance.code()
    monkeypatch.setattr(provenance.subprocess, "run", lambda *_, **__: pytest.fail("asked again"))
    provenance.code()


def test_secrets_of_the_command_line_are_hidden(monkeypatch):
    arguments = [
        "train.py",
        "--api-key=abc",
        "--token",
        "def",
        "--alpha",
        "1",
        "https://me:pw@host/x",
        "--passwordless",
    ]
    monkeypatch.setattr(sys, "argv", arguments)
    line = provenance.command_line()
    assert line == "train.py --api-key=*** --token *** --alpha 1 https://***@host/x --passwordless"


def test_environment_variables_of_ours_are_kept_without_their_secrets(monkeypatch):
    monkeypatch.setenv("_QLIB_FOLD", "3")
    monkeypatch.setenv("ROLLFORWARD_URI", "postgresql://me:pw@host/db")
    monkeypatch.setenv("_QLIB_API_TOKEN", "abc")
    monkeypatch.setenv("OTHER", "x")
    kept = provenance.params()
    del kept["cmd-sys.argv"]
    assert kept == {"_QLIB_API_TOKEN": "***", "_QLIB_FOLD": "3", "ROLLFORWARD_URI": "postgresql://***@host/db"}


def test_the_tags_are_those_of_mlflows_own_start(repository):
    tags = provenance.tags()
    assert tags["mlflow.source.git.commit"] == git("rev-parse", "HEAD")
    assert tags["mlflow.source.type"] == "LOCAL"
    assert tags["mlflow.source.name"]
    assert tags["mlflow.user"]
