# SPDX-License-Identifier: MIT
"""Curves: cost against bytes saved, against live values, against stack depth.

The ablation's points are numbered and named beside the panel: ten names do not fit where
the points crowd, and numbers do.
"""
from __future__ import annotations

import math
from typing import Any

from corobench.dataset import COST, Case, Dataset
from corobench.selection import (
    ablation_parent,
    ablation_steps,
    contract_word,
    depth_lines,
    live_lines,
    size_lines,
)
from corobench.style import (
    Palette,
    Theme,
    curve,
    label,
    legend_below,
    log_axis,
    new_figure,
    whisker,
)
from corobench.wording import number, size


def draw_ablation(theme: Theme, data: Dataset) -> Any:
    steps = ablation_steps(data)
    figure = new_figure(4.6 + 0.24 * max(0, len(steps) - 12))
    axes, key = figure.subplots(1, 2, gridspec_kw={"width_ratios": [1.45, 1]})
    found = [step.estimate(COST) for step in steps]
    x = [max(step.contract.bytes_saved, 1) if step.contract else 1 for step in steps]
    y = [estimate.median if estimate else 0.0 for estimate in found]
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    for index, step in enumerate(steps):
        parent = ablation_parent(step, steps)
        if parent is not None:
            at = steps.index(parent)
            axes.plot(
                [x[at], x[index]],
                [y[at], y[index]],
                color=theme.grid,
                linewidth=1.5,
                zorder=1,
            )
    kernel = [bool(step.contract and step.contract.kernel_entry) for step in steps]
    for index, estimate in enumerate(found):
        colour = theme.colours[4 if kernel[index] else 0]
        if estimate is not None:
            whisker(axes, x[index], estimate, 0, True, colour)
        axes.plot(
            x[index],
            y[index],
            "s" if kernel[index] else "o",
            color=colour,
            markersize=7,
            zorder=2,
        )
    axes.margins(0.12, 0.14)
    axes.autoscale_view()
    for index, offset in enumerate(_label_offsets(axes, list(zip(x, y)))):
        axes.annotate(
            str(index + 1),
            (x[index], y[index]),
            xytext=offset,
            ha="center",
            textcoords="offset points",
            va="center",
            fontweight="bold",
            color=theme.colours[4 if kernel[index] else 0],
        )
    log_axis(axes.yaxis)
    log_axis(axes.xaxis, bytes_axis=True)
    axes.set_xlabel("bytes saved by one switch (log scale)")
    axes.set_ylabel("ns per one-way switch (log scale)")
    _ablation_key(theme, key, steps, y, kernel)
    return figure


def _label_offsets(axes: Any, points: list[tuple[float, float]]) -> list[tuple[int, int]]:
    """Where to put each point's number, in typographic points: none hides another.
    The panel is taken to be 340 x 250 points: near enough to keep marks 13 apart."""
    (x0, x1), (y0, y1) = (
        sorted(map(math.log, limits)) for limits in (axes.get_xlim(), axes.get_ylim())
    )
    spots = [
        (340 * (math.log(x) - x0) / (x1 - x0), 250 * (math.log(y) - y0) / (y1 - y0))
        for x, y in points
    ]
    taken = list(spots)
    offsets = []
    for x, y in spots:

        def clearance(offset: tuple[int, int]) -> float:
            mine = (x + offset[0], y + offset[1])
            return min(min(math.dist(mine, other) for other in taken), 13)

        best = max(
            ((-3, 13), (14, 0), (3, -13), (-14, 0), (11, 11), (-20, 4), (21, 4)),
            key=clearance,
        )
        offsets.append(best)
        taken.append((x + best[0], y + best[1]))
    return offsets


def _ablation_key(
    theme: Theme, key: Any, steps: list[Case], y: list[float], kernel: list[bool]
) -> None:
    key.set_axis_off()
    key.set_xlim(0, 1)
    rows = len(steps) + 1
    key.set_ylim(rows, -0.5)
    for x, word, align in (
        (0.13, "contract", "left"),
        (0.78, "bytes", "right"),
        (1.0, "ns", "right"),
    ):
        key.text(x, 0, word, ha=align, va="center", color=theme.muted, fontsize=10)
    for index, step in enumerate(steps):
        colour = theme.colours[4 if kernel[index] else 0]
        stored = step.contract.bytes_saved if step.contract else 0
        key.text(
            0.08,
            index + 1,
            str(index + 1),
            ha="right",
            va="center",
            fontweight="bold",
            color=colour,
        )
        key.text(0.13, index + 1, label(contract_word(step))[:22], ha="left", va="center")
        key.text(0.78, index + 1, f"{stored:,}", ha="right", va="center")
        key.text(1.0, index + 1, number(y[index]), ha="right", va="center")


def draw_depth(theme: Theme, data: Dataset) -> Any:
    lines = depth_lines(data)
    palette = Palette(theme, list(lines))
    depths = sorted({depth for points in lines.values() for depth, _ in points})
    smallest = next((depth for depth in depths if depth > 0), 1)
    figure = new_figure(4.4)
    axes = figure.subplots()
    axes.set_yscale("log")
    axes.set_xscale("symlog", base=4, linthresh=smallest, linscale=0.7)
    for name, points in lines.items():
        curve(axes, palette, name, ((x, case.estimate(COST)) for x, case in points))
    axes.set_xticks(depths[:: max(1, len(depths) // 9)])
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(
        lambda value, _: size(value).replace(".0 ", " ") if value else "0"
    )
    axes.margins(x=0.04)
    log_axis(axes.yaxis)
    axes.set_xlabel("live stack bytes of each flow (log scale)")
    axes.set_ylabel("ns per one-way switch (log scale)")
    legend_below(figure, axes, columns=4)
    return figure


def draw_sizes(theme: Theme, data: Dataset) -> Any:
    lines = size_lines(data)
    palette = Palette(theme, list(lines))
    figure = new_figure(4.6)
    axes = figure.subplots()
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    for name, points in lines.items():
        curve(axes, palette, name, ((x, case.estimate(COST)) for x, case in points))
    axes.margins(x=0.04)
    log_axis(axes.xaxis, bytes_axis=True)
    log_axis(axes.yaxis)
    axes.set_xlabel("bytes of an item (log scale)")
    axes.set_ylabel("ns per item (log scale)")
    legend_below(figure, axes, columns=2)
    return figure


def draw_live(theme: Theme, data: Dataset) -> Any:
    lines = live_lines(data)
    palette = Palette(theme, list(lines))
    figure = new_figure(3.8)
    axes = figure.subplots()
    for name, points in lines.items():
        curve(axes, palette, name, ((x, case.estimate(COST)) for x, case in points))
    axes.set_xticks(sorted({live for points in lines.values() for live, _ in points}))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("values that live in registers across the switch")
    axes.set_ylabel("ns per one-way switch")
    legend_below(figure, axes, columns=4)
    return figure
