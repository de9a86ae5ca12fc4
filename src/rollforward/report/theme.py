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
    "drop": Shade("#f3dcd9", "#45262a"),
    # Values around zero; cold is above it. Blue and orange are told apart with any kind of colour blindness.
    "cold1": Shade("#dbe6f5", "#1d2f49"),
    "cold2": Shade("#92b5e4", "#345f9b"),
    "cold3": Shade("#2a61b2", "#80b4f7"),
    "warm1": Shade("#f9e5ce", "#3b2c1b"),
    "warm2": Shade("#e6ad6f", "#87571f"),
    "warm3": Shade("#a85a14", "#f0b369"),
    "on-strong": Shade("#fefefe", "#0b1017"),
    "series1": Shade("#2559aa", "#7fb2f9"),
    "series2": Shade("#c2701c", "#eda959"),
    "series3": Shade("#1b8a6b", "#50caa5"),
    "series4": Shade("#a33f87", "#e18cc8"),
    "series5": Shade("#857211", "#cebb50"),
    "series6": Shade("#3889b0", "#90d4f1"),
    "series7": Shade("#8c4a2f", "#d29b81"),
    "series8": Shade("#5f6673", "#aab3c1"),
    "notice": Shade("#fdf6e7", "#2a2416"),
    "notice-edge": Shade("#d79b2b", "#c2953f"),
}

LIGHT: dict[str, str] = {role: shade.light for role, shade in PALETTE.items()}
DARK: dict[str, str] = {role: shade.dark for role, shade in PALETTE.items()}
