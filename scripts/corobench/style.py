# SPDX-License-Identifier: MIT
"""How charts look, and how a figure becomes the same bytes each time.

Two themes, drawn separately: a picture that is legible on white is not so on black. Text
stays text (selectable, small files) in DejaVu Sans, whose widths Verdana shares where
DejaVu is missing. Mathtext is off: a "$" in a name is a dollar. Dates and versions are
left out of the SVG and its ids come from a fixed salt, so that a stale chart is one whose
bytes differ.
"""
from __future__ import annotations

import io
import logging
import math
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

# Before its import: it has remarks on a home directory that it can not write to.
logging.getLogger("matplotlib").setLevel(logging.ERROR)
import matplotlib  # noqa: E402
import matplotlib.style.core  # noqa: E402
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from corobench.estimates import Estimate
from corobench.wording import number, plain, size

WIDTH_INCHES = 9.0
HEAD_INCHES = 0.65
LABEL_LONGEST = 48


@dataclass(frozen=True)
class Theme:
    name: str
    background: str
    text: str
    muted: str
    grid: str
    colours: tuple[str, ...]


# In an order that keeps neighbours apart for colour-blind eyes; shapes differ as well.
LIGHT = Theme(
    "light",
    "#ffffff",
    "#1f2328",
    "#59636e",
    "#d8dee4",
    (
        "#0969da",
        "#bc4c00",
        "#1a7f37",
        "#8250df",
        "#cf222e",
        "#0e7490",
        "#9a6700",
        "#59636e",
    ),
)
DARK = Theme(
    "dark",
    "#0d1117",
    "#e6edf3",
    "#9198a1",
    "#30363d",
    (
        "#58a6ff",
        "#f0883e",
        "#3fb950",
        "#bc8cff",
        "#ff7b72",
        "#39c5cf",
        "#d29922",
        "#9198a1",
    ),
)
THEMES = (LIGHT, DARK)
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")


def label(text: object) -> str:
    return plain(text, LABEL_LONGEST)


@contextmanager
def themed(theme: Theme) -> Iterator[None]:
    """matplotlib's own defaults plus ours, whatever the user's matplotlibrc says."""
    ours = {
        "svg.fonttype": "none",
        "svg.hashsalt": "corobench",
        "text.parse_math": False,
        "font.family": ["DejaVu Sans"],
        "font.size": 11,
        "axes.titlesize": 11,
        "axes.labelsize": 11,
        "xtick.labelsize": 10,
        "ytick.labelsize": 10,
        "legend.fontsize": 10,
        "axes.titleweight": "bold",
        "figure.facecolor": theme.background,
        "axes.facecolor": theme.background,
        "savefig.facecolor": theme.background,
        "text.color": theme.text,
        "axes.labelcolor": theme.text,
        "axes.titlecolor": theme.text,
        "axes.edgecolor": theme.muted,
        "xtick.color": theme.muted,
        "ytick.color": theme.muted,
        "xtick.labelcolor": theme.text,
        "ytick.labelcolor": theme.text,
        "grid.color": theme.grid,
        "grid.linewidth": 0.8,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "legend.labelcolor": theme.text,
        "axes.unicode_minus": True,
        "lines.linewidth": 1.8,
    }
    defaults = {
        key: value
        for key, value in matplotlib.rcParamsDefault.items()
        if key not in matplotlib.style.core.STYLE_BLACKLIST
    }
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # glyphs that the measuring font lacks
        matplotlib.rcParams.update(defaults)
        matplotlib.rcParams.update(ours)
        yield


def new_figure(height_inches: float) -> Any:
    figure = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
    FigureCanvasSVG(figure)
    _reserve(figure, bottom=0.0)
    return figure


def _reserve(figure: Any, bottom: float) -> None:
    """Keeps the head for the title, and `bottom` inches for a legend, free of axes."""
    height = float(figure.get_size_inches()[1])
    figure.get_layout_engine().set(
        rect=(0.0, bottom / height, 1.0, 1 - (bottom + HEAD_INCHES) / height)
    )


def svg(figure: Any) -> bytes:
    target = io.BytesIO()
    figure.savefig(
        target,
        format="svg",
        metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
    )
    picture = target.getvalue().replace(
        b"'DejaVu Sans'", b"'DejaVu Sans', Verdana, sans-serif"
    )
    return _number_clips(b"\n".join(line.rstrip() for line in picture.split(b"\n")))


