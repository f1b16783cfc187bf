# SPDX-License-Identifier: MIT
"""How often the kernel switches while flows do (claim C13): the chart.

A logarithmic scale has no place for the 0 that one worker reaches, so it is linear below
one switch per million.
"""
from __future__ import annotations

from typing import Any

from corobench.dataset import Case, Dataset
from corobench.style import Theme, label, new_figure
from corobench.wording import number

KINDS = ("voluntary", "involuntary")


def kernel_switches(case: Case) -> float | None:
    """Of both kinds, per 10^6 switches between flows; None where it was not measured."""
    found = [case.median(kind) for kind in KINDS]
    known = [value for value in found if value is not None]
    return sum(known) if known else None


def oslevel_cases(data: Dataset) -> list[Case]:
    """From few kernel switches to many."""
    found = [case for case in data.of("oslevel") if kernel_switches(case) is not None]
    return sorted(found, key=lambda case: kernel_switches(case) or 0)


def draw_oslevel(theme: Theme, data: Dataset) -> Any:
    cases = oslevel_cases(data)
    figure = new_figure(0.36 * len(cases) + 1.5)
    axes = figure.subplots()
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    for y, case in enumerate(cases):
        total = kernel_switches(case) or 0
        axes.barh(y, total, height=0.62, color=theme.colours[0])
        parts = " + ".join(number(case.median(kind)) for kind in KINDS)
        axes.annotate(
            f"{number(total)} ({parts})",
            (max(total, 0), y),
            xytext=(6, 0),
            va="center",
            textcoords="offset points",
            fontsize=10,
        )
    axes.set_yticks(
        range(len(cases)),
        [label(case.name.removeprefix("oslevel/")) for case in cases],
    )
    axes.set_ylim(len(cases) - 0.4, -0.6)
    most = max(kernel_switches(case) or 0 for case in cases)
    axes.set_xlim(0, 400 * max(most, 10))
    axes.set_xticks([0, 1, 100, 10_000, 1_000_000])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("kernel switches per 10^6 switches between flows (log scale above 1)")
    return figure
