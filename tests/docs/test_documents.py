"""README, documentation and examples are run as they stand."""

import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PYTHON_BLOCK = re.compile(r"^(?:<!-- (?P<example>\S+) -->\n)?```python\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def blocks(document):
    return [(match["example"], match["code"]) for match in PYTHON_BLOCK.finditer(document.read_text(encoding="utf-8"))]


WITH_CODE = [document for document in DOCUMENTS if blocks(document)]


@pytest.mark.parametrize("document", WITH_CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_blocks_run_in_order(document, monkeypatch):
    """Blocks that repeat an example are left to the test of the example."""
    module = types.ModuleType("document")
    # Classes of the document must be found by name when they are pickled, as those of a script are.
    monkeypatch.setitem(sys.modules, "document", module)
    for example, code in blocks(document):
        if example is None:
            exec(compile(code, str(document), "exec"), vars(module))  # noqa: S102  # our own text


def test_readme_shows_the_examples_as_they_are():
    shown = {example: code for example, code in blocks(ROOT / "README.md") if example}

    assert set(shown) == {"examples/rolling_sp500.py", "examples/track.py"}
    for example, code in shown.items():
        assert code == (ROOT / example).read_text(encoding="utf-8"), f"README shows another {example}"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example_runs(example, tmp_path):
    done = subprocess.run(
        [sys.executable, str(example)], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr


def test_yaml_example_is_the_demo():
    demo = ROOT / "src" / "rollforward" / "cli" / "demo.yaml"

    assert (ROOT / "examples" / "rolling_sp500.yaml").read_bytes() == demo.read_bytes()


def test_readme_names_only_scripts_that_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8") + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

    for script in set(re.findall(r"scripts/\w+", text)):
        assert (ROOT / script).stat().st_mode & 0o100, f"{script} is not executable"


def test_relative_links_lead_somewhere():
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_package_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "rollforward", "--version"], capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith("rollforward ")
