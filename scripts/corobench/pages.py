# SPDX-License-Identifier: MIT
"""The report as blocks: what was found, whether to believe it, and what is not there.

Everything comes from the Dataset; two runs of this over the same records give the same
blocks. Foreign text passes through untouched: the renderers escape it.
"""
from __future__ import annotations

import re
from collections import Counter

from corobench import charts, tables
from corobench.blocks import Block, Bullets, Paragraph, Picture, Report, Section, Table
from corobench.dataset import CONTAMINATED_SHARE, COST, STEADY, Case, Dataset
from corobench.records import Run
from corobench.summary import sentences
from corobench.wording import MISSING, Code, listing, percent, plural

HEADINGS = {
    "switch": "Switching", "ablation": "What a switch saves, and what that costs",
    "depth": "Switching with deep stacks", "spawn": "Creating flows",
    "footprint": "What a flow weighs", "limit": "How many flows there can be",
    "message": "Passing items through shared memory", "counter": "Counting in shared memory",
}
ORDER = list(HEADINGS)


def build(data: Dataset) -> Report:
    sections = [Section("In short", _in_short(data))]
    shown: set[str] = set()
    for experiment in sorted(data.experiments(), key=_rank):
        sections.append(Section(HEADINGS.get(experiment, experiment),
                                _experiment(data, experiment, shown)))
    sections += [Section("Can these figures be trusted?", _trust(data)),
                 Section("What could not be measured here, and why", _unmeasured(data, shown)),
                 Section("The machine and its settings", _machine(data)),
                 Section("How to read this", _reading())]
    return Report(f"corobench on {data.machine}", sections)


def _rank(experiment: str) -> tuple[int, str]:
    return (ORDER.index(experiment) if experiment in ORDER else len(ORDER), experiment)


def _in_short(data: Dataset) -> list[Block]:
    blocks: list[Block] = [Paragraph(_source(data))]
    if data.contaminated:
        blocks.append(Paragraph(
            f"This run is contaminated: {percent(data.rejected_share)} of its trials were "
            f"thrown away. Do not quote its figures."))
    if not data.cases:
        blocks.append(Paragraph("The records hold no finished trial: there is nothing to "
                                "report."))
        return blocks
    rounds = {(trial.run, trial.round) for trial in data.trials if trial.measured}
    if len(rounds) == 1:
        blocks.append(Paragraph("There is one round only: every figure is a single process, "
                                "with no interval."))
    blocks.append(Bullets([(sentence,) for sentence in sentences(data)]))
    return blocks


def _source(data: Dataset) -> str:
    rounds = {(trial.run, trial.round) for trial in data.trials if trial.measured}
    words = (f"From {plural(len(data.runs), 'run')} of {data.machine} "
             f"({listing([run.name for run in data.runs], 8)}): "
             f"{plural(len(data.cases), 'case')}, {plural(len(rounds), 'round')}, "
             f"{plural(sum(1 for trial in data.trials if trial.measured), 'finished trial')}.")
    return words + " Costs are per op, and lower is better."


def _experiment(data: Dataset, experiment: str, shown: set[str]) -> list[Block]:
    blocks: list[Block] = []
    for chart in charts.CHARTS:
        if experiment in chart.experiments and chart.name not in shown:
            pictures = charts.render(chart, data)
            if pictures is not None:
                shown.add(chart.name)
                blocks.append(Picture(chart.name, f"Chart: {chart.heading.rstrip('?')}. {chart.reading}", pictures))
    cases = data.of(experiment)
    costs = [case for case in cases if COST in case.first.metrics]
    others = [case for case in cases if COST not in case.first.metrics]
    for op in dict.fromkeys(case.first.op for case in costs):
        if op:
            blocks.append(Paragraph(f"One op is: {op}."))
        blocks += tables.cost_table([case for case in costs if case.first.op == op],
                                    data.unrecorded)
    blocks += tables.counter_table(costs)
    if others:
        blocks += tables.own_table(others)
    return blocks


