"""A plot as a picture: PNG bytes to keep, or an SVG element that stands inside a page and takes its colours and font.

Matplotlib's own SVG files carry random ids, a date and text as outlines, unless global settings are changed. A report
needs none of that: the same input has to give the same bytes, text has to stay text, and dark mode has to reach it.
"""

from __future__ import annotations

import io
from html import escape
from typing import TYPE_CHECKING, Any

from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.path import Path
from matplotlib.transforms import Affine2D

from rollforward.report.theme import LIGHT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS_PER_INCH = 72
PIXELS_PER_POINT = 2
_ROLES = {colour: role for role, colour in LIGHT.items()}


def to_png(figure: Figure) -> bytes:
    """Render a plot at two pixels per point on the card's colour."""
    buffer = io.BytesIO()
    figure.set_dpi(POINTS_PER_INCH * PIXELS_PER_POINT)
    canvas = FigureCanvasAgg(figure)
    canvas.print_png(buffer, metadata={"Software": None})  # type: ignore[no-untyped-call]  # matplotlib's
    return buffer.getvalue()


def to_svg(figure: Figure, description: str, top: int = 0) -> str:
    """Write a plot as an ``svg`` element to stand inside a page.

    Text stays text, in the page's own font, and colours are the style variables of `theme`. The axes keep their places
    from then on, so that a PNG of the same plot need not look for them again.

    Parameters
    ----------
    figure
        A plot of this room.
    description
        What it shows, in words and numbers, for who does not see it.
    top
        Points to cut off above, where the title stands.
    """
    figure.set_dpi(POINTS_PER_INCH)
    width, height = (float(size) for size in figure.get_size_inches() * POINTS_PER_INCH)
    renderer = _SvgRenderer(width, height, top)
    figure.draw(renderer)
    figure.set_layout_engine("none")
    head = f'<svg viewBox="0 {top} {width:g} {height - top:g}" role="img" aria-label="{escape(description)}">'
    return "".join([head, *renderer.elements, "</svg>"])


class _SvgRenderer(RendererBase):
    """Writes what these plots consist of, lines, areas and level text, as SVG elements."""

    def __init__(self, width: float, height: float, top: float) -> None:
        super().__init__()
        self.width, self.height, self.top = width, height, top
        self.elements: list[str] = []

    def flipy(self) -> bool:
        return True

    def get_canvas_width_height(self) -> tuple[float, float]:
        return self.width, self.height

    def points_to_pixels(self, points: Any) -> Any:
        return points

    def draw_path(self, gc: Any, path: Any, transform: Any, rgbFace: Any = None) -> None:  # noqa: N803  # matplotlib's
        fill = _css_colour(rgbFace)
        stroke = _css_colour(gc.get_rgb()) if gc.get_linewidth() > 0 else "none"
        if fill == stroke == "none":
            return
        style = f"fill:{fill}"
        if stroke != "none":
            style += f";stroke:{stroke};stroke-width:{gc.get_linewidth():g};stroke-linejoin:round"
        outline = self._outline(path, transform)
        self.elements.append(f'<path d="{outline}" style="{style}"/>')

    def draw_text(  # matplotlib calls it so
        self, gc: Any, x: float, y: float, s: str, prop: Any, angle: float, ismath: Any = False, mtext: Any = None
    ) -> None:
        width = self.get_text_width_height_descent(s, prop, ismath)[0]
        if y < self.top or not s.strip():
            return
        # The page's font is not the one measured here: what was centred or flush right has to stay so.
        side = mtext.get_ha() if mtext is not None and not angle else "left"
        anchor, shift = {"center": ("middle", width / 2), "right": ("end", width)}.get(side, ("start", 0.0))
        place = f'x="{x + shift:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
        if angle:
            place += f' transform="rotate({-angle:g} {x:.1f} {y:.1f})"'
        style = f"fill:{_css_colour(gc.get_rgb())};font-size:{prop.get_size_in_points():g}px"
        self.elements.append(f'<text {place} style="{style}">{escape(s)}</text>')

    def _outline(self, path: Any, transform: Any) -> str:
        to_page = transform + Affine2D().scale(1, -1).translate(0, self.height)
        steps = []
        for points, code in path.iter_segments(to_page, curves=False, simplify=False):
            letter = {Path.MOVETO: "M", Path.LINETO: "L", Path.CLOSEPOLY: "Z"}[code]
            steps.append(letter if letter == "Z" else f"{letter}{points[0]:.1f} {points[1]:.1f}")
        return "".join(steps)


def _css_colour(colour: Any) -> str:
    if colour is None or (len(colour) == 4 and colour[3] == 0):  # noqa: PLR2004  # no fill, or a clear one
        return "none"
    code = to_hex(colour)
    return f"var(--{_ROLES[code]})" if code in _ROLES else code
