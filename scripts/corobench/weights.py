# SPDX-License-Identifier: MIT
"""The footprint chart: what a parked flow needs and reserves, and what that is made of.

A stacked bar on a log scale shows its parts wrongly, and on a linear one 264 bytes vanish
beside 8 MiB. So the total is a point on a log scale, and the stack beside it is of
shares.
"""
from __future__ import annotations

from typing import Any

from corobench.dataset import Dataset
from corobench.selection import WEIGHTS, footprint_cases, needed_words, weight
from corobench.style import Theme, label, legend_below, log_axis, new_figure


def draw_footprint(theme: Theme, data: Dataset) -> Any:
    cases = sorted(footprint_cases(data), key=lambda case: -sum(weight(case).values()))
    figure = new_figure(0.42 * len(cases) + 2.4)
    total_axes, share_axes = figure.subplots(
        1, 2, sharey=True, gridspec_kw={"width_ratios": [1.35, 1]}
    )
    figure.get_layout_engine().set(wspace=0.06)
    total_axes.set_xscale("log", base=2)
    for y, case in enumerate(cases):
        total = sum(weight(case).values())
        reserved = case.median("reserved_bytes") or 0
        if reserved > 0:
            total_axes.hlines(
                y,
                min(total, reserved),
                max(total, reserved),
                color=theme.grid,
                linewidth=2,
                zorder=1,
            )
            total_axes.plot(
                reserved,
                y,
                "D",
                markerfacecolor=theme.background,
                markersize=10,
                markeredgecolor=theme.muted,
                markeredgewidth=1.8,
            )
        total_axes.plot(total, y, "o", color=theme.text, markersize=8)
        total_axes.annotate(
            needed_words(case),
            (total, y),
            xytext=(0, 7),
            ha="center",
            va="bottom",
            textcoords="offset points",
            fontsize=10,
        )
        left = 0.0
        for index, (_, word) in enumerate(WEIGHTS):
            share = 100 * weight(case).get(word, 0.0) / total
            share_axes.barh(y, share, left=left, height=0.62, color=theme.colours[index])
            if share >= 9:
                share_axes.text(
                    left + share / 2,
                    y,
                    f"{share:.0f}",
                    ha="center",
                    va="center",
                    color=theme.background,
                    fontsize=10,
                    fontweight="bold",
                )
            left += share
    total_axes.set_yticks(
        range(len(cases)),
        [label(case.within) for case in cases],
    )
    total_axes.set_ylim(-0.6, len(cases) - 0.2)
    total_axes.margins(x=0.1)
    log_axis(total_axes.xaxis, bytes_axis=True)
    total_axes.set_xlabel("bytes per parked flow (log scale)")
    share_axes.set_xlabel("what the needed bytes are, %")
    share_axes.set_xlim(0, 100)
    for axes in (total_axes, share_axes):
        axes.grid(axis="y", visible=False)
    total_axes.plot([], [], "o", color=theme.text, label="needed")
    total_axes.plot(
        [],
        [],
        "D",
        markerfacecolor=theme.background,
        markeredgewidth=1.8,
        markeredgecolor=theme.muted,
        label="reserved address space",
    )
    for index, (_, word) in enumerate(WEIGHTS):
        total_axes.plot([], [], "s", color=theme.colours[index], markersize=9, label=word)
    legend_below(figure, total_axes, columns=5)
    return figure