def _trust(data: Dataset) -> list[Block]:
    blocks: list[Block] = [Bullets([(line,) for line in _confidence(data)])]
    environment = data.environment
    warnings = [fact for fact in environment.facts if fact.status != "ok"] \
        if environment else []
    if warnings:
        blocks += [Paragraph("What the machine had to say against itself:"),
                   Table(["fact", "status", "value", "what it means"],
                         [[fact.name, fact.status, fact.value or MISSING, fact.advice]
                          for fact in warnings])]
    elif environment:
        blocks.append(Paragraph("No fact about the machine gave rise to a warning."))
    else:
        blocks.append(Paragraph("There is no environment record: the machine's settings are "
                                "not known."))
    return blocks


def _confidence(data: Dataset) -> list[str]:
    lines = [_rejected(data)]
    floor, effect = data.aa_floor(), data.smallest_effect()
    compared = len(data.aa_differences())
    if floor is None:
        lines.append("A/A floor: not known. It needs at least two odd and two even rounds with "
                     "estimated cycles.")
    else:
        lines.append(f"A/A floor: {percent(floor)}. Odd against even rounds of the same case "
                     f"differ by less than that, in estimated cycles, in nine of ten of "
                     f"{plural(compared, 'case')}. A difference below it means nothing.")
    if effect is None:
        lines.append("Smallest effect that this run could show: not known, for want of rounds.")
    else:
        lines.append(f"Smallest effect that this run could show, between two cases: about "
                     f"{percent(effect)} (the larger of the A/A floor and half of a typical "
                     f"95 % interval).")
    lines.append(_flags(data))
    if data.other_arms:
        lines.append(f"Only the arm {data.arm} is reported; the records have also "
                     f"{listing(data.other_arms)}.")
    return lines + [line for run in data.runs for line in _ending(run)]


def _flags(data: Dataset) -> str:
    """How many trials carry a flag, and in how many cases most of them do."""
    trials: Counter[str] = Counter()
    mostly: Counter[str] = Counter()
    for case in data.cases.values():
        for flag, times in case.flag_counts().items():
            trials[flag] += times
            mostly[flag] += 2 * times > len(case.trials)
    words = [f"{flag} in {plural(times, 'trial')} (in {plural(mostly[flag], 'case')} more than "
             f"half of them)" for flag, times in sorted(trials.items())]
    return f"Flags: {listing(words, 12) or 'none'}."


def _rejected(data: Dataset) -> str:
    share = data.rejected_share
    if share is None:
        return "Rejected: no trial ran."
    words = (f"Rejected: {len(data.rejections):,} of {plural(data.ran, 'trial')} "
             f"({percent(share)})")
    reasons = Counter(re.sub(r"\d+(\.\d+)?", "N", reason) for trial in data.rejections
                      for reason in trial.reasons)
    if reasons:
        words += ", for: " + listing([f"{reason} ({times}×)"
                                      for reason, times in sorted(reasons.items(),
                                                                  key=lambda one: -one[1])], 8)
    if data.contaminated:
        words += f". That is more than {percent(CONTAMINATED_SHARE)}: the run is contaminated"
    return words + "."


def _ending(run: Run) -> list[str]:
    meaning = {"tight": "its intervals were as tight as asked", "budget": "its time was up",
               "rounds": "it had done the rounds asked for", "interrupted": "it was interrupted"}
    lines = []
    if not run.ends:
        lines.append(f"Run {run.name} has no end record: it was killed, or it goes on still.")
    else:
        end = run.ends[-1]
        lines.append(f"Run {run.name} stopped after {plural(end.rounds, 'round')} because "
                     f"{meaning[end.reason]}.")
    if len(run.environments) > 1:
        changed = sorted({fact.name for one, two in zip(run.environments, run.environments[1:])
                          for fact in set(one.facts) ^ set(two.facts)})
        lines.append(f"Run {run.name} was resumed {len(run.environments) - 1} times"
                     + (f"; facts that changed meanwhile: {listing(changed, 12)}."
                        if changed else "; no fact changed meanwhile."))
    if run.torn:
        lines.append(f"Run {run.name} ends in a torn line, which was ignored.")
    return lines


