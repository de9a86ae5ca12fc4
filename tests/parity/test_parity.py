"""rollforward answers as Qlib does wherever Qlib answers, but for the differences in a table."""

from pathlib import Path

import pytest
from against_qlib.comparison import DIFFERENCES, shown
from against_qlib.document import table
from against_qlib.generated import KINDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "parity.md"


@pytest.mark.parametrize("kind", KINDS)
def test_as_qlib(kind, outcome):
    print(f"{outcome.n_cases[kind]} cases, {outcome.equal[kind]} equal")  # noqa: T201  shown with -rA

    assert outcome.n_cases[kind] == KINDS[kind][0]
    assert kind not in outcome.wrong, shown(outcome.wrong[kind])


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.name)
def test_difference_is_there(difference, outcome):
    """An entry that no case needs is not kept."""
    print(f"{outcome.on_purpose[difference.name]} cases: {difference.reason}")  # noqa: T201  shown with -rA

    assert outcome.on_purpose[difference.name], (
        f"no case needs the entry {difference.name!r}; all: {outcome.on_purpose}"
    )


def test_every_name_is_there_once():
    names = [difference.name for difference in DIFFERENCES]

    assert len(set(names)) == len(names)


def test_the_page_holds_the_table():
    text = PAGE.read_text(encoding="utf-8")

    assert table() in text, "run `python tests/parity/against_qlib/document.py`"
    assert f"{sum(count for count, _ in KINDS.values()):,} cases" in text
