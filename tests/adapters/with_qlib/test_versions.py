"""The versions that the documentation names are those that these tests run with."""

import re
import sys
from importlib.metadata import version
from pathlib import Path

import rollforward.adapters.qlib

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "how-to" / "with-pyqlib.md").read_text(encoding="utf-8")


def test_pyqlib_is_the_one_that_is_named_everywhere():
    named = {
        *re.findall(r"pyqlib(?:==| )(\d[\d.]*\d)", PAGE),
        *re.findall(r"pyqlib (\d[\d.]*\d)", str(rollforward.adapters.qlib.__doc__)),
        *re.findall(r"pyqlib(?:==| )(\d[\d.]*\d)", (ROOT / "scripts" / "adapter").read_text(encoding="utf-8")),
    }
    assert named == {version("pyqlib")}


def test_python_is_one_that_is_named():
    (named,) = re.findall(r"Tested together .*: Python (3\.\d+) and (3\.\d+) with", PAGE)
    assert "{}.{}".format(*sys.version_info) in named
