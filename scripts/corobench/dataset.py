# SPDX-License-Identifier: MIT
"""Cases, and the questions that the report asks of a run.

A Dataset pools one or more runs of one machine. Only trials that were neither skipped,
nor failed, nor rejected carry figures. One arm is reported: "main", or the first by name
where there is none; a second arm belongs to the regression gate.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy

from corobench import estimates
from corobench.estimates import Estimate
from corobench.records import Contract, Environment, Run, Trial

MAIN_ARM = "main"
PLACEMENTS = ("same-cpu", "smt", "same-llc", "cross-llc", "cross-numa")
CONTAMINATED_SHARE = 0.20
# What ratios and floors are made of: the canary takes frequency and steal out of it.
STEADY = "cycles_estimated"
COST = "ns"


def placement_rank(placement: str) -> tuple[int, str]:
    """From near to far; a placement that is not known comes last."""
    known = placement in PLACEMENTS
    return PLACEMENTS.index(placement) if known else len(PLACEMENTS), placement


@dataclass(frozen=True)
class Case:
    """All measured trials of one case; params and the rest as its first trial says."""

    name: str
    trials: tuple[Trial, ...]

    @property
    def first(self) -> Trial:
        return self.trials[0]

    @property
    def experiment(self) -> str:
        return self.first.experiment

    @property
    def subject(self) -> str:
        return self.first.subject

    @property
    def params(self) -> dict[str, str]:
        return self.first.params

    @property
    def placement(self) -> str:
        return self.first.placement

    @property
    def contract(self) -> Contract | None:
        return self.first.contract

    @property
    def variant(self) -> str:
        """The parameters in words: "site=diff", or "" where there are none."""
        return ", ".join(f"{key}={value}" for key, value in self.params.items())

    @property
    def within(self) -> str:
        """The name without its experiment and placement: "pthread/stack_bytes=16384"."""
        bare = self.name.removeprefix(f"{self.experiment}/")
        return bare.removesuffix(f"/place={self.placement}")

    def by_round(self, metric: str) -> dict[tuple[str, int], float]:
        return {
            (trial.run, trial.round): float(trial.metrics[metric].value or 0)
            for trial in self.trials
            if metric in trial.metrics and trial.metrics[metric].value is not None
        }

    def values(self, metric: str) -> list[float]:
        return list(self.by_round(metric).values())

    def estimate(self, metric: str) -> Estimate | None:
        values = self.values(metric)
        return estimates.median_interval(values) if values else None

    def median(self, metric: str) -> float | None:
        found = self.estimate(metric)
        return None if found is None else found.median

    def unit(self, metric: str) -> str:
        return next(
            (
                trial.metrics[metric].unit
                for trial in self.trials
                if metric in trial.metrics
            ),
            "",
        )

    def source(self, metric: str) -> str:
        return next(
            (
                trial.metrics[metric].source
                for trial in self.trials
                if metric in trial.metrics and trial.metrics[metric].source
            ),
            "",
        )

    def reason(self, metric: str) -> str:
        """Why the metric has no value here; "" where no record has it at all."""
        return next(
            (
                trial.metrics[metric].reason
                for trial in self.trials
                if metric in trial.metrics and trial.metrics[metric].reason
            ),
            "",
        )

    def flag_counts(self) -> Counter[str]:
        return Counter(flag for trial in self.trials for flag in set(trial.flags))


class Dataset:
    def __init__(self, runs: list[Run]) -> None:
        self.runs = runs
        arms = sorted({trial.arm for run in runs for trial in run.trials})
        self.arm = MAIN_ARM if MAIN_ARM in arms or not arms else arms[0]
        self.other_arms = [arm for arm in arms if arm != self.arm]
        self.trials = [
            trial for run in runs for trial in run.trials if trial.arm == self.arm
        ]
        self.rejections = [
            trial for run in runs for trial in run.rejections if trial.arm == self.arm
        ]

    @property
    def machine(self) -> str:
        return self.runs[-1].machine

    @property
    def environment(self) -> Environment | None:
        return next(
            (run.environments[-1] for run in reversed(self.runs) if run.environments),
            None,
        )

    @property
    def unrecorded(self) -> str:
        """Why counters may be in no record: what the machine said about its PMU."""
        facts = self.environment.facts if self.environment else ()
        return next(
            (
                f"not in the records; {fact.name}: {fact.advice or fact.status}"
                for fact in facts
                if fact.name == "pmu" and fact.status != "ok"
            ),
            "not in the records",
        )

    @cached_property
    def selected(self) -> list[str]:
        """Names of the cases that the runs meant to measure, in the table's order."""
        return list(
            dict.fromkeys(
                name
                for run in self.runs
                for environment in run.environments
                for name in environment.cases
            )
        )

    @cached_property
    def cases(self) -> dict[str, Case]:
        trials: dict[str, list[Trial]] = {}
        for trial in self.trials:
            if trial.measured:
                trials.setdefault(trial.case, []).append(trial)
        order = {name: index for index, name in enumerate(self.selected)}
        names = sorted(trials, key=lambda name: (order.get(name, len(order)), name))
        return {name: Case(name, tuple(trials[name])) for name in names}

    def of(self, experiment: str) -> list[Case]:
        return [case for case in self.cases.values() if case.experiment == experiment]

    def experiments(self) -> list[str]:
        return list(dict.fromkeys(case.experiment for case in self.cases.values()))

    def find(
        self, experiment: str, subject: str, placement: str = "same-cpu", **params: str
    ) -> Case | None:
        """The first such case whose parameters include these."""
        return next(
            (
                case
                for case in self.of(experiment)
                if case.subject == subject
                and case.placement == placement
                and params.items() <= case.params.items()
            ),
            None,
        )

    def ratio(self, case: Case, reference: Case) -> Estimate | None:
        """How many times the reference's cost, paired by round."""
        for metric in (STEADY, COST):
            found = estimates.paired_ratio(
                case.by_round(metric), reference.by_round(metric)
            )
            if found is not None:
                return found
        return None

    @property
    def ran(self) -> int:
        """Trials that ran to an end, thrown away or not."""
        return len(self.rejections) + sum(
            1 for trial in self.trials if trial.skipped is None
        )

    @property
    def rejected_share(self) -> float | None:
        return len(self.rejections) / self.ran if self.ran else None

    @property
    def contaminated(self) -> bool:
        return (self.rejected_share or 0) > CONTAMINATED_SHARE

    def aa_differences(self, metric: str = STEADY) -> list[float]:
        found = [
            estimates.aa_difference(
                dict(
                    enumerate(value for _, value in sorted(case.by_round(metric).items()))
                )
            )
            for case in self.cases.values()
        ]
        return [difference for difference in found if difference is not None]

    def aa_floor(self, metric: str = STEADY) -> float | None:
        return estimates.aa_floor(self.aa_differences(metric))

    def typical_half_width(self, metric: str = STEADY) -> float | None:
        """The median over cases of an interval's half width, relative to its median."""
        widths = [
            found.half_width_relative
            for case in self.cases.values()
            if (found := case.estimate(metric)) is not None
        ]
        known = [width for width in widths if width is not None]
        return float(numpy.median(known)) if known else None

    def smallest_effect(self, metric: str = STEADY) -> float | None:
        """A difference below this can't be told from chance in this run."""
        floor, width = self.aa_floor(metric), self.typical_half_width(metric)
        return None if floor is None or width is None else max(floor, width)
