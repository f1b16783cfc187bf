# SPDX-License-Identifier: MIT
"""Whether to believe a run, and what it lacks: the two sections that speak against it.
"""
from __future__ import annotations

import re
from collections import Counter

from corobench.blocks import Block, Bullets, Measured, Paragraph, Parts, Table, said
from corobench.charts import CHARTS
from corobench.dataset import CONTAMINATED_SHARE, Dataset
from corobench.records import Run
from corobench.wording import MISSING, Code, listing, percent, plural


def trust(data: Dataset) -> list[Block]:
    blocks: list[Block] = [Bullets(_confidence(data))]
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


def run_figure(text: str, what: str, *more: str) -> Measured:
    """A figure about the run itself."""
    return Measured(text, "run", what, *more)


def _confidence(data: Dataset) -> list[Parts]:
    lines = [_rejected(data)]
    floor, effect = data.aa_floor(), data.smallest_effect()
    if floor is None:
        lines.append(
            (
                "A/A floor: not known. It needs at least two odd and two even rounds "
                "with estimated cycles.",
            )
        )
    else:
        lines.append(
            said(
                "A/A floor: {floor}. Odd against even rounds of the same case differ by "
                "less than that, in estimated cycles, in nine of ten of {compared} cases. "
                "A difference below it means nothing.",
                floor=run_figure(percent(floor), "aa_floor"),
                compared=run_figure(f"{len(data.aa_differences()):,}", "aa_cases"),
            )
        )
    if effect is None:
        lines.append(
            ("Smallest effect that this run could show: not known, for want of rounds.",)
        )
    else:
        lines.append(
            said(
                "Smallest effect that this run could show, between two cases: about "
                "{effect} (the larger of the A/A floor and half of a typical 95 % "
                "interval).",
                effect=run_figure(percent(effect), "smallest_effect"),
            )
        )
    lines.append(_flags(data))
    if data.other_arms:
        others = _comma(data.other_arms)
        lines.append(
            ("Only one arm is reported: ", data.arm, ". The records also have ", *others)
        )
    return lines + [line for run in data.runs for line in _ending(run)]


def _comma(names: list[str]) -> Parts:
    """Words of the records, each a fragment of its own."""
    return tuple(part for name in names for part in (", ", name))[1:]


def _flags(data: Dataset) -> Parts:
    """How many trials carry a flag, and in how many cases most of them do."""
    trials: Counter[str] = Counter()
    mostly: Counter[str] = Counter()
    for case in data.cases.values():
        for flag, times in case.flag_counts().items():
            trials[flag] += times
            mostly[flag] += 2 * times > len(case.trials)
    parts: list[str] = ["Flags: ", "none" if not trials else ""]
    for index, flag in enumerate(sorted(trials)):
        parts += [
            "; " if index else "",
            flag,
            " in ",
            run_figure(f"{trials[flag]:,}", "flagged", flag),
            " trials, and in more than half of those of ",
            run_figure(f"{mostly[flag]:,}", "flagged_mostly", flag),
            " cases",
        ]
    return (*parts, ".")


def _rejected(data: Dataset) -> Parts:
    share = data.rejected_share
    if share is None:
        return ("Rejected: no trial ran.",)
    parts = said(
        "Rejected: {rejected} of {ran} trials ({share})",
        rejected=run_figure(f"{len(data.rejections):,}", "rejected"),
        ran=run_figure(f"{data.ran:,}", "ran"),
        share=run_figure(percent(share), "rejected_share"),
    )
    reasons = Counter(
        reason
        for trial in data.rejections
        for reason in dict.fromkeys(bare_reason(one) for one in trial.reasons)
    )
    if reasons:
        parts += (", for, the commonest first",)
    for at, (reason, trials) in enumerate(reasons.most_common()):
        words = run_figure(plural(trials, "trial"), "rejected_for", reason)
        parts += (", " if at else ": ", reason, " (", words, ")")
    if data.contaminated:
        parts += (
            ". That is more than ",
            run_figure(percent(CONTAMINATED_SHARE), "limit_of_rejections"),
            ": the run is contaminated",
        )
    return (*parts, ".")


def bare_reason(reason: str) -> str:
    """Without its numbers, which differ from trial to trial."""
    return " ".join(re.sub(r":? ?\b\d+(\.\d+)?\b", "", reason).split())


