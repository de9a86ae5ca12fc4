from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import types
from importlib import metadata
from pathlib import Path

import pytest

from rollforward.workflow.mlflow_backend.provenance import capture, command, git, packages
from rollforward.workflow.mlflow_backend.provenance.secrets import mask_secrets


@pytest.fixture(autouse=True)
def _ask_git_anew(monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    capture.forget()
    yield
    capture.forget()


def run_git(*arguments, cwd=None):
    command = ["git", "-c", "user.email=a@b.c", "-c", "user.name=A", "-c", "protocol.file.allow=always", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=cwd).stdout.strip()


def new_repository(folder, text="alpha = 1\n"):
    folder.mkdir(exist_ok=True)
    run_git("init", "-q", "-b", "trunk", cwd=folder)
    (folder / "model.py").write_text(text)
    run_git("add", "model.py", cwd=folder)
    run_git("commit", "-q", "-m", "first", cwd=folder)
    return folder


@pytest.fixture
def repository(tmp_path):
    return new_repository(tmp_path)


def running(monkeypatch, path):
    monkeypatch.setitem(sys.modules, "__main__", types.SimpleNamespace(__file__=None if path is None else str(path)))


class TestCode:
    def test_commit_branch_diff_status_and_what_is_staged(self, repository):
        (repository / "model.py").write_text("alpha = 2\n")
        (repository / "new.py").write_text("beta = 3\n")
        run_git("add", "new.py")
        (repository / "folder").mkdir()
        (repository / "folder" / "übrig.csv").write_text("x")

        code = capture.wait()

        assert code.tags == {
            "mlflow.source.git.commit": run_git("rev-parse", "HEAD"),
            "mlflow.source.git.branch": "trunk",
        }
        assert set(code.texts) == {"code_diff.txt", "code_status.txt", "code_cached.txt"}
        assert "+alpha = 2" in code.texts["code_diff.txt"]
        assert "modified:   model.py" in code.texts["code_status.txt"]
        assert "folder/übrig.csv" in code.texts["code_status.txt"]
        assert "+beta = 3" in code.texts["code_cached.txt"]

    def test_outside_a_repository_there_is_nothing_and_nothing_is_printed(self, capfd):
        assert capture.wait() == capture.Code()
        assert capfd.readouterr() == ("", "")

    def test_a_machine_without_git_is_no_problem(self, repository, monkeypatch):
        monkeypatch.setenv("PATH", "")
        assert capture.wait() == capture.Code()

    def test_a_working_directory_that_is_gone_is_no_problem(self, tmp_path, monkeypatch):
        (tmp_path / "gone").mkdir()
        monkeypatch.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        assert capture.begin() is None
        assert capture.wait() == capture.Code()

    def test_a_repository_without_a_commit_has_no_commit(self, tmp_path):
        run_git("init", "-q", "-b", "trunk")
        code = capture.wait()
        assert code.tags == {"mlflow.source.git.branch": "trunk"}
        assert "No commits yet" in code.texts["code_status.txt"]

    def test_a_detached_head_has_no_branch(self, repository):
        run_git("checkout", "-q", "--detach")
        assert set(capture.wait().tags) == {"mlflow.source.git.commit"}

    @pytest.mark.parametrize(
        ("remotes", "expected"),
        [
            ({"origin": "https://me:ghp_abc@host/a.git"}, "https://***@host/a.git"),
            ({"zulu": "git@host:z.git", "other": "x"}, "git@host:z.git"),
            ({"zulu": "z", "origin": "https://host/o.git"}, "https://host/o.git"),
        ],
    )
    def test_the_remote_without_its_credentials(self, repository, remotes, expected):
        for name, url in remotes.items():
            run_git("remote", "add", name, url)
        assert capture.wait().tags["mlflow.source.git.repoURL"] == expected

    def test_text_that_is_not_utf8_and_binary_files_do_not_break_the_capture(self, repository):
        (repository / "model.py").write_bytes(b"name = '\xff\xfe'\n")
        (repository / "data.bin").write_bytes(bytes(range(256)))
        run_git("add", "data.bin")
        code = capture.wait()
        assert "+name = '\ufffd\ufffd'" in code.texts["code_diff.txt"]
        assert "Binary files" in code.texts["code_cached.txt"]

    def test_a_huge_diff_is_cut_at_a_line_and_says_so(self, repository, monkeypatch):
        monkeypatch.setattr(git, "_MAX_BYTES", 1000)
        (repository / "model.py").write_text("x = 1\n" * 200_000)
        text = capture.wait().texts["code_diff.txt"]
        assert len(text) < 1100
        assert text.splitlines()[-2:] == ["+x = 1", f"[cut after {len(text.rpartition('[')[0])} bytes]"]

    def test_git_that_hangs_is_given_up(self, tmp_path, monkeypatch):
        (tmp_path / "git").write_text(
            f"#!{sys.executable}\nimport sys\nsys.stdin = open('/dev/null')\nwhile True: pass\n"
        )
        (tmp_path / "git").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(git, "_SECONDS", 0.1)
        assert capture.wait() == capture.Code()

    def test_submodules_are_listed_and_their_changes_kept(self, tmp_path, monkeypatch):
        monkeypatch.setenv("GIT_CONFIG_COUNT", "0")
        new_repository(tmp_path / "library")
        repository = new_repository(tmp_path / "main")
        run_git("submodule", "--quiet", "add", str(tmp_path / "library"), "sub", cwd=repository)
        run_git("commit", "-q", "-m", "sub", cwd=repository)
        (repository / "sub" / "model.py").write_text("alpha = 7\n")
        monkeypatch.chdir(repository)
        code = capture.wait()
        head = run_git("rev-parse", "HEAD", cwd=repository / "sub")
        assert f"Submodules:\n {head} sub" in code.texts["code_status.txt"]
        assert "+alpha = 7" in code.texts["code_diff.txt"]

    def test_the_repository_of_the_running_script_beside_that_of_the_working_directory(self, tmp_path, monkeypatch):
        here, there = new_repository(tmp_path / "here"), new_repository(tmp_path / "there", "beta = 1\n")
        (here / "model.py").write_text("alpha = 2\n")
        (there / "model.py").write_text("beta = 2\n")
        monkeypatch.chdir(here)
        running(monkeypatch, there / "model.py")
        code = capture.wait()
        assert code.tags["mlflow.source.git.commit"] == run_git("rev-parse", "HEAD", cwd=there)
        assert code.tags[capture.WORKING] == run_git("rev-parse", "HEAD", cwd=here)
        assert "+alpha = 2" in code.texts["code_diff.txt"]
        assert "+beta = 2" in code.texts["script/code_diff.txt"]

    def test_a_script_of_a_repository_run_from_outside(self, tmp_path, monkeypatch):
        there = new_repository(tmp_path / "there")
        (there / "model.py").write_text("alpha = 2\n")
        running(monkeypatch, there / "model.py")
        code = capture.wait()
        assert "+alpha = 2" in code.texts["code_diff.txt"]
        assert code.tags["mlflow.source.git.commit"] == run_git("rev-parse", "HEAD", cwd=there)
        assert capture.WORKING not in code.tags

    def test_an_installed_program_is_not_the_users_code(self, monkeypatch):
        running(monkeypatch, Path(sysconfig.get_path("scripts")) / "program")
        assert command.script() is None
        running(monkeypatch, None)
        assert command.script() is None

    def test_git_is_asked_once_per_process_and_directory(self, repository, monkeypatch):
        before = capture.wait()
        monkeypatch.setattr(git, "ask", lambda *_: pytest.fail("asked again"))
        assert capture.begin() is before

    def test_secrets_in_a_diff_are_hidden(self, repository):
        (repository / "model.py").write_text('api_key = "hunter2hunter2"\ntoken = tokenizer(text)\n')
        (repository / ".env").write_text("")
        run_git("add", ".env")
        run_git("commit", "-q", "-m", "env")
        (repository / ".env").write_text("DB_PASSWORD=hunter2\nDEBUG=1\n")
        diff = capture.wait().texts["code_diff.txt"]
        assert "hunter2" not in diff
        assert '+api_key = "***"' in diff
        assert "+token = tokenizer(text)" in diff
        assert "+DB_PASSWORD=***\n+DEBUG=1" in diff


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("password = 'a b'", "password = '***'"),
        ('"client_secret": "abc",', '"client_secret": "***",'),
        ("f(accessToken='abc')", "f(accessToken='***')"),
        ('token: str = "abc"', 'token: str = "***"'),
        ('os.environ["API_TOKEN"] = "abc"', 'os.environ["API_TOKEN"] = "***"'),
        ('getenv("API_TOKEN", "abc")', 'getenv("API_TOKEN", "***")'),
        (r'password = "a\"b" + x', 'password = "***" + x'),
        ('if password == "abc":', 'if password == "***":'),
        ('password = ""', 'password = ""'),
        ("tokenizer = 'bert'", "tokenizer = 'bert'"),
        ("password = get_password()", "password = get_password()"),
        ("AKIAIOSFODNN7EXAMPLE", "***"),
        ("x = ghp_" + "a1B2" * 9, "x = ***"),
        ("glpat-" + "a1b2" * 5, "***"),
        ("Authorization: Bearer " + "a1b2" * 8, "Authorization: Bearer ***"),
        ("eyJhbGciOiJIUzI1.eyJzdWIiOiIx.SflKxwRJSMe", "***"),
        ("clone https://me:pw@host/x now", "clone https://***@host/x now"),
        ("https://host/x?token=abc&page=1", "https://host/x?token=***&page=1"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nx",
         "-----BEGIN RSA PRIVATE KEY-----\n***\n-----END RSA PRIVATE KEY-----\nx"),
        ("-----BEGIN PRIVATE KEY-----\nabc", "-----BEGIN PRIVATE KEY-----\n***\n"),
        ("diff --git a/x.yaml b/x.yaml\n+password: abc\n+user: me", "diff --git a/x.yaml b/x.yaml\n+password: ***\n+user: me"),
        ("diff --git a/x.py b/x.py\n+password = given\n", "diff --git a/x.py b/x.py\n+password = given\n"),
        ("diff --git a/.env b/.env\n+export API_KEY=a b\n+TOKEN=${T}\n", "diff --git a/.env b/.env\n+export API_KEY=***\n+TOKEN=${T}\n"),
        ("commit 0123456789abcdef0123456789abcdef01234567", "commit 0123456789abcdef0123456789abcdef01234567"),
    ],
)  # fmt: skip
def test_mask_secrets(text, masked):
    assert mask_secrets(text) == masked
    assert mask_secrets(masked) == masked


