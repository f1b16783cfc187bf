# SPDX-License-Identifier: MIT
"""Claims and a run in, verdicts out.

A figure is worked out in each round that has all of its cases, so that what disturbed a round
disturbed all of its parts alike; then the median over rounds, with its exact interval. A case
that ran in one round only (exact counts, cases too dear to repeat) enters each round with that
one value; a total counts each trial once. Below six rounds there is no 95 % interval: the whole
range stands in for it.

A verdict is that of the first outcome whose condition surely holds. One whose condition may or
may not hold makes the claim too close to call, and so does a lacking case make it not testable:
both are said, with what would be needed.
"""
from __future__ import annotations

import ast
import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from corobench import estimates
from corobench.blocks import Parts
from corobench.claims import (
    CONTRACT_BYTES,
    MACHINE,
    NOT_TESTABLE,
    Claim,
    Figure,
    Outcome,
)
from corobench.dataset import Case, Dataset
from corobench.estimates import Estimate
from corobench.expressions import Span, Truth, condition_figures, evaluate, holds
from corobench.wording import Code, listing

Operand = tuple[str, str]
Round = tuple[str, int]
Series = dict[Round, float]


@dataclass(frozen=True)
class Found:
    """A figure with its value in this run."""

    figure: Figure
    estimate: Estimate
    span: Span
    exact: bool = False  # counted, not estimated: an interval would be out of place


@dataclass
class Ruling:
    claim: Claim
    cases: dict[str, list[Case]]
    found: dict[str, Found] = field(default_factory=dict)
    missing: list[Parts] = field(default_factory=list)  # what, and why
    verdict: str = NOT_TESTABLE
    because: str = ""  # a sentence with {figure}s, or without
    close: Outcome | None = None  # the one that may or may not be: {RULE} and {SPAN_figure}s

    @property
    def deciding(self) -> Found | None:
        return self.found.get(self.claim.deciding.name)


def judge(claim: Claim, data: Dataset) -> Ruling:
    cases = {name: _resolve(wanted, data) for name, wanted in claim.cases.items()}
    ruling = Ruling(claim, cases)
    lacking: dict[str, list[Parts]] = {}
    for figure in claim.figures.values():
        absent = [
            why
            for operand in sorted(figure.operands)
            for why in _absent(operand, claim, cases, data)
        ]
        found = None if absent else _work_out(figure, cases, data)
        if found is not None:
            ruling.found[figure.name] = found
        elif not figure.optional:
            lacking[figure.name] = absent or [("a round with all cases of ", figure.says)]
    ruling.missing = list(dict.fromkeys(why for one in lacking.values() for why in one))
    if not lacking:
        _decide(ruling)
    return ruling


def _resolve(wanted: Sequence[str], data: Dataset) -> list[Case]:
    """The cases of the first alternative that ran."""
    for pattern in wanted:
        names = fnmatch.filter(data.cases, pattern) if "*" in pattern else [pattern]
        found = [data.cases[name] for name in names if name in data.cases]
        if found:
            return found
    return []


def _absent(
    operand: Operand, claim: Claim, cases: dict[str, list[Case]], data: Dataset
) -> list[Parts]:
    """Why an operand has no value here; empty where it has one."""
    name, metric = operand
    if name == MACHINE:
        known = _machine(metric, data) is not None
        return [] if known else [("the machine's ", metric, ": not in the records")]
    if not cases[name]:
        return [_why_not_run(claim.cases[name], data)]
    if any(_series(case, metric) for case in cases[name]):
        return []
    first = cases[name][0]
    why = first.reason(metric) or "not in its records"
    return [(metric, " of ", Code(first.name), ": ", why)]


def _why_not_run(wanted: Sequence[str], data: Dataset) -> Parts:
    for trial in data.trials:
        if any(fnmatch.fnmatchcase(trial.case, pattern) for pattern in wanted):
            return (Code(trial.case), ": ", trial.skipped or trial.error or "")
    selected = any(fnmatch.filter(data.selected, pattern) for pattern in wanted)
    why = "no trial of it came to an end" if selected else "not in this run"
    names = [part for name in wanted for part in (" or ", Code(name))]
    return (*names[1:], ": ", why)


