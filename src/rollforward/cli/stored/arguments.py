"""What `experiments` and `runs` take on the command line. Nothing heavy is loaded here."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

from rollforward.cli.arguments import non_negative, positive

STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")

Actions = argparse._SubParsersAction  # noqa: SLF001  # argparse has no public name for it


def add_action(
    actions: Actions[argparse.ArgumentParser], name: str, text: str, more: str = ""
) -> argparse.ArgumentParser:
    """Add one action, with the options that all have."""
    action = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}. {more}".strip())
    action.add_argument("--uri", help="tracking store, for example sqlite:////data/mlflow.db or http://host:5000")
    action.add_argument("--json", action="store_true", help="print JSON")
    return action


def add_yes(action: argparse.ArgumentParser) -> None:
    """Let an action be done without a question."""
    action.add_argument("--yes", action="store_true", help="do not ask")


def add_limit(action: argparse.ArgumentParser) -> None:
    """Let an action show less, or more."""
    action.add_argument("--limit", type=positive, default=50, metavar="N", help="at most N (default: 50)")


def add_selection(action: argparse.ArgumentParser) -> None:
    """Let an action choose runs."""
    action.add_argument(
        "--status", type=statuses, metavar="STATUS,...", help=f"only runs of these statuses: {', '.join(STATUSES)}"
    )
    action.add_argument(
        "--since",
        type=since,
        metavar="TIME",
        help="only runs that started since: 2026-01-31, '2026-01-31 14:00', 12h or 7d",
    )
    action.add_argument(
        "--filter",
        default="",
        metavar="FILTER",
        help="only runs that MLflow's filter finds, such as \"metrics.IC > 0.03 and tags.model = 'Ridge'\"",
    )


def add_export(action: argparse.ArgumentParser) -> None:
    """Let an action say where to write, and what."""
    action.add_argument(
        "--out", metavar="PATH", help="folder, or a file that ends in .zip; it may not exist (default: by the name)"
    )
    action.add_argument("--no-artifacts", action="store_true", help="leave the artifacts out")


def statuses(text: str) -> list[str]:
    """Read names of statuses, separated by commas."""
    found = [part.strip().upper() for part in text.split(",") if part.strip()]
    unknown = [status for status in found if status not in STATUSES]
    if unknown or not found:
        raise argparse.ArgumentTypeError(f"{text!r}: of the statuses {', '.join(STATUSES)}")
    return found


def since(text: str) -> datetime:
    """Read a date or a time of this machine's clock, or how long ago."""
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        pass
    try:
        return datetime.now(UTC) - timedelta(seconds=non_negative(text))
    except (argparse.ArgumentTypeError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: 2026-01-31, '2026-01-31 14:00', 12h or 7d") from error


def names(text: str) -> list[str]:
    """Read names, separated by commas."""
    return [part.strip() for part in text.split(",") if part.strip()]
