"""Environments: what tells them apart, that they are whole, and that they are made once."""

import base64
import hashlib
import json
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

from rollforward.errors import DataSourceError, ModelEnvironmentError, SettingsError
from rollforward.workflow.batch import own
from rollforward.workflow.batch.environments import Environments, default_folder
from rollforward.workflow.batch.installers import commands, find_python
from rollforward.workflow.batch.own import own_requirement
from rollforward.workflow.batch.requirements import requirement_lines


def make_wheel(folder, name="tinypack", text="VALUE = 1\n"):
    """A wheel with one module."""
    info = f"{name}-1.0.dist-info"
    content = {
        f"{name}.py": text,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(body.encode()).digest()).rstrip(b'=').decode()},{len(body)}"
        for path, body in content.items()
    ]
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for place, body in content.items():
            wheel.writestr(place, body)
        wheel.writestr(f"{info}/RECORD", "\n".join([*digests, f"{info}/RECORD,,", ""]))
    return path


@pytest.fixture
def requirements(tmp_path):
    path = tmp_path / "model" / "requirements.txt"
    path.parent.mkdir()
    path.write_text("lightgbm>=4\nscipy\n", encoding="utf-8")
    return path


def test_the_name_depends_on_requirements_python_and_rollforward(tmp_path, requirements):
    def key(**options):
        return Environments(tmp_path / "envs", **({"rollforward": "rollforward==1"} | options)).key(requirements)

    first = key()
    assert key() == first
    assert key(rollforward="rollforward==2") != first
    requirements.write_text("scipy   # fast\n\nlightgbm>=4\n", encoding="utf-8")
    assert key() == first
    requirements.write_text("scipy\nlightgbm>=4.5\n", encoding="utf-8")
    assert key() != first
    assert not (tmp_path / "envs").exists()


def test_included_files_and_package_files_count_by_their_content(tmp_path):
    (tmp_path / "more.txt").write_text("b\n-r top.txt\n", encoding="utf-8")
    top = tmp_path / "top.txt"
    top.write_text("a\n-r more.txt\n./tinypack-1.0-py3-none-any.whl\n", encoding="utf-8")
    make_wheel(tmp_path)

    before = requirement_lines(top)
    assert before[:2] == ["a", "b"]
    make_wheel(tmp_path, text="VALUE = 2\n")
    assert requirement_lines(top)[:2] == before[:2]
    assert requirement_lines(top)[2] != before[2]
    # A constraint installs nothing.
    (tmp_path / "more.txt").write_text("b\n", encoding="utf-8")
    top.write_text("-r more.txt\n", encoding="utf-8")
    wanted = requirement_lines(top)
    top.write_text("-c more.txt\n", encoding="utf-8")
    assert (wanted, requirement_lines(top)) == (["b"], ["-c b"])
    top.write_text("-r nowhere.txt\n", encoding="utf-8")
    with pytest.raises(DataSourceError, match=r"nowhere\.txt"):
        requirement_lines(top)


def test_both_installers_are_asked_for_the_same_packages(tmp_path, requirements):
    for uv in (None, "/bin/uv"):
        empty, install = commands(uv, "/bin/python3", tmp_path / "e", requirements, ["rollforward==1"])

        assert str(tmp_path / "e") in empty
        assert install[-3:] == ["-r", str(requirements), "rollforward==1"]


class Found:
    def __init__(self, origin):
        self.origin = origin

    def read_text(self, name):
        return json.dumps(self.origin) if self.origin else None


