"""The command: files found and written, what is printed, exit codes."""

import argparse
import codecs
import errno
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from rollforward.cli.migrate import add_migrate, migrate
from rollforward.errors import SettingsError
from rollforward.migrate import files, migrate_file, migrate_paths


def call(*argv):
    parser = argparse.ArgumentParser()
    add_migrate(parser.add_subparsers())
    return migrate(parser.parse_args(["migrate", *map(str, argv)]))


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "a.py").write_text("from qlib.workflow import R\n")
    (tmp_path / "b.yaml").write_text("module_path: qlib.workflow.record_temp\n")
    (tmp_path / "c.py").write_text("import os\n")
    return tmp_path


def test_a_folder_is_rewritten(project, capsys):
    assert call(".") == 0
    assert (project / "pkg" / "a.py").read_text() == "from rollforward.workflow import R\n"
    assert (project / "b.yaml").read_text() == "module_path: rollforward.workflow.record_temp\n"
    said = capsys.readouterr().out
    assert "changed: b.yaml (1 place)" in said
    assert "3 files looked at, 2 changed." in said
    assert call(".") == 0
    assert "3 files looked at, 0 changed." in capsys.readouterr().out


def test_diff_writes_nothing_and_can_be_given_to_patch(project, capsys):
    (project / "d.py").write_text("import qlib")
    before = (project / "d.py").read_bytes()
    assert call("d.py", "--diff") == 0
    said = capsys.readouterr()
    assert said.out == (
        "--- a/d.py\n+++ b/d.py\n@@ -1 +1 @@\n-import qlib\n\\ No newline at end of file\n"
        "+import rollforward\n\\ No newline at end of file\n"
    )
    assert "1 would change" in said.err
    assert (project / "d.py").read_bytes() == before


SPELT = {
    "plain.py": b"import os\nimport qlib\n",
    "with blanks/my file.py": b"import qlib",
    "feed.py": b"import qlib\n\x0c\nx = 'a\x0b\x1c'\n",
    "separators.py": "x = '\u2028'; import qlib  # \x85\ny = 1\n".encode(),
    "returns.py": b"import qlib\r\nx = 1\ry = 2\r\n",
    "mark.py": codecs.BOM_UTF8 + b"import qlib\n",
    "chinese.py": "# coding: gbk\nimport qlib  # 中\nx = '文'\n".encode("gbk"),
    "latin.py": b"# coding: latin-1\nimport qlib  # \xe9\n",
    "returns.yaml": b"a:\r\n  - class: qlib.workflow.record_temp.SignalRecord  # \xc3\xa9\r\n",
}


@pytest.mark.parametrize("how", ["patch -p1", "git apply"])
@pytest.mark.parametrize("given", ["relative", "absolute"])
def test_patch_makes_of_the_diff_what_migrate_writes(how, given, tmp_path, monkeypatch, capfdbinary):
    program, *options = how.split()
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    for folder in ("patched", "migrated"):
        for name, data in SPELT.items():
            file = tmp_path / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        (tmp_path / folder / "a link.py").symlink_to("plain.py")
    monkeypatch.chdir(tmp_path / "patched")
    paths = ["a link.py", "."]

    call(*(paths if given == "relative" else map(os.path.abspath, paths)), "--diff")
    diff = capfdbinary.readouterr().out
    done = subprocess.run([program, *options], input=diff, capture_output=True, check=False)
    call(tmp_path / "migrated")

    assert done.returncode == 0, (done.stdout, done.stderr, diff)
    for name, data in SPELT.items():
        assert (tmp_path / "patched" / name).read_bytes() != data
        assert (tmp_path / "patched" / name).read_bytes() == (tmp_path / "migrated" / name).read_bytes()


def test_a_diff_of_files_elsewhere_is_for_the_root(project, monkeypatch, capsys):
    monkeypatch.chdir(project / "pkg")
    call("../b.yaml", "--diff")
    assert capsys.readouterr().out.startswith(f"--- a{project}/b.yaml\n+++ b{project}/b.yaml\n")


def test_check_writes_nothing_and_says_whether_there_is_anything_to_do(project, capsys):
    assert call("pkg", "--check") == 1
    assert call("c.py", "--check") == 0
    (project / "c.py").write_text("from qlib.data import D\n")
    assert call("c.py", "--check") == 1
    assert (project / "pkg" / "a.py").read_text() == "from qlib.workflow import R\n"
    assert "c.py:1: qlib.data.D" in capsys.readouterr().out


def test_what_somebody_has_to_look_at_is_exit_code_3(project, capsys):
    (project / "c.py").write_text("from qlib.contrib.model.gbdt import LGBModel\n")
    assert call("c.py") == 3
    said = capsys.readouterr().out
    assert "  Use rollforward.model.sklearn.SklearnModel around" in said
    assert "to keep Qlib's own.\n      c.py:1: qlib.contrib.model.gbdt.LGBModel\n" in said
    assert "somebody has to look at 1 place" in said


def test_json(project, capsys):
    (project / "c.py").write_text("from qlib.data import D\n")
    assert call(".", "--json", "--check", "--diff") == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["n_files"], document["n_changed"], document["n_to_look_at"]) == (3, 2, 1)
    (finding,) = next(file["findings"] for file in document["files"] if file["path"] == "c.py")
    assert (finding["line"], finding["kind"], finding["what"]) == (1, "pyqlib", "qlib.data.D")
    assert "+module_path: rollforward" in next(file["diff"] for file in document["files"] if file["path"] == "b.yaml")


