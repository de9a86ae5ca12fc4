"""``rollforward completion``: real shells are asked what they would complete."""

from __future__ import annotations

import builtins
import shutil
import subprocess

import pytest

from rollforward.cli.main import main

ASK = """
source ./rollforward.bash
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
_shtab_rollforward
printf '%s\\n' "${COMPREPLY[@]}"
"""
ASKED = [
    ("rollforward exp", ["experiments"]),
    ("rollforward runs li", ["list"]),
    ("rollforward runs list --so", ["--sort"]),
    ("rollforward experiments list --sort ", ["newest", "name", "runs"]),
    ("rollforward completion ", ["bash", "zsh", "fish"]),
    ("rollforward online rou", ["routine"]),
]
A_FILE = ("rollforward runs export abc --out here", ["here.zip"])


@pytest.fixture
def script(tmp_path, capsys):
    """The script of a shell, in a file."""
    pytest.importorskip("shtab")

    def write(shell):
        assert main(["completion", shell]) == 0
        path = tmp_path / f"rollforward.{shell}"
        path.write_text(capsys.readouterr().out)
        return path

    return write


def program(name):
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.mark.parametrize(("line", "expected"), [*ASKED, A_FILE], ids=str)
def test_bash_completes(script, tmp_path, line, expected):
    script("bash")
    (tmp_path / "here.zip").touch()
    words = line.split(" ")
    done = subprocess.run(
        [program("bash"), "-c", ASK, "bash", *words], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == set(expected)
    assert done.stderr == ""


@pytest.mark.parametrize(("line", "expected"), ASKED, ids=str)
def test_fish_completes(script, tmp_path, line, expected):
    shell, path = program("fish"), script("fish")
    done = subprocess.run(
        [shell, "-N", "-c", f"source {path}; complete -C '{line}'"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert {found.partition("\t")[0] for found in done.stdout.splitlines()} >= set(expected)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_understands_the_script(script, shell):
    done = subprocess.run([program(shell), "-n", script(shell)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_shell_has_a_script_of_its_own(script):
    assert "#compdef rollforward" in script("zsh").read_text()
    assert "complete -c rollforward" in script("fish").read_text()


def test_without_the_package_it_says_what_to_install(monkeypatch, capsys):
    real = builtins.__import__

    def without(name, *rest):
        if name == "shtab":
            raise ModuleNotFoundError(name="shtab")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert main(["completion", "bash"]) == 1
    assert "pip install 'rollforward[completion]'" in capsys.readouterr().err


def test_a_shell_that_is_not_known():
    with pytest.raises(SystemExit) as stopped:
        main(["completion", "tcl"])
    assert stopped.value.code == 2
