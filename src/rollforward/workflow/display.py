"""How runs and experiments show in a terminal and in a notebook.

What is shown costs at most two requests, however large the store is, and can never fail: where the store does not
answer, what is known without it is shown, and why there is no more. The classes of runs and experiments live in the
rooms above.
"""

from __future__ import annotations

import html
import shutil
import textwrap
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

# Lines of one section; runs of an experiment that are shown, and that are asked for to be counted.
_LINES, _RUNS, _COUNTED = 20, 10, 100
_METRICS, _PARAMS = 4, 2
# Of a cell; of one where the terminal is too narrow for all of them; of an id; of a time to the minute.
_WIDTH, _NARROW, _ID, _TIME = 60, 16, 8, 16
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


class Section(NamedTuple):
    """A table with a heading.

    Parameters
    ----------
    name
        Heading.
    rows
        The cells, as texts; all rows are of one length.
    columns
        Names of the columns; empty where they explain themselves.
    width
        Characters of a cell that are shown.
    is_told
        Whether the last cell of a row is a sentence: in a terminal it has lines of its own, and none of a row is cut.
    """

    name: str
    rows: Sequence[Sequence[str]]
    columns: Sequence[str] = ()
    width: int = _WIDTH
    is_told: bool = False


class Card(NamedTuple):
    """What is shown of one object: a heading, and tables."""

    title: str
    sections: Sequence[Section]

    @property
    def text(self) -> str:
        """The card for a terminal, no line wider than it."""
        width = shutil.get_terminal_size().columns
        lines = [_cut(self.title, width)]
        for section in self.sections:
            lines += [_cut(f"{section.name}:", width)] if section.name else []
            shown = _told(section, width - 2) if section.is_told else _aligned(section, width - 2)
            lines += [f"  {line}" if section.is_told else _cut(f"  {line}", width) for line in shown]
        return "\n".join(lines)

    @property
    def html(self) -> str:
        """The card for a notebook."""
        return f"<div><strong>{html.escape(self.title)}</strong>{''.join(map(_table, self.sections))}</div>"


def recorder_card(recorder: Any) -> Card:
    """Show a run: identity, status and times, parameters, last metrics, own tags, artifacts of the top folder."""
    facts = [("id", recorder.id or "not started"), ("experiment", recorder.experiment_id), ("status", recorder.status)]
    facts += [("started", recorder.start_time)] if recorder.start_time else []
    facts += [("ended", recorder.end_time)] if recorder.end_time else []
    took = _took(recorder)
    facts += [("took", took)] if took else []
    sections = [Section("", facts)]
    if recorder.id is not None:
        sections += _read(lambda: _contents(recorder))
    return Card(_cell(f"{type(recorder).__name__} {recorder.name!r}"), sections)


def experiment_card(experiment: Any) -> Card:
    """Show an experiment: how many of its newest runs have which status, and the newest of them as a table."""
    title = _cell(f"{type(experiment).__name__} {experiment.name!r}")
    return Card(title, [Section("", [("id", experiment.id)]), *_read(lambda: _runs(experiment))])


def _read(sections: Callable[[], list[Section]]) -> list[Section]:
    try:
        return sections()
    except Exception as error:  # noqa: BLE001  # showing an object must not fail, whatever its store does
        return [Section("", [("not read", _cut(f"{type(error).__name__}: {error}", 4 * _WIDTH))])]


def _contents(recorder: Any) -> list[Section]:
    tags = {key: value for key, value in _logged(recorder, "tags").items() if not key.startswith("mlflow.")}
    metrics = {key: _number(value) for key, value in _logged(recorder, "metrics").items()}
    found = {"params": _logged(recorder, "params"), "metrics": metrics, "tags": tags}
    sections = [Section(name, _some(sorted(values.items()), 2)) for name, values in found.items() if values]
    artifacts = recorder.list_artifacts()
    return [*sections, Section("artifacts", _some([(name,) for name in artifacts], 1))] if artifacts else sections


def _runs(experiment: Any) -> list[Section]:
    found: list[Any] = experiment.list_recorders(rtype=experiment.RT_L, max_results=_COUNTED)
    if not found:
        return [Section("", [("runs", "none")])]
    counts = Counter(recorder.status for recorder in found).most_common()
    of = f" (of the newest {_COUNTED})" if len(found) == _COUNTED else ""
    shown = found[:_RUNS]
    logged = [(_logged(recorder, "metrics"), _logged(recorder, "params")) for recorder in shown]
    metrics = _commonest(values for values, _ in logged)[:_METRICS]
    params = _differing([values for _, values in logged])[:_PARAMS]
    columns = ("name", "id", "status", "started", "took", *metrics, *params)
    rows = [
        [
            *(str(recorder.name), str(recorder.id)[:_ID], recorder.status),
            *((recorder.start_time or "")[:_TIME], _took(recorder)),
            *(_number(measured[key]) if key in measured else "" for key in metrics),
            *(given.get(key, "") for key in params),
        ]
        for recorder, (measured, given) in zip(shown, logged, strict=True)
    ]
    counted = ", ".join(f"{count} {status}" for status, count in counts) + of
    return [Section("", [("runs", counted)]), Section("newest", rows, columns)]


