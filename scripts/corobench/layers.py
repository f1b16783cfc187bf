# SPDX-License-Identifier: MIT
"""The layers from a bare switch to two processes with a pipe: what each adds (claim C12).

Every rung is one hand-over from flow to flow. Its figure is that of a case that some
experiment measured anyway; a rung that the records lack is left out, and the next one's
addition is then over the one before it. An addition may be negative: the rungs are not
made of each other, they only do more and more.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from corobench.blocks import Block, Measured, Paragraph, Table
from corobench.dataset import COST, PLACEMENTS, Case, Dataset
from corobench.estimates import Estimate
from corobench.style import Theme, linear_axis, new_figure
from corobench.wording import Code, number, percent

HERE, APART = "same-cpu", "apart"


@dataclass(frozen=True)
class Rung:
    """What a layer is called, the case that has it, and its ops in one hand-over."""

    word: str
    experiment: str
    subject: str
    placement: str = HERE
    params: dict[str, str] = field(default_factory=dict)
    ops: float = 1.0

    @property
    def kernel(self) -> bool:
        return self.experiment == "layers" or self.subject.startswith("pthread")


ROUND_TRIP = {"mode": "roundtrip", "capacity": "0"}
RUNGS = (
    Rung("a bare switch", "switch", "coro-inline", params={"site": "diff"}),
    Rung(
        "through the run queue",
        "yield",
        "coro",
        params={"flows": "2", "workers": "1", "site": "diff"},
    ),
    Rung(
        "through a channel",
        "message",
        "coro-chan",
        params={**ROUND_TRIP, "workers": "1"},
        ops=0.5,
    ),
    Rung(
        "to another CPU that is awake",
        "message",
        "coro-chan",
        APART,
        {**ROUND_TRIP, "workers": "2", "flows": "pinned"},
        0.5,
    ),
    Rung("into the kernel and out, twice", "layers", "syscall", ops=2.0),
    Rung("by the kernel's scheduler", "switch", "pthread-yield"),
    Rung("to a thread that sleeps (futex)", "switch", "pthread-futex"),
    Rung("to a process that sleeps (futex)", "layers", "process-futex"),
    Rung("to a process, through a pipe", "layers", "process-pipe"),
)


@dataclass(frozen=True)
class Step:
    """A rung that was measured: ns per hand-over, and what it adds to the one before."""

    rung: Rung
    case: Case
    cost: Estimate
    added: float
    share: float  # of the gap between the first and the last step


def _case(data: Dataset, rung: Rung) -> Case | None:
    places = [HERE] if rung.placement == HERE else [p for p in PLACEMENTS if p != HERE]
    found = (
        data.find(rung.experiment, rung.subject, place, **rung.params) for place in places
    )
    return next((case for case in found if case and case.values(COST)), None)


def _scaled(found: Estimate, by: float) -> Estimate:
    low, high = found.low, found.high
    return Estimate(
        found.median * by,
        None if low is None else low * by,
        None if high is None else high * by,
        found.n,
        found.coverage,
    )


def steps(data: Dataset) -> list[Step]:
    """The ladder, or [] where its first rung or any gap at all is missing."""
    found = []
    for rung in RUNGS:
        case = _case(data, rung)
        estimate = case.estimate(COST) if case else None
        if case is not None and estimate is not None:
            found.append((rung, case, _scaled(estimate, rung.ops)))
    if len(found) < 2 or found[0][0] is not RUNGS[0]:
        return []
    gap = found[-1][2].median - found[0][2].median
    if gap <= 0:
        return []
    before = [found[0][2].median, *(cost.median for _, _, cost in found)]
    return [
        Step(rung, case, cost, cost.median - low, (cost.median - low) / gap)
        for (rung, case, cost), low in zip(found, before)
    ]


def _at(step: Step) -> tuple[str, str]:
    return step.case.name, str(step.rung.ops)


def _row(found: list[Step], index: int) -> list[str]:
    step, before = found[index], found[max(index - 1, 0)]
    low, high = step.cost.low, step.cost.high
    gap = (*_at(found[0]), *_at(found[-1]))
    return [
        step.rung.word,
        Measured(number(step.cost.median), "rung", *_at(step)),
        Measured(f"{number(low)} to {number(high)}", "rung-interval", *_at(step))
        if low is not None
        else "too few rounds",
        Measured(number(step.added), "rung-added", *_at(step), *_at(before))
        if index
        else "",
        Measured(percent(step.share), "rung-share", *_at(step), *_at(before), *gap)
        if index
        else "",
        Code(step.case.name),
        Measured(number(step.rung.ops), "rung-ops", str(step.rung.ops)),
    ]


def table(data: Dataset) -> list[Block]:
    found = steps(data)
    if not found:
        return []
    rows = [_row(found, index) for index in range(len(found))]
    return [
        Paragraph(
            "One hand-over from flow to flow, by ever more machinery: what each layer "
            "adds to the one before, and its share of the gap between first and last."
        ),
        Table(
            [
                "hand-over",
                "median ns",
                "95 % interval",
                "adds ns",
                "share of the gap",
                "from the case",
                "ops of it",
            ],
            rows,
            [False, True, True, True, True, False, True],
        ),
    ]


def draw_layers(theme: Theme, data: Dataset) -> Any:
    """A staircase: each bar begins where the one above it ends."""
    found = steps(data)
    figure = new_figure(0.42 * len(found) + 1.5)
    axes = figure.subplots()
    for y, step in enumerate(found):
        end = step.cost.median
        axes.barh(
            y,
            step.added if y else end,
            left=end - step.added if y else 0,
            height=0.6,
            color=theme.colours[4 if step.rung.kernel else 0],
        )
        words = f"{number(end)} ns"
        words += f": {percent(step.share)} of the gap" if y else ""
        axes.annotate(
            words,
            (max(end, end - step.added), y),
            xytext=(6, 0),
            va="center",
            textcoords="offset points",
            fontsize=10,
        )
    axes.set_yticks(range(len(found)), [step.rung.word for step in found])
    axes.set_ylim(len(found) - 0.4, -0.6)
    axes.set_xlim(0, 1.45 * max(step.cost.median for step in found))
    axes.grid(axis="y", visible=False)
    linear_axis(axes.xaxis)
    axes.set_xlabel("ns per hand-over")
    return figure
