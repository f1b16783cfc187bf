# SPDX-License-Identifier: MIT
"""Measures two programs until there is a verdict on each case.

    first batch    all cases, `rounds` rounds
    extension      the INCONCLUSIVE ones, twice as many rounds more, pooled with the first;
                   once, and then it is said
    confirmation   each FAIL again in a batch of its own, with nothing pooled: one that the
                   second batch does not show as well was chance or the machine, and is
                   INCONCLUSIVE

A trial has thirty triples, as they cost little more than to start it, and halve what one process
differs from the next in.

The measuring is `corobench run --arm`, by the new program; the records of each batch are a
file like any other run's.
"""
from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from corobench import paired
from corobench.dataset import CONTAMINATED_SHARE, COST, STEADY
from corobench.exact import ProgramError
from corobench.findings import Finding, Limit, Verdict
from corobench.paired import Judgement
from corobench.records import Run, read_run
from corobench.wording import percent, plain, plural

BLOCK = "another trial of its block"
RunBatch = Callable[[str, Sequence[str], int], Run]


@dataclass(frozen=True)
class Plan:
    """Programs by arm, base and new first; then the new one's other link orders."""

    arms: dict[str, Path]
    patterns: tuple[str, ...]
    rounds: int
    folder: Path
    seed: int = field(default_factory=lambda: random.SystemRandom().getrandbits(40))
    profile: str = "full"
    batch_s: float = 0  # rounds that would end later are not made; 0: all are

    @property
    def layouts(self) -> list[str]:
        return [arm for arm in self.arms if arm not in ("base", "new")]