def _number_clips(picture: bytes) -> bytes:
    """Clip paths are named by a hash of their exact place, whose last bits the layout's
    solver leaves to chance: they are numbered instead."""
    names = dict.fromkeys(re.findall(rb'<clipPath id="(\w+)">', picture))
    for index, name in enumerate(names):
        picture = picture.replace(name, b"clip%d" % index)
    return picture


def title(figure: Any, theme: Theme, heading: str, reading: str) -> None:
    """The question in bold, and how to read the answer, beneath it."""
    height = float(figure.get_size_inches()[1])
    figure.text(
        0.01,
        1 - 0.2 / height,
        heading,
        ha="left",
        va="center",
        fontsize=13,
        fontweight="bold",
        color=theme.text,
    )
    figure.text(
        0.01,
        1 - 0.45 / height,
        reading,
        ha="left",
        va="center",
        fontsize=10,
        color=theme.muted,
    )


def legend_below(figure: Any, axes: Any, columns: int) -> None:
    """One legend for the figure, under its axes."""
    handles, labels = axes.get_legend_handles_labels()
    columns = min(columns, max(len(labels), 1))
    rows = -(-len(labels) // columns)
    _reserve(figure, bottom=0.12 + 0.24 * rows)
    figure.legend(
        handles,
        labels,
        loc="lower center",
        bbox_to_anchor=(0.5, 0.0),
        ncol=columns,
        handletextpad=0.3,
        columnspacing=1.4,
        borderaxespad=0.2,
    )


def log_axis(axis: Any, bytes_axis: bool = False, suffix: str = "") -> None:
    """`axis` is an XAxis or YAxis, on a log scale already; ticks in words, not powers."""
    low, high = sorted(axis.get_view_interval())
    decades = math.log10(high / low) if low > 0 else 6
    word = size if bytes_axis else number
    axis.set_major_formatter(
        FuncFormatter(lambda value, _: _round_tick(word, value) + suffix)
    )
    axis.set_minor_formatter(NullFormatter())
    if bytes_axis:
        axis.set_major_locator(LogLocator(base=16 if decades > 3.2 else 4, numticks=12))
        axis.set_minor_locator(NullLocator())
    elif decades < 1.6:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
    else:
        axis.set_major_locator(LogLocator(numticks=12))


def linear_axis(axis: Any) -> None:
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))


def whisker(
    axes: Any, x: float, found: Estimate, y: float, vertical: bool, colour: str
) -> None:
    if found.low is None or found.high is None:
        return
    if vertical:
        axes.vlines(x, found.low, found.high, color=colour, linewidth=2)
    else:
        axes.hlines(y, found.low, found.high, color=colour, linewidth=2)


def curve(
    axes: Any,
    palette: Palette,
    name: str,
    points: Iterable[tuple[float, Estimate | None]],
    markersize: float = 6,
) -> None:
    """The medians as one line, each with its interval; a point without a figure is left out."""
    found = [(x, estimate) for x, estimate in points if estimate is not None]
    axes.plot(
        [x for x, _ in found],
        [estimate.median for _, estimate in found],
        marker=palette.marker(name),
        color=palette.colour(name),
        markersize=markersize,
        label=label(name),
    )
    for x, estimate in found:
        whisker(axes, x, estimate, 0, True, palette.colour(name))


def _round_tick(word: Any, value: float) -> str:
    text = str(word(value))
    head, _, unit = text.partition(" ")
    if "." in head:
        head = head.rstrip("0").rstrip(".")
    return f"{head} {unit}" if unit else head


class Palette:
    """One colour and one marker per name, by order of appearance; no two names have both in
    common, as the markers move on by one when the colours begin anew."""

    def __init__(self, theme: Theme, names: list[str]) -> None:
        self._theme = theme
        self._index = {name: index for index, name in enumerate(dict.fromkeys(names))}

    def colour(self, name: str) -> str:
        return self._theme.colours[self._index[name] % len(self._theme.colours)]

    def marker(self, name: str) -> str:
        index = self._index[name]
        return MARKERS[(index + index // len(self._theme.colours)) % len(MARKERS)]
