# SPDX-License-Identifier: MIT
"""The bank account: what is lost and what it costs, by protection and by scheduling.

Cases are told apart by their parameters alone: protection, sleep, held, workers, inside.
A deadlock is a finding, and comes as a skipped trial whose reason begins with that word.
"""
from __future__ import annotations

from typing import Any, Union

from corobench.blocks import Block, Measured, Paragraph, Table
from corobench.dataset import COST, Case, Dataset, placement_rank
from corobench.records import Trial
from corobench.style import Palette, Theme, label, legend_below, log_axis, new_figure
from corobench.wording import MISSING, number, percent, plain

LOST = "lost_updates"  # per 10^6
DEADLOCK = "deadlock"
Cell = Union[Case, str]  # a str: DEADLOCK


def schedule(trial: Trial) -> str:
    """Who runs the flows, in words: "one worker, yields inside updates"."""
    workers = trial.params.get("workers", "")
    words = {"": trial.subject + "s", "1": "one worker", "2": "two workers"}.get(
        workers, f"{workers} workers"
    )
    if trial.params.get("inside"):
        return f"{words}, yields inside updates"
    return words if workers == "1" else f"{words}, {trial.placement}"


def _pause(trial: Trial) -> str:
    sleep = trial.params.get("sleep", "0")
    words = "nobody sleeps" if sleep == "0" else f"each sleeps {sleep}"
    held = trial.params.get("held")
    return f"{words}, locks held {held}" if held else words


def cells(data: Dataset) -> dict[str, dict[tuple[str, str], Cell]]:
    """By pause; in that by (protection, schedule)."""
    found: dict[str, dict[tuple[str, str], Cell]] = {}
    rank = {name: index for index, name in enumerate(data.selected)}
    trials = sorted(
        (trial for trial in data.trials if trial.experiment == "bank"),
        key=lambda trial: rank.get(trial.case, len(rank)),
    )
    for trial in trials:
        case = data.cases.get(trial.case)
        cell: Cell | None = case if case is not None and case.values(COST) else None
        if cell is None and (trial.skipped or "").startswith(DEADLOCK):
            # A thread that sleeps wakes again: a probe of old records waited too briefly.
            cell = None if trial.subject == "pthread" else DEADLOCK
        protection = plain(trial.params.get("protection", "?"), 24)
        if cell is not None:
            found.setdefault(_pause(trial), {})[(protection, schedule(trial))] = cell
    return found


def _words(cell: Cell | None) -> str:
    if cell is None:
        return MISSING
    if isinstance(cell, str):
        return cell
    lost = cell.median(LOST) or 0
    cost = f"{number(cell.median(COST))} ns"
    words = f"{cost}, {percent(lost / 1e6)} lost" if lost > 0 else cost
    return Measured(words, "bank", cell.name)


def tables(data: Dataset) -> list[Block]:
    blocks: list[Block] = []
    for pause, matrix in cells(data).items():
        rows = list(dict.fromkeys(protection for protection, _ in matrix))
        columns = list(dict.fromkeys(words for _, words in matrix))
        blocks.append(
            Paragraph(
                "Ten flows and one account, ",
                pause,
                ": ns per transaction of two updates, and the share of updates lost.",
            )
        )
        blocks.append(
            Table(
                ["protection", *columns],
                [
                    [row, *(_words(matrix.get((row, column))) for column in columns)]
                    for row in rows
                ],
                [False] + [True] * len(columns),
            )
        )
    return blocks


def drawn(data: Dataset) -> dict[tuple[str, str], Case]:
    """The chart shows the pause that most cases share."""
    found = cells(data)
    most = max(found.values(), key=len) if found else {}
    return {
        key: cell
        for key, cell in most.items()
        if isinstance(cell, Case) and (cell.median(COST) or 0) > 0
    }


def draw_bank(theme: Theme, data: Dataset) -> Any:
    """A row per protection, a mark per schedule; hollow where updates were lost."""
    found = drawn(data)
    rows = list(dict.fromkeys(protection for protection, _ in found))
    order = {words: placement_rank(case.placement) for (_, words), case in found.items()}
    schedules = sorted(order, key=lambda words: (order[words], words))
    palette = Palette(theme, schedules)
    figure = new_figure(0.46 * len(rows) + 2.2)
    axes = figure.subplots()
    axes.set_xscale("log")
    for (protection, words), case in found.items():
        lost = case.median(LOST) or 0
        y = rows.index(protection) + 0.09 * (
            schedules.index(words) - (len(schedules) - 1) / 2
        )
        axes.plot(
            case.median(COST),
            y,
            palette.marker(words),
            color=palette.colour(words),
            markerfacecolor=theme.background if lost else palette.colour(words),
            markersize=7,
            markeredgewidth=1.6,
        )
        if lost:
            axes.annotate(
                f"{percent(lost / 1e6)} lost",
                (case.median(COST), y),
                xytext=(7, 0),
                va="center",
                textcoords="offset points",
                fontsize=8,
                color=palette.colour(words),
            )
    for words in schedules:
        axes.plot(
            [],
            [],
            palette.marker(words),
            color=palette.colour(words),
            label=label(words),
        )
    axes.set_yticks(range(len(rows)), [label(row) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.margins(x=0.12)
    log_axis(axes.xaxis)
    axes.set_xlabel("ns per transaction (log scale)")
    legend_below(figure, axes, columns=3)
    return figure
