"""``rollforward compare``: results on the same dates, and how much choosing among them may have helped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rollforward.cli.arguments import amount, positive

if TYPE_CHECKING:
    import argparse

    from rich.table import Table

    from rollforward.workflow.comparison import Comparison

_MONEY = ("net a year", "drawdown")
_COLUMNS = ("Sharpe", "DSR", *_MONEY, "IC", "ICIR", "Rank IC", "own dates", "folds", "run")
# What a narrow table leaves out, in this order; the page has it all.
_SPARED = ("own dates", "folds", "Rank IC", "ICIR")
_BASES = ("long_short", "ic")
_SHORT_ID = 8


def add_compare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command ``compare``."""
    compare = commands.add_parser(
        "compare",
        help="compare runs on the same dates, with the number of trials they were chosen from",
        description="Compare results on the dates that all of them have. Several experiments each stand for their "
        "newest rolling job, or their newest run with a prediction; one alone stands for all of them that it has. The "
        "Deflated Sharpe Ratio and the probability of backtest overfitting reckon with all trials that the store "
        "knows, deleted ones too.",
    )
    compare.add_argument(
        "names", nargs="+", metavar="NAME", help="an experiment, experiment/run name, or a run's id or 6 digits of it"
    )
    compare.add_argument("--all", action="store_true", help="all results of each experiment, not only the newest")
    compare.add_argument(
        "--basis", choices=_BASES, default="long_short", help="what Sharpe ratios are of: long-short returns, or ICs"
    )
    compare.add_argument("--cost", type=amount, default=0.001, metavar="SHARE", help="of one unit traded (0.001)")
    compare.add_argument("--trials", type=positive, metavar="N", help="attempts made, if the store does not know all")
    compare.add_argument(
        "--deviation",
        type=amount,
        metavar="X",
        help="how much the annual Sharpe ratios of all attempts differ (standard deviation), if you know",
    )
    compare.add_argument("--out", metavar="FILE.html", help="write the comparison as a page too")
    compare.add_argument("--json", action="store_true", help="print it as JSON")
    compare.add_argument("--uri", help="tracking store, for example sqlite:////data/mlflow.db or http://host:5000")
    return compare


def compare(arguments: argparse.Namespace) -> int:
    """Compare, and print it."""
    from rollforward.cli.stored.opened import choose_store  # noqa: PLC0415  # help must not load it
    from rollforward.workflow.comparison import compare_recorders  # noqa: PLC0415  # the same

    choose_store(arguments.uri)
    comparison = compare_recorders(
        *arguments.names,
        basis=arguments.basis,
        cost=arguments.cost,
        n_trials=arguments.trials,
        everything=arguments.all,
        deviation=arguments.deviation,
    )
    if arguments.json:
        print(json.dumps(comparison.to_dict(), indent=2))
    else:
        _print(comparison)
    if arguments.out:
        target = comparison.save(arguments.out)
        if not arguments.json:
            print(f"\nComparison: {target}")
    return 0


def _print(comparison: Comparison) -> None:
    from rollforward.cli.tables import fits, show  # noqa: PLC0415  # as above

    # Where labels are no returns, their sums are no money.
    columns = [name for name in _COLUMNS if comparison.basis == "long_short" or name not in _MONEY]
    for name in (*_SPARED, ""):
        table = _table(comparison, columns)
        if fits(table):
            break
        columns = [column for column in columns if column != name]
    show(table)
    for sentence in [*comparison.notes, *comparison.sentences]:
        print(f"- {sentence}")
    print(f"- {comparison.trials}.")


def _table(comparison: Comparison, columns: list[str]) -> Table:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415  # as above
    from rich.table import Table  # noqa: PLC0415  # as above
    from rich.text import Text  # noqa: PLC0415  # as above

    days = f"{len(comparison.series):,} common dates, {comparison.first.date()} to {comparison.last.date()}"
    table = Table(title=f"Comparison on {days}", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("result")
    for column in columns:
        table.add_column(column, justify="right")
    for row in sorted(comparison.to_dict()["results"], key=lambda row: _rank(row["sharpe"])):
        cells = _cells(row)
        table.add_row(
            Text(row["result"]),
            *(cells[column] for column in columns),
            style="bold" if row["result"] == comparison.best else None,
        )
    return table


def _rank(sharpe: float | None) -> float:
    return float("inf") if sharpe is None else -sharpe


def _cells(row: dict[str, Any]) -> dict[str, str]:
    return {
        "Sharpe": _number(row["annual_sharpe"], 2),
        "DSR": _number(row["dsr"], 2),
        "net a year": f"{_number(row['annual_net'], 2, 100)} %",
        "drawdown": f"{_number(row['drawdown'], 1, 100)} %",
        "IC": _number(row["IC"], 4),
        "ICIR": _number(row["ICIR"], 3),
        "Rank IC": _number(row["Rank IC"], 4),
        "own dates": f"{row['own_start']}..{row['own_end']}",
        "folds": str(row["folds"] or "-"),
        "run": row["recorder_id"][:_SHORT_ID],
    }


def _number(value: float | None, digits: int, scale: int = 1) -> str:
    return "-" if value is None else f"{value * scale:z.{digits}f}"
