# SPDX-License-Identifier: MIT
"""Bars: the chart of any experiment that is a list of costs.

A panel per kind of op, because bars of different ops have no common scale; a row per
subject and parameters, cheapest first; in a row a bar per placement. A panel whose costs
differ twentyfold is on a log scale, from the decade below its cheapest.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from corobench.dataset import COST, Case, placement_rank
from corobench.estimates import Estimate
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
from corobench.wording import number, plain


@dataclass
class _Panel:
    """Bars that share an axis: the cases of one experiment whose op is the same."""

    heading: str
    unit: str
    rows: dict[str, dict[str, Estimate]]  # row label -> placement -> estimate

    @property
    def estimates(self) -> list[Estimate]:
        return [found for row in self.rows.values() for found in row.values()]


def _panels(cases: list[Case]) -> list[_Panel]:
    panels: dict[tuple[str, str], _Panel] = {}
    for case in sorted(cases, key=lambda case: case.median(COST) or 0):
        name, found = case.experiment, case.estimate(COST)
        panel = panels.setdefault(
            (name, case.first.op),
            _Panel(
                f"{label(name)}: {plain(case.first.op, 60)}"
                if case.first.op
                else label(name),
                label(case.unit(COST) or "ns/op"),
                {},
            ),
        )
        if found is not None:
            panel.rows.setdefault(_row_label(case), {})[case.placement] = found
    return list(panels.values())


def draw_bars(theme: Theme, cases: list[Case]) -> Any:
    """A row per subject and parameters, in it a bar per placement; cheapest row first."""
    panels = _panels(cases)
    placements = sorted(
        {place for panel in panels for row in panel.rows.values() for place in row},
        key=placement_rank,
    )
    palette = Palette(theme, placements)
    heights = [
        0.18 * sum(len(row) for row in panel.rows.values()) + 0.22 * len(panel.rows) + 0.2
        for panel in panels
    ]
    figure = new_figure(sum(heights) + 0.75 * len(panels) + 1.1)
    grid = figure.subplots(
        len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for panel, axes in zip(panels, grid[:, 0]):
        _draw_panel(theme, panel, axes, palette, placements)
    if len(placements) > 1:
        for placement in placements:
            grid[0, 0].plot(
                [],
                [],
                "s",
                color=palette.colour(placement),
                markersize=9,
                label=f"flows at {label(placement)}",
            )
        legend_below(figure, grid[0, 0], columns=4)
    return figure


def _draw_panel(
    theme: Theme, panel: _Panel, axes: Any, palette: Palette, placements: list[str]
) -> None:
    medians = [found.median for found in panel.estimates]
    wide = max(medians) / min(medians) > 20
    left = 10.0 ** _decade_below(min(medians)) if wide else 0.0
    high = max(max(found.median, found.high or 0) for found in panel.estimates)
    if wide:
        axes.set_xscale("log")
    ticks, y = [], 0.0
    for row in panel.rows.values():
        places = [placement for placement in placements if placement in row]
        ticks.append(y + 0.18 * (len(places) - 1) / 2)
        for placement in places:
            found = row[placement]
            axes.barh(
                y,
                found.median - left,
                left=left,
                height=0.16,
                color=palette.colour(placement),
            )
            whisker(axes, 0, found, y, False, theme.text)
            axes.annotate(
                number(found.median),
                (max(found.median, found.high or 0), y),
                xytext=(6, 0),
                va="center",
                textcoords="offset points",
                fontsize=10,
            )
            y += 0.18
        y += 0.22
    axes.set_yticks(ticks, list(panel.rows))
    axes.set_ylim(y - 0.1, -0.3)
    axes.set_xlim(left, (high / left) ** 1.12 * left if wide else high * 1.12)
    axes.grid(axis="y", visible=False)
    if wide:
        log_axis(axes.xaxis)
    else:
        linear_axis(axes.xaxis)
    axes.set_xlabel(f"{panel.unit}{' (log scale)' if wide else ''}")
    # Over the labels too: the room to the right of the axis alone is short for a sentence.
    axes.set_title(panel.heading, loc="right", color=theme.muted)


def _decade_below(value: float) -> int:
    exponent = 0
    while 10.0**exponent > value / 1.5:
        exponent -= 1
    while 10.0 ** (exponent + 1) <= value / 1.5:
        exponent += 1
    return exponent


def _row_label(case: Case) -> str:
    """subject and parameters, on two lines where one would be too long."""
    words = f"{case.subject}, {case.variant}" if case.variant else case.subject
    if len(words) <= 34 or not case.variant:
        return label(words)
    return f"{label(case.subject)}\n{label(case.variant)}"
