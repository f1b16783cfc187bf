# SPDX-License-Identifier: MIT
"""Where a stack ends: calls across the end of a segment, and stacks that grow."""
from __future__ import annotations

from typing import Any

from corobench.dataset import COST, Dataset
from corobench.selection import growth_lines, hotsplit_lines, segment_ends
from corobench.style import (
    Palette,
    Theme,
    curve,
    label,
    legend_below,
    linear_axis,
    log_axis,
    new_figure,
)

KIB = 1024


def draw_hotsplit(theme: Theme, data: Dataset) -> Any:
    lines = hotsplit_lines(data)
    palette = Palette(theme, list(lines))
    figure = new_figure(4.6)
    axes = figure.subplots()
    for name, points in lines.items():
        curve(axes, palette, name, ((x, case.estimate(COST)) for x, case in points), 4.5)
    axes.set_ylim(bottom=0)
    for end in segment_ends(data):
        axes.axvline(end, color=theme.muted, linewidth=1, linestyle=":", zorder=0)
        axes.annotate(
            f"end of a segment of {end / KIB:.3g} KiB",
            (end, 1),
            xycoords=("data", "axes fraction"),
            xytext=(4, -2),
            textcoords="offset points",
            ha="left",
            va="top",
            rotation=90,
            fontsize=9,
            color=theme.muted,
        )
    axes.set_xticks(_round_depths(lines))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / KIB:.3g} KiB")
    linear_axis(axes.yaxis)
    axes.margins(x=0.03)
    axes.set_xlabel("bytes of the stack in use where the loop calls")
    axes.set_ylabel("ns per call")
    legend_below(figure, axes, columns=3)
    return figure


def _round_depths(lines: dict[str, list[tuple[int, Any]]]) -> list[int]:
    depths = [depth for points in lines.values() for depth, _ in points]
    first, last = min(depths) // KIB, -(-max(depths) // KIB)
    step = max(1, (last - first) // 8)
    return [KIB * at for at in range(first, last + 1, step)][:64]


def draw_growth(theme: Theme, data: Dataset) -> Any:
    lines = growth_lines(data)
    palette = Palette(theme, list(lines))
    figure = new_figure(4.6)
    axes = figure.subplots()
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    for name, points in lines.items():
        axes.plot(
            [depth for depth, _ in points],
            [(case.median(COST) or 0) / (depth / KIB) for depth, case in points],
            marker=palette.marker(name),
            color=palette.colour(name),
            markersize=6,
            label=label(name),
        )
    axes.margins(0.06)
    axes.autoscale_view()
    log_axis(axes.xaxis, bytes_axis=True)
    log_axis(axes.yaxis)
    axes.set_xlabel("depth of the descent (log scale)")
    axes.set_ylabel("ns per KiB of depth (log scale)")
    legend_below(figure, axes, columns=3)
    return figure
