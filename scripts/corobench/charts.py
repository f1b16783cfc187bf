# SPDX-License-Identifier: MIT
"""The charts: each a question, what it needs of a run, and who draws it.

A chart is drawn from a Dataset alone, once per theme. One whose cases the run lacks is
not drawn, and the report says so. Whiskers are 95 % intervals; where there are too few
trials for one there is no whisker.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from corobench.bank import draw_bank, drawn
from corobench.bars import draw_bars
from corobench.contexts import context_cases, draw_contexts
from corobench.curves import draw_ablation, draw_depth, draw_live, draw_sizes
from corobench.dataset import Case, Dataset
from corobench.layers import draw_layers, steps
from corobench.oslevel import draw_oslevel, oslevel_cases
from corobench.peers import draw_decades, draw_peers, fields, weights_by_count
from corobench.scatter import draw_ecdf, draw_ratio
from corobench.selection import (
    ablation_steps,
    costs,
    depth_lines,
    footprint_cases,
    growth_lines,
    headline_cases,
    hotsplit_lines,
    live_lines,
    message_kind,
    reference,
    size_lines,
)
from corobench.stacks import draw_growth, draw_hotsplit
from corobench.style import THEMES, Theme, svg, themed, title
from corobench.weights import draw_footprint


@dataclass(frozen=True)
class Chart:
    name: str
    experiments: tuple[str, ...]
    heading: str
    reading: str
    draw: Callable[[Theme, Dataset], Any]
    needs: Callable[[Dataset], bool]


def render(chart: Chart, data: Dataset) -> dict[str, bytes] | None:
    """{"light": svg, "dark": svg}, or None where the run has nothing to draw."""
    if not chart.needs(data):
        return None
    pictures = {}
    for theme in THEMES:
        with themed(theme):
            figure = chart.draw(theme, data)
            title(figure, theme, chart.heading, chart.reading)
            pictures[theme.name] = svg(figure)
    return pictures


def _bars(
    name: str,
    experiment: str,
    heading: str,
    wanted: Callable[[Case], bool] = lambda case: True,
) -> Chart:
    def cases(data: Dataset) -> list[Case]:
        return [case for case in costs(data, experiment) if wanted(case)]

    return Chart(
        name,
        (experiment,),
        heading,
        "Bars are medians over trials, lines their 95 % intervals. Lower is better.",
        lambda theme, data: draw_bars(theme, cases(data)),
        lambda data: bool(cases(data)),
    )


CHARTS = (
    Chart(
        "switch-ratio",
        ("switch",),
        "What a one-way switch costs",
        "Times the cost of the case under the axis: medians of paired ratios, lines are "
        "their 95 % intervals. Lower is better.",
        draw_ratio,
        lambda data: reference(data) is not None,
    ),
    Chart(
        "ablation",
        ("ablation",),
        "Is it cheap because few registers are saved?",
        "One switch under a growing contract; squares enter the kernel. Lower is better.",
        draw_ablation,
        lambda data: len(ablation_steps(data)) > 1,
    ),
    Chart(
        "live-values",
        ("ablation",),
        "What do registers cost that the caller must keep?",
        "The inline switch saves what is live at the call; a function saves all it must. "
        "Lower is better.",
        draw_live,
        lambda data: bool(live_lines(data)),
    ),
    Chart(
        "context",
        ("context",),
        "How many bytes does a switch save?",
        "And what a kernel thread owns beside what it saves. Lower is better.",
        draw_contexts,
        lambda data: bool(context_cases(data)),
    ),
    Chart(
        "footprint",
        ("footprint",),
        "What a parked flow weighs",
        "Bytes per flow, by the slope over counts of flows. Lower is better.",
        draw_footprint,
        lambda data: bool(footprint_cases(data)),
    ),
    Chart(
        "ecdf",
        ("switch",),
        "How the trials scatter",
        "One dot is one process; band: 95 % interval of the median. Left is better, "
        "steep is quiet.",
        draw_ecdf,
        lambda data: bool(headline_cases(data)),
    ),
    Chart(
        "depth",
        ("depth",),
        "Does a switch cost more when the stack is deep?",
        "stack-copy moves the live stack at each switch: the control. Lower is better.",
        draw_depth,
        lambda data: bool(depth_lines(data)),
    ),
    Chart(
        "hotsplit",
        ("hotsplit",),
        "Does a call cost more where a segment of the stack ends?",
        "Larger segments move that end further down; stacks in one piece have none, and can "
        "begin small. Lower is better.",
        draw_hotsplit,
        lambda data: bool(hotsplit_lines(data)),
    ),
    Chart(
        "growth",
        ("growth",),
        "What does it cost to grow a stack?",
        "Descents and the way back. Steady: been there before; regrown: given back in between. "
        "Lower is better.",
        draw_growth,
        lambda data: bool(growth_lines(data)),
    ),
    _bars("prologue", "prologue", "The check of the stack's end before each function"),
    _bars("yield", "yield", "Let the other flows run"),
    _bars(
        "message",
        "message",
        "Pass an item from one flow to another",
        lambda case: message_kind(case) == "pair",
    ),
    _bars(
        "message-many",
        "message",
        "Pass items among many flows",
        lambda case: message_kind(case) == "many",
    ),
    Chart(
        "message-sizes",
        ("message",),
        "Does the size of an item matter?",
        "Items go through one after another; lines are 95 % intervals. Lower is better.",
        draw_sizes,
        lambda data: bool(size_lines(data)),
    ),
    _bars("counter", "counter", "Count in shared memory"),
    _bars("spawn", "spawn", "Create a flow, run it, join it"),
    _bars("scale", "scale", "Programs of very many flows"),
    Chart(
        "bank",
        ("bank",),
        "Ten flows and one bank account: what protection costs",
        "A hollow mark: updates were lost. Lower is better.",
        draw_bank,
        lambda data: bool(drawn(data)),
    ),
    Chart(
        "layers",
        ("layers",),
        "What lies between a switch and two processes with a pipe?",
        "Each bar is what its layer adds to the one above it; red ones enter the kernel. "
        "Lower is better.",
        draw_layers,
        lambda data: bool(steps(data)),
    ),
    Chart(
        "oslevel",
        ("oslevel",),
        "How often does the kernel switch while flows do?",
        "All threads of the process; in brackets voluntary + involuntary. Lower is better.",
        draw_oslevel,
        lambda data: bool(oslevel_cases(data)),
    ),
    Chart(
        "peers",
        (),
        "How other systems compare with this runtime",
        "Medians of ratios paired by round, lines are their 95 % intervals; this runtime "
        "is 1. Left is better.",
        draw_peers,
        lambda data: bool(fields(data)),
    ),
    Chart(
        "peers-footprint",
        (),
        "What a parked flow weighs, by how many there are",
        "User memory, page tables and kernel memory, by the slope. Lower is better.",
        draw_decades,
        lambda data: bool(weights_by_count(data)),
    ),
)