def _ending(run: Run) -> list[Parts]:
    meaning = {
        "tight": "its intervals were as tight as asked",
        "budget": "its time was up",
        "rounds": "it had done the rounds asked for",
        "interrupted": "it was interrupted",
    }
    lines: list[Parts] = []
    if not run.ends:
        lines.append(
            ("Run ", run.name, " has no end record: it was killed, or it goes on still.")
        )
    else:
        end = run.ends[-1]
        rounds = run_figure(plural(end.rounds, "round"), "rounds", run.name)
        why = f" because {meaning[end.reason]}."
        lines.append(("Run ", run.name, " stopped after ", rounds, why))
    if len(run.environments) > 1:
        changed = sorted(
            {
                fact.name
                for one, two in zip(run.environments, run.environments[1:])
                for fact in set(one.facts) ^ set(two.facts)
            }
        )
        parts: list[str] = ["Run ", run.name, " was resumed; facts that changed meanwhile: "]
        lines.append((*parts, *(_comma(changed) or ("none",)), "."))
    if run.torn:
        lines.append(("Run ", run.name, " ends in a torn line, which was ignored."))
    return lines


def unmeasured(data: Dataset, shown: set[str]) -> list[Block]:
    blocks: list[Block] = []
    for heading, items in (
        ("Skipped cases:", _skipped(data, ran=False)),
        ("Ran in some rounds, skipped in others:", _skipped(data, ran=True)),
        ("Figures that are missing from cases that ran:", _null(data)),
        ("Cases that failed, and what they said:", _failed(data)),
        ("Selected, but without a finished trial:", _never(data)),
        ("Other systems that are not installed here:", _absent(data)),
        ("Charts that these records can't fill:", _undrawn(shown)),
    ):
        if items:
            blocks += [Paragraph(heading), Bullets(items)]
    return blocks or [Paragraph("Everything that was asked for was measured.")]


def _skipped(data: Dataset, ran: bool) -> list[Parts]:
    """Of the cases that ran at some time too, or of those that never did."""
    reasons: dict[str, list[str]] = {}
    for trial in data.trials:
        if trial.skipped is not None and (trial.case in data.cases) == ran:
            names = reasons.setdefault(trial.skipped, [])
            if trial.case not in names:
                names.append(trial.case)
    return [_named(reason, sorted(names)) for reason, names in reasons.items()]


def _named(reason: str, names: list[str], most: int = 12) -> Parts:
    """reason: case, case and others."""
    parts: list[str] = [reason, ": "]
    for index, name in enumerate(names[:most]):
        parts += [", " if index else "", Code(name)]
    return (*parts, " and others") if len(names) > most else tuple(parts)


def _null(data: Dataset) -> list[Parts]:
    found: dict[str, list[str]] = {}
    for case in data.cases.values():
        for trial in case.trials:
            for name, metric in trial.metrics.items():
                names = found.setdefault(metric.reason, [])
                if metric.value is None and name not in names:
                    names.append(name)
    unrecorded = [
        name
        for name in ("cycles", "instructions")
        if data.cases and not any(name in trial.metrics for trial in data.trials)
    ]
    items: list[Parts] = (
        [(f"{listing(unrecorded)} of every case: ", data.unrecorded)]
        if unrecorded
        else []
    )
    return items + [
        (*_comma(names), ": ", reason) for reason, names in sorted(found.items()) if names
    ]


def _failed(data: Dataset) -> list[Parts]:
    found = {
        (trial.case, trial.error) for trial in data.trials if trial.error is not None
    }
    return [(Code(case), ": ", error) for case, error in sorted(found)]


def _never(data: Dataset) -> list[Parts]:
    accounted = {trial.case for trial in data.trials}
    rejected = {trial.case for trial in data.rejections}
    missing = [name for name in data.selected if name not in accounted]
    groups = (
        ("every trial was rejected", [name for name in missing if name in rejected]),
        ("no trial was run", [name for name in missing if name not in rejected]),
    )
    return [_named(reason, names) for reason, names in groups if names]


def _absent(data: Dataset) -> list[Parts]:
    environment = data.environment
    return [
        (peer.name, ": ", peer.reason or "no reason given")
        for peer in (environment.peers if environment else ())
        if peer.status == "absent"
    ]


def _undrawn(shown: set[str]) -> list[Parts]:
    return [
        (
            f"{chart.name} ({chart.heading}): no trial of "
            f"{listing(list(chart.experiments))} gave it a figure",
        )
        for chart in CHARTS
        if chart.name not in shown
    ]
