# SPDX-License-Identifier: MIT
"""Whether to believe a run, and what it lacks: the two sections that speak against it.
"""
from __future__ import annotations

import re
from collections import Counter

from corobench.blocks import Block, Bullets, Paragraph, Table
from corobench.charts import CHARTS
from corobench.dataset import CONTAMINATED_SHARE, Dataset
from corobench.records import Run
from corobench.wording import MISSING, Code, listing, percent, plural


def trust(data: Dataset) -> list[Block]:
    blocks: list[Block] = [Bullets([(line,) for line in _confidence(data)])]
    environment = data.environment
    warnings = (
        [fact for fact in environment.facts if fact.status != "ok"] if environment else []
    )
    if warnings:
        blocks += [
            Paragraph("What the machine had to say against itself:"),
            Table(
                ["fact", "status", "value", "what it means"],
                [
                    [fact.name, fact.status, fact.value or MISSING, fact.advice]
                    for fact in warnings
                ],
            ),
        ]
    elif environment:
        blocks.append(Paragraph("No fact about the machine gave rise to a warning."))
    else:
        blocks.append(
            Paragraph(
                "There is no environment record: the machine's settings are " "not known."
            )
        )
    return blocks


def _confidence(data: Dataset) -> list[str]:
    lines = [_rejected(data)]
    floor, effect = data.aa_floor(), data.smallest_effect()
    compared = len(data.aa_differences())
    if floor is None:
        lines.append(
            "A/A floor: not known. It needs at least two odd and two even rounds with "
            "estimated cycles."
        )
    else:
        lines.append(
            f"A/A floor: {percent(floor)}. Odd against even rounds of the same case "
            f"differ by less than that, in estimated cycles, in nine of ten of "
            f"{plural(compared, 'case')}. A difference below it means nothing."
        )
    if effect is None:
        lines.append(
            "Smallest effect that this run could show: not known, for want of rounds."
        )
    else:
        lines.append(
            f"Smallest effect that this run could show, between two cases: about "
            f"{percent(effect)} (the larger of the A/A floor and half of a typical "
            f"95 % interval)."
        )
    lines.append(_flags(data))
    if data.other_arms:
        lines.append(
            f"Only the arm {data.arm} is reported; the records have also "
            f"{listing(data.other_arms)}."
        )
    return lines + [line for run in data.runs for line in _ending(run)]


def _flags(data: Dataset) -> str:
    """How many trials carry a flag, and in how many cases most of them do."""
    trials: Counter[str] = Counter()
    mostly: Counter[str] = Counter()
    for case in data.cases.values():
        for flag, times in case.flag_counts().items():
            trials[flag] += times
            mostly[flag] += 2 * times > len(case.trials)
    words = [
        f"{flag} in {plural(times, 'trial')} (in {plural(mostly[flag], 'case')} more "
        f"than half of them)"
        for flag, times in sorted(trials.items())
    ]
    return f"Flags: {listing(words, 12) or 'none'}."


def _rejected(data: Dataset) -> str:
    share = data.rejected_share
    if share is None:
        return "Rejected: no trial ran."
    words = (
        f"Rejected: {len(data.rejections):,} of {plural(data.ran, 'trial')} "
        f"({percent(share)})"
    )
    reasons = Counter(
        re.sub(r"\d+(\.\d+)?", "N", reason)
        for trial in data.rejections
        for reason in trial.reasons
    )
    if reasons:
        words += ", for: " + listing(
            [
                f"{reason} ({times}×)"
                for reason, times in sorted(reasons.items(), key=lambda one: -one[1])
            ],
            8,
        )
    if data.contaminated:
        words += (
            f". That is more than {percent(CONTAMINATED_SHARE)}: the run is contaminated"
        )
    return words + "."


