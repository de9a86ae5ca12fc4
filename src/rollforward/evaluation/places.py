"""Rows found again by date and instrument, in one sorted search for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rollforward.errors import DataError

if TYPE_CHECKING:
    from rollforward.evaluation.bydate import Ints, Panel


@dataclass(frozen=True)
class Places:
    """The rows of one column, ready to be looked up.

    Attributes
    ----------
    panel
        The rows; none of them is there twice.
    keys
        One integer per row, ascending: its date first, then its instrument.
    order
        Position in the panel of each key's row.
    """

    panel: Panel
    keys: Ints
    order: Ints

    @classmethod
    def of(cls, panel: Panel, name: str) -> Places:
        """Prepare the rows of a panel.

        Parameters
        ----------
        panel
            Rows in any order.
        name
            What an error calls them.

        Raises
        ------
        DataError
            If a date has an instrument twice.
        """
        keys = _keys(panel, panel.code, panel.instrument)
        order = np.arange(len(keys)) if (keys[1:] > keys[:-1]).all() else np.argsort(keys, kind="stable")
        ordered = keys[order]
        twice = np.flatnonzero(ordered[1:] == ordered[:-1])
        if len(twice):
            row = order[twice[0]]
            raise DataError(
                f"{name} has more than one row for {panel.instruments[panel.instrument[row]]} on "
                f"{panel.dates[panel.code[row]]}.",
                "one row per date and instrument.",
                f"Drop the duplicates: {name}[~{name}.index.duplicated(keep='last')].",
            )
        return cls(panel, ordered, order)

    def find(self, other: Panel) -> Ints:
        """Find the rows of another panel in this one; -1 for those that are not there."""
        code = self.panel.dates.get_indexer(other.dates)[other.code]
        instrument = np.append(self.panel.instruments.get_indexer(other.instruments), -1)[other.instrument]
        return self._locate(np.where(code >= 0, _keys(self.panel, code, instrument), -1))

    def earlier(self, lag: int) -> Ints:
        """Find for each row that of the same instrument ``lag`` dates before; -1 where there is none."""
        return self._locate(_keys(self.panel, self.panel.code - lag, self.panel.instrument))

    def _locate(self, wanted: Ints) -> Ints:
        if len(self.keys) == 0:
            return np.full(len(wanted), -1)
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[at] == wanted, self.order[at], -1)


def unique(panel: Panel, name: str) -> Panel:
    """Return a panel that has no row twice; errors are those of `Places.of`."""
    Places.of(panel, name)
    return panel


def _keys(panel: Panel, code: Ints, instrument: Ints) -> Ints:
    """Give each date and instrument one integer; the missing name (-1) counts as an instrument of its own."""
    return code * (len(panel.instruments) + 1) + instrument + 1
