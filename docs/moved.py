"""Write docs/reference/moved-names.md: each public name of Qlib's ported modules, and where it is here.

With ``--check`` it only says, by its exit code, whether the page is as it would be. The names are those that the tests
of the migration know, which a test compares with the real package.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rollforward.instantiate.moved import INSTEAD, MOVED
from rollforward.migrate.names import find

DOCS = Path(__file__).resolve().parent
NAMES = DOCS.parent / "tests" / "unit" / "migrate" / "qlib_names.json"
PAGE = DOCS / "reference" / "moved-names.md"
# Of modules that the migration's test does not list, because little of them is ported.
MORE = {
    "qlib": ["get_module_logger", "init"],
    "qlib.contrib.evaluate": ["backtest_daily", "indicator_analysis", "long_short_backtest", "risk_analysis"],
    "qlib.contrib.strategy.signal_strategy": [
        "BaseSignalStrategy",
        "EnhancedIndexingStrategy",
        "TopkDropoutStrategy",
        "WeightStrategyBase",
    ],
}
HEAD = """\
# Every moved name

Written by `scripts/reference` from the table that configurations and [`rollforward migrate`](../how-to/migrate-code.md)
use, and from the public names of pyqlib. What a name does differently is told in [](../coming-from-qlib.md).

A dotted name of Qlib in a task or a workflow file (`module_path: qlib.workflow.record_temp`) finds the class here
without being rewritten, unless pyqlib is installed and has what is not ported.
"""


def page() -> str:
    """Return the text of the page."""
    known: dict[str, list[str]] = MORE | json.loads(NAMES.read_text(encoding="utf-8"))
    parts = [HEAD, "## Modules\n\n| Qlib | rollforward |\n|---|---|"]
    parts += [f"| `{module}` | {', '.join(f'`{target}`' for target in MOVED[module])} |" for module in sorted(MOVED)]
    parts.append("\n## Names")
    for module in sorted(known):
        if known[module]:
            parts.append(f"\n### `{module}`\n\n| name | here |\n|---|---|")
            parts += [f"| `{name}` | {here(f'{module}.{name}')} |" for name in known[module]]
    parts.append("\n## What is not ported\n\nThe longest name that fits counts.\n\n| Qlib | use |\n|---|---|")
    parts += [f"| `{name}` | {cell(INSTEAD[name])} |" for name in sorted(INSTEAD)]
    return "\n".join(parts) + "\n"


def here(dotted: str) -> str:
    """Say where a name is, or what to use instead."""
    place = find(dotted)
    if place is not None:
        return f"`{place.dotted}`"
    above = [name for name in INSTEAD if dotted == name or dotted.startswith(f"{name}.")]
    return f"not ported: {cell(INSTEAD[max(above, key=len)])}" if above else "not ported"


def cell(says: str) -> str:
    """Return a text as it may stand in a table."""
    return says.replace("|", "\\|").replace("*", "\\*").replace("__", "\\_\\_")


def main() -> None:
    """Write the page, or compare it."""
    new = page()
    if "--check" in sys.argv[1:]:
        sys.exit(
            0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == new else f"{PAGE.name} is old: scripts/reference"
        )
    PAGE.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
