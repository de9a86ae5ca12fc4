"""Notebooks: the lines of code that change, and every other byte as it is."""

import json

import pytest

from rollforward.migrate.edits import apply
from rollforward.migrate.notebook import rewrite_notebook


def cell(*lines, kind="code"):
    return {"cell_type": kind, "metadata": {"x": 1.50}, "source": list(lines), "outputs": [{"text": "import qlib\n"}]}


def spelt(*cells, **kwargs):
    book = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, **{"indent": 1, "ensure_ascii": False} | kwargs) + "\n"


def rewritten(text):
    after = apply(text, rewrite_notebook(text).edits)
    assert apply(after, rewrite_notebook(after).edits) == after
    return after


def test_cells_are_one_program():
    before = spelt(
        cell("import qlib"), cell("# é\n", "qlib.init()\n", "x = qlib.workflow.R"), cell("import qlib", kind="markdown")
    )
    after = spelt(
        cell("import rollforward\n", "import rollforward.workflow"),
        cell("# é\n", "rollforward.init()\n", "x = rollforward.workflow.R"),
        cell("import qlib", kind="markdown"),
    )
    assert rewritten(before) == after


def test_lines_come_and_go_in_the_layout_of_the_notebook():
    before = spelt(
        cell("# a\n", "from qlib.data.dataset import (\n", "    DatasetH,\n", "    DataHandlerLP,\n", ")\n", "x = 1")
    )
    after = spelt(
        cell(
            "# a\n",
            "from rollforward.data.handler import DataHandlerLP\n",
            "from rollforward.data.dataset import (\n",
            "    DatasetH,\n",
            ")\n",
            "x = 1",
        )
    )
    assert rewritten(before) == after


@pytest.mark.parametrize(
    "layout", [{}, {"indent": None}, {"indent": 4}, {"ensure_ascii": True}, {"separators": (",", ":")}]
)
def test_the_rest_stays_byte_for_byte(layout):
    cells = [cell("# ä \\u00e9 😀\n", "y = '\\n'\n", "from qlib.workflow import R\n", "R"), cell("z = 1")]
    text = spelt(*cells, **layout)
    assert rewritten(text) == text.replace("from qlib.workflow", "from rollforward.workflow")


@pytest.mark.parametrize(
    "others",
    [
        ["x = 'a\u2028b\x0c'\n", "y = 1\r\n"],
        ["a = 1\nb = 2\n", "c = '", "é'\n"],
        ["", "z = 1; ", "\n"],
    ],
)
def test_lines_that_do_not_change_stay_where_the_notebook_ends_them(others):
    def book(*lines):
        return spelt(cell(*others, *lines, *others)).replace('"x = ', '"\\u0078 = ').replace("é'", "\\u00e9'")

    before = book("from qlib.data.dataset import DatasetH, DataHandlerLP\n")
    after = book(
        "from rollforward.data.handler import DataHandlerLP\n", "from rollforward.data.dataset import DatasetH\n"
    )
    assert rewritten(before) == after


def test_a_line_that_goes_at_the_end():
    before = spelt(cell("from qlib.data.dataset import (DatasetH,\n", "  DataHandlerLP\n", ")"))
    assert json.loads(rewritten(before))["cells"][0]["source"] == [
        "from rollforward.data.handler import DataHandlerLP\n",
        "from rollforward.data.dataset import (DatasetH\n",
        ")",
    ]


def test_a_line_of_a_program_may_begin_like_a_magic_command():
    magic = cell("!ls a\x0cb\n", "import qlib.log")
    before = spelt(cell("import qlib.workflow\n", "print('%s'\n", "  % qlib.workflow.R)"), magic)
    assert rewritten(before) == before.replace("qlib.", "rollforward.")


def test_a_source_that_is_one_text():
    text = '{"cells": [{"cell_type": "code", "source": "import qlib\\nqlib.init()"}], "nbformat": 4}'
    assert rewritten(text) == text.replace("qlib", "rollforward")


def test_magic_commands_are_left_alone():
    lines = ["%matplotlib inline\n", "!pip install pyqlib\n", "files = !ls\n", "R?\n", "from qlib.workflow import R"]
    text = spelt(
        cell(*lines), cell("%%bash\n", "python -m qlib.workflow.task.manage"), cell("%%time\n", "import qlib.log")
    )
    after = rewritten(text)
    assert after == text.replace("from qlib.", "from rollforward.").replace(
        '"import qlib.log"', '"import rollforward.log"'
    )


def test_what_cannot_be_read_is_reported_and_the_rest_is_done():
    text = spelt(cell("def f(:\n", "  qlib"), cell("from qlib.workflow import R\n", "qlib.workflow.R?\n"))
    assert "from rollforward.workflow import R" in rewritten(text)
    assert sorted((found.line, found.what) for found in rewrite_notebook(text).findings) == [
        (9, "a cell that names Qlib"),
        (25, "qlib.workflow.R?"),
    ]


def test_findings_name_the_line_of_the_file():
    text = spelt(cell("x = 1\n"), cell("\n", "from qlib.data import D\n"))
    (found,) = rewrite_notebook(text).findings
    assert "from qlib.data import D" in text.splitlines()[found.line - 1]


@pytest.mark.parametrize(
    "text", ['{"worksheets": []}', "[1]", '{"cells": ', '{"cells": "x"}', '{"cells": [{"source": "x"}]}']
)
def test_what_is_no_notebook_is_an_error(text):
    with pytest.raises(ValueError, match=r"notebook|Expecting"):
        rewrite_notebook(text)
