# SPDX-License-Identifier: MIT
"""The charts: each a question, what it needs of a run, and how it is drawn.

A chart is drawn from a Dataset alone, once per theme. One whose cases the run lacks is not
drawn, and the report says so. Whiskers are 95 % intervals; where there are too few trials for
one there is no whisker. Log scales show sums badly, so stacked bars are shares of a total
that is itself a point on a log scale: that keeps 264 bytes and 8 MiB legible side by side.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from corobench import estimates
from corobench.dataset import COST, Case, Dataset
from corobench.estimates import Estimate
from corobench.style import (THEMES, Palette, Theme, label, legend_below, log_axis,
                             new_figure, svg, themed, title)
from corobench.wording import number, plain, size

SITES = ("same", "diff", "deep-same", "deep-diff", "sixteen")
# How the contract grows: each step, and the one that it adds to. XSAVE takes the place of the
# control words and XMM, so its step adds to the sixteen general registers.
CONTRACTS = {"sp-pc": "", "bp": "sp-pc", "callee-saved": "bp", "fpctl": "callee-saved",
             "gpr16": "fpctl", "xmm16": "gpr16", "xsave-clean": "gpr16",
             "xsave-dirty": "xsave-clean", "xsavec-clean": "gpr16",
             "xsavec-dirty": "xsavec-clean", "fsbase": "xsave-clean", "sigmask": "xsave-clean"}
WEIGHTS = (("resident_bytes", "resident"), ("page_table_bytes", "page tables"),
           ("kernel_bytes", "kernel"))
HEADLINES = (("coro-inline", "diff"), ("coro-abi", "diff"), ("boost-fcontext", "diff"),
             ("setjmp", "diff"), ("ucontext", "diff"), ("pthread-futex", "diff"))


@dataclass(frozen=True)
class Chart:
    name: str
    experiments: tuple[str, ...]
    heading: str
    reading: str
    draw: Callable[[Theme, Dataset, "Chart"], Any]
    needs: Callable[[Dataset], bool]


def render(chart: Chart, data: Dataset) -> dict[str, bytes] | None:
    """{"light": svg, "dark": svg}, or None where the run has nothing to draw."""
    if not chart.needs(data):
        return None
    pictures = {}
    for theme in THEMES:
        with themed(theme):
            figure = chart.draw(theme, data, chart)
            title(figure, theme, chart.heading, chart.reading)
            pictures[theme.name] = svg(figure)
    return pictures


def costs(data: Dataset, experiment: str) -> list[Case]:
    """Cases of the experiment with a positive cost: others have no place on a log scale."""
    return [case for case in data.of(experiment) if (case.median(COST) or 0) > 0]


def reference(data: Dataset) -> Case | None:
    """What switch costs are compared with: the inline switch at different sites, or else
    the cheapest switch that the run has."""
    preferred = data.find("switch", "coro-inline", site="diff")
    if preferred is not None and (preferred.median(COST) or 0) > 0:
        return preferred
    cheapest = sorted(costs(data, "switch"), key=lambda case: case.median(COST) or 0)
    return cheapest[0] if cheapest else None


def contract_word(case: Case) -> str:
    return case.params.get("contract", "").lstrip("+")


def contract_order(case: Case) -> tuple[int, int]:
    """In the order of CONTRACTS; a step that is not named there comes last."""
    words = list(CONTRACTS)
    word = contract_word(case)
    step = words.index(word) if word in CONTRACTS else len(words)
    return step, case.contract.bytes_saved if case.contract else 0


def ablation_parent(step: Case, steps: list[Case]) -> Case | None:
    """The nearest step that this one adds to, among those measured."""
    found = {contract_word(one): one for one in steps}
    word = CONTRACTS.get(contract_word(step), "")
    while word and word not in found:
        word = CONTRACTS[word]
    return found.get(word)


def weight(case: Case) -> dict[str, float]:
    """The parts of what a flow needs that have a value; reserved address space is apart."""
    medians = {word: case.median(metric) for metric, word in WEIGHTS}
    return {word: max(value, 0.0) for word, value in medians.items() if value is not None}


def needed_words(case: Case) -> str:
    """The sum of the parts; "at least" where a part could not be measured."""
    parts = weight(case)
    return ("" if len(parts) == len(WEIGHTS) else "≥ ") + size(sum(parts.values()))


def headline_cases(data: Dataset) -> list[Case]:
    found = [data.find("switch", subject, site=site) or data.find("switch", subject)
             for subject, site in HEADLINES]
    named = [case for case in found if case is not None and case.values(COST)]
    return named or [case for case in data.cases.values() if case.values(COST)][:6]


def _whisker(axes: Any, x: float, found: Estimate, y: float, vertical: bool, colour: str,
             ) -> None:
    if found.low is None or found.high is None:
        return
    if vertical:
        axes.vlines(x, found.low, found.high, color=colour, linewidth=2)
    else:
        axes.hlines(y, found.low, found.high, color=colour, linewidth=2)


def draw_ratio(theme: Theme, data: Dataset, chart: Chart) -> Any:
    base = reference(data)
    assert base is not None
    points = [(case, ratio) for case in costs(data, "switch")
              if (ratio := data.ratio(case, base)) is not None]
    placements = list(dict.fromkeys(case.placement for case, _ in points))
    sites = sorted({case.params.get("site", "") for case, _ in points},
                   key=lambda site: (SITES.index(site) if site in SITES else 99, site))
    palette = Palette(theme, sites)
    panels = []
    for placement in placements:
        here = [point for point in points if point[0].placement == placement]
        cheapest: dict[str, float] = {}
        for case, ratio in here:
            cheapest[case.subject] = min(ratio.median, cheapest.get(case.subject, ratio.median))
        panels.append((placement, here, sorted(cheapest, key=lambda name: -cheapest[name])))
    rows = [len(subjects) + 0.6 for _, _, subjects in panels]
    figure = new_figure(0.42 * sum(rows) + 0.5 * len(rows) + 1.6)
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False,
                           gridspec_kw={"height_ratios": rows})
    for (placement, here, subjects), axes in zip(panels, grid[:, 0]):
        axes.set_xscale("log")
        axes.axvline(1, color=theme.muted, linewidth=1.2)
        for case, ratio in here:
            site = case.params.get("site", "")
            mine = [one for one in sites
                    if any(other.subject == case.subject and other.params.get("site", "") == one
                           for other, _ in here)]
            y = subjects.index(case.subject) - (mine.index(site) - (len(mine) - 1) / 2) * 0.15
            _whisker(axes, ratio.median, ratio, y, False, palette.colour(site))
            axes.plot(ratio.median, y, palette.marker(site), color=palette.colour(site),
                      markersize=6, linestyle="none")
        axes.set_yticks(range(len(subjects)), [label(name) for name in subjects])
        axes.set_ylim(-0.7, len(subjects) - 0.3)
        axes.set_title(f"flows at {label(placement)}", loc="left", color=theme.muted)
        axes.grid(axis="y", visible=False)
        for edge in range(1, len(subjects)):
            axes.axhline(edge - 0.5, color=theme.grid, linewidth=0.6)
    log_axis(grid[-1, 0].xaxis, suffix="×")
    grid[-1, 0].set_xlabel(f"cost ÷ cost of {label(base.name.removeprefix('switch/'))}"
                           " (log scale)")
    for site in sites:
        grid[0, 0].plot([], [], palette.marker(site), color=palette.colour(site),
                        label=label(f"site={site}" if site else "site does not apply"))
    legend_below(figure, grid[0, 0], columns=5)
    return figure


def ablation_steps(data: Dataset) -> list[Case]:
    return sorted((case for case in costs(data, "ablation")
                   if "contract" in case.params and case.contract is not None
                   and case.contract.bytes_saved >= 0),
                  key=contract_order)


def draw_ablation(theme: Theme, data: Dataset, chart: Chart) -> Any:
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
            axes.plot([x[at], x[index]], [y[at], y[index]], color=theme.grid, linewidth=1.5,
                      zorder=1)
    kernel = [bool(step.contract and step.contract.kernel_entry) for step in steps]
    for index, estimate in enumerate(found):
        colour = theme.colours[4 if kernel[index] else 0]
        if estimate is not None:
            _whisker(axes, x[index], estimate, 0, True, colour)
        axes.plot(x[index], y[index], "s" if kernel[index] else "o", color=colour,
                  markersize=7, zorder=2)
    axes.margins(0.12, 0.14)
    axes.autoscale_view()
    for index, offset in enumerate(_label_offsets(axes, list(zip(x, y)))):
        axes.annotate(str(index + 1), (x[index], y[index]), xytext=offset, ha="center",
                      textcoords="offset points", va="center", fontweight="bold",
                      color=theme.colours[4 if kernel[index] else 0])
    log_axis(axes.yaxis)
    log_axis(axes.xaxis, bytes_axis=True)
    axes.set_xlabel("bytes saved by one switch (log scale)")
    axes.set_ylabel("ns per one-way switch (log scale)")
    _ablation_key(theme, key, steps, y, kernel)
    return figure


def _label_offsets(axes: Any, points: list[tuple[float, float]]) -> list[tuple[int, int]]:
    """Where to put each point's number, in typographic points, so that none hides another.
    The panel is taken to be 340 x 250 points: near enough to keep marks 13 apart."""
    (x0, x1), (y0, y1) = (sorted(map(math.log, limits))
                          for limits in (axes.get_xlim(), axes.get_ylim()))
    spots = [(340 * (math.log(x) - x0) / (x1 - x0), 250 * (math.log(y) - y0) / (y1 - y0))
             for x, y in points]
    taken = list(spots)
    offsets = []
    for x, y in spots:
        def clearance(offset: tuple[int, int]) -> float:
            mine = (x + offset[0], y + offset[1])
            return min(min(math.dist(mine, other) for other in taken), 13)
        best = max(((-3, 13), (14, 0), (3, -13), (-14, 0), (11, 11), (-20, 4), (21, 4)),
                   key=clearance)
        offsets.append(best)
        taken.append((x + best[0], y + best[1]))
    return offsets


def _ablation_key(theme: Theme, key: Any, steps: list[Case], y: list[float],
                  kernel: list[bool]) -> None:
    key.set_axis_off()
    key.set_xlim(0, 1)
    rows = len(steps) + 1
    key.set_ylim(rows, -0.5)
    for x, word, align in ((0.13, "contract", "left"), (0.78, "bytes", "right"),
                           (1.0, "ns", "right")):
        key.text(x, 0, word, ha=align, va="center", color=theme.muted, fontsize=10)
    for index, step in enumerate(steps):
        colour = theme.colours[4 if kernel[index] else 0]
        stored = step.contract.bytes_saved if step.contract else 0
        key.text(0.08, index + 1, str(index + 1), ha="right", va="center", fontweight="bold",
                 color=colour)
        key.text(0.13, index + 1, label(contract_word(step))[:22],
                 ha="left", va="center")
        key.text(0.78, index + 1, f"{stored:,}", ha="right", va="center")
        key.text(1.0, index + 1, number(y[index]), ha="right", va="center")


def footprint_cases(data: Dataset) -> list[Case]:
    return [case for case in data.of("footprint") if sum(weight(case).values()) > 0]


def draw_footprint(theme: Theme, data: Dataset, chart: Chart) -> Any:
    cases = sorted(footprint_cases(data), key=lambda case: -sum(weight(case).values()))
    figure = new_figure(0.42 * len(cases) + 2.4)
    total_axes, share_axes = figure.subplots(1, 2, sharey=True,
                                             gridspec_kw={"width_ratios": [1.35, 1]})
    figure.get_layout_engine().set(wspace=0.06)
    total_axes.set_xscale("log", base=2)
    for y, case in enumerate(cases):
        total = sum(weight(case).values())
        reserved = case.median("reserved_bytes") or 0
        if reserved > 0:
            total_axes.hlines(y, min(total, reserved), max(total, reserved), color=theme.grid,
                              linewidth=2, zorder=1)
            total_axes.plot(reserved, y, "D", markerfacecolor=theme.background, markersize=8,
                            markeredgecolor=theme.muted, markeredgewidth=1.8)
        total_axes.plot(total, y, "o", color=theme.text, markersize=8)
        total_axes.annotate(needed_words(case), (total, y), xytext=(0, 7), ha="center", va="bottom",
                            textcoords="offset points", fontsize=10)
        left = 0.0
        for index, (_, word) in enumerate(WEIGHTS):
            share = 100 * weight(case).get(word, 0.0) / total
            share_axes.barh(y, share, left=left, height=0.62, color=theme.colours[index])
            if share >= 9:
                share_axes.text(left + share / 2, y, f"{share:.0f}", ha="center", va="center",
                                color=theme.background, fontsize=10, fontweight="bold")
            left += share
    total_axes.set_yticks(range(len(cases)),
                          [label(case.name.removeprefix("footprint/")
                                 .removesuffix(f"/place={case.placement}")) for case in cases])
    total_axes.set_ylim(-0.6, len(cases) - 0.2)
    total_axes.margins(x=0.1)
    log_axis(total_axes.xaxis, bytes_axis=True)
    total_axes.set_xlabel("bytes per parked flow (log scale)")
    share_axes.set_xlabel("what the needed bytes are, %")
    share_axes.set_xlim(0, 100)
    for axes in (total_axes, share_axes):
        axes.grid(axis="y", visible=False)
    total_axes.plot([], [], "o", color=theme.text, label="needed")
    total_axes.plot([], [], "D", markerfacecolor=theme.background, markeredgewidth=1.8,
                    markeredgecolor=theme.muted, label="reserved address space")
    for index, (_, word) in enumerate(WEIGHTS):
        total_axes.plot([], [], "s", color=theme.colours[index], markersize=9, label=word)
    legend_below(figure, total_axes, columns=5)
    return figure


def draw_ecdf(theme: Theme, data: Dataset, chart: Chart) -> Any:
    cases = headline_cases(data)
    columns = 2 if len(cases) in (2, 4) else min(3, len(cases))
    rows = -(-len(cases) // columns)
    figure = new_figure(2.5 * rows + 1.0)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes in grid.flat[len(cases):]:
        axes.set_axis_off()
    for index, (case, axes) in enumerate(zip(cases, grid.flat)):
        x, y = estimates.ecdf(case.values(COST))
        found = case.estimate(COST)
        axes.step([x[0], *x], [0.0, *y], where="post", color=theme.colours[0])
        axes.plot(x, y, "o", color=theme.colours[0], markersize=3)
        if found is not None:
            if found.low is not None and found.high is not None:
                axes.axvspan(found.low, found.high, color=theme.colours[0], alpha=0.18,
                             linewidth=0)
            axes.axvline(found.median, color=theme.colours[1], linewidth=1.5)
            axes.set_title(f"{label(case.subject)[:30]}{', ' if case.variant else ''}"
                           f"{label(case.variant)[:24]}\n"
                           f"median {number(found.median)} ns, n = {found.n}", loc="left",
                           fontsize=10)
        axes.set_ylim(0, 1.03)
        axes.margins(x=0.08)
        axes.locator_params(axis="x", nbins=4)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.6g}")
        if index >= len(cases) - columns:
            axes.set_xlabel("ns per op")
    for row in range(rows):
        grid[row, 0].set_ylabel("share of trials")
    return figure


def depth_lines(data: Dataset) -> dict[str, list[tuple[int, Case]]]:
    lines: dict[str, list[tuple[int, Case]]] = {}
    for case in costs(data, "depth"):
        word = case.params.get("depth_bytes", "")
        if word.isascii() and word.isdigit() and len(word) < 16:
            name = case.subject if case.placement == "same-cpu" else \
                f"{case.subject} ({case.placement})"
            lines.setdefault(name, []).append((int(word), case))
    return {name: sorted(points, key=lambda point: point[0]) for name, points in lines.items()}


def draw_depth(theme: Theme, data: Dataset, chart: Chart) -> Any:
    lines = depth_lines(data)
    palette = Palette(theme, list(lines))
    depths = sorted({depth for points in lines.values() for depth, _ in points})
    smallest = next((depth for depth in depths if depth > 0), 1)
    figure = new_figure(4.4)
    axes = figure.subplots()
    axes.set_yscale("log")
    axes.set_xscale("symlog", base=4, linthresh=smallest, linscale=0.7)
    for name, points in lines.items():
        colour = palette.colour(name)
        found = [(depth, estimate) for depth, case in points
                 if (estimate := case.estimate(COST)) is not None]
        axes.plot([depth for depth, _ in found], [one.median for _, one in found],
                  marker=palette.marker(name), color=colour, markersize=6, label=label(name))
        for depth, estimate in found:
            _whisker(axes, depth, estimate, 0, True, colour)
    axes.set_xticks(depths[::max(1, len(depths) // 9)])
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(
        lambda value, _: size(value).replace(".0 ", " ") if value else "0")
    axes.margins(x=0.04)
    log_axis(axes.yaxis)
    axes.set_xlabel("live stack bytes of each flow (log scale)")
    axes.set_ylabel("ns per one-way switch (log scale)")
    legend_below(figure, axes, columns=4)
    return figure


def live_lines(data: Dataset) -> dict[str, list[tuple[int, Case]]]:
    lines: dict[str, list[tuple[int, Case]]] = {}
    for case in costs(data, "ablation"):
        word = case.params.get("live", "")
        if word.isascii() and word.isdigit() and len(word) < 4:
            lines.setdefault(case.subject, []).append((int(word), case))
    return {name: sorted(points, key=lambda point: point[0]) for name, points in lines.items()}


def draw_live(theme: Theme, data: Dataset, chart: Chart) -> Any:
    lines = live_lines(data)
    palette = Palette(theme, list(lines))
    figure = new_figure(3.8)
    axes = figure.subplots()
    for name, points in lines.items():
        colour = palette.colour(name)
        found = [(live, estimate) for live, case in points
                 if (estimate := case.estimate(COST)) is not None]
        axes.plot([live for live, _ in found], [one.median for _, one in found],
                  marker=palette.marker(name), color=colour, markersize=6, label=label(name))
        for live, estimate in found:
            _whisker(axes, live, estimate, 0, True, colour)
    axes.set_xticks(sorted({live for points in lines.values() for live, _ in points}))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("values that live in registers across the switch")
    axes.set_ylabel("ns per one-way switch")
    legend_below(figure, axes, columns=4)
    return figure


@dataclass
class _Panel:
    """Bars that share an axis: the cases of one experiment whose op is the same."""
    heading: str
    unit: str
    rows: dict[str, dict[str, Estimate]]  # row label -> placement -> estimate

    @property
    def estimates(self) -> list[Estimate]:
        return [found for row in self.rows.values() for found in row.values()]


def _panels(data: Dataset, chart: Chart) -> list[_Panel]:
    panels: dict[tuple[str, str], _Panel] = {}
    for name in chart.experiments:
        for case in sorted(costs(data, name), key=lambda case: case.median(COST) or 0):
            found = case.estimate(COST)
            panel = panels.setdefault((name, case.first.op), _Panel(
                f"{label(name)}: {plain(case.first.op, 60)}" if case.first.op else label(name),
                label(case.unit(COST) or "ns/op"), {}))
            if found is not None:
                panel.rows.setdefault(_row_label(case), {})[case.placement] = found
    return list(panels.values())


def draw_bars(theme: Theme, data: Dataset, chart: Chart) -> Any:
    """A row per subject and parameters, in it a bar per placement; cheapest row first."""
    panels = _panels(data, chart)
    placements = list(dict.fromkeys(place for panel in panels for row in panel.rows.values()
                                    for place in row))
    palette = Palette(theme, placements)
    heights = [0.18 * sum(len(row) for row in panel.rows.values()) + 0.22 * len(panel.rows) + 0.2
               for panel in panels]
    figure = new_figure(sum(heights) + 0.75 * len(panels) + 1.1)
    grid = figure.subplots(len(panels), 1, squeeze=False,
                           gridspec_kw={"height_ratios": heights})
    for panel, axes in zip(panels, grid[:, 0]):
        _draw_panel(theme, panel, axes, palette, placements)
    if len(placements) > 1:
        for placement in placements:
            grid[0, 0].plot([], [], "s", color=palette.colour(placement), markersize=9,
                            label=f"flows at {label(placement)}")
        legend_below(figure, grid[0, 0], columns=4)
    return figure


def _draw_panel(theme: Theme, panel: _Panel, axes: Any, palette: Palette,
                placements: list[str]) -> None:
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
            axes.barh(y, found.median - left, left=left, height=0.16,
                      color=palette.colour(placement))
            _whisker(axes, 0, found, y, False, theme.text)
            axes.annotate(number(found.median), (max(found.median, found.high or 0), y),
                          xytext=(6, 0), va="center", textcoords="offset points", fontsize=10)
            y += 0.18
        y += 0.22
    axes.set_yticks(ticks, list(panel.rows))
    axes.set_ylim(y - 0.1, -0.3)
    axes.set_xlim(left, (high / left) ** 1.12 * left if wide else high * 1.12)
    axes.grid(axis="y", visible=False)
    if wide:
        log_axis(axes.xaxis)
    axes.set_xlabel(f"{panel.unit}{' (log scale)' if wide else ''}")
    axes.set_title(panel.heading, loc="left", color=theme.muted)


def _decade_below(value: float) -> int:
    exponent = 0
    while 10.0 ** exponent > value / 1.5:
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


def _bars(name: str, experiments: tuple[str, ...], heading: str) -> Chart:
    return Chart(name, experiments, heading,
                 "Bars are medians over trials, lines their 95 % intervals. Lower is better.", draw_bars,
                 lambda data: any(costs(data, experiment) for experiment in experiments))


CHARTS = (
    Chart("switch-ratio", ("switch",), "What a one-way switch costs",
          "Times the cost of the case under the axis: medians of paired ratios, lines are their "
          "95 % intervals. Lower is better.",
          draw_ratio, lambda data: reference(data) is not None),
    Chart("ablation", ("ablation",), "Is it cheap because few registers are saved?",
          "One switch under a growing contract; squares enter the kernel. Lower is better.",
          draw_ablation, lambda data: len(ablation_steps(data)) > 1),
    Chart("live-values", ("ablation",), "What do registers cost that the caller must keep?",
          "The inline switch saves what is live at the call; a function saves all it must. Lower "
          "is better.", draw_live, lambda data: bool(live_lines(data))),
    Chart("footprint", ("footprint",), "What a parked flow weighs",
          "Bytes per flow, by the slope over counts of flows. Lower is better.",
          draw_footprint, lambda data: bool(footprint_cases(data))),
    Chart("ecdf", ("switch",), "How the trials scatter",
          "One dot is one process; band: 95 % interval of the median. Left is better, steep "
          "is quiet.", draw_ecdf, lambda data: bool(headline_cases(data))),
    Chart("depth", ("depth",), "Does a switch cost more when the stack is deep?",
          "stack-copy moves the live stack at each switch: the control. Lower is better.",
          draw_depth, lambda data: bool(depth_lines(data))),
    _bars("message-counter", ("message", "counter"), "Shared memory: passing items, counting"),
    _bars("spawn", ("spawn",), "Create a flow, run it, join it"),
)
