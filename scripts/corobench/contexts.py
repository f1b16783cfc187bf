# SPDX-License-Identifier: MIT
"""What a switch saves, in bytes, and what a kernel thread owns beside it: the chart."""
from __future__ import annotations

from typing import Any

from corobench.dataset import Case, Dataset
from corobench.style import Theme, label, legend_below, log_axis, new_figure
from corobench.wording import size

BYTES = "bytes"
KINDS = ("saved in user space", "saved by the kernel", "owned by a kernel thread")


def kind(case: Case) -> int:
    """Of KINDS."""
    if "owns" in case.first.params:
        return 2
    return 1 if case.subject.startswith("kernel") else 0


def context_cases(data: Dataset) -> list[Case]:
    """By kind, and from few bytes to many."""
    found = [case for case in data.of("context") if (case.median(BYTES) or 0) > 0]
    return sorted(found, key=lambda case: (kind(case), case.median(BYTES) or 0))


def draw_contexts(theme: Theme, data: Dataset) -> Any:
    cases = context_cases(data)
    figure = new_figure(0.36 * len(cases) + 1.9)
    axes = figure.subplots()
    axes.set_xscale("log", base=2)
    colours = [theme.colours[at] for at in (0, 4, 2)]
    most = max(case.median(BYTES) or 0 for case in cases)
    for y, case in enumerate(cases):
        found = case.median(BYTES) or 0
        axes.barh(y, found, height=0.62, left=0, color=colours[kind(case)])
        axes.annotate(
            size(found),
            (found, y),
            xytext=(6, 0),
            va="center",
            textcoords="offset points",
            fontsize=10,
        )
    axes.set_yticks(
        range(len(cases)),
        [label(case.within) for case in cases],
    )
    axes.set_ylim(len(cases) - 0.4, -0.6)
    axes.set_xlim(8, 6 * max(most, 16))
    axes.grid(axis="y", visible=False)
    log_axis(axes.xaxis, bytes_axis=True)
    axes.set_xlabel("bytes of one flow (log scale)")
    for at, word in enumerate(KINDS):
        axes.plot([], [], "s", color=colours[at], markersize=9, label=word)
    legend_below(figure, axes, columns=3)
    return figure