@pytest.mark.parametrize("folder", [".git", "__pycache__", "venv", "node_modules", "mine"])
def test_environments_and_caches_are_left_out(project, folder):
    (project / folder).mkdir()
    if folder == "mine":
        (project / folder / "pyvenv.cfg").touch()
    (project / folder / "x.py").write_text("import qlib\n")
    call(".")
    assert (project / folder / "x.py").read_text() == "import qlib\n"


def test_permissions_and_links_stay(project):
    file = project / "pkg" / "a.py"
    file.chmod(0o750)
    (project / "link.py").symlink_to(file)
    call("link.py")
    assert (project / "link.py").is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o750
    assert file.read_text() == "from rollforward.workflow import R\n"
    assert list((project / "pkg").iterdir()) == [file]


@pytest.mark.parametrize("why", ["protected", "refused"])
def test_a_file_that_cannot_be_written_is_reported_and_the_others_are_done(why, project, monkeypatch, capsys):
    """Root may write protected files; so what the system says is given here."""

    def access(path, mode, asked=os.access):
        return asked(path, mode) and not (why == "protected" and Path(path).name == "a.py" and mode == os.W_OK)

    def refuse(path, data, replace=files.replace):
        if why == "refused" and path.name == "a.py":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(path, data)

    monkeypatch.setattr(os, "access", access)
    monkeypatch.setattr(files, "replace", refuse)
    assert call(".") == 3
    assert (project / "pkg" / "a.py").read_text() == "from qlib.workflow import R\n"
    assert "rollforward" in (project / "b.yaml").read_text()
    said = capsys.readouterr().out
    assert "pkg/a.py:1: a .py file that cannot be written" in said
    assert "3 files looked at, 1 changed; somebody has to look at 1 place." in said
    assert list((project / "pkg").iterdir()) == [project / "pkg" / "a.py"]


@pytest.mark.parametrize("missing", ["r", "x"])
def test_a_folder_that_cannot_be_listed_is_reported(missing, project, monkeypatch):
    """Root may list any; so what the system says is given here."""

    def access(path, mode, asked=os.access):
        return asked(path, mode) and not (missing == "x" and Path(path).name == "pkg" and mode == os.X_OK)

    def scandir(path, asked=os.scandir):
        if missing == "r" and Path(path).name == "pkg":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return asked(path)

    monkeypatch.setattr(os, "access", access)
    monkeypatch.setattr(os, "scandir", scandir)
    found = {str(one.path): one for one in migrate_paths(["."])}
    assert set(found) == {"b.yaml", "c.py", "pkg"}
    (finding,) = found["pkg"].findings
    assert (finding.what, finding.kind) == ("a folder that cannot be read", "unread")
    assert "Permission denied" in finding.todo


def test_what_cannot_be_understood_keeps_nothing_else_from_being_migrated(project):
    (project / "a.ipynb").write_text(
        json.dumps({"cells": [{"cell_type": "code", "source": {"qlib": 1}}], "nbformat": 4})
    )
    (project / "a.py").write_text("# coding: hex\nimport qlib\n")
    found = {str(one.path): one for one in migrate_paths(["."])}
    assert [found[name].findings[0].kind for name in ("a.ipynb", "a.py")] == ["unread", "unread"]
    assert found["b.yaml"].changes


def test_pipes_and_links_to_nothing_are_left_out(project):
    os.mkfifo(project / "pipe.py")
    (project / ".#c.py").symlink_to("somebody@somewhere")
    (project / "round.py").symlink_to("round.py")
    (project / "folder.py").mkdir()
    assert [str(one.path) for one in migrate_paths(["."])] == ["b.yaml", "c.py", "pkg/a.py"]


@pytest.mark.parametrize(
    "data",
    [
        codecs.BOM_UTF8 + b"import qlib\r\n# \xc3\xa9 \t\r\n",
        b"# -*- coding: latin-1 -*-\nx = '\xe9'\nimport qlib\n",
        b"#!/usr/bin/env python\n# vim: set fileencoding=cp1252 :\nimport qlib  # \x80 \n",
        b"import qlib\rx = 1\r",
    ],
)
def test_how_a_file_is_spelt_stays(project, data):
    (project / "c.py").write_bytes(data)
    assert call("c.py") == 0
    assert (project / "c.py").read_bytes() == data.replace(b"import qlib", b"import rollforward")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.py", b"import qlib\nprint 1\n"),
        ("x.py", b"import qlib # \xe9\n"),
        ("x.py", b"# coding: nonsense\nimport qlib\n"),
        ("x.py", b"import qlib\n\0"),
        ("x.yaml", b"a: [qlib\n"),
        ("x.ipynb", b"qlib"),
    ],
)
def test_what_cannot_be_read_is_left_and_reported(project, name, data):
    (project / name).write_bytes(data)
    assert call(name) == 3
    assert (project / name).read_bytes() == data
    (found,) = migrate_file(project / name).findings
    assert found.kind == "unread"


def test_a_wrong_path_is_an_error(project):
    with pytest.raises(SettingsError, match=r"no nowhere\.py"):
        call("nowhere.py")
    (project / "x.txt").touch()
    with pytest.raises(SettingsError, match=r"x\.txt is a \.txt file"):
        call("x.txt")


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [("a.yaml", "class: qlib.workflow.R\n{% if X %}\na: 1\n\tb: 2\n", 4), ("a.py", "import qlib\n\nprint 'x'\n", 3)],
)
def test_what_cannot_be_read_is_reported_with_its_line(tmp_path, name, text, line):
    (tmp_path / name).write_text(text)

    (finding,) = migrate_file(tmp_path / name).findings

    assert (finding.line, finding.kind) == (line, "unread")
    assert "line" not in finding.todo
