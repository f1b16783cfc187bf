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

`visible` is the smallest change that would have been a FAIL, confirmed by a second batch, with 99 %
probability. A case fails when enough rounds show more than the threshold; so many do where
hardly a round's noise reaches further down than the change above the threshold. How far that is,
the run's own rounds say: what moved them, changes less their median and A/As, has a quantile, and
visible is the threshold and the upper bound of that quantile. So few rounds that they have no such
bound (12 of one case) leave it unknown. Rejected: the interval's width, which is as good as its
luck: chosen by it, one comparison in eight did not see what it was said to see.

Rejected: means and t-tests (one burst moves them), bootstrap (covers less than it claims at
twenty rounds), pooling trials of a round as if they were independent.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy
from scipy import stats

from corobench.estimates import Estimate, interval_rank, median_interval
from corobench.findings import Verdict

ALPHA = 0.05
AGAIN = "-again"
POWER = 0.995  # of each of two batches
SURE = 0.95  # of the bound of the noise
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


def rounds_that_fail(n: int, level: float) -> int:
    """How many of n rounds must lie above the threshold: for the p value, and for the interval.
    More than n: it can never fail."""
    by_p = int(stats.binom.isf(level, n, 0.5)) + 1
    return max(by_p, n - interval_rank(n) + 1)


def reach(noise: Sequence[float], n: int, level: float) -> float | None:
    """How far above the threshold a change must lie to be a FAIL with a probability of POWER.
    Noise is as likely up as down, as the arms exchange their places: so its size tells."""
    wanted = rounds_that_fail(n, level)
    if wanted > n:
        return None
    # A round must exceed the threshold with this probability, so that enough of them do.
    each = float(stats.beta.ppf(POWER, wanted, n - wanted + 1))
    rank = int(stats.binom.ppf(SURE, len(noise), 2 * each - 1))
    sizes = sorted(abs(value) for value in noise)
    return sizes[rank] if rank < len(sizes) else None


def _noise(trials: Trials, arms: Sequence[str]) -> list[float]:
    """Of pairs of arms, in none of which an arm is twice: two independent values a round."""
    found: list[float] = []
    for one, two in zip(arms[::2], arms[1::2]):
        changes = contrast(trials, one, two)
        middle = float(numpy.median(changes)) if changes else 0.0
        found += [change - middle for change in changes]
        found += first_to_second(trials, one, two)
    return found


def _floor(values: Sequence[float]) -> float | None:
    return abs(float(numpy.median(values))) if values else None


@dataclass(frozen=True)
class _Measured:
    case: str
    changes: list[float]
    aa: float | None
    layout: float | None
    noise: list[float]


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
        _noise(trials, [base, new, *layouts]),
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
    level = alpha / 2 / max(len(measured), 1)
    first = [_estimate(one, limits[one.case], common, level) for one in measured]
    fallen = holm([found.p for found in first], alpha / 2)
    return [_verdict(found, falls, len(first)) for found, falls in zip(first, fallen)]


def _estimate(
    one: _Measured, limit: float, common_floor: float, level: float
) -> Judgement:
    if not one.changes:
        return Judgement(
            one.case, Verdict.UNKNOWN, 0, limit, note="no round has all its trials"
        )
    found: Estimate = median_interval(one.changes)
    aa = max(one.aa or 0.0, common_floor)
    threshold = max(math.log1p(limit), aa, one.layout or 0.0)
    further = reach(one.noise, found.n, level)
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
        visible=None if further is None else math.expm1(threshold + further),
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
