# SPDX-License-Identifier: MIT
"""What a gate says: one finding per case and metric, and the limits that it was held against.

A finding is FAIL when a change for the worse is beyond its limit, PASS when it is surely
not, INCONCLUSIVE when the measurement cannot tell, UNKNOWN when there is nothing to judge.
A change for the better never fails; it is said, so that the baseline can follow.

The order of Verdict is from bad to good: a report lists the worst first.
"""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from fnmatch import fnmatchcase
from fractions import Fraction

from corobench.wording import plain


class Verdict(IntEnum):
    FAIL = 0
    INCONCLUSIVE = 1
    UNKNOWN = 2
    PASS = 3


class LimitError(ValueError):
    """One line about a --limits that makes no sense."""


@dataclass(frozen=True)
class Limit:
    """How much worse is tolerated: a share of the base, or an amount."""

    amount: Fraction
    relative: bool

    def tolerated(self, base: Fraction) -> Fraction:
        return base + (abs(base) * self.amount if self.relative else self.amount)

    def __str__(self) -> str:
        value = float(100 * self.amount if self.relative else self.amount)
        return f"{value:g} %" if self.relative else f"{value:g}"


# Of each metric: its unit, and the limit where nobody says otherwise. Counts are exact, so
# they have none. The page tables' share moves with where the kernel maps the stacks; of few
# flows by more than this: see results/baselines/allowances.json.
METRICS: dict[str, tuple[str, Limit]] = {
    "insn": ("insn/op", Limit(Fraction(0), False)),
    "stored": ("B/op", Limit(Fraction(0), False)),
    "loaded": ("B/op", Limit(Fraction(0), False)),
    "syscalls": ("syscalls/op", Limit(Fraction(0), False)),
    "switches": ("switches/op", Limit(Fraction(1, 100), False)),
    "reserved": ("B/flow", Limit(Fraction(1, 100), True)),
    "resident": ("B/flow", Limit(Fraction(1, 100), True)),
    "pagetables": ("B/flow", Limit(Fraction(2), False)),
    "ns": ("ns/op", Limit(Fraction(3, 100), True)),
}
_LIMIT = re.compile(r"([a-z]+)=(\d{1,9}(?:\.\d{1,9})?)(%?)")


def parse_limits(text: str) -> dict[str, Limit]:
    """'insn=0,ns=3%': a share with %, an amount in the metric's own unit without."""
    found: dict[str, Limit] = {}
    for part in text.split(","):
        match = _LIMIT.fullmatch(part.strip())
        if match is None or match[1] not in METRICS:
            raise LimitError(
                f"limit '{plain(part, 60)}': METRIC=NUMBER or METRIC=NUMBER% is wanted, with "
                f"one of {', '.join(METRICS)}"
            )
        if match[1] == "ns" and not match[3]:
            raise LimitError("limit of ns: a share is wanted, such as ns=3%")
        amount = Fraction(match[2])
        found[match[1]] = Limit(amount / 100 if match[3] else amount, bool(match[3]))
    return found


@dataclass(frozen=True)
class Allowance:
    """Other limits for some cases, with the reason that makes them right."""

    cases: str
    limits: dict[str, Limit]
    why: str


@dataclass(frozen=True)
class Limits:
    general: dict[str, Limit] = field(default_factory=dict)
    allowances: tuple[Allowance, ...] = ()

    def of(self, case: str, metric: str) -> tuple[Limit, str]:
        """The limit, and why it is not the general one ("")."""
        for allowance in self.allowances:
            if metric in allowance.limits and fnmatchcase(case, allowance.cases):
                return allowance.limits[metric], allowance.why
        return self.general.get(metric, METRICS[metric][1]), ""


@dataclass(frozen=True)
class Finding:
    case: str
    metric: str
    verdict: Verdict
    base: Fraction | None
    new: Fraction | None
    limit: Limit
    note: str = ""
    detail: dict[str, float | None] = field(default_factory=dict)  # of a time: shares

    @property
    def unit(self) -> str:
        return METRICS[self.metric][0]

    @property
    def better(self) -> bool:
        """By more than what would have been tolerated for the worse."""
        if self.base is None or self.new is None:
            return False
        return self.new < self.base - (self.limit.tolerated(self.base) - self.base)


@dataclass(frozen=True)
class Report:
    """Findings, worst first, and sentences about the whole."""

    title: str
    findings: tuple[Finding, ...]
    remarks: tuple[str, ...] = ()

    @property
    def counts(self) -> Counter[Verdict]:
        return Counter(finding.verdict for finding in self.findings)

    @property
    def verdict(self) -> Verdict:
        """Of the family: the worst of its members; a family without any is UNKNOWN."""
        return min(
            (finding.verdict for finding in self.findings), default=Verdict.UNKNOWN
        )

    @property
    def exit_code(self) -> int:
        return {Verdict.PASS: 0, Verdict.FAIL: 3}.get(self.verdict, 4)


def report(title: str, findings: Iterable[Finding], remarks: Iterable[str]) -> Report:
    ordered = sorted(findings, key=lambda f: (f.verdict, f.case, f.metric))
    return Report(title, tuple(ordered), tuple(remarks))


def exact_finding(
    case: str, metric: str, base: Fraction, new: Fraction | str, limits: Limits
) -> Finding:
    """Two exact figures; the new one may be absent, with the reason in its place."""
    limit, why = limits.of(case, metric)
    if isinstance(new, str):
        return Finding(case, metric, Verdict.UNKNOWN, base, None, limit, new)
    verdict = Verdict.FAIL if new > limit.tolerated(base) else Verdict.PASS
    return Finding(case, metric, verdict, base, new, limit, why)
