# SPDX-License-Identifier: MIT
"""Seeded synthetic runs: the shape of a real one, with known medians.

`python3 -m tests.synthetic FILE` (in scripts/) writes one, to look at a report's layout.
"""
from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

Record = dict[str, Any]

COST_NS = {
    "coro-inline": {
        "same": 2.7,
        "diff": 0.67,
        "deep-same": 11.8,
        "deep-diff": 36.5,
        "sixteen": 1.1,
    },
    "coro-abi": {
        "same": 3.1,
        "diff": 3.1,
        "deep-same": 20.9,
        "deep-diff": 40.4,
        "sixteen": 3.0,
    },
    "coro-abi-ret": {
        "same": 3.0,
        "diff": 10.8,
        "deep-same": 13.2,
        "deep-diff": 47.5,
        "sixteen": 10.7,
    },
    "boost-fcontext": {"same": 5.0, "diff": 5.1},
    "setjmp": {"same": 11.4, "diff": 19.0},
    "ucontext": {"same": 167.0, "diff": 171.0, "deep-diff": 205.0},
    "pthread-sched_yield": {"same": 410.0},
    "pthread-futex": {"diff": 1820.0},
    "pthread-condvar": {"diff": 2300.0},
    "pthread-pipe": {"diff": 2151.0},
}
CONTRACTS = (
    ("sp-pc", 16, 0.67),
    ("bp", 24, 0.7),
    ("callee-saved", 64, 3.0),
    ("fpctl", 72, 4.5),
    ("gpr16", 144, 6.2),
    ("gpr16-no-fpctl", 136, 4.9),
    ("xmm16", 400, 11.0),
    ("xsave-clean", 2576, 42.0),
    ("xsave-dirty", 2576, 61.0),
    ("xsavec-clean", 2576, 31.0),
    ("xsavec-dirty", 2576, 60.0),
    ("fsbase", 2584, 66.0),
    ("sigmask", 2584, 190.0),
)
ROUND_TRIP = "message/coro-chan/mode=roundtrip/capacity=0/"
NULL_REASON = "no PMU: perf_event_open says ENOENT"


def metric(value: float | None, unit: str, source: str, reason: str = "") -> Record:
    return {
        "value": value,
        "unit": unit,
        "source": source,
        **({"reason": reason} if reason else {}),
    }


def contract(saves: str, stored: int, **kept: bool) -> Record:
    return {
        "saves": saves,
        "bytes_saved": stored,
        "fp_control": False,
        "signal_mask": False,
        "tls_base": False,
        "kernel_entry": False,
        **kept,
    }


