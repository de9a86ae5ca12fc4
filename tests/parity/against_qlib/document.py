"""The table of differences as it stands in the documentation; run as a program, it is put there."""

import re
import sys
from pathlib import Path

START, END = "<!-- table of tests/parity -->\n", "<!-- end of table -->"


def table():
    """The differences on purpose, as Markdown."""
    from against_qlib.comparison import DIFFERENCES

    rows = [f"| {d.name} | {where(d.kinds)} | {d.qlib} | {d.ours} | {d.reason} |" for d in DIFFERENCES]
    head = "| name | where | Qlib | rollforward | why |"
    return "\n".join([head, "|---|---|---|---|---|", *rows]) + "\n"


def where(kinds):
    from against_qlib.calls import CALLS

    names = dict.fromkeys(kind.split(",")[0] for kind in kinds)
    return "everywhere" if len(kinds) == len(CALLS) else ", ".join(f"`{name}`" for name in names)


def main():
    from against_qlib.generated import KINDS

    page = Path(__file__).resolve().parents[3] / "docs" / "explanation" / "parity.md"
    text = page.read_text(encoding="utf-8")
    text = re.sub(f"{START}.*?{END}", lambda _: START + table() + END, text, flags=re.DOTALL)
    text = re.sub(r"[\d,]+ cases", f"{sum(count for count, _ in KINDS.values()):,} cases", text, count=1)
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main()