def test_rollforward_is_installed_as_it_was_installed_here(tmp_path):
    def arguments(origin):
        return own._installed(Found(origin)).arguments

    (tmp_path / "pyproject.toml").write_text("[project]", encoding="utf-8")
    (wheel := tmp_path / "rollforward-9-py3-none-any.whl").write_bytes(b"x")
    assert arguments(None) == (f"rollforward=={own.__version__}",)
    assert arguments({"url": tmp_path.as_uri(), "dir_info": {"editable": True}}) == ("-e", str(tmp_path))
    assert arguments({"url": tmp_path.as_uri(), "dir_info": {}}) == (str(tmp_path),)
    assert arguments({"url": wheel.as_uri(), "archive_info": {}}) == (str(wheel),)
    git = {"url": "https://host/r.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}
    assert arguments(git) == ("rollforward @ git+https://host/r.git@abc",)
    with pytest.raises(SettingsError, match="is gone"):
        arguments({"url": (tmp_path / "gone").as_uri(), "dir_info": {}})


def test_a_source_tree_is_installed_editable_and_known_by_its_project_file(tmp_path, monkeypatch):
    package = tmp_path / "src" / "rollforward"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (tmp_path / "pyproject.toml").write_text("one", encoding="utf-8")
    monkeypatch.setattr(own.rollforward, "__file__", str(package / "__init__.py"))

    first = own_requirement()
    assert first.arguments == ("-e", str(tmp_path))
    (package / "new.py").touch()
    assert own_requirement() == first
    (tmp_path / "pyproject.toml").write_text("two", encoding="utf-8")
    assert own_requirement() != first


def test_a_given_rollforward_is_a_requirement_a_file_or_a_folder(tmp_path):
    assert own_requirement("rollforward==9").arguments == ("rollforward==9",)
    (wheel := tmp_path / "r.whl").write_bytes(b"one")
    first = own_requirement(str(wheel))
    wheel.write_bytes(b"two")
    assert own_requirement(str(wheel)).identity != first.identity
    with pytest.raises(SettingsError, match="--rollforward"):
        own_requirement("./nowhere")


def test_a_python_that_does_not_exist_is_refused():
    with pytest.raises(SettingsError, match="--python is 'nowhere/python'"):
        find_python("nowhere/python", None)
    with pytest.raises(SettingsError, match="does not run as a Python"):
        find_python("/bin/false", None)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert version in find_python(None, None).identity


def test_they_are_kept_in_the_cache(monkeypatch, tmp_path):
    assert default_folder() == tmp_path / "cache" / "rollforward" / "envs"
    monkeypatch.setenv("ROLLFORWARD_CACHE_DIR", str(tmp_path / "mine"))
    assert default_folder() == tmp_path / "mine" / "envs"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A real environment, of two local wheels, made by two threads at the same time."""
    folder = tmp_path_factory.mktemp("model")
    own_wheel, needed = make_wheel(folder, "rollforward"), make_wheel(folder)
    needs = folder / "requirements.txt"
    needs.write_text(f"--no-index\n./{needed.name}\n", encoding="utf-8")
    environments = [Environments(folder / "envs", installer="venv", rollforward=str(own_wheel)) for _ in range(2)]
    pythons = []
    threads = [
        threading.Thread(target=lambda one=one, i=i: pythons.append(one.prepare(needs, folder / f"{i}.log")))
        for i, one in enumerate(environments)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return folder, environments[0], needs, pythons


def test_an_environment_is_made_once_and_has_what_is_asked_for(made):
    folder, environments, needs, pythons = made

    assert len(pythons) == 2
    assert len(set(pythons)) == 1
    done = subprocess.run(
        [pythons[0], "-I", "-c", "import rollforward, tinypack, sys; print(tinypack.VALUE, sys.prefix)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["1", str(environments.folder / environments.key(needs))]
    assert len(list(folder.glob("*.log"))) == 1
    assert environments.prepare(needs, folder / "again.log") == pythons[0]
    assert not (folder / "again.log").exists()


def test_one_that_is_not_whole_is_not_used(made):
    _, environments, needs, pythons = made
    mark = environments.folder / environments.key(needs) / "rollforward-environment.json"
    text = mark.read_text(encoding="utf-8")
    assert json.loads(text)["installer"] == "venv"

    mark.unlink()
    assert environments.find(needs) is None
    assert Path(pythons[0]).exists()
    mark.write_text(text, encoding="utf-8")
    assert environments.find(needs) == pythons[0]


def test_what_cannot_be_installed_leaves_nothing_and_says_why(tmp_path):
    needs = tmp_path / "requirements.txt"
    needs.write_text("./nowhere-1.0-py3-none-any.whl\n", encoding="utf-8")
    environments = Environments(tmp_path / "envs", installer="venv", rollforward="rollforward==0")
    environments.python = (sys.executable, "a python")
    broken = [
        [
            sys.executable,
            "-c",
            "import pathlib, sys; pathlib.Path(sys.argv[1]).mkdir()",
            str(environments.folder / environments.key(needs)),
        ],
        [sys.executable, "-c", "print('ERROR: no such wheel\\nnote: not of pip'); raise SystemExit(1)"],
    ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rollforward.workflow.batch.environments.commands", lambda *_: broken)
        with pytest.raises(ModelEnvironmentError, match="ERROR: no such wheel"):
            environments.prepare(needs, tmp_path / "log")

    assert not (environments.folder / environments.key(needs)).exists()
    assert "no such wheel" in (tmp_path / "log").read_text(encoding="utf-8")


def test_all_are_deleted_unless_somebody_runs_in_them(tmp_path):
    environments = Environments(tmp_path / "envs", installer="venv", rollforward="rollforward==0")
    (environments.folder / "0123456789abcdef" / "bin").mkdir(parents=True)
    (environments.folder / "0123456789abcdef" / "pyvenv.cfg").touch()

    with environments.in_use(), pytest.raises(SettingsError, match="are being run"):
        Environments(tmp_path / "envs", installer="venv").clean()
    assert environments.clean() == ["0123456789abcdef"]
    with pytest.raises(KeyboardInterrupt), environments.in_use():
        raise KeyboardInterrupt
    assert not list(environments.folder.glob("in-use-*"))


def test_only_environments_are_deleted_from_a_folder_that_holds_other_things(tmp_path):
    for name in ("somebody's work!", "16letterslongdir", "00000000000000aa"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.tex").touch()

    assert Environments(tmp_path, installer="venv", rollforward="rollforward==0").clean() == []
    assert len(list(tmp_path.glob("*/thesis.tex"))) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_an_installer_ends_with_the_batch_that_started_it(tmp_path):
    program = (
        "import pathlib, sys; from rollforward.workflow.batch.installers import run_logged; "
        "run_logged([sys.executable, '-c', 'import os, time; print(os.getpid(), flush=True); time.sleep(300)'], "
        "open('log', 'wb'), pathlib.Path())"
    )
    batch = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path)
    log = tmp_path / "log"
    wait_until(lambda: log.exists() and log.read_text(encoding="utf-8").endswith("\n"))
    batch.kill()
    batch.wait()

    wait_until(lambda: is_gone(int(log.read_text(encoding="utf-8"))))


def wait_until(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("place", ["file", "/proc"])
def test_a_folder_that_cannot_be_made_or_written_is_named(place, tmp_path):
    (tmp_path / "file").touch()
    environments = Environments(tmp_path / place, installer="venv", rollforward="rollforward==0")

    with pytest.raises(SettingsError, match="--envs is"), environments.in_use():
        pass
