# SPDX-License-Identifier: MIT
"""Points: the ratio chart of switch costs, and how the headline cases' trials scatter.

A row of the ratio chart is a subject, cheapest at the top; its sites sit a little above
and below the middle of the row, so that equal ratios hide no point.
"""
from __future__ import annotations

from typing import Any

from corobench import estimates
from corobench.dataset import COST, Dataset, placement_rank
from corobench.selection import costs, headline_cases, reference
from corobench.style import (
    Palette,
    Theme,
    label,
    legend_below,
    linear_axis,
    log_axis,
    new_figure,
    whisker,
)
from corobench.wording import number

SITES = ("same", "diff", "deep-same", "deep-diff", "sixteen")


def draw_ratio(theme: Theme, data: Dataset) -> Any:
    base = reference(data)
    assert base is not None
    points = [
        (case, ratio)
        for case in costs(data, "switch")
        if (ratio := data.ratio(case, base)) is not None
    ]
    placements = sorted({case.placement for case, _ in points}, key=placement_rank)
    sites = sorted(
        {case.params.get("site", "") for case, _ in points},
        key=lambda site: (SITES.index(site) if site in SITES else 99, site),
    )
    palette = Palette(theme, sites)
    panels = []
    for placement in placements:
        here = [point for point in points if point[0].placement == placement]
        cheapest: dict[str, float] = {}
        for case, ratio in here:
            cheapest[case.subject] = min(
                ratio.median, cheapest.get(case.subject, ratio.median)
            )
        panels.append(
            (placement, here, sorted(cheapest, key=lambda name: -cheapest[name]))
        )
    rows = [len(subjects) + 0.6 for _, _, subjects in panels]
    figure = new_figure(0.42 * sum(rows) + 0.5 * len(rows) + 1.6)
    grid = figure.subplots(
        len(panels), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": rows}
    )
    for (placement, here, subjects), axes in zip(panels, grid[:, 0]):
        axes.set_xscale("log")
        axes.axvline(1, color=theme.muted, linewidth=1.2)
        for case, ratio in here:
            site = case.params.get("site", "")
            mine = [
                one
                for one in sites
                if any(
                    other.subject == case.subject and other.params.get("site", "") == one
                    for other, _ in here
                )
            ]
            y = (
                subjects.index(case.subject)
                - (mine.index(site) - (len(mine) - 1) / 2) * 0.15
            )
            whisker(axes, ratio.median, ratio, y, False, palette.colour(site))
            axes.plot(
                ratio.median,
                y,
                palette.marker(site),
                color=palette.colour(site),
                markersize=6,
                linestyle="none",
            )
        axes.set_yticks(range(len(subjects)), [label(name) for name in subjects])
        axes.set_ylim(-0.7, len(subjects) - 0.3)
        axes.set_title(f"flows at {label(placement)}", loc="left", color=theme.muted)
        axes.grid(axis="y", visible=False)
        for edge in range(1, len(subjects)):
            axes.axhline(edge - 0.5, color=theme.grid, linewidth=0.6)
    log_axis(grid[-1, 0].xaxis, suffix="×")
    grid[-1, 0].set_xlabel(
        f"cost ÷ cost of {label(base.name.removeprefix('switch/'))}" " (log scale)"
    )
    for site in sites:
        grid[0, 0].plot(
            [],
            [],
            palette.marker(site),
            color=palette.colour(site),
            label=label(f"site={site}" if site else "no site parameter"),
        )
    legend_below(figure, grid[0, 0], columns=5 if len(sites) <= 5 else 3)
    return figure


def draw_ecdf(theme: Theme, data: Dataset) -> Any:
    cases = headline_cases(data)
    columns = 2 if len(cases) in (2, 4) else min(3, len(cases))
    rows = -(-len(cases) // columns)
    figure = new_figure(2.5 * rows + 1.0)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes in grid.flat[len(cases) :]:
        axes.set_axis_off()
    for index, (case, axes) in enumerate(zip(cases, grid.flat)):
        x, y = estimates.ecdf(case.values(COST))
        found = case.estimate(COST)
        axes.step([x[0], *x], [0.0, *y], where="post", color=theme.colours[0])
        axes.plot(x, y, "o", color=theme.colours[0], markersize=3)
        if found is not None:
            if found.low is not None and found.high is not None:
                axes.axvspan(
                    found.low, found.high, color=theme.colours[0], alpha=0.18, linewidth=0
                )
            axes.axvline(found.median, color=theme.colours[1], linewidth=1.5)
            axes.set_title(
                f"{label(case.subject)[:30]}{', ' if case.variant else ''}"
                f"{label(case.variant)[:24]}\n"
                f"median {number(found.median)} ns, n = {found.n}",
                loc="left",
                fontsize=10,
            )
        axes.set_ylim(0, 1.03)
        axes.margins(x=0.08)
        axes.locator_params(axis="x", nbins=4)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.6g}")
        if index >= len(cases) - columns:
            axes.set_xlabel("ns per op")
    for row in range(rows):
        grid[row, 0].set_ylabel("share of trials")
    return figure
