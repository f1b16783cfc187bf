# SPDX-License-Identifier: MIT
"""Other systems in the same run: how many times this runtime's cost each one is, task by task.

A task is an op that many systems can do, named by parameters of its cases; its reference is
the runtime's own case. Ratios are paired by round. Where a system's interval lies below 1,
the runtime does not lead, and the page says so, with what the two contracts differ by.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from corobench.blocks import Block, Bullets, Measured, Paragraph, Table
from corobench.dataset import PLACEMENTS, Case, Dataset
from corobench.estimates import Estimate
from corobench.records import Contract
from corobench.selection import footprint_cases, weight
from corobench.style import (
    Palette,
    Theme,
    label,
    legend_below,
    log_axis,
    new_figure,
    whisker,
)
from corobench.wording import MISSING, Code, number, percent

HERE = PLACEMENTS[:1]
APART = PLACEMENTS[1:]  # two CPUs, the nearest first
PROTOCOL = "protocol-"  # subjects that run the same functions by the peers' dialogue


@dataclass(frozen=True)
class Task:
    heading: str
    experiment: str
    subject: str  # the runtime's own
    own: dict[str, str]  # parameters of its case
    params: dict[str, str]  # parameters of a system's case that does the same
    places: tuple[str, ...] = HERE  # the first at which the run has it


TASKS = (
    Task("Switch to another flow, from two places", "switch", "coro-inline",
         {"site": "diff"}, {"site": "diff"}),
    Task("Switch to another flow, from one place", "switch", "coro-inline",
         {"site": "same"}, {"site": "same"}),
    Task("Yield, 2 flows", "yield", "coro",
         {"flows": "2", "site": "diff"}, {"flows": "2"}),
    Task("Yield, 1,000 flows", "yield", "coro", {"flows": "1000"}, {"flows": "1000"}),
    Task("Yield, 100,000 flows", "yield", "coro", {"flows": "100000"},
         {"flows": "100000"}),
    Task("Yield, 1,000,000 flows", "yield", "coro", {"flows": "1000000"},
         {"flows": "1000000"}),
    Task("Create, run and join a flow", "spawn", "coro-flow",
         {"batch": "1", "workers": "1"}, {"batch": "1"}),
    Task("Create, run and join 1,000 flows at a time", "spawn", "coro-flow",
         {"batch": "1000", "workers": "1"}, {"batch": "1000"}),
    Task("A request and its reply", "message", "coro-chan",
         {"mode": "roundtrip", "capacity": "0", "workers": "1"}, {"mode": "roundtrip"}),
    Task("An item through a queue of 128", "message", "coro-chan",
         {"mode": "stream", "capacity": "128", "workers": "1"},
         {"mode": "stream", "capacity": "128"}),
    Task("An item through a queue of 1", "message", "coro-chan",
         {"mode": "stream", "capacity": "1", "workers": "1"},
         {"mode": "stream", "capacity": "1"}),
    Task("Two flows count under a mutex", "counter", "coro-mutex",
         {"flows": "2", "workers": "1"}, {"flows": "2"}),
    Task("Skynet, 100,000 leaves", "scale", "coro-skynet",
         {"leaves": "100000", "workers": "1"}, {"leaves": "100000"}),
    Task("Skynet, 1,000,000 leaves", "scale", "coro-skynet",
         {"leaves": "1000000", "workers": "1"}, {"leaves": "1000000"}),
    Task("Answer a request, 1,000 connections", "io", "coro-io_uring",
         {"echo": "unix", "connections": "1000"},
         {"echo": "unix", "connections": "1000"}, APART),
)  # fmt: skip


@dataclass(frozen=True)
class Rival:
    """One system's case of a task, beside the runtime's."""

    case: Case
    own: Case
    ratio: Estimate

    @property
    def ahead(self) -> bool:
        """Surely cheaper than the runtime."""
        return self.ratio.high is not None and self.ratio.high < 1


def rivals(data: Dataset, task: Task) -> list[Rival]:
    """Cheapest first. Of a subject with several cases, the cheapest."""
    found = (data.find(task.experiment, task.subject, place, **task.own) for place in task.places)
    own = next((case for case in found if case), None)
    if own is None:
        return []
    best: dict[str, Rival] = {}
    for case in data.of(task.experiment):
        does = task.params.items() <= case.params.items()
        alone = case.params.get("workers", "1") == "1" and case.placement == own.placement
        if case.subject == task.subject or not (does and alone) or _is_ours(case):
            continue
        ratio = data.ratio(case, own)
        known = best.get(case.subject)
        if ratio and (known is None or ratio.median < known.ratio.median):
            best[case.subject] = Rival(case, own, ratio)
    return sorted(best.values(), key=lambda rival: rival.ratio.median)


def _is_ours(case: Case) -> bool:
    """Variants of the runtime, the study's, and the protocol's check of itself."""
    return case.subject.startswith(("coro", "study-", PROTOCOL))


def fields(data: Dataset) -> list[tuple[Task, list[Rival]]]:
    """The tasks that somebody else does too."""
    found = [(task, rivals(data, task)) for task in TASKS]
    return [(task, those) for task, those in found if those]


# --------------------------------------------------------------------------- chart


def draw_peers(theme: Theme, data: Dataset) -> Any:
    """A forest: a panel per task, a row per system, the runtime at 1."""
    found = fields(data)
    rows = [len(those) + 0.8 for _, those in found]
    figure = new_figure(0.27 * sum(rows) + 0.42 * len(rows) + 0.9)
    grid = figure.subplots(
        len(found), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": rows}
    )
    for (task, those), axes in zip(found, grid[:, 0]):
        axes.set_xscale("log")
        axes.axvline(1, color=theme.muted, linewidth=1.2)
        for y, rival in enumerate(those):
            colour = theme.colours[_sort(rival.case.contract)]
            whisker(axes, rival.ratio.median, rival.ratio, y, False, colour)
            axes.plot(rival.ratio.median, y, _SHAPES[_sort(rival.case.contract)],
                      color=colour, markersize=7)  # fmt: skip
            axes.annotate(
                number(rival.ratio.median),
                (max(rival.ratio.median, rival.ratio.high or 0), y),
                xytext=(7, 0),
                va="center",
                textcoords="offset points",
                fontsize=9,
            )
        axes.set_yticks(range(len(those)), [label(one.case.subject) for one in those])
        axes.set_ylim(len(those) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.set_title(
            f"{task.heading}; 1 is {label(task.subject)}", loc="right", color=theme.muted
        )
    bottom = grid[-1, 0]
    low, high = bottom.get_xlim()
    bottom.set_xlim(low, high * 2.5)
    log_axis(bottom.xaxis, suffix="×")
    bottom.set_xlabel("times the runtime's cost (log scale)")
    _legend(theme, figure, grid[0, 0])
    return figure


def weights_by_count(data: Dataset) -> dict[str, list[tuple[int, Case]]]:
    """By system, and kind of flow where it has several: (how many were parked, its case), fewest
    first. Of bare coroutines and of threads the usual kind alone."""
    usual = {
        "coro": {"stack_bytes": "4096", "guard": "madvise"},
        "pthread": {"stack_bytes": "8388608"},
    }
    found: dict[str, list[tuple[int, Case]]] = {}
    for case in footprint_cases(data):
        word = case.first.notes.get("flows", "").split(",")[0]
        told = usual.get(case.subject, {})
        wanted = told.items() <= case.params.items()
        kind = [f"{name}={value}" for name, value in case.params.items()
                if name not in ("flows", *told)]  # fmt: skip
        if wanted and word.isascii() and word.isdigit() and len(word) < 10:
            found.setdefault(" ".join([case.subject, *kind]), []).append((int(word), case))
    return {
        name: sorted(points, key=lambda point: point[0]) for name, points in found.items()
    }


def draw_decades(theme: Theme, data: Dataset) -> Any:
    """Both scales are logarithmic; a line per system, labelled at its end."""
    lines = weights_by_count(data)
    figure = new_figure(6.4)
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_yscale("log", base=2)
    palette = Palette(theme, list(lines))
    for name, points in lines.items():
        counts = [count for count, _ in points]
        totals = [sum(weight(case).values()) for _, case in points]
        axes.plot(counts, totals, color=palette.colour(name), marker=palette.marker(name),
                  label=label(name))  # fmt: skip
    axes.margins(x=0.06, y=0.06)
    log_axis(axes.xaxis)
    log_axis(axes.yaxis, bytes_axis=True)
    axes.set_xlabel("parked flows (log scale)")
    axes.set_ylabel("bytes per flow (log scale)")
    legend_below(figure, axes, columns=3)
    return figure


_SORTS = ("stackful, in user space", "stackless", "the kernel's threads", "not said")
_SHAPES = ("o", "D", "s", "P")
# Why one of each sort may be cheaper than the runtime.
_WHY = (
    "nothing excuses it: the same service, cheaper",
    "a smaller service: it suspends in its own body alone, and keeps what its compiler knows to "
    "be live",
    "another service: the kernel runs its flows, on several processors at once",
    "unknown: it does not say what it is",
)


def _sort(contract: Contract | None) -> int:
    if contract is None or not contract.stack:
        return 3
    if contract.threads == "1:1":
        return 2
    return 1 if contract.stack.startswith("none") else 0


def _legend(theme: Theme, figure: Any, axes: Any) -> None:
    for index, words in enumerate(_SORTS):
        axes.plot([], [], _SHAPES[index], color=theme.colours[index], label=words)
    legend_below(figure, axes, columns=4)


# ---------------------------------------------------------------------------- page


def page(data: Dataset) -> list[Block]:
    """What the section says under its charts."""
    return [
        *_who(data),
        *_where_behind(data),
        *_contracts(data),
        *_protocol(data),
    ]


def _who(data: Dataset) -> list[Block]:
    peers = data.environment.peers if data.environment else ()
    absent = [peer for peer in peers if peer.status == "absent"]
    if not absent:
        return []
    return [
        Paragraph("Not in this run:"),
        Bullets([(Code(peer.name), ": ", peer.reason) for peer in absent]),
    ]


def ratio_cell(case: Case, own: Case, found: Estimate) -> Measured:
    return Measured(f"{number(found.median)}×", "ratio", case.name, own.name)


def ratio_interval_cell(case: Case, own: Case, found: Estimate) -> str:
    if found.low is None or found.high is None:
        return "too few rounds"
    words = f"{number(found.low)} to {number(found.high)}"
    return Measured(words, "ratio-interval", case.name, own.name)


def _where_behind(data: Dataset) -> list[Block]:
    """Every row that the runtime surely does not lead."""
    behind = [
        (task, rival)
        for task, those in fields(data)
        for rival in those
        if rival.ahead
    ]
    if not fields(data):
        return []
    if not behind:
        return [Paragraph("Nobody in this run is surely cheaper than the runtime at any of "
                          "these tasks.")]  # fmt: skip
    rows: list[list[str]] = [
        [
            task.heading,
            Code(rival.case.subject),
            ratio_cell(rival.case, rival.own, rival.ratio),
            ratio_interval_cell(rival.case, rival.own, rival.ratio),
            _SORTS[_sort(rival.case.contract)],
            _saved_words(rival.case.contract),
            _WHY[_sort(rival.case.contract)],
        ]
        for task, rival in behind
    ]
    headers = ["task", "who is cheaper", "times ours", "95 % interval", "what sort of flow",
               "what its switch keeps", "why"]  # fmt: skip
    return [
        Paragraph("Where the runtime does not lead, and why:"),
        Table(headers, rows, [False, False, True, True, False, False, False]),
    ]


def _saved_words(contract: Contract | None) -> str:
    return MISSING if contract is None else contract.saves or "nothing"


def _contracts(data: Dataset) -> list[Block]:
    told: dict[str, Contract] = {}
    for case in data.cases.values():
        if case.contract is not None and case.contract.stack:
            told.setdefault(case.subject, case.contract)
    if not told:
        return []

    def yes(does: bool) -> str:
        return "yes" if does else "no"

    rows: list[list[str]] = [
        [
            Code(subject),
            contract.saves or "nothing",
            yes(contract.fp_control),
            yes(contract.signal_mask),
            yes(contract.tls_base),
            yes(contract.kernel_entry),
            contract.stack,
            contract.growth or MISSING,
            contract.preemption or MISSING,
            contract.threads or MISSING,
            contract.cancellation or MISSING,
        ]
        for subject, contract in told.items()
    ]
    headers = ["system", "a switch saves", "FP control", "signal mask", "TLS base",
               "enters the kernel", "stack", "growth", "preemption", "threads",
               "cancellation"]  # fmt: skip
    return [Paragraph("Contracts: what is compared with what."), Table(headers, rows)]


def _protocol(data: Dataset) -> list[Block]:
    """The same functions in this process and by the peers' dialogue: they must agree."""
    floor = data.aa_floor()
    rows: list[list[str]] = []
    for case in data.of("switch"):
        own = (
            data.find("switch", case.subject.removeprefix(PROTOCOL), **case.params)
            if case.subject.startswith(PROTOCOL)
            else None
        )
        found = data.ratio(case, own) if own is not None else None
        if own is None or found is None or floor is None:
            continue
        rows.append(
            [
                Code(case.name),
                ratio_cell(case, own, found),
                ratio_interval_cell(case, own, found),
                "yes" if agrees(found, floor) else "no",
            ]
        )
    if not rows or floor is None:
        return []
    return [
        Paragraph(
            "The protocol of peers in other languages, checked: the same functions run by "
            "it and in corobench's own process agree when the interval of their ratio "
            "meets 1 give or take the A/A floor, ",
            Measured(percent(floor), "run", "aa_floor"),
            ".",
        ),
        Table(["by the protocol", "times in process", "95 % interval", "agree"], rows,
              [False, True, True, False]),
    ]  # fmt: skip


def agrees(found: Estimate, floor: float) -> bool:
    low = found.median if found.low is None else found.low
    high = found.median if found.high is None else found.high
    return low <= 1 + floor and high >= 1 - floor
