"""What a collector found, what it left out and what it could not load."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from rollforward.errors import LoadObjectError, MissingArtifactError, UntrustedClassError
from rollforward.workflow.display import Card, Section

if TYPE_CHECKING:
    from collections.abc import Mapping

MISSING, UNREADABLE, REFUSED = "missing", "unreadable", "refused"
# Rows that are shown, and characters of a reason.
_ROWS, _REASON = 10, 400


class Missing(NamedTuple):
    """An artifact that could not be collected.

    Attributes
    ----------
    recorder_id
        Whose it is.
    artifact
        Its key in ``artifacts_path``.
    reason
        What loading it said.
    kind
        ``"missing"``: the run does not have it. ``"unreadable"``: it is damaged, or cannot be fetched or unpickled.
        ``"refused"``: it names a class that the setting ``trusted_classes`` does not list.
    """

    recorder_id: str | None
    artifact: str
    reason: str
    kind: str = UNREADABLE

    @classmethod
    def of(cls, recorder_id: str | None, artifact: str, error: LoadObjectError) -> Missing:
        """Describe a failure."""
        kinds = {MissingArtifactError: MISSING, UntrustedClassError: REFUSED}
        kind = next((kind for category, kind in kinds.items() if isinstance(error, category)), UNREADABLE)
        return cls(recorder_id, artifact, str(error), kind)


@dataclass(frozen=True)
class Counts:
    """Recorders of a listing.

    Attributes
    ----------
    listed
        All of them.
    other_status, filtered, without_key
        Those that were left out because of their status, by the filter, and because their key is ``None``.
    older
        Those that have the key of a newer one.
    """

    listed: int = 0
    other_status: int = 0
    filtered: int = 0
    without_key: int = 0
    older: int = 0


@dataclass(frozen=True)
class CollectReport:
    """What became of one `RecorderCollector.collect`; shows itself as a table.

    Attributes
    ----------
    source
        Where the recorders come from.
    counts
        The recorders.
    wanted
        How many keys there are: so many values each artifact should have.
    found
        Artifact keys to the number of values that were found.
    missing
        What could not be loaded, in the order of the recorders. An older recorder may have stood in for it.
    is_lazy
        Whether loading was put off; then nothing is known to be missing.
    """

    source: str
    counts: Counts
    wanted: int
    found: Mapping[str, int]
    missing: tuple[Missing, ...] = field(default=())
    is_lazy: bool = False

    def __str__(self) -> str:
        return self.card.text

    def _repr_html_(self) -> str:
        return self.card.html

    @property
    def card(self) -> Card:
        """The tables."""
        counts = self.counts
        facts = [("recorders", str(counts.listed))]
        left_out = {
            "of another status": counts.other_status,
            "filtered out": counts.filtered,
            "without a key": counts.without_key,
            "older ones of a key": counts.older,
        }
        facts += [(name, str(count)) for name, count in left_out.items() if count]
        verb = "to load" if self.is_lazy else "found"
        rows = [(key, f"{count} of {self.wanted}", *self._lost(key)) for key, count in self.found.items()]
        columns = ("artifact", verb, MISSING, UNREADABLE, REFUSED)
        sections = [Section("", facts), Section("artifacts", rows, columns)]
        if self.missing:
            shown = [(one.artifact, str(one.recorder_id), one.kind, one.reason) for one in self.missing[:_ROWS]]
            more = len(self.missing) - _ROWS
            shown += [(f"... and {more} more", "", "", "")] if more > 0 else []
            sections.append(
                Section("not loaded", shown, ("artifact", "recorder", "kind", "reason"), _REASON, is_told=True)
            )
        return Card(self.source, sections)

    def _lost(self, artifact: str) -> tuple[str, str, str]:
        kinds = [one.kind for one in self.missing if one.artifact == artifact]
        missing, unreadable, refused = (str(kinds.count(kind) or "") for kind in (MISSING, UNREADABLE, REFUSED))
        return missing, unreadable, refused
