# SPDX-License-Identifier: MIT
"""Estimates from trials: medians with exact intervals, paired ratios, the A/A floor.

The unit of statistics is the process: every number that comes in here is one trial's.
Nothing assumes a distribution. The interval of a median is a pair of order statistics
whose coverage is the binomial's, exactly: it holds for any continuous distribution and is
at least 95 % always. Below six values no pair covers 95 %; then there is no interval and
the estimate says so. Bootstrap intervals were rejected: at six to thirty trials they
cover less than they claim.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy
from scipy import stats

CONFIDENCE = 0.95
Key = TypeVar("Key")


@dataclass(frozen=True)
class Estimate:
    """A median; low and high are None together, where n is too small for an interval."""

    median: float
    low: float | None
    high: float | None
    n: int
    coverage: float = 0.0

    @property
    def half_width_relative(self) -> float | None:
        if self.low is None or self.high is None or self.median == 0:
            return None
        return (self.high - self.low) / 2 / abs(self.median)


def interval_rank(n: int, confidence: float = CONFIDENCE) -> int:
    """The largest k for which the k-th smallest and k-th largest of n values hold the
    median with at least this confidence; 0 where no pair does."""
    if n < 1:
        return 0
    # Coverage of the k-th pair is 1 - 2 P(Bin(n, 1/2) < k): it falls as k grows.
    rank = 0
    while 1 - 2 * stats.binom.cdf(rank, n, 0.5) >= confidence:
        rank += 1
    return rank


def coverage(n: int, rank: int) -> float:
    return float(1 - 2 * stats.binom.cdf(rank - 1, n, 0.5)) if rank > 0 else 0.0


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate:
    """Median of at least one value, with its exact order-statistic interval."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    n = len(ordered)
    rank = interval_rank(n, confidence)
    median = float(numpy.median(ordered))
    if rank == 0:
        return Estimate(median, None, None, n)
    return Estimate(median, ordered[rank - 1], ordered[n - rank], n, coverage(n, rank))


def paired_ratio(
    numerator: Mapping[Key, float], denominator: Mapping[Key, float]
) -> Estimate | None:
    """The median of numerator/denominator over the rounds that have both, by log-ratios.
    A value that is not positive has no logarithm: its round is left out."""
    logs = [
        math.log(numerator[key] / denominator[key])
        for key in numerator.keys() & denominator.keys()
        if numerator[key] > 0 and denominator[key] > 0
    ]
    if not logs:
        return None
    found = median_interval(logs)
    if found.low is None or found.high is None:
        return Estimate(math.exp(found.median), None, None, found.n)
    return Estimate(
        math.exp(found.median),
        math.exp(found.low),
        math.exp(found.high),
        found.n,
        found.coverage,
    )


def aa_difference(by_round: Mapping[int, float]) -> float | None:
    """|log ratio| of the medians of odd and even rounds: the same thing measured twice.
    None below two rounds of each, or where a median is not positive."""
    odd = [value for number, value in by_round.items() if number % 2 == 1]
    even = [value for number, value in by_round.items() if number % 2 == 0]
    if len(odd) < 2 or len(even) < 2:
        return None
    medians = float(numpy.median(odd)), float(numpy.median(even))
    if min(medians) <= 0:
        return None
    return abs(math.log(medians[0] / medians[1]))


def aa_floor(differences: Sequence[float]) -> float | None:
    """The relative difference that nine cases in ten stay under when nothing differs."""
    if not differences:
        return None
    return math.expm1(float(numpy.quantile(differences, 0.9)))


def ecdf(values: Sequence[float]) -> tuple[list[float], list[float]]:
    """(sorted values, share of values at or below each)."""
    ordered = sorted(values)
    n = len(ordered)
    return ordered, [(index + 1) / n for index in range(n)]
