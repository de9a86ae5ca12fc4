"""The plots of a report; the only file that draws, and the only one that loads matplotlib.

Every plot is a `Figure` of its own on its own canvas: no pyplot, no global state, nothing read from the user's style
settings where it would show.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import dates as mdates
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import Affine2D

from rollforward.report.theme import LIGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes

_FONT = "DejaVu Sans"  # shipped with matplotlib: the same picture on every machine
_POINTS_PER_INCH = 72
_PIXELS_PER_POINT = 2
_LINE_POINTS = 1500  # more vertices than a screen has columns change nothing but the size
_ROLES = {colour: role for role, colour in LIGHT.items()}