def _ending(run: Run) -> list[str]:
    meaning = {
        "tight": "its intervals were as tight as asked",
        "budget": "its time was up",
        "rounds": "it had done the rounds asked for",
        "interrupted": "it was interrupted",
    }
    lines = []
    if not run.ends:
        lines.append(
            f"Run {run.name} has no end record: it was killed, or it goes on still."
        )
    else:
        end = run.ends[-1]
        lines.append(
            f"Run {run.name} stopped after {plural(end.rounds, 'round')} because "
            f"{meaning[end.reason]}."
        )
    if len(run.environments) > 1:
        changed = sorted(
            {
                fact.name
                for one, two in zip(run.environments, run.environments[1:])
                for fact in set(one.facts) ^ set(two.facts)
            }
        )
        lines.append(
            f"Run {run.name} was resumed {len(run.environments) - 1} times"
            + (
                f"; facts that changed meanwhile: {listing(changed, 12)}."
                if changed
                else "; no fact changed meanwhile."
            )
        )
    if run.torn:
        lines.append(f"Run {run.name} ends in a torn line, which was ignored.")
    return lines


def unmeasured(data: Dataset, shown: set[str]) -> list[Block]:
    blocks: list[Block] = []
    for heading, items in (
        ("Skipped cases:", _skipped(data)),
        ("Figures that are missing from cases that ran:", _null(data)),
        ("Cases that failed, and what they said:", _failed(data)),
        ("Selected, but without a finished trial:", _never(data)),
        ("Other systems that are not installed here:", _absent(data)),
        ("Charts that these records can't fill:", _undrawn(shown)),
    ):
        if items:
            blocks += [Paragraph(heading), Bullets(items)]
    return blocks or [Paragraph("Everything that was asked for was measured.")]


def _skipped(data: Dataset) -> list[tuple[str, ...]]:
    reasons: dict[str, list[str]] = {}
    for trial in data.trials:
        if trial.skipped is not None:
            names = reasons.setdefault(trial.skipped, [])
            if trial.case not in names:
                names.append(trial.case)
    return [_named(reason, sorted(names)) for reason, names in reasons.items()]


def _named(reason: str, names: list[str], most: int = 12) -> tuple[str, ...]:
    """reason: case, case and 3 more."""
    parts: list[str] = [f"{reason}: "]
    for index, name in enumerate(names[:most]):
        parts += [", " if index else "", Code(name)]
    if len(names) > most:
        parts.append(f" and {len(names) - most} more")
    return tuple(parts)


def _null(data: Dataset) -> list[tuple[str, ...]]:
    found: dict[str, dict[str, set[str]]] = {}
    for case in data.cases.values():
        for trial in case.trials:
            for name, metric in trial.metrics.items():
                if metric.value is None:
                    found.setdefault(metric.reason, {}).setdefault(name, set()).add(
                        case.name
                    )
    unrecorded = [
        name
        for name in ("cycles", "instructions")
        if data.cases and not any(name in trial.metrics for trial in data.trials)
    ]
    items: list[tuple[str, ...]] = (
        [(f"{listing(unrecorded)} of every case: " f"{data.unrecorded}",)]
        if unrecorded
        else []
    )
    for reason, metrics in sorted(found.items()):
        cases = set().union(*metrics.values())
        items.append(
            (
                f"{listing(sorted(metrics), 12)} of {plural(len(cases), 'case')}: "
                f"{reason}",
            )
        )
    return items


def _failed(data: Dataset) -> list[tuple[str, ...]]:
    found = Counter(
        (trial.error, trial.case) for trial in data.trials if trial.error is not None
    )
    return [
        (Code(case), f" ({times}×): {error}")
        for (error, case), times in sorted(
            found.items(), key=lambda one: (one[0][1], one[0][0] or "")
        )
    ]


def _never(data: Dataset) -> list[tuple[str, ...]]:
    accounted = {trial.case for trial in data.trials}
    rejected = {trial.case for trial in data.rejections}
    missing = [name for name in data.selected if name not in accounted]
    groups = (
        ("every trial was rejected", [name for name in missing if name in rejected]),
        ("no trial was run", [name for name in missing if name not in rejected]),
    )
    return [_named(reason, names) for reason, names in groups if names]


def _absent(data: Dataset) -> list[tuple[str, ...]]:
    environment = data.environment
    return [
        (f"{peer.name}: {peer.reason or 'no reason given'}",)
        for peer in (environment.peers if environment else ())
        if peer.status == "absent"
    ]


def _undrawn(shown: set[str]) -> list[tuple[str, ...]]:
    return [
        (
            f"{chart.name} ({chart.heading}): no trial of "
            f"{listing(list(chart.experiments))} gave it a figure",
        )
        for chart in CHARTS
        if chart.name not in shown
    ]
