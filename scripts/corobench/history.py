# SPDX-License-Identifier: MIT
"""The history of a machine: a line per run, and where its costs changed for good.

results/history/<machine>.jsonl has of each run its time, its commit, and of each case the median
of its cost (HISTORY_METRICS, the first that it has). Lines are appended, and never rewritten; they
are read in the order of time. Two runs of one name, or of two machines in one file, are an error.

A change point is found in one series as if there were no other, but with so many shuffles that all
series of the machine together have a false one in at most ALPHA of histories.
"""
from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from corobench import divisive
from corobench.blocks import Block, Paragraph, Picture, Section, Table
from corobench.dataset import COST, STEADY, Dataset
from corobench.records import RecordError
from corobench.style import THEMES, Theme, label, linear_axis, new_figure, svg, themed, title
from corobench.wording import Code, number, percent, plain, plural

SCHEMA = 1
NAMES = ("run", "time_utc", "commit", "machine", "compiler")
ALPHA = 0.05
RUNS_MAX = 200  # the newest: time and memory grow with the square
HISTORY_METRICS = {STEADY: "cycles/op", COST: "ns/op", "resident_bytes": "B/flow"}
PANELS = 6
CHART = "history"
HEADING = "Where did a cost change for good?"
READING = ("A dot is a run's median, a line the median between two changes; a change has the "
           "first commit that shows it. Lower is better.")  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One run."""

    run: str
    time_utc: str
    commit: str
    machine: str
    compiler: str
    costs: dict[str, tuple[str, float]]  # by case: metric, median


@dataclass(frozen=True)
class Change:
    """Between the run before and the first that shows it: the medians of both stretches."""

    case: str
    metric: str
    index: int
    entry: Entry
    before: float
    after: float

    @property
    def share(self) -> float:
        return self.after / self.before - 1 if self.before > 0 else math.inf


def entry_of(data: Dataset, commit: str) -> Entry:
    environment = data.environment
    costs = {}
    for name, case in data.cases.items():
        for metric in HISTORY_METRICS:
            value = case.median(metric)
            if value is not None:
                costs[name] = metric, value
                break
    return Entry(
        data.runs[-1].name,
        environment.time_utc if environment else "",
        commit,
        data.machine,
        environment.program["compiler"] if environment else "",
        costs,
    )


def line_of(entry: Entry) -> str:
    """Five digits: more than a median has."""
    costs = {name: {metric: float(f"{value:.5g}")}
             for name, (metric, value) in entry.costs.items()}  # fmt: skip
    document = {"schema": SCHEMA, "run": entry.run, "time_utc": entry.time_utc,
                "commit": entry.commit, "machine": entry.machine,
                "compiler": entry.compiler, "costs": costs}  # fmt: skip
    return json.dumps(document, allow_nan=False)


def path_of(folder: Path, machine: str) -> Path:
    name = "".join(c if c.isalnum() or c in "-_" else "_" for c in machine)
    return folder / f"{name or 'unknown'}.jsonl"


def read(path: Path) -> list[Entry]:
    """By time. RecordError names the line; a file that is not there is an empty history."""
    if not path.exists():
        return []
    found: dict[str, Entry] = {}
    for number_, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        where = f"{plain(path)}:{number_}"
        try:
            entry = _entry(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RecordError(f"{where}: not a run of a history: {plain(error, 200)}") from None
        if entry.run in found:
            raise RecordError(f"{where}: run {plain(entry.run)} is there already")
        if any(one.machine != entry.machine for one in found.values()):
            raise RecordError(f"{where}: a run of {plain(entry.machine)}, another machine")
        found[entry.run] = entry
    return sorted(found.values(), key=lambda entry: (entry.time_utc, entry.run))


def _entry(document: dict[str, Any]) -> Entry:
    if document["schema"] != SCHEMA:
        raise ValueError(f"schema {document['schema']!r} is unknown")
    costs: dict[str, tuple[str, float]] = {}
    for name, row in document["costs"].items():
        ((metric, value),) = row.items()
        if metric not in HISTORY_METRICS or not math.isfinite(float(value)):
            raise ValueError(f"{name}: no cost")
        costs[name] = metric, float(value)
    names = {key: document[key] for key in NAMES}
    if not all(isinstance(name, str) for name in names.values()):
        raise TypeError("a name is no text")
    return Entry(**names, costs=costs)


@dataclass(frozen=True)
class Series:
    """A case over the runs that have it, with one metric: what the newest run has."""

    case: str
    metric: str
    entries: tuple[Entry, ...]
    values: tuple[float, ...]


def series_of(entries: list[Entry]) -> list[Series]:
    found = []
    for case, (metric, _) in (entries[-1].costs if entries else {}).items():
        here = [one for one in entries[-RUNS_MAX:] if one.costs.get(case, ("",))[0] == metric]
        if len(here) >= 2 * divisive.SHORTEST:
            values = tuple(one.costs[case][1] for one in here)
            found.append(Series(case, metric, tuple(here), values))
    return found


def changes_of(series: list[Series]) -> list[Change]:
    """Of all series, the newest first and then the largest. A cost's logarithm is looked at,
    so that a share is one distance everywhere; one that is not above 0, as it is."""
    shuffles = divisive.shuffles_for(ALPHA, len(series))
    found = []
    for one in series:
        logs = min(one.values) > 0
        values = [math.log(value) for value in one.values] if logs else list(one.values)
        points = divisive.change_points(values, shuffles)
        bounds = [0, *points, len(values)]
        for before, at, after in zip(bounds, bounds[1:], bounds[2:]):
            medians = (float(numpy.median(one.values[a:b])) for a, b in ((before, at), (at, after)))
            found.append(Change(one.case, one.metric, at, one.entries[at], *medians))
    return sorted(found, key=_newest_and_largest)


def _newest_and_largest(change: Change) -> tuple[Any, ...]:
    time = [-ord(char) for char in change.entry.time_utc]
    return (time, -abs(change.share), change.case)


def words(change: Change) -> str:
    unit = HISTORY_METRICS[change.metric]
    sign = "+" if change.share > 0 else ""
    return (f"{plain(change.case, 120)}: {number(change.before)} -> {number(change.after)} {unit} "
            f"({sign}{percent(change.share)}) with {plain(change.entry.commit, 40)}, "
            f"run {plain(change.entry.run, 60)}")  # fmt: skip


# ---------------------------------------------------------------- in the report


def section(entries: list[Entry]) -> Section | None:
    """None below two stretches' worth of runs, in which nothing could be found."""
    series = series_of(entries)
    if not series:
        return None
    changes = changes_of(series)
    blocks: list[Block] = [
        Paragraph(f"{plural(len(entries), 'run')} of this machine, {plural(len(series), 'case')}. ",
                  f"{plural(len(changes), 'change')} found by E-Divisive; of all cases together, one "
                  f"history in {round(1 / ALPHA)} without a change shows one."),
        Picture(CHART, f"Chart: {HEADING.rstrip('?')}. {READING}", _pictures(series, changes)),
    ]  # fmt: skip
    if changes:
        blocks.append(_table(changes))
    return Section("The history of this machine", blocks)


