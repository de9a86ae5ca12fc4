"""README, documentation and examples are run as they stand."""

import re
import subprocess
import sys
import types
from pathlib import Path

import pytest
import yaml
from pages import DOCUMENTS, README, ROOT, blocks, calls_of_the_program, command_lines
from terminal import in_process, type_in

from rollforward.cli.commands import build_parser

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
# What is typed in README is run by scripts/wheel, against the wheel.
TYPED = [document for document in DOCUMENTS if document != README]
WITH_CODE = [
    document
    for document in DOCUMENTS
    if blocks(document, "python") or (document in TYPED and any(not b.reason for b in blocks(document, "console")))
]
NOT_RUN = [block for document in TYPED for block in blocks(document) if block.reason]


def name_of(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", WITH_CODE, ids=name_of)
def test_blocks_run_in_order(document, monkeypatch):
    """Blocks that repeat an example are left to the test of the example."""
    module = types.ModuleType("document")
    # Classes of the document must be found by name when they are pickled, as those of a script are.
    monkeypatch.setitem(sys.modules, "document", module)
    for block in blocks(document):
        if block.file:
            Path(block.file).parent.mkdir(parents=True, exist_ok=True)
            Path(block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python" and not block.example and not block.reason:
            exec(compile(block.text, block.place, "exec"), vars(module))  # noqa: S102  # our own text
        elif block.language == "console" and document in TYPED and not block.reason:
            type_in(block, monkeypatch)


@pytest.mark.parametrize("block", NOT_RUN, ids=lambda block: block.place)
def test_a_block_that_is_not_run_says_why(block):
    """Skipped, so that pytest counts the reasons; what is typed in it is still parsed, by the next test."""
    assert len(block.reason.split()) > 2
    for named in re.findall(r"(?:tests|scripts)/[\w/.]+", block.reason):
        assert (ROOT / named).exists(), f"{block.place}: there is no {named}"
    pytest.skip(f"a block of a page is not run: {block.reason}")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_typed_lines_are_those_of_the_program(document, capsys):
    parser = build_parser()
    for block in blocks(document, "console"):
        for words in command_lines(block):
            for call in calls_of_the_program(words):
                try:
                    parser.parse_args(call)
                except SystemExit:
                    pytest.fail(f"{block.place}: rollforward {' '.join(call)}\n{capsys.readouterr().err}")


@pytest.mark.parametrize("block", [b for d in DOCUMENTS for b in blocks(d, "yaml")], ids=lambda block: block.place)
def test_yaml_is_what_it_should_be(block, tmp_path):
    """One that has a whole task is a workflow file; anything else has to be YAML."""
    content = yaml.safe_load(block.text)
    task = content.get("task") or {}
    if {"model", "dataset"} <= task.keys() and not block.reason:
        file = tmp_path / "checked.yaml"
        file.write_text(block.text, encoding="utf-8")
        code, printed, said = in_process(["run", str(file), "--check"])
        assert code == 0, said + printed


def test_readme_shows_the_examples_as_they_are():
    shown = {block.example: block.text for block in blocks(README, "python") if block.example}

    assert set(shown) == {"examples/rolling_sp500.py", "examples/track.py"}
    for example, code in shown.items():
        assert code == (ROOT / example).read_text(encoding="utf-8"), f"README shows another {example}"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example_runs(example, tmp_path):
    done = subprocess.run(
        [sys.executable, str(example)], cwd=tmp_path, capture_output=True, text=True, timeout=900, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr


def test_yaml_example_is_the_demo():
    demo = ROOT / "src" / "rollforward" / "cli" / "demo.yaml"

    assert (ROOT / "examples" / "rolling_sp500.yaml").read_bytes() == demo.read_bytes()


def test_readme_names_only_scripts_that_exist():
    text = README.read_text(encoding="utf-8") + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

    for script in set(re.findall(r"scripts/\w+", text)):
        assert (ROOT / script).stat().st_mode & 0o100, f"{script} is not executable"


def test_relative_links_lead_somewhere():
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_no_page_is_left_out():
    named = set()
    for document in DOCUMENTS:
        tree = re.compile(r"^```\{toctree\}\n(.*?)^```", re.MULTILINE | re.DOTALL)
        for body in tree.findall(document.read_text(encoding="utf-8")):
            for line in body.split("\n"):
                if line and not line.startswith(":"):
                    named.add((document.parent / line).resolve())
    pages = {path.with_suffix("") for path in DOCUMENTS if path != README} - {ROOT / "docs" / "index"}
    assert not sorted(pages - named)


def test_the_package_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "rollforward", "--version"], capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("rollforward ")
