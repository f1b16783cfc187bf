#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs every timed case of a program once, with a few ops and without timing: each must make
all that it needs and prove its ops (the program exits with 0 only then), or be skipped with
a reason. usage: cases.py PROGRAM [PREFIX OF CASES TO LEAVE OUT]..."""

from __future__ import annotations

import json
import subprocess
import sys

OPS = 300


def listed(program: str) -> list[dict[str, object]]:
    text = subprocess.run([program, "list", "--format", "json"], check=True, timeout=60,
                          capture_output=True, text=True).stdout
    return [json.loads(line) for line in text.splitlines()]


def complaint(program: str, name: str) -> str | None:
    """What is wrong with the case, or None."""
    try:
        trial = subprocess.run([program, "trial", name, "--fixed-ops", str(OPS)],
                               capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        return "still running after 60 s"
    said = (trial.stdout + trial.stderr).strip()
    if trial.returncode == 77:
        return None if said else "skipped without a reason"
    return f"exit code {trial.returncode}: {said[:300]}" if trial.returncode else None


def main(program: str, without: tuple[str, ...]) -> int:
    cases = [case for case in listed(program)
             if case["timed"] and not str(case["case"]).startswith(without)]
    if not cases:
        print("no timed case is listed")
        return 1
    failures = 0
    for case in cases:
        wrong = complaint(program, str(case["case"]))
        if wrong:
            failures += 1
            print(f"{case['case']}: {wrong}")
    print(f"{len(cases)} cases, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], tuple(sys.argv[2:])))
