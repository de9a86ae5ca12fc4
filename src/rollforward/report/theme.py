"""The colours of a page, by role, for light and for dark surroundings.

Plots are drawn once, in the light colours; on the page each of them is replaced by the style variable of its role, so
that one drawing serves both.  No two roles may therefore share a light colour.
"""

from __future__ import annotations

from typing import NamedTuple


class Shade(NamedTuple):
    """One role's colour in light and in dark surroundings, as ``#rrggbb``."""

    light: str
    dark: str


PALETTE: dict[str, Shade] = {
    "paper": Shade("#f6f7f9", "#0e131a"),
    "card": Shade("#ffffff", "#161d27"),
    "ink": Shade("#19212c", "#e7ecf3"),
    "soft": Shade("#576274", "#9dabbd"),
    "rule": Shade("#e1e5eb", "#2a3543"),
    "zero": Shade("#9aa5b4", "#5d6b7d"),
    "ic": Shade("#2457a8", "#7db1f7"),
    "rank-ic": Shade("#c4731d", "#eca858"),
    "train": Shade("#d6dde7", "#35465e"),
    "valid": Shade("#98adc8", "#56759c"),
    "test": Shade("#1f4f9c", "#82b5f9"),
    "q1": Shade("#c5d3e8", "#30445f"),
    "q2": Shade("#9cb6da", "#41618b"),
    "q3": Shade("#7197cb", "#527eb6"),
    "q4": Shade("#4877ba", "#6698db"),
    "q5": Shade("#2255a5", "#7fb3f8"),
    "loss": Shade("#ad342c", "#ff9389"),
    "notice": Shade("#fdf6e7", "#2a2416"),
    "notice-edge": Shade("#d79b2b", "#c2953f"),
}

LIGHT: dict[str, str] = {role: shade.light for role, shade in PALETTE.items()}
DARK: dict[str, str] = {role: shade.dark for role, shade in PALETTE.items()}