def run_batch(plan: Plan, name: str, cases: Sequence[str], rounds: int) -> Run:
    """One `corobench run`. Contaminated (4) is for the judge to see."""
    output = plan.folder / f"{name}.jsonl"
    words = [str(plan.arms["new"]), "run", *cases, "--profile", plan.profile]
    for arm, path in plan.arms.items():
        words += ["--arm", f"{arm}={path.resolve()}"]
    words += ["--max-rel-ci", "0", "--time-budget", str(plan.batch_s), "--epoch-ms", "0.1",
              "--min-rounds", str(rounds), "--max-rounds", str(rounds), "--triples", "30",
              "--seed", str(plan.seed + sum(name.encode())),
              "--output", str(output)]  # fmt: skip
    done = subprocess.run(
        words, capture_output=True, text=True, errors="replace", check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode not in (0, 1, 4):
        last = (done.stderr.strip() or "no word").splitlines()[-1]
        raise ProgramError(f"the run of both programs failed: {plain(last, 300)}")
    return read_run(output)


def family_of(runs: Iterable[Run]) -> dict[str, dict[tuple[int, str], float]]:
    """Of each case the steady cost by round and arm; a later run's rounds count on. A case that
    lacks that metric somewhere is taken by its time."""
    found: dict[str, dict[tuple[int, str], float]] = {}
    start = 0
    for run in runs:
        last = start
        for trial in run.trials:
            metric = trial.metrics.get(STEADY) or trial.metrics.get(COST)
            values = found.setdefault(trial.case, {})
            if trial.measured and metric is not None and metric.value is not None:
                values[(start + trial.round, trial.arm)] = metric.value
            last = max(last, start + trial.round + 1)
        start = last
    return found


def medians(runs: Iterable[Run], case: str, arm: str) -> Fraction | None:
    """ns, to four digits, for people."""
    values = sorted(
        float(trial.metrics[COST].value or 0)
        for run in runs
        for trial in run.trials
        if trial.case == case
        and trial.arm in (arm, arm + paired.AGAIN)
        and COST in trial.metrics
        and trial.metrics[COST].value is not None
    )
    return Fraction(f"{values[len(values) // 2]:.4g}") if values else None


def disturbed_share(runs: Sequence[Run]) -> float:
    """Trials that were themselves contaminated, of all that were made."""
    bad = sum(
        1 for run in runs for trial in run.rejections if BLOCK not in trial.reasons[0]
    )
    made = sum(len(run.rejections) + len(run.trials) for run in runs)
    return bad / made if made else 0.0


def of_verdict(judged: Iterable[Judgement], verdict: Verdict) -> list[str]:
    return [one.case for one in judged if one.verdict == verdict]


def confirm(judged: list[Judgement], again: Mapping[str, Judgement]) -> list[Judgement]:
    """A FAIL stays one only where the second batch says so too. What both together could have
    seen is what the one that sees less could have."""
    result = []
    for one in judged:
        second = again.get(one.case)
        if second is not None:
            known = one.visible is not None and second.visible is not None
            one = replace(one, visible=max(one.visible or 0, second.visible or 0)
                          if known else None)  # fmt: skip
        if one.verdict == Verdict.FAIL and (
            second is None or second.verdict != Verdict.FAIL
        ):
            seen = percent(second.change) if second else "nothing"
            one = replace(one, verdict=Verdict.INCONCLUSIVE,
                          note=f"a second batch did not confirm it ({seen})")  # fmt: skip
        result.append(one)
    return result


@dataclass(frozen=True)
class Outcome:
    judged: list[Judgement]
    runs: list[Run]
    disturbed: float


def decide(
    plan: Plan, limits: Callable[[str], float], batch: RunBatch, alpha: float
) -> Outcome:
    """First batch, extension, confirmation. `batch` measures; a test has one of its own."""

    def judge(runs: Sequence[Run], cases: Iterable[str] | None = None) -> list[Judgement]:
        family = family_of(runs)
        chosen = {case: family.get(case, {}) for case in cases or family}
        return paired.judge(chosen, {case: limits(case) for case in chosen},
                            layouts=plan.layouts, alpha=alpha)  # fmt: skip

    runs = [batch("first", plan.patterns, plan.rounds)]
    judged = judge(runs)
    unsure = of_verdict(judged, Verdict.INCONCLUSIVE)
    if unsure:
        runs.append(batch("extension", unsure, 2 * plan.rounds))
        judged = judge(runs)
    failed = of_verdict(judged, Verdict.FAIL)
    if failed:
        needed = max(plan.rounds, paired.rounds_needed(len(failed), alpha))
        second = batch("confirmation", failed, needed)
        runs.append(second)
        judged = confirm(judged, {one.case: one for one in judge([second], failed)})
    return Outcome(judged, runs, disturbed_share(runs))


def findings_of(outcome: Outcome) -> list[Finding]:
    found = []
    contaminated = outcome.disturbed > CONTAMINATED_SHARE
    for one in outcome.judged:
        if contaminated and one.verdict == Verdict.FAIL:
            one = replace(one, verdict=Verdict.INCONCLUSIVE, note="the run is contaminated")
        base = medians(outcome.runs, one.case, "base")
        new = medians(outcome.runs, one.case, "new")
        limit = Limit(Fraction(one.limit).limit_denominator(10**6), True)
        found.append(
            Finding(one.case, "ns", one.verdict, base, new, limit, sentence(one), detail(one))
        )
    return found


def detail(one: Judgement) -> dict[str, float | None]:
    names = ("change", "low", "high", "aa_floor", "layout_floor", "visible", "p", "rounds")
    return {name: getattr(one, name) for name in names}


def sentence(one: Judgement) -> str:
    if one.low is None or one.high is None:
        return one.note
    parts = [
        f"change {percent(one.change)} in [{percent(one.low)}, {percent(one.high)}]",
        f"A/A {percent(one.aa_floor)}",
        f"layout {percent(one.layout_floor)}",
        "too few rounds to know what could be seen" if one.visible is None
        else f"could see {percent(one.visible)}",
        f"{plural(one.rounds, 'round')}",
    ]  # fmt: skip
    return ", ".join([*parts, *([one.note] if one.note else [])])


def remarks_of(outcome: Outcome, plan: Plan) -> list[str]:
    rejected = sum(len(run.rejections) for run in outcome.runs)
    remarks = [f"{percent(outcome.disturbed)} of the trials were disturbed, and "
               f"{rejected} thrown away with their blocks"]  # fmt: skip
    if outcome.disturbed > CONTAMINATED_SHARE:
        remarks.append("contaminated: no case can fail; `corobench doctor` says what disturbs")
    if not plan.layouts:
        remarks.append("the layout floor is not known: the new program's build is not there")
    return remarks


def progress(name: str, cases: Sequence[str], rounds: int) -> None:
    """One line for whoever waits."""
    if os.isatty(sys.stderr.fileno()):
        what = plural(len(cases), "pattern") if name == "first" else plural(len(cases), "case")
        sys.stderr.write(f"{name}: {what}, {rounds} rounds\n")
