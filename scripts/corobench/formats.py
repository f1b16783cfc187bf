# SPDX-License-Identifier: MIT
"""A run in the formats of other tools: pure functions from trials to text.

gbench   Google Benchmark's JSON: each trial is a repetition, then mean, median and stddev;
         its tools/compare.py takes two such files
go       Go's benchmark text, for benchstat: each trial is a line. Counts are declared exact
         ("Unit insn/op assume=exact"), so that benchstat warns where they differ at all
bmf      Bencher's metric format: value, and the interval of the median where there is one
action   github-action-benchmark's customSmallerIsBetter

Only what was measured is in them: a format has no place for a reason. One arm at a time.
"""
from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from corobench.dataset import Case
from corobench.estimates import Estimate, median_interval
from corobench.paired import AGAIN
from corobench.records import Run
from corobench.wording import plain

# Metric in a record: its unit in Go's text, its measure in Bencher, and whether it is exact.
SERIES = {
    "ns": ("ns/op", "latency", False),
    "instructions_stepped": ("insn/op", "instructions", True),
    "bytes_stored": ("stored-B/op", "bytes-stored", True),
    "bytes_loaded": ("loaded-B/op", "bytes-loaded", True),
    "reserved_bytes": ("reserved-B/flow", "bytes-reserved", False),
    "resident_bytes": ("resident-B/flow", "bytes-resident", False),
    "page_table_bytes": ("pagetable-B/flow", "bytes-page-tables", False),
    "kernel_switches_voluntary": ("switches/op", "kernel-switches", False),
}
_GO_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Series:
    """One case of one arm: its trials, with both turns of a comparison's block."""

    case: Case

    @property
    def name(self) -> str:
        return plain(self.case.name).replace(" ", "_")

    def values(self, metric: str) -> list[float]:
        return [
            float(trial.metrics[metric].value or 0)
            for trial in self.case.trials
            if metric in trial.metrics and trial.metrics[metric].value is not None
        ]

    def estimate(self, metric: str) -> Estimate | None:
        values = self.values(metric)
        return median_interval(values) if values else None


def series_of(run: Run, arm: str) -> list[Series]:
    found: dict[str, list] = {}  # type: ignore[type-arg]
    for trial in run.trials:
        if trial.measured and trial.arm in (arm, arm + AGAIN):
            found.setdefault(trial.case, []).append(trial)
    return [Series(Case(name, tuple(trials))) for name, trials in found.items()]


def _fact(run: Run, name: str) -> str:
    facts = run.environments[-1].facts if run.environments else ()
    return next((plain(fact.value) for fact in facts if fact.name == name), "")


# ------------------------------------------------------------ Google Benchmark


def to_gbench(run: Run, arm: str) -> str:
    benchmarks = [
        row
        for family, one in enumerate(
            series for series in series_of(run, arm) if series.values("ns")
        )
        for row in _gbench_rows(one, family)
    ]
    environment = run.environments[-1] if run.environments else None
    context = {
        "date": environment.time_utc if environment else "",
        "host_name": plain(run.machine),
        "executable": "corobench",
        "num_cpus": 0,
        "mhz_per_cpu": 0,
        "cpu_scaling_enabled": False,
        "caches": [],
        "load_avg": [],
        "library_build_type": "release",
    }
    return json.dumps({"context": context, "benchmarks": benchmarks}, indent=1) + "\n"


def _gbench_rows(one: Series, family: int) -> Iterator[dict[str, object]]:
    values = one.values("ns")
    cpu = one.values("cpu_ns")
    if len(cpu) != len(values):
        cpu = values
    common = {
        "family_index": family,
        "per_family_instance_index": 0,
        "run_name": one.name,
        "repetitions": len(values),
        "threads": 1,
    }
    for index, (real, busy) in enumerate(zip(values, cpu)):
        yield {
            "name": one.name, **common, "run_type": "iteration", "repetition_index": index,
            "iterations": max(one.case.trials[index].ops, 1), "real_time": real,
            "cpu_time": busy, "time_unit": "ns",
        }  # fmt: skip
    if len(values) < 2:
        return
    aggregates: dict[str, Callable[[list[float]], float]] = {
        "mean": statistics.fmean, "median": statistics.median, "stddev": statistics.stdev
    }  # fmt: skip
    for name, function in aggregates.items():
        yield {
            "name": f"{one.name}_{name}", **common, "run_type": "aggregate",
            "aggregate_name": name, "aggregate_unit": "time", "iterations": len(values),
            "real_time": function(values), "cpu_time": function(cpu), "time_unit": "ns",
        }  # fmt: skip


# ------------------------------------------------------------------------- Go


def to_go(run: Run, arm: str) -> str:
    machine = platform.machine()
    lines = ["goos: linux", f"goarch: {_GO_ARCH.get(machine, machine)}", "pkg: corobench"]
    if cpu := _fact(run, "cpu"):
        lines.append(f"cpu: {cpu}")
    lines += [f"Unit {unit} assume=exact" for unit, _, exact in SERIES.values() if exact]
    for one in series_of(run, arm):
        for trial in one.case.trials:
            pairs = "".join(
                f" {trial.metrics[metric].value:.10g} {unit}"
                for metric, (unit, _, _) in SERIES.items()
                if metric in trial.metrics and trial.metrics[metric].value is not None
            )
            if pairs:
                name = one.name[:1].upper() + one.name[1:]
                lines.append(f"Benchmark{name} {max(trial.ops, 1)}{pairs}")
    return "\n".join(lines) + "\n"


# ------------------------------------------------ Bencher, github-action-benchmark


def to_bmf(run: Run, arm: str) -> str:
    document: dict[str, dict[str, dict[str, float]]] = {}
    for one in series_of(run, arm):
        for metric, (_, measure, _) in SERIES.items():
            found = one.estimate(metric)
            if found is None:
                continue
            value = {"value": found.median}
            if found.low is not None and found.high is not None:
                value |= {"lower_value": found.low, "upper_value": found.high}
            document.setdefault(one.name, {})[measure] = value
    return json.dumps(document, indent=1) + "\n"


def to_action(run: Run, arm: str) -> str:
    rows = []
    for one in series_of(run, arm):
        for metric, (unit, measure, _) in SERIES.items():
            found = one.estimate(metric)
            if found is None:
                continue
            row: dict[str, object] = {
                "name": f"{one.name} {measure}", "unit": unit, "value": found.median
            }  # fmt: skip
            if found.low is not None and found.high is not None:
                row["range"] = f"± {(found.high - found.low) / 2:.3g}"
            row["extra"] = f"{found.n} trials"
            rows.append(row)
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


FORMATS: dict[str, Callable[[Run, str], str]] = {
    "gbench": to_gbench,
    "go": to_go,
    "bmf": to_bmf,
    "action": to_action,
}


def arms_of(run: Run) -> list[str]:
    """Without the second turns of a comparison's arms."""
    arms = {trial.arm for trial in run.trials}
    return sorted(
        arm
        for arm in arms
        if not (arm.endswith(AGAIN) and arm.removesuffix(AGAIN) in arms)
    )


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