@pytest.mark.parametrize(
    "line",
    ["a" * 1_000_000, "a-" * 500_000, '"' * 500_000, "http://" * 100_000, "token " * 150_000, "token_" * 150_000,
     "=" * 1_000_000, "\\" * 1_000_000, "password" * 100_000 + '="' + "x" * 100_000],
)  # fmt: skip
def test_masking_a_huge_line_takes_linear_time(line):
    """It ends at all: a pattern that is quadratic would take an hour here."""
    mask_secrets(f"diff --git a/.env b/.env\n+{line}")


class TestCommand:
    def test_secrets_of_the_command_line_are_hidden(self, monkeypatch):
        given = "train.py --api-key=abc --token def --alpha 1 https://me:pw@host/x --passwordless"
        monkeypatch.setattr(sys, "argv", given.split())
        shown = "train.py --api-key=*** --token *** --alpha 1 https://***@host/x --passwordless"
        assert command.command_line() == shown

    def test_secrets_that_override_a_workflow_file_are_hidden(self, monkeypatch):
        given = "run a.yaml --set task.loader.password=abc --set=init.api_key=d --set task.model.alpha=1"
        monkeypatch.setattr(sys, "argv", given.split())
        shown = "run a.yaml --set task.loader.password=*** --set=init.api_key=*** --set task.model.alpha=1"
        assert command.command_line() == shown

    def test_environment_variables_of_ours_are_kept_without_their_secrets(self, monkeypatch):
        monkeypatch.setenv("_QLIB_FOLD", "3")
        monkeypatch.setenv("ROLLFORWARD_URI", "postgresql://me:pw@host/db")
        monkeypatch.setenv("_QLIB_API_TOKEN", "abc")
        monkeypatch.setenv("OTHER", "x")
        kept = command.params()
        del kept["cmd-sys.argv"]
        assert kept == {"_QLIB_API_TOKEN": "***", "_QLIB_FOLD": "3", "ROLLFORWARD_URI": "postgresql://***@host/db"}

    def test_the_tags_are_those_of_mlflows_own_start(self, monkeypatch):
        running(monkeypatch, "/somewhere/train.py")
        tags = command.tags()
        assert (tags["mlflow.source.name"], tags["mlflow.source.type"]) == ("/somewhere/train.py", "LOCAL")
        assert tags["mlflow.user"]

    def test_a_notebook_is_named(self, monkeypatch):
        monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/study.ipynb")
        tags = command.tags()
        assert (tags["mlflow.source.name"], tags["mlflow.source.type"]) == ("/home/me/study.ipynb", "NOTEBOOK")


