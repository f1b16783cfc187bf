# SPDX-License-Identifier: MIT
"""What needs no statistics: instructions, bytes, system calls, kernel switches per op, and
bytes per flow, of one program.

Counts come from `corobench count`, which steps the program: the same program gives the same
figure each time. A case that needs more steps than STEPS_MAX is left out: that depends on
the case alone, and not on how fast the machine is. Kernel switches and bytes per flow come
from one trial each. What the kernel needs for a flow in its own memory is not here: it is
counted for the whole machine, and other processes disturb it.

Only the project's own mechanisms are counted (OWN): a C library's may change with the next
security update. The copies of memory that they make are glibc's for any CPU (harness/stepper.c),
and cases whose size is the CPU's, an XSAVE area, are left out (UNSTEADY): a baseline holds
on every machine of its architecture.
"""
from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import Path
from typing import Any

from corobench.wording import plain

STEPS_MAX = 50000
COUNT_OPS = 16
TIMEOUT_S = 600
SKIPPED = 77
OWN = ("*/coro*",)
UNSTEADY = tuple(f"ablation/*/contract={name}*" for name in ("xsave", "fsbase", "sigmask"))
COUNTS = {
    "insn": "instructions",
    "stored": "bytes_stored",
    "loaded": "bytes_loaded",
    "syscalls": "system_calls",
}
FOOTPRINT = {
    "reserved": "reserved_bytes",
    "resident": "resident_bytes",
    "pagetables": "page_table_bytes",
}
# A figure, or the reason why there is none.
Figures = dict[str, Fraction | str]


class ProgramError(Exception):
    """One line about a program that does not do what corobench does."""


class Refused(Exception):
    """One line: nothing can be counted here (exit code 77)."""


@dataclass(frozen=True)
class Program:
    path: Path
    compiler: str
    options: dict[str, str]

    @property
    def key(self) -> str:
        """What the machine code depends on: "x86_64-gcc-12.2.0-O2"."""
        lto = "-lto" if self.options.get("lto") == "true" else ""
        level = self.options.get("optimization", "unknown")
        return f"{platform.machine()}-{self.compiler.replace(' ', '-')}-O{level}{lto}"

    @property
    def sanitized(self) -> bool:
        return self.options.get("sanitize", "none") != "none"


def _call(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [str(path.resolve()), *words],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ProgramError(f"{plain(path)}: no answer within {TIMEOUT_S} s") from None
    except OSError as error:
        raise ProgramError(f"{plain(path)}: cannot be run: {error.strerror}") from None


def identify(path: Path) -> Program:
    done = _call(path, "--version")
    match = re.fullmatch(r"corobench \S+ \(([^()\n]+)\)\n([^\n]*)\n", done.stdout)
    if done.returncode != 0 or match is None:
        raise ProgramError(
            f"{plain(path)}: not a corobench program, or one too old to say how it was built"
        )
    options = dict(word.split("=", 1) for word in match[2].split() if "=" in word)
    return Program(path, match[1], options)


def list_cases(program: Program) -> list[dict[str, Any]]:
    done = _call(program.path, "list", "--format", "json")
    if done.returncode != 0:
        raise ProgramError(f"{plain(program.path)}: cannot list its cases: "
                           f"{plain(done.stderr.strip(), 200)}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """A glob on the whole name, or on its leading part, as `corobench list` has it."""
    return any(
        fnmatchcase(name, pattern) or fnmatchcase(name, pattern.rstrip("/") + "/*")
        for pattern in patterns
    )


def selected(program: Program, patterns: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        case
        for case in list_cases(program)
        if case["skipped"] is None
        and matches(case["case"], patterns or OWN)
        and not matches(case["case"], UNSTEADY)
        and (case["countable"] or case["experiment"] == "footprint")
    ]


def _counted(program: Program, name: str) -> Figures:
    done = _call(
        program.path, "count", name, "--format", "json", "--no-disassembly",
        "--ops", str(COUNT_OPS), "--max-steps", str(STEPS_MAX),
        "--timeout", str(TIMEOUT_S * 0.9),
    )  # fmt: skip
    if done.returncode == SKIPPED:
        raise Refused(plain(done.stderr.strip(), 300))
    if done.returncode != 0:
        reason = plain((done.stderr.strip() or "it failed").splitlines()[-1], 300)
        return {metric: reason for metric in COUNTS}
    per_op = json.loads(done.stdout)["per_op"]
    return {
        metric: Fraction(per_op[key]["exact"])
        if per_op.get(key)
        else "not decoded on this CPU"
        for metric, key in COUNTS.items()
    }


def _trial(program: Program, name: str) -> dict[str, Any]:
    done = _call(
        program.path, "trial", name, "--triples", "1", "--epoch-ms", "0.05"
    )
    try:
        record: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError:
        reason = plain(done.stderr.strip() or "it died", 300)
        return {"metrics": {}, "error": reason, "skipped": None}
    return record


def _figure(record: dict[str, Any], key: str, digits: int) -> Fraction | str:
    metric = record["metrics"].get(key, {})
    value = metric.get("value")
    if value is None:
        return str(metric.get("reason") or record["error"] or record["skipped"] or "absent")
    return Fraction(round(value, digits)).limit_denominator(10**digits)


def figures_of(program: Program, case: dict[str, Any]) -> Figures:
    name = case["case"]
    if not case["countable"]:
        record = _trial(program, name)
        return {m: _figure(record, key, 1) for m, key in FOOTPRINT.items()}
    counted = _counted(program, name)
    if all(isinstance(value, str) for value in counted.values()):
        return counted
    switches = _figure(_trial(program, name), "kernel_switches_voluntary", 2)
    return {**counted, "switches": switches}


def measure(
    program: Program, patterns: tuple[str, ...], within: tuple[str, ...] = ("*",)
) -> dict[str, Figures]:
    """The figures of all such cases, as many at a time as there are CPUs."""
    if program.sanitized:
        raise Refused("a sanitizer's instructions are in this program: not counted")
    cases = [case for case in selected(program, patterns) if matches(case["case"], within)]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = list(pool.map(lambda case: figures_of(program, case), cases))
    return {case["case"]: figures for case, figures in zip(cases, found)}
