#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Does a program, corobench or any peer, speak the trial protocol (harness/program.h)?

Its list must have what a record says of a case; each timed case, run once with a few ops and
without timing, must make all that it needs and prove its ops, or be skipped with a reason; of
those that the list itself says are skipped here, one of each experiment and reason is run. A
short trial of one case of each experiment must print a record that the schema allows.
usage: conformance.py PROGRAM [--no-full] [PREFIX OF CASES TO LEAVE OUT]...
--no-full leaves out the cases of the full profile alone, for want of time."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from typing import Any

import jsonschema

OPS = 300
SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "results" / "record.schema.json"
STAMP = {"run": "conformance", "round": 0, "arm": "main", "attempt": 0}
LISTED = ("case", "experiment", "subject", "params", "placement", "cpus", "contract", "op",
          "profile", "timed", "countable", "skipped")
SKIPPED = 77


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, check=False)


def listed(program: str) -> list[dict[str, Any]]:
    done = run(program, "list", "--format", "json")
    done.check_returncode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def faults_of_place(program: str) -> list[str]:
    """Built where no run finds it, a peer would pass all else and never be asked."""
    path = pathlib.Path(program)
    is_peer = path.name.startswith("peer-") and path.parent.parent.name == "peers"
    if is_peer and path.name != f"peer-{path.parent.name}":
        return [f"a run looks for peer-{path.parent.name} in this folder, and not for {path.name}"]
    return []


def faults_of_list(cases: list[dict[str, Any]]) -> list[str]:
    names = [str(case.get("case")) for case in cases]
    faults = [f"{name} is listed twice" for name in set(names) if names.count(name) > 1]
    for case in cases:
        faults += [f"{case.get('case')}: its list has no {field}"
                   for field in LISTED if field not in case]
    return faults


def fault_of_ops(program: str, name: str) -> str | None:
    """What is wrong with the case's proof, or None."""
    try:
        done = run(program, "trial", name, "--fixed-ops", str(OPS))
    except subprocess.TimeoutExpired:
        return "still running after 60 s"
    said = (done.stdout + done.stderr).strip()
    if done.returncode == SKIPPED:
        return None if said else "skipped without a reason"
    return f"exit code {done.returncode}: {said[:300]}" if done.returncode else None


def fault_of_record(program: str, name: str) -> str | None:
    """What is wrong with a short trial's record, or None."""
    done = run(program, "trial", name, "--epoch-ms", "0.05", "--triples", "1")
    try:
        record = json.loads(done.stdout) | STAMP
    except ValueError:
        return f"it printed no record but {done.stdout[:100]!r} {done.stderr[:200]!r}"
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    for error in jsonschema.Draft202012Validator(schema).iter_errors(record):
        return f"its record is not valid: {error.message[:300]}"
    wanted = SKIPPED if record["skipped"] else 1 if record["error"] else 0
    if done.returncode != wanted:
        return f"exit code {done.returncode} in place of {wanted}"
    return f"the trial failed: {record['error']}" if record["error"] else None


def firsts(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One case of each experiment; cases of the full profile alone take too long."""
    found: dict[str, dict[str, Any]] = {}
    for case in cases:
        if case["profile"] != "full":
            found.setdefault(case["experiment"], case)
    return list(found.values())


def to_run(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All that are not skipped here, and one of each experiment and reason that are."""
    refused = {(case["experiment"], case["skipped"]): case["case"]
               for case in cases if case["skipped"]}
    return [case for case in cases
            if not case["skipped"] or case["case"] in refused.values()]


def main(program: str, full: bool, without: tuple[str, ...]) -> int:
    cases = listed(program)
    faults = faults_of_place(program) + faults_of_list(cases)
    wanted = [case for case in cases if case.get("timed") and
              (full or case.get("profile") != "full") and
              not str(case["case"]).startswith(without)]
    if not wanted:
        faults.append("no timed case is listed")
    if run(program, "trial", "no/such/case").returncode != 2:
        faults.append("an unknown case is no usage error (exit code 2)")
    ran = to_run(wanted) if not faults else []
    for case in ran:
        fault = fault_of_ops(program, case["case"])
        faults += [f"{case['case']}: {fault}"] if fault else []
    for case in firsts(wanted) if not faults else []:
        fault = fault_of_record(program, case["case"])
        faults += [f"{case['case']}: {fault}"] if fault else []
    for fault in faults:
        print(fault)
    print(f"{len(ran)} of {len(wanted)} cases ran, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    full = "--no-full" not in sys.argv
    words = [word for word in sys.argv[1:] if word != "--no-full"]
    sys.exit(main(words[0], full, tuple(words[1:])))