def _table(changes: list[Change]) -> Table:
    rows: list[list[str]] = [
        [Code(one.case), Code(one.entry.commit), one.entry.time_utc, number(one.before),
         f"{number(one.after)} {HISTORY_METRICS[one.metric]}", percent(one.share)]
        for one in changes
    ]  # fmt: skip
    headers = ["case", "commit", "run at", "before", "after", "change"]
    return Table(headers, rows, [False, False, False, True, True, True])


def _pictures(series: list[Series], changes: list[Change]) -> dict[str, bytes]:
    pictures = {}
    for theme in THEMES:
        with themed(theme):
            figure = draw(theme, series, changes)
            title(figure, theme, HEADING, READING)
            pictures[theme.name] = svg(figure)
    return pictures


def chosen(series: list[Series], changes: list[Change]) -> list[Series]:
    """What is drawn: the cases that changed, the newest change first; then the others."""
    order = {name: index for index, name in enumerate(dict.fromkeys(c.case for c in changes))}
    return sorted(series, key=lambda one: order.get(one.case, len(order)))[:PANELS]


def draw(theme: Theme, series: list[Series], changes: list[Change]) -> Any:
    shown = chosen(series, changes)
    figure = new_figure(1.55 * len(shown) + 0.7)
    panels = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for axes, one in zip(panels, shown):
        mine = sorted((c for c in changes if c.case == one.case), key=lambda c: c.index)
        _panel(theme, axes, one, mine)
    panels[-1].set_xlabel("runs, in the order of time")
    return figure


def _panel(theme: Theme, axes: Any, one: Series, changes: list[Change]) -> None:
    axes.plot(range(len(one.values)), one.values, "o", color=theme.colours[0], markersize=4)
    bounds = [0, *(change.index for change in changes), len(one.values)]
    for start, end in zip(bounds, bounds[1:]):
        middle = float(numpy.median(one.values[start:end]))
        axes.hlines(middle, start - 0.4, end - 0.6, color=theme.colours[1], linewidth=2)
    low, high = min(one.values), max(one.values)
    room = (high - low) or abs(high) or 1
    axes.set_ylim(low - 0.15 * room, high + 0.45 * room)
    for change in changes:
        axes.axvline(change.index - 0.5, color=theme.colours[4], linewidth=1.2)
        sign = "+" if change.share > 0 else ""
        axes.annotate(
            f"{label(change.entry.commit)[:13]} {sign}{percent(change.share)}",
            (change.index - 0.5, high + 0.42 * room), xytext=(3, 0), va="top",
            textcoords="offset points", fontsize=9, color=theme.colours[4],
        )  # fmt: skip
    axes.set_xlim(-1, max(len(one.values), 8))
    axes.set_title(label(one.case), loc="left", fontsize=10)
    axes.set_ylabel(HISTORY_METRICS[one.metric], fontsize=9)
    linear_axis(axes.yaxis)