def _logged(recorder: Any, kind: str) -> dict[str, Any]:
    """Return what was read together with the run; a backend that keeps nothing of it is asked."""
    kept: dict[str, Any] | None = getattr(recorder, kind, None)
    asked: dict[str, Any] = getattr(recorder, f"list_{kind}")() if kept is None else kept
    return asked


def _commonest(runs: Iterable[Mapping[str, Any]]) -> list[str]:
    counts = Counter(key for values in runs for key in sorted(values))
    return [key for key, _ in counts.most_common()]


def _differing(runs: Sequence[Mapping[str, str]]) -> list[str]:
    """Name the parameters that tell these runs apart."""
    keys = dict.fromkeys(key for values in runs for key in sorted(values))
    return [key for key in keys if len({values.get(key) for values in runs}) > 1]


def _some(rows: Sequence[tuple[str, ...]], width: int) -> list[tuple[str, ...]]:
    more = len(rows) - _LINES
    note = [(f"... and {more} more", *[""] * (width - 1))] if more > 0 else []
    return [*rows[:_LINES], *note]


def _took(recorder: Any) -> str:
    """Say how long a run took, or has been running."""
    is_running = recorder.status == recorder.STATUS_R
    end = datetime.now(UTC) if is_running else recorder.ended_at
    if recorder.started_at is None or end is None:
        return ""
    seconds = max(0.0, (end - recorder.started_at).total_seconds())
    if seconds < _MINUTE:
        text = f"{seconds:.1f} s"
    elif seconds < _HOUR:
        text = f"{seconds // _MINUTE:.0f} min {seconds % _MINUTE:.0f} s"
    elif seconds < _DAY:
        text = f"{seconds // _HOUR:.0f} h {seconds % _HOUR // _MINUTE:.0f} min"
    else:
        text = f"{seconds // _DAY:.0f} d {seconds % _DAY // _HOUR:.0f} h"
    return f"{text} so far" if is_running else text


def _number(value: float) -> str:
    return f"{value:.6g}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(0, width - 1)]}…"


def _cell(text: str, width: int = _WIDTH) -> str:
    return _cut(" ".join(text.split()), width)


def _aligned(section: Section, width: int) -> list[str]:
    """Lay a table out; what does not fit are the ends of long cells, and then the last columns, which are named."""
    head = [section.columns] if section.columns else []
    cells = [[_cell(text, section.width) for text in row] for row in (*head, *section.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    while head and _total(widths) > width and max(widths) > _NARROW:
        widths[widths.index(max(widths))] -= 1
    shown = next((n for n in range(len(widths), 1, -1) if _total(widths[:n]) <= width), 1) if head else len(widths)
    lines = [_line(row[:shown], widths[:shown]) for row in cells]
    return [*lines, f"... and {', '.join(section.columns[shown:])}"] if shown < len(widths) else lines


def _told(section: Section, width: int) -> list[str]:
    """Lay out rows without cutting their cells, the last one of each in lines below."""
    cells = [[_cell(text, section.width) for text in row] for row in (section.columns, *section.rows)]
    widths = [max(map(len, column)) for column in zip(*(row[:-1] for row in cells), strict=True)]
    lines = []
    for *row, sentence in cells[1:]:
        lines.append(_line(row, widths))
        lines += textwrap.wrap(sentence, max(width, 2 * _NARROW), initial_indent="  ", subsequent_indent="  ")
    return [_line(cells[0][:-1], widths), *lines]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(_cut(text, width).ljust(width) for text, width in zip(cells, widths, strict=True)).rstrip()


def _total(widths: Sequence[int]) -> int:
    """Return the length of a line, with two blanks between its cells."""
    return sum(widths) + 2 * (len(widths) - 1)


def _table(section: Section) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in section.columns)
    cells = [[html.escape(_cell(text, section.width)) for text in row] for row in section.rows]
    rows = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in cells)
    caption = f"<caption>{html.escape(section.name)}</caption>" if section.name else ""
    return f"<table>{caption}{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{rows}</tbody></table>"