def _machine(metric: str, data: Dataset) -> float | None:
    """A fact that begins with a number."""
    facts = data.environment.facts if data.environment else ()
    for fact in facts:
        number = re.match(r"\d+(\.\d+)?", fact.value)
        if fact.name == metric and number:
            return float(number[0])
    return None


def _series(case: Case, metric: str) -> Series:
    if metric == CONTRACT_BYTES:
        stored = case.contract.bytes_saved if case.contract else -1
        return {("", 0): float(stored)} if stored >= 0 else {}
    return case.by_round(metric)


def _work_out(
    figure: Figure, cases: dict[str, list[Case]], data: Dataset
) -> Found | None:
    series: dict[Operand, list[Series]] = {}
    for name, metric in figure.operands:
        if name == MACHINE:
            series[name, metric] = [{("", 0): _machine(metric, data) or 0.0}]
        else:
            every = [_series(case, metric) for case in cases[name]]
            series[name, metric] = [one for one in every if one]
    values = []
    for number in _rounds(series, figure.rounds):
        here = {
            operand: _values(several, number, once=figure.rounds == "total")
            for operand, several in series.items()
        }
        value = evaluate(figure.value, here)
        if value is not None:
            values.append(value)
    exact = figure.rounds != "median" or all(
        _is_exact(case, metric)
        for name, metric in figure.operands
        for case in cases.get(name, [])
    )
    return _found(figure, values, exact) if values else None


def _is_exact(case: Case, metric: str) -> bool:
    return metric == CONTRACT_BYTES or case.source(metric) == "singlestep"


def _values(several: list[Series], number: Round, once: bool) -> list[float]:
    """The cases' values in that round; of a case of one round, its value in any, if not once.
    What is counted once adds nothing in a round that lacks it."""
    if once:
        return [one[number] for one in several if number in one] or [0.0]
    found = [
        next(iter(one.values())) if len(one) == 1 else one.get(number) for one in several
    ]
    return [value for value in found if value is not None]


def _rounds(series: dict[Operand, list[Series]], how: str) -> list[Round]:
    """The rounds that have every case; of the largest, every operand by one case at least; of
    a total, all."""
    rounds = {number for several in series.values() for one in several for number in one}
    if how == "total":
        return sorted(rounds)
    moving = {
        operand: [set(one) for one in several if len(one) > 1]
        for operand, several in series.items()
        if any(len(one) > 1 for one in several)
    }
    if not moving:
        return [max(rounds)]
    for sets in moving.values():
        here = sets[0].intersection(*sets) if how == "median" else sets[0].union(*sets)
        rounds &= here
    return sorted(rounds)


def _found(figure: Figure, values: list[float], exact: bool) -> Found:
    if figure.rounds != "median":
        worst = sum(values) if figure.rounds == "total" else max(values)
        estimate = Estimate(worst, None, None, len(values))
        return Found(figure, estimate, Span(worst, worst), exact)
    estimate = estimates.median_interval(values)
    low, high = min(values), max(values)
    if estimate.low is not None and estimate.high is not None:
        low, high = estimate.low, estimate.high
    return Found(figure, estimate, Span(low, high), exact)


def _decide(ruling: Ruling) -> None:
    spans = {name: found.span for name, found in ruling.found.items()}
    for outcome in ruling.claim.outcomes:
        truth: Truth = holds(outcome.when, spans)
        if truth is False:
            continue
        if truth is None:
            ruling.because, ruling.close = _too_close(outcome, spans), outcome
        else:
            ruling.verdict, ruling.because = outcome.verdict, outcome.because
        return
    ruling.because = "The figures fit none of the outcomes that were thought of."


def _too_close(outcome: Outcome, spans: dict[str, Span]) -> str:
    wide = {
        name
        for part in ast.walk(outcome.when)
        if isinstance(part, ast.Compare) and holds(part, spans) is None
        for name in condition_figures(part)
    }
    figures = listing([f"{name}, {{{name}}} ({{SPAN_{name}}})" for name in sorted(wide)])
    return (
        f"Too close to call: over the interval of {figures}, the rule of {outcome.verdict}, "
        "{RULE}, holds at one end and fails at the other."
    )