def _unmeasured(data: Dataset, shown: set[str]) -> list[Block]:
    blocks: list[Block] = []
    for heading, items in (("Skipped cases:", _skipped(data)),
                           ("Figures that are missing from cases that ran:", _null(data)),
                           ("Cases that failed, and what they said:", _failed(data)),
                           ("Selected, but without a finished trial:", _never(data)),
                           ("Other systems that are not installed here:", _absent(data)),
                           ("Charts that these records can't fill:", _undrawn(shown))):
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
                    found.setdefault(metric.reason, {}).setdefault(name, set()).add(case.name)
    unrecorded = [name for name in ("cycles", "instructions") if data.cases
                  and not any(name in trial.metrics for trial in data.trials)]
    items: list[tuple[str, ...]] = [(f"{listing(unrecorded)} of every case: "
                                     f"{data.unrecorded}",)] if unrecorded else []
    for reason, metrics in sorted(found.items()):
        cases = set().union(*metrics.values())
        items.append((f"{listing(sorted(metrics), 12)} of {plural(len(cases), 'case')}: "
                      f"{reason}",))
    return items


def _failed(data: Dataset) -> list[tuple[str, ...]]:
    found = Counter((trial.error, trial.case) for trial in data.trials
                    if trial.error is not None)
    return [(Code(case), f" ({times}×): {error}") for (error, case), times
            in sorted(found.items(), key=lambda one: (one[0][1], one[0][0] or ""))]


def _never(data: Dataset) -> list[tuple[str, ...]]:
    accounted = {trial.case for trial in data.trials}
    rejected = {trial.case for trial in data.rejections}
    missing = [name for name in data.selected if name not in accounted]
    groups = (("every trial was rejected", [name for name in missing if name in rejected]),
              ("no trial was run", [name for name in missing if name not in rejected]))
    return [_named(reason, names) for reason, names in groups if names]


def _absent(data: Dataset) -> list[tuple[str, ...]]:
    environment = data.environment
    return [(f"{peer.name}: {peer.reason or 'no reason given'}",)
            for peer in (environment.peers if environment else ()) if peer.status == "absent"]


def _undrawn(shown: set[str]) -> list[tuple[str, ...]]:
    return [(f"{chart.name} ({chart.heading}): no trial of "
             f"{listing(list(chart.experiments))} gave it a figure",)
            for chart in charts.CHARTS if chart.name not in shown]


def _machine(data: Dataset) -> list[Block]:
    environment = data.environment
    if environment is None:
        return [Paragraph("There is no environment record.")]
    program, options = environment.program, environment.options
    settings = [f"{name} = {value}" for name, value in options.items()
                if name != "filter" and value is not None]
    settings += [f"{kind} {pattern}" for kind, pattern in options["filter"]]
    return [
        Bullets([(f"Run at {environment.time_utc}, profile {environment.profile}, seed "
                  f"{environment.seed}.",),
                 (f"corobench {program['version']}, {program['compiler']}, "
                  f"{program['options']}.",),
                 (f"Settings: {listing(settings, 12)}.",)]),
        Table(["fact", "value", "status"],
              [[fact.name, fact.value or MISSING, fact.status] for fact in environment.facts])]


def _reading() -> list[Block]:
    return [Bullets([(line,) for line in (
        "A trial is one fresh process; n counts trials. Medians are over trials, because "
        "samples inside one process are not independent.",
        "The 95 % interval of a median is a pair of order statistics: exact, whatever the "
        "distribution. Below n = 6 there is none.",
        "A ratio is the median of ratios paired by round, each of trials of the same round, in "
        "estimated cycles where both have them.",
        "Estimated cycles come from a chain of dependent additions timed next to each "
        "epoch: they take the clock's frequency and stolen time out, and compare between runs.",
        "One op of a switch is one way. A round trip is two.",
        "A contract says what a switch keeps for the flow. Two rows with unequal contracts "
        "do different work.",
        "A dash is a figure that could not be had; its letter gives the reason. It is never "
        "zero.",
        "A difference smaller than the A/A floor is noise.",
    )])]
