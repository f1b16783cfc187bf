# SPDX-License-Identifier: MIT
"""The committed baseline: exact figures of the project's own cases, by architecture and
compiler, and why each change of it was accepted.

results/baselines/<key>.json has one case a line, so that a change of one case is a change
of one line. Figures are exact fractions, as text. results/baselines/allowances.json has other
limits for some cases, each with its reason; it is for every key, and for times too.
"""
from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from corobench.exact import Figures
from corobench.findings import (
    METRICS,
    Allowance,
    Finding,
    LimitError,
    Limits,
    Verdict,
    exact_finding,
    parse_limits,
)
from corobench.wording import plain

SCHEMA = 1
# What a file that is something else may make of reading it.
FAULTS = (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError)
Cases = dict[str, dict[str, Fraction]]


class BaselineError(Exception):
    """One line: file: what is wrong."""


@dataclass
class Baseline:
    key: str
    cases: Cases = field(default_factory=dict)
    accepted: list[dict[str, str]] = field(default_factory=list)
    made_on: dict[str, str] = field(default_factory=dict)


def read(path: Path) -> Baseline:
    """FileNotFoundError where there is none; BaselineError where it is not one."""
    try:
        document = json.loads(path.read_bytes())
        if document["schema"] != SCHEMA:
            raise BaselineError(f"{plain(path)}: schema {document['schema']!r} is unknown")
        return Baseline(
            key=str(document["key"]),
            cases={
                name: {metric: Fraction(value) for metric, value in row.items()}
                for name, row in document["cases"].items()
                if _known(row)
            },
            accepted=list(document["accepted"]),
            made_on=dict(document["made_on"]),
        )
    except FAULTS as error:
        raise BaselineError(
            f"{plain(path)}: not a baseline: {plain(repr(error), 120)}"
        ) from None


def _known(row: dict[str, str]) -> bool:
    for metric in row:
        if metric not in METRICS:
            raise ValueError(f"no such metric: {metric}")
    return True


def write(path: Path, baseline: Baseline) -> None:
    rows = ",\n".join(
        f"  {json.dumps(name)}: "
        + json.dumps({metric: str(value) for metric, value in row.items()})
        for name, row in sorted(baseline.cases.items())
    )
    accepted = ",\n".join(f"  {json.dumps(entry)}" for entry in baseline.accepted)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'{{"schema": {SCHEMA}, "key": {json.dumps(baseline.key)},\n'
        f' "made_on": {json.dumps(baseline.made_on)},\n'
        f' "accepted": [\n{accepted}],\n'
        f' "cases": {{\n{rows}}}}}\n',
        encoding="utf-8",
    )


def read_allowances(path: Path) -> tuple[Allowance, ...]:
    if not path.exists():
        return ()
    try:
        return tuple(_allowance(entry) for entry in json.loads(path.read_bytes()))
    except FAULTS as error:
        raise BaselineError(f"{plain(path)}: {plain(error, 200)}") from None


def _allowance(entry: dict[str, Any]) -> Allowance:
    if not str(entry["why"]).strip():
        raise LimitError(f"an allowance for {entry['cases']} has no reason")
    return Allowance(str(entry["cases"]), parse_limits(entry["limits"]), entry["why"])


def numbers(measured: dict[str, Figures]) -> Cases:
    """What of it can be held in a baseline: the figures that are there."""
    found = {
        name: {m: v for m, v in figures.items() if isinstance(v, Fraction)}
        for name, figures in measured.items()
    }
    return {name: row for name, row in found.items() if row}


def compare(
    base: Cases, measured: dict[str, Figures], limits: Limits
) -> Iterator[Finding]:
    """Of each figure in the base. One that only the new program has is nobody's regression."""
    for case, row in base.items():
        for metric, value in row.items():
            if case in measured:
                new = measured[case].get(metric, "no longer measured")
                yield exact_finding(case, metric, value, new, limits)
            else:
                limit, _ = limits.of(case, metric)
                yield Finding(case, metric, Verdict.FAIL, value, None, limit,
                              "the case is gone: no longer guarded")  # fmt: skip


def accept(
    old: Baseline, measured: dict[str, Figures], why: str, when: str, revision: str,
    asked: Callable[[str], bool],
) -> tuple[Baseline, int]:  # fmt: skip
    """The baseline that has these figures, and how many cases changed. Of the cases that were
    asked for, those that are gone go; the others stay."""
    new = numbers(measured)
    for name in sorted(measured.keys() & old.cases.keys() - new.keys()):
        why_not = next(iter(measured[name].values()), "no reason")
        raise BaselineError(f"{plain(name)}: not measured: {plain(why_not, 200)}: it would be "
                            "guarded no more, and the baseline stays as it was")  # fmt: skip
    cases = {name: row for name, row in old.cases.items() if not asked(name)} | new
    changed = sum(
        1 for name in cases.keys() | old.cases.keys()
        if cases.get(name) != old.cases.get(name)
    )  # fmt: skip
    entry = {"when": when, "revision": revision, "why": why, "cases": str(changed)}
    return Baseline(old.key, cases, [*old.accepted, entry], this_machine()), changed


def this_machine() -> dict[str, str]:
    cpu = "unknown"
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return {"libc": " ".join(platform.libc_ver()), "cpu": cpu}


def revision(root: Path) -> str:
    """Of the work tree, with a + when it has changes; "unknown" outside of git."""
    words = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=12"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() if done.returncode == 0 else "unknown"