class TestPackages:
    def test_the_installed_packages_in_the_versions_that_are_imported(self):
        lines = packages.requirements().splitlines()
        assert lines[0] == f"# CPython {sys.version.split()[0]}"
        assert lines[1].startswith("# ")
        pinned = {line.split("  #")[0] for line in lines[2:]}
        for name in ("mlflow", "pandas", "numpy"):
            assert f"{name}=={metadata.version(name)}" in pinned
        assert lines[2:] == sorted(lines[2:], key=lambda line: line.lower().replace("_", "-").replace("==", " "))

    def test_where_a_package_came_from(self, tmp_path, monkeypatch):
        origins = {
            "from_git": {"url": "https://me:pw@host/a.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "editable": {"url": "file:///home/me/editable", "dir_info": {"editable": True}},
        }
        for name, origin in origins.items():
            (tmp_path / f"{name}-1.0.dist-info").mkdir()
            (tmp_path / f"{name}-1.0.dist-info" / "direct_url.json").write_text(json.dumps(origin))
        (tmp_path / "old.style-2.0-py3.11.egg-info").write_text("")
        (tmp_path / "no_package").mkdir()
        monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "missing.zip")])
        assert packages.requirements().splitlines()[2:] == [
            "editable==1.0  # file:///home/me/editable",
            "from_git @ git+https://***@host/a.git@abc",
            "old.style==2.0",
        ]

    def test_the_first_on_the_path_counts_and_a_new_package_is_seen(self, tmp_path, monkeypatch):
        for folder, version in (("a", "1.0"), ("b", "2.0")):
            (tmp_path / folder / f"thing-{version}.dist-info").mkdir(parents=True)
        monkeypatch.setattr(sys, "path", [str(tmp_path / "a"), str(tmp_path / "b")])
        assert packages.requirements().splitlines()[2:] == ["thing==1.0"]
        (tmp_path / "b" / "other-3.0.dist-info").mkdir()
        assert packages.requirements().splitlines()[2:] == ["other==3.0", "thing==1.0"]
