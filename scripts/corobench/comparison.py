# SPDX-License-Identifier: MIT
"""Two runs of one machine side by side: differences and floors, and no verdict.

The runs were made at different times, so nothing pairs their rounds: a difference here is
one of medians. Judging a change needs two arms inside one run.
"""
from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from corobench.dataset import Dataset
from corobench.estimates import Estimate
from corobench.wording import MISSING, number, percent, plain, plural


@dataclass(frozen=True)
class Row:
    case: str
    unit: str
    first: Estimate
    second: Estimate
    ratio: float | None
    within: bool


@dataclass(frozen=True)
class Comparison:
    machine: str
    metric: str
    threshold: float
    runs: tuple[str, str]
    rows: list[Row]
    only: tuple[list[str], list[str]]
    floors: tuple[float | None, float | None]

    @property
    def within(self) -> int:
        return sum(1 for row in self.rows if row.within)


def compare(first: Dataset, second: Dataset, metric: str, threshold: float) -> Comparison:
    rows = []
    lacking: tuple[list[str], list[str]] = ([], [])
    for name in dict.fromkeys([*first.cases, *second.cases]):
        sides = [
            data.cases[name].estimate(metric) if name in data.cases else None
            for data in (first, second)
        ]
        if sides[0] is None or sides[1] is None:
            for side, names in zip(sides, lacking):
                if side is not None:
                    names.append(name)
            continue
        rows.append(
            _row(name, first.cases[name].unit(metric), sides[0], sides[1], threshold)
        )
    return Comparison(
        first.machine,
        metric,
        threshold,
        (first.runs[0].name, second.runs[0].name),
        rows,
        lacking,
        (first.aa_floor(metric), second.aa_floor(metric)),
    )


def _row(
    name: str, unit: str, first: Estimate, second: Estimate, threshold: float
) -> Row:
    """Zero against zero is no difference; zero against another value has no ratio."""
    if first.median == second.median:
        return Row(name, unit, first, second, 1.0 if first.median else None, True)
    if first.median <= 0 or second.median <= 0:
        return Row(name, unit, first, second, None, False)
    ratio = second.median / first.median
    return Row(name, unit, first, second, ratio, abs(ratio - 1) < threshold)


def to_text(found: Comparison) -> str:
    header = ["case", f"A: {found.metric}", f"B: {found.metric}", "B / A - 1", ""]
    rows = [
        [
            plain(row.case, 100),
            number(row.first.median),
            number(row.second.median),
            percent(row.ratio - 1)
            if row.ratio is not None
            else ("0.0 %" if row.within else MISSING),
            "" if row.within else "*",
        ]
        for row in found.rows
    ]
    widths = [max(len(plain(line[at])) for line in [header, *rows]) for at in range(5)]
    lines = [
        f"A: {plain(found.runs[0])}",
        f"B: {plain(found.runs[1])}",
        f"machine: {plain(found.machine)}",
        "",
    ]
    for line in [header, *rows]:
        cells = [
            plain(line[0]).ljust(widths[0]),
            *[plain(cell).rjust(width) for cell, width in zip(line[1:], widths[1:])],
        ]
        lines.append("  ".join(cells).rstrip())
    lines += [
        "",
        f"{found.within} of {plural(len(found.rows), 'case')} differ by less than "
        f"{number(100 * found.threshold)} % (the others are marked *)",
    ]
    lines += [
        f"A/A floor of {side}: {percent(floor)}"
        if floor is not None
        else f"A/A floor of {side}: not known (too few rounds)"
        for side, floor in zip("AB", found.floors)
    ]
    lines += [
        f"only in {side}: {plural(len(names), 'case')}"
        for side, names in zip("AB", found.only)
        if names
    ]
    return "\n".join(lines) + "\n"


def to_json(found: Comparison) -> str:
    document = {**asdict(found), "within": found.within, "cases": len(found.rows)}
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
