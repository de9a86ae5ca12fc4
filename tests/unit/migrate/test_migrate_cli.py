"""The command: files found and written, what is printed, exit codes."""

import argparse
import codecs
import json
import stat

import pytest

from rollforward.cli.migrate import add_migrate, migrate
from rollforward.errors import SettingsError
from rollforward.migrate import migrate_file


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
