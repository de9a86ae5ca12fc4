"""``rollforward experiments list | show`` and ``rollforward runs list | show | diff``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rollforward.cli.stored import documents, tables
from rollforward.cli.stored.filters import filter_of, lacked, order_of
from rollforward.workflow.mlflow_backend.inventory import artifacts_of, find_runs, list_all

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from rollforward.cli.stored.opened import Store
    from rollforward.workflow.mlflow_backend.inventory import FoundExperiment, FoundRun

_NEWEST, _CHILDREN = 10, 10
_PARENT = "mlflow.parentRunId"


def list_experiments(store: Store, arguments: argparse.Namespace) -> int:
    """List experiments."""
    found = list_all(store.uri, deleted=True) if arguments.deleted else list(store.experiments)
    if arguments.match:
        found = [item for item in found if arguments.match.lower() in item.name.lower()]
    runs = _runs_by_experiment(store, found, deleted=arguments.deleted)
    if arguments.since:
        found = [item for item in found if any(_since(run, arguments) for run in runs[item.id])]
    rows = [(item, runs[item.id]) for item in _sorted(found, runs, arguments.sort)]
    shown = rows[: arguments.limit]
    if arguments.json:
        print(json.dumps([documents.brief_experiment(*row) for row in shown], indent=2))
        return 0
    if not shown:
        print(f"No experiment{' in the trash' if arguments.deleted else ''} of {store.shown} is like that.")
        return 0
    tables.show(tables.experiments(shown, title=store.shown))
    _say_more(len(rows) - len(shown))
    return 0


def _runs_by_experiment(store: Store, found: Sequence[FoundExperiment], *, deleted: bool) -> dict[str, list[FoundRun]]:
    runs: dict[str, list[FoundRun]] = {item.id: [] for item in found}
    for run in find_runs(store.uri, list(runs), deleted=deleted):
        runs[run.experiment_id].append(run)
    return runs


def _sorted(found: list[FoundExperiment], runs: dict[str, list[FoundRun]], key: str) -> list[FoundExperiment]:
    if key == "name":
        return sorted(found, key=lambda item: item.name)
    if key == "runs":
        return sorted(found, key=lambda item: -len(runs[item.id]))
    return sorted(
        found, key=lambda item: -max((run.started_at.timestamp() for run in runs[item.id] if run.started_at), default=0)
    )


def _since(run: FoundRun, arguments: argparse.Namespace) -> bool:
    return run.started_at is not None and run.started_at >= arguments.since


def show_experiment(store: Store, arguments: argparse.Namespace) -> int:
    """Show an experiment and its newest runs."""
    found = store.experiment(arguments.experiment)
    runs = list(find_runs(store.uri, [found.id]))
    document = documents.brief_experiment(found, runs)
    if arguments.json:
        newest = [documents.brief_run(store, run) for run in runs[:_NEWEST]]
        print(json.dumps({**document, "newest": newest}, indent=2))
        return 0
    counts = ", ".join(f"{count:,} {status}" for status, count in document["statuses"].items())
    facts = {
        "id": found.id,
        "created": tables.local(found.created_at),
        "runs": counts or "none",
        "artifacts": document["artifact_uri"],
        **{f"tag {key}": str(value) for key, value in document["tags"].items() if not key.startswith("mlflow.")},
    }
    tables.show(
        tables.pairs(facts, "experiment", found.name, title=store.shown),
        *([tables.runs(store, runs[:_NEWEST], title="newest runs")] if runs else []),
    )
    _say_more(len(runs) - _NEWEST)
    return 0


def list_runs(store: Store, arguments: argparse.Namespace) -> int:
    """List runs."""
    found = list(
        find_runs(
            store.uri,
            store.ids(arguments.experiment),
            filter_string=filter_of(arguments),
            deleted=arguments.deleted,
            # One more, to know whether there are more.
            limit=arguments.limit + 1,
            order_by=order_of(arguments.sort, ascending=arguments.ascending),
        )
    )
    shown = found[: arguments.limit]
    if shown and (lack := lacked(shown[0], arguments.sort)):
        print(f"rollforward runs list: {lack}", file=sys.stderr)
    if arguments.json:
        print(json.dumps([documents.brief_run(store, run) for run in shown], indent=2))
        return 0
    if not shown:
        print(f"No run{' in the trash' if arguments.deleted else ''} of {store.shown} is like that.")
        return 0
    title = store.shown if arguments.experiment is None else store.experiment(arguments.experiment).name
    tables.show(tables.runs(store, shown, title=title, metrics=arguments.metrics, params=arguments.params))
    if len(found) > len(shown):
        print(f"... and more than these {arguments.limit}: --limit N, --since, --status or --filter")
    return 0


def children_of(store: Store, run: FoundRun) -> list[FoundRun]:
    """Find the runs right below one, in the order they began."""
    wanted = f"tags.`{_PARENT}` = '{run.id}'"
    order = ["attributes.start_time ASC"]
    return list(find_runs(store.uri, store.ids(None), filter_string=wanted, deleted=run.is_deleted, order_by=order))


def show_run(store: Store, arguments: argparse.Namespace) -> int:
    """Show all about one run."""
    run = store.run(arguments.run, arguments.experiment)
    document = documents.whole_run(store, run, artifacts_of(store.uri, run), children_of(store, run))
    if arguments.json:
        print(json.dumps(document, indent=2))
    else:
        tables.show(*_tables_of(run, document))
    return 0


def _tables_of(run: FoundRun, document: dict[str, Any]) -> list[Any]:
    facts = {
        "id": run.id,
        "experiment": f"{document['experiment']} ({run.experiment_id})",
        "status": run.status,
        "started": tables.local(run.started_at),
        "ended": tables.local(run.ended_at),
        "took": tables.took(run),
        "model": document["model"] or "",
        "parent": run.parent_id or "",
        "artifacts": document["artifact_uri"],
        **document["provenance"],
    }
    own = {key: value for key, value in run.tags.items() if not key.startswith("mlflow.")}
    own = {key: value for key, value in own.items() if key not in documents.PROVENANCE.values()}
    found = [tables.pairs({key: value for key, value in facts.items() if value}, "run", run.name, title="")]
    metrics = {key: f"{value:.6g}" for key, value in sorted(run.metrics.items())}
    for title, values in (("params", dict(sorted(run.params.items()))), ("metrics", metrics), ("tags", own)):
        if values:
            found.append(tables.pairs(values, title, "", title=""))
    if document["artifacts"]:
        sizes = [(item["path"], tables.size(item["bytes"])) for item in document["artifacts"]]
        found.append(tables.pairs(sizes, "artifacts", "", title=""))
    if document["children"]:
        below = [(child["id"], child["status"], child["name"]) for child in document["children"]]
        more = [("...", f"and {len(below) - _CHILDREN} more", "")] if len(below) > _CHILDREN else []
        found.append(tables.pairs([*below[:_CHILDREN], *more], "children", "", "", title=""))
    return found


def diff_runs(store: Store, arguments: argparse.Namespace) -> int:
    """Show in what two runs differ."""
    one, other = (store.run(text, arguments.experiment) for text in arguments.runs)
    groups = {
        "params": (one.params, other.params),
        "metrics": (_finite(one), _finite(other)),
        "tags": (_own(one), _own(other)),
    }
    differing = {
        group: {
            key: [left.get(key), right.get(key)] for key in sorted({*left, *right}) if left.get(key) != right.get(key)
        }
        for group, (left, right) in groups.items()
    }
    if arguments.json:
        print(json.dumps({"runs": [one.id, other.id], **differing}, indent=2))
        return 0
    rows = {group: values for group, values in differing.items() if values}
    if not rows:
        print("The same params, metrics and tags.")
        return 0
    heads = (f"{one.name} {one.id[:8]}", f"{other.name} {other.id[:8]}")
    tables.show(
        *(
            tables.pairs([(key, *map(_cell, both)) for key, both in values.items()], group, *heads, title="")
            for group, values in rows.items()
        )
    )
    return 0


def _finite(run: FoundRun) -> dict[str, float | None]:
    return {key: documents.finite(value) for key, value in run.metrics.items()}


def _own(run: FoundRun) -> dict[str, str]:
    return {key: value for key, value in run.tags.items() if not key.startswith("mlflow.")}


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _say_more(number: int) -> None:
    if number > 0:
        print(f"... and {number:,} more")
