# SPDX-License-Identifier: MIT
"""Two programs measured in one run: is the new one slower, as surely as this run can tell?

A round has, of each case, every arm twice, in an order and then in its reverse (two arms:
ABBA or BAAB). All numbers here are logarithms of ratios, so that a limit of 3 % is one
distance wherever it is measured from:

    change  of a round: the mean of new's two trials less that of base's two
    a/a     of a round: first trials less second ones, with the weights of `change`
    layout  of a round: as `change`, of the new code linked in another order

A case's estimate is the median of its changes over rounds with the exact interval of the sign
test: no distribution is assumed, and a burst of noise moves fewer than half of the rounds.

FAIL          the change is surely above max(limit, floors): one-sided sign tests, corrected by
              Holm over the family, so that all cases together cry wolf in at most alpha / 2
PASS          the whole interval lies below the limit, and so do the floors
INCONCLUSIVE  neither: the smallest change that this run could have seen is larger
UNKNOWN       too few rounds to say anything

`visible` is the change that would have been a FAIL with some 97 % probability: what must be
exceeded, and the interval's whole width above it.

Rejected: means and t-tests (one burst moves them), bootstrap (covers less than it claims at
twenty rounds), pooling trials of a round as if they were independent.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy
from scipy import stats

from corobench.estimates import Estimate, median_interval
from corobench.findings import Verdict

ALPHA = 0.05
AGAIN = "-again"
# value of one case by (round, arm)
Trials = Mapping[tuple[int, str], float]


@dataclass(frozen=True)
class Judgement:
    """One case. Shares, not logarithms: 0.03 is 3 %. None: not known."""

    case: str
    verdict: Verdict
    rounds: int
    limit: float
    change: float | None = None
    low: float | None = None
    high: float | None = None
    aa_floor: float | None = None
    layout_floor: float | None = None
    visible: float | None = None
    p: float = 1.0
    note: str = ""


def rounds_needed(cases: int, alpha: float = ALPHA) -> int:
    """The fewest rounds with which one case of the family could fail at all."""
    return max(6, math.ceil(math.log2(2 * max(cases, 1) / alpha)))


def holm(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Which null hypotheses fall, with the chance of any false one at most alpha."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    fallen = [False] * len(p_values)
    for rank, index in enumerate(order):
        if p_values[index] > alpha / (len(p_values) - rank):
            break
        fallen[index] = True
    return fallen


def sign_p(values: Sequence[float], threshold: float) -> float:
    """One-sided exact p of: the median is at most the threshold."""
    above = sum(1 for value in values if value > threshold)
    return float(stats.binom.sf(above - 1, len(values), 0.5))


def contrast(trials: Trials, new: str, base: str) -> list[float]:
    """Per round that has all four trials, in the order of rounds."""
    wanted = (new, new + AGAIN, base, base + AGAIN)
    found = []
    for number in sorted({number for number, _ in trials}):
        values = [trials.get((number, arm), 0.0) for arm in wanted]
        if min(values) > 0:
            one, two, three, four = (math.log(value) for value in values)
            found.append((one + two - three - four) / 2)
    return found


def first_to_second(trials: Trials, new: str, base: str) -> list[float]:
    """The A/A of each round, with the same variance as its change where nothing differs."""
    swapped = {
        (number, {new + AGAIN: base, base: new + AGAIN}.get(arm, arm)): value
        for (number, arm), value in trials.items()
    }
    return contrast(swapped, new, base)


def _floor(values: Sequence[float]) -> float | None:
    return abs(float(numpy.median(values))) if values else None


@dataclass(frozen=True)
class _Measured:
    case: str
    changes: list[float]
    aa: float | None
    layout: float | None


def _measured(
    case: str, trials: Trials, base: str, new: str, layouts: Sequence[str]
) -> _Measured:
    floors = [_floor(contrast(trials, layout, new)) for layout in layouts]
    known = [floor for floor in floors if floor is not None]
    return _Measured(
        case,
        contrast(trials, new, base),
        _floor(first_to_second(trials, new, base)),
        max(known) if known else None,
    )


def judge(
    family: Mapping[str, Trials],
    limits: Mapping[str, float],
    base: str = "base",
    new: str = "new",
    layouts: Sequence[str] = (),
    alpha: float = ALPHA,
) -> list[Judgement]:
    """Each case of the family; `limits` has the tolerated share of each."""
    measured = [
        _measured(case, trials, base, new, layouts) for case, trials in family.items()
    ]
    floors = [one.aa for one in measured if one.aa is not None]
    # Nine cases in ten stay under it: one lucky case does not get a floor of zero.
    common = float(numpy.quantile(floors, 0.9)) if len(floors) >= 5 else 0.0
    first = [_estimate(one, limits[one.case], common) for one in measured]
    fallen = holm([found.p for found in first], alpha / 2)
    return [_verdict(found, falls, len(first)) for found, falls in zip(first, fallen)]


def _estimate(one: _Measured, limit: float, common_floor: float) -> Judgement:
    if not one.changes:
        return Judgement(
            one.case, Verdict.UNKNOWN, 0, limit, note="no round has all its trials"
        )
    found: Estimate = median_interval(one.changes)
    aa = max(one.aa or 0.0, common_floor)
    threshold = max(math.log1p(limit), aa, one.layout or 0.0)
    known = found.low is not None and found.high is not None
    return Judgement(
        one.case,
        Verdict.UNKNOWN,
        found.n,
        limit,
        change=math.expm1(found.median),
        low=math.expm1(found.low) if found.low is not None else None,
        high=math.expm1(found.high) if found.high is not None else None,
        aa_floor=math.expm1(aa),
        layout_floor=None if one.layout is None else math.expm1(one.layout),
        visible=math.expm1(threshold + (found.high or 0) - (found.low or 0))
        if known
        else None,
        p=sign_p(one.changes, threshold),
    )


def _verdict(found: Judgement, falls: bool, family: int) -> Judgement:
    if found.low is None or found.high is None:
        needed = rounds_needed(family)
        return replace(
            found, note=found.note or f"{found.rounds} rounds, and {needed} are needed"
        )
    floor = max(found.aa_floor or 0.0, found.layout_floor or 0.0)
    if falls and found.low > max(found.limit, floor):
        return replace(found, verdict=Verdict.FAIL)
    if found.high <= found.limit and floor <= found.limit:
        return replace(found, verdict=Verdict.PASS)
    why = (
        "a floor is above the limit" if floor > found.limit
        else "the interval reaches over the limit"
    )  # fmt: skip
    return replace(found, verdict=Verdict.INCONCLUSIVE, note=why)
