"""A page's picture: boxes, lines of text and axes for charts, at the report's own pixels and in its theme's colours."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  (the choice of the backend comes first)
from matplotlib.patches import FancyBboxPatch

SCALE = 1.25  # pixels of the picture for one of the page
# Pixels of a page for a point: 96 / 72 in Power BI, less what the wider letters of matplotlib's font take more than Segoe UI's.
POINT = 1.333 * 0.87


class Theme:
    """The colours that the drawing needs, from a theme's JSON."""

    def __init__(self, document):
        self.colors = document["dataColors"]
        self.text, self.quiet = document["foreground"], document["foregroundNeutralSecondary"]
        self.card, self.page = document["background"], document["backgroundLight"]
        self.line = document["backgroundNeutral"]


class Canvas:
    """A page's picture: one axis in page pixels, its origin at the top left, and inset axes for charts."""

    def __init__(self, width, height, theme):
        self.width, self.height, self.theme = width, height, theme
        self.figure = plt.figure(figsize=(width / 100, height / 100), dpi=100 * SCALE, facecolor=theme.page)
        self.axes = self.figure.add_axes([0, 0, 1, 1])
        self.axes.set_xlim(0, width)
        self.axes.set_ylim(height, 0)
        self.axes.axis("off")
        self.problems = []

    def box(self, left, top, width, height, color=None, edge=None):
        style = FancyBboxPatch(
            (left, top),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=6",
            facecolor=color or self.theme.card,
            edgecolor=edge or self.theme.line,
            linewidth=0.8,
        )
        self.axes.add_patch(style)

    def text(self, x, y, text, size=9, color=None, bold=False, align="left", room=None, where="", shorten=False):
        """One line of text; `room` is the width that it may take."""
        drawn = self.axes.text(
            x,
            y,
            text,
            fontsize=size * POINT * 0.72,
            color=color or self.theme.text,
            ha=align,
            va="center",
            fontweight="bold" if bold else "normal",
            parse_math=False,
        )
        if room is not None:
            while self.measure(drawn) > room and shorten and len(text) > 2:
                text = text[:-2].rstrip() + "…"
                drawn.set_text(text)
            if self.measure(drawn) > room + 1:
                self.problems.append(f"{where}: {text!r} is {self.measure(drawn):.0f} wide and has {room:.0f}")
        return drawn

    def measure(self, drawn):
        return drawn.get_window_extent(self.figure.canvas.get_renderer()).width / SCALE

    def inset(self, left, top, width, height):
        axes = self.figure.add_axes(
            [left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height]
        )
        axes.set_facecolor(self.theme.card)
        axes.tick_params(labelsize=9 * POINT * 0.72, colors=self.theme.quiet, length=0, pad=3)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(self.theme.line)
        return axes


def close(canvas):
    """Frees the picture; pyplot keeps every figure until then."""
    plt.close(canvas.figure)