class Generator:
    def __init__(
        self,
        seed: int = 1,
        rounds: int = 12,
        run: str = "20261123T231500Z-default",
        machine: str = "synthetic-2cpu",
        scatter: float = 0.01,
    ) -> None:
        self.random = random.Random(seed)
        self.rounds = rounds
        self.run = run
        self.machine = machine
        self.scatter = scatter
        self.seed = seed

    def environment(self, cases: list[str]) -> Record:
        return {
            "schema": 1,
            "kind": "environment",
            "run": self.run,
            "time_utc": "2026-11-23T23:15:00Z",
            "seed": self.seed,
            "profile": "default",
            "machine": self.machine,
            "program": {"version": "0.1.0", "compiler": "gcc 12.2.0", "options": "-O2"},
            "options": {
                "max_rel_ci": 0.02,
                "time_budget_s": 240,
                "epoch_ms": 1,
                "triples": 5,
                "min_rounds": 6,
                "max_rounds": 60,
                "filter": [],
                "events": None,
            },
            "facts": [
                {
                    "name": "cpu",
                    "value": "Synthetic 2-core",
                    "status": "ok",
                    "advice": "",
                },
                {
                    "name": "governor",
                    "value": "",
                    "status": "unavailable",
                    "advice": "no cpufreq here: frequency can't be pinned",
                },
                {
                    "name": "hypervisor",
                    "value": "kvm",
                    "status": "warning",
                    "advice": "times include what the host does; compare ratios",
                },
            ],
            "cases": cases,
            "peers": [
                {"name": "go", "status": "absent", "reason": "go not installed"},
                {"name": "boost", "status": "present", "reason": ""},
            ],
        }

    def trial(self, case: str, number: int, metrics: Record, **other: Any) -> Record:
        parts = case.split("/")
        params = dict(part.split("=", 1) for part in parts[2:] if "=" in part)
        placement = params.pop("place", "same-cpu")
        return {
            "schema": 1,
            "kind": "trial",
            "run": self.run,
            "round": number,
            "arm": "main",
            "attempt": 0,
            "case": case,
            "experiment": parts[0],
            "subject": parts[1],
            "params": params,
            "placement": placement,
            "cpus": [1, 1] if placement == "same-cpu" else [0, 1],
            "contract": None,
            "op": "one-way switch",
            "ops": 100000,
            "metrics": metrics,
            "epochs": [[100000, 1000000.0, 0.2857, 0], [200000, 2000000.0, 0.2857, 0]],
            "checks": {"ops_expected": 300000, "ops_counted": 300000, "steal_ticks": 0},
            "flags": [],
            "notes": {},
            "skipped": None,
            "error": None,
            **other,
        }

    def noisy(self, value: float) -> float:
        return float(f"{value * self.random.lognormvariate(0, self.scatter):.6g}")

    def cost(self, ns: float, switches: float = 0.0) -> Record:
        noisy = self.noisy(ns)
        return {
            "ns": metric(noisy, "ns/op", "clock"),
            "cycles_estimated": metric(
                float(f"{self.noisy(noisy * 3.5):.6g}"), "cycles/op", "canary"
            ),
            "cycles": metric(None, "cycles/op", "pmu", NULL_REASON),
            "instructions": metric(None, "instructions/op", "pmu", NULL_REASON),
            "kernel_switches_voluntary": metric(switches, "switches/op", "rusage"),
            "kernel_switches_involuntary": metric(0.0, "switches/op", "rusage"),
            "faults_minor": metric(0.0, "faults/op", "rusage"),
        }

    def round(self, number: int) -> list[Record]:
        found = [
            *self._switches(number),
            *self._ablation(number),
            *self._depth(number),
            *self._spawn(number),
            *self._footprint(number),
            *self._contexts(number),
            *self._messages(number),
            *self._layers(number),
            *self._bank(number),
            *self._traffic(number),
            *self._stacks(number),
        ]
        self.random.shuffle(found)
        return found

    def _switches(self, number: int) -> list[Record]:
        found = []
        for subject, sites in COST_NS.items():
            kernel = subject.startswith("pthread")
            kept = contract(
                "all registers" if kernel else "rsp rip rbp",
                0 if kernel else 24,
                kernel_entry=kernel or subject == "ucontext",
                signal_mask=subject == "ucontext",
            )
            for site, ns in sites.items():
                places = (
                    {"same-cpu": 1.0, "same-llc": 3.1} if kernel else {"same-cpu": 1.0}
                )
                for place, factor in places.items():
                    found.append(
                        self.trial(
                            f"switch/{subject}/site={site}/place={place}",
                            number,
                            self.cost(ns * factor, 1.0 if kernel else 0.0),
                            contract=kept,
                        )
                    )
            if kernel:
                found.append(
                    self.trial(
                        f"switch/{subject}/site=diff/place=smt",
                        number,
                        {},
                        skipped="no two hardware threads of one core are allowed",
                        ops=0,
                    )
                )
        return found

    def _ablation(self, number: int) -> list[Record]:
        live = [
            self.trial(
                f"ablation/{subject}/live={count}/place=same-cpu",
                number,
                self.cost(base + count * step),
                contract=contract("sp pc bp", 24),
            )
            for subject, base, step in (
                ("coro-inline", 0.7, 0.25),
                ("coro-abi", 3.1, 0.02),
            )
            for count in range(7)
        ]
        return live + [
            self.trial(
                f"ablation/coro/contract={name}/place=same-cpu",
                number,
                self.cost(ns),
                contract=contract(
                    name,
                    stored,
                    kernel_entry=name == "sigmask",
                    signal_mask=name == "sigmask",
                ),
            )
            for name, stored, ns in CONTRACTS
        ]

    def _depth(self, number: int) -> list[Record]:
        found = []
        for depth in (0, 256, 1024, 4096, 16384, 65536, 262144, 1048576):
            for subject, ns in (
                ("coro-inline", 0.7),
                ("ucontext", 167.0),
                ("stack-copy", 6 + depth / 15),
            ):
                found.append(
                    self.trial(
                        f"depth/{subject}/depth_bytes={depth}/place=same-cpu",
                        number,
                        self.cost(ns),
                    )
                )
        return found

    def _spawn(self, number: int) -> list[Record]:
        costs = (
            ("coro", "pooled", 5.2),
            ("coro", "cold", 1450.0),
            ("ucontext", "pooled", 190.0),
            ("pthread", "pooled", 18800.0),
            ("fork", "cold", 92000.0),
        )
        return [
            self.trial(
                f"spawn/{subject}/stacks={stacks}/place=same-cpu",
                number,
                self.cost(ns),
                op="spawn, run and join",
            )
            for subject, stacks, ns in costs
        ]

    def _footprint(self, number: int) -> list[Record]:
        shapes = (
            ("coro", 1024, 1088, 0, 0),
            ("coro", 16384, 4160, 8, 0),
            ("ucontext", 16384, 5100, 8, 0),
            ("pthread", 8388608, 8490, 4136, 23384),
            ("fork", 8388608, 90112, 45056, 26000),
        )
        found = []
        for subject, reserved, resident, tables, kernel in shapes:
            found.append(
                self.trial(
                    f"footprint/{subject}/stack_bytes={reserved}/place=same-cpu",
                    number,
                    {
                        "reserved_bytes": metric(float(reserved), "B/flow", "smaps"),
                        "resident_bytes": metric(self.noisy(resident), "B/flow", "smaps"),
                        "page_table_bytes": metric(float(tables), "B/flow", "status"),
                        "kernel_bytes": metric(float(kernel), "B/flow", "meminfo")
                        if subject != "ucontext"
                        else metric(
                            None,
                            "B/flow",
                            "meminfo",
                            "slab counters are not readable here",
                        ),
                    },
                    op="one parked flow",
                    notes={"flows": "1024, in 8 steps"},
                )
            )
        found.append(
            self.trial(
                "limit/pthread/place=same-cpu",
                number,
                {"flows": metric(32454.0, "flows", "count")},
                notes={"limit": "pid_max"},
                op="flows until failure",
            )
        )
        return found

    def _contexts(self, number: int) -> list[Record]:
        cases = (
            ("registers/keeps=sp-pc-bp", 24.0, "contract"),
            ("go-gobuf", 56.0, "documented"),
            ("ucontext_t", 156.0, "written"),
            ("kernel-thread/keeps=xsave-area", 2440.0, "cpuid"),
            ("kernel-thread/owns=task_struct", 5888.0, "slabinfo"),
            ("kernel-thread/owns=kernel-stack", 16384.0, "meminfo"),
        )
        return [
            self.trial(
                f"context/{case}/place=same-cpu",
                number,
                {"bytes": metric(found, "B", source)},
                op="what is kept of one flow",
            )
            for case, found, source in cases
        ]

    def _messages(self, number: int) -> list[Record]:
        found = []
        for subject, capacity, ns in (
            ("pthread-condvar-queue", 1, 13700.0),
            ("pthread-condvar-queue", 64, 89.0),
            ("spinlock-queue", 64, 31.0),
        ):
            for place, factor in (("same-cpu", 1.0), ("same-llc", 2.8)):
                found.append(
                    self.trial(
                        f"message/{subject}/capacity={capacity}/place={place}",
                        number,
                        self.cost(ns * factor),
                        op="one item",
                    )
                )
        for subject, ns in (("mutex", 11.6), ("spinlock", 9.0), ("atomic", 5.0)):
            found.append(
                self.trial(
                    f"counter/{subject}/place=same-llc",
                    number,
                    self.cost(ns),
                    op="one increment",
                )
            )
        return found

    def _layers(self, number: int) -> list[Record]:
        costs = (
            ("yield/coro/flows=2/workers=1/site=diff/place=same-cpu", 1.4),
            (ROUND_TRIP + "workers=1/place=same-cpu", 11.0),
            (ROUND_TRIP + "workers=2/flows=pinned/place=same-llc", 240.0),
            ("layers/syscall/place=same-cpu", 80.0),
            ("layers/process-futex/place=same-cpu", 2050.0),
            ("layers/process-pipe/place=same-cpu", 2400.0),
        )
        unit = "kernel switches per 10^6 flow switches"
        found = [
            self.trial(case, number, self.cost(ns), op=f"one op of {case.split('/')[1]}")
            for case, ns in costs
        ]
        for case, voluntary in (("coro/workers=1", 0.0), ("pthread", 1e6)):
            found.append(
                self.trial(
                    f"oslevel/{case}/place=same-cpu",
                    number,
                    {
                        "voluntary": metric(voluntary, unit, "rusage"),
                        "involuntary": metric(1.5, unit, "rusage"),
                    },
                )
            )
        return found

    def _bank(self, number: int) -> list[Record]:
        found = []
        for case, ns, lost in (
            ("coro/protection=none/sleep=0/workers=1/place=same-cpu", 6.0, 0.0),
            ("coro/protection=none/sleep=0/workers=2/place=same-llc", 7.0, 440000.0),
            ("coro/protection=coro-mutex/sleep=0/workers=1/place=same-cpu", 11.0, 0.0),
            ("pthread/protection=none/sleep=0/place=same-llc", 730.0, 3300.0),
            ("pthread/protection=none/sleep=1ms/place=same-llc", 110000.0, 180.0),
        ):
            metrics = self.cost(ns)
            metrics["lost_updates"] = metric(lost, "per 10^6", "flows")
            found.append(
                self.trial(f"bank/{case}", number, metrics, op="one transaction")
            )
        stuck = "bank/coro/protection=mutex/sleep=0/workers=1/inside=yield/place=same-cpu"
        found.append(
            self.trial(stuck, number, {}, skipped="deadlock: the holder is parked")
        )
        return found

    def _traffic(self, number: int) -> list[Record]:
        stream = "message/coro-chan/mode=stream/capacity=64/"
        return [
            self.trial(case, number, self.cost(ns), op=f"one op of {case.split('/')[2]}")
            for case, ns in (
                ("message/coro-chan/mode=pxc/producers=4/place=same-cpu", 7.0),
                (f"{stream}element_bytes=4096/workers=1/place=same-cpu", 113.0),
                (f"{stream}workers=1/place=same-cpu", 4.0),
                ("scale/coro-ring/flows=100000/workers=1/place=same-cpu", 20.0),
            )
        ]

    def _stacks(self, number: int) -> list[Record]:
        segment = "hotsplit/segmented/segment_bytes=4096/"
        return [
            self.trial(f"{case}/place=same-cpu", number, self.cost(ns), op="one call")
            for case, ns in (
                (f"{segment}depth_bytes=2048", 1.5),
                (f"{segment}depth_bytes=3840", 5.4),
                ("hotsplit/guarded/depth_bytes=3840", 1.5),
                ("growth/guarded/depth_bytes=4096/when=regrown", 1500.0),
                ("growth/guarded/depth_bytes=65536/when=regrown", 20000.0),
                ("growth/segmented/depth_bytes=65536/when=regrown", 900.0),
                ("prologue/fib/check=off", 17000.0),
                ("prologue/fib/check=on", 17300.0),
            )
        ]

    def records(self) -> list[Record]:
        rounds = [self.round(number) for number in range(1, self.rounds + 1)]
        # The table's order is the order before the shuffle.
        cases = sorted({record["case"] for record in (rounds[0] if rounds else [])})
        flat = [record for one in rounds for record in one]
        rejected = []
        for record in flat[:3]:
            rejected.append(
                {
                    **record,
                    "kind": "rejection",
                    "attempt": 1,
                    "reasons": ["4 involuntary switches"],
                }
            )
        if len(flat) > 40:
            flat[40]["flags"] = ["nonlinear"]
        end = {
            "schema": 1,
            "kind": "end",
            "run": self.run,
            "rounds": self.rounds,
            "reason": "tight",
            "trials": len(flat),
            "rejected": len(rejected),
            "skipped": 0,
            "failed": 0,
        }
        return [self.environment(cases), *flat, *rejected, end]


def write(path: Path, records: list[Record]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "".join(json.dumps(record) + "\n" for record in records), encoding="utf-8"
    )
    return path


if __name__ == "__main__":
    write(Path(sys.argv[1]), Generator().records())
