#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""trace.py: a trace is JSON in Chrome's format, and tells what happened.

    trace.py TRACE_TARGET
"""
import json
import subprocess
import sys
from collections import Counter
from typing import Any

PASSES = 200
CROWD = 40
STRANGE = 'a "strange"\n\\name'
NAP_US = 5000


def failures_of(trace: dict[str, Any]) -> list[str]:
    events = trace["traceEvents"]
    slices = [event for event in events if event["ph"] == "X"]
    flows = Counter(event["name"] for event in slices if event["cat"] == "flow")
    lives = {(event["args"]["flow"], event["args"]["life"]) for event in slices
             if event["name"] == "crowd"}
    names = {event["tid"]: event["args"]["name"] for event in events
             if event["name"] == "thread_name"}
    asleep = [event["dur"] for event in slices if event["name"] == "asleep"]
    stolen = sum(event["args"]["flows"] for event in events if event["name"] == "steal")
    moved = {event["tid"] for event in slices if event["name"] == "crowd"}
    failures = []

    def expect(true: bool, what: str) -> None:
        if not true:
            failures.append(what)

    expect(names == {0: "worker 0", 1: "worker 1"}, f"workers are {names}")
    expect(set(flows) == {"main", "ping", "pong", "crowd", STRANGE}, f"flows are {set(flows)}")
    for name in ("ping", "pong"):
        expect(PASSES <= flows[name] <= 2 * PASSES + 2, f"{name} ran {flows[name]} times")
    expect(len(lives) == CROWD, f"the crowd is {len(lives)}")
    expect(max(asleep, default=0) >= NAP_US / 4, f"slept {asleep} us")
    expect(stolen > 0 or moved != {0, 1}, f"none stolen, the crowd ran on {moved}")
    expect(trace["otherData"]["dropped"] == 0, "events were dropped")
    for tid in names:
        end = 0.0
        mine = [event for event in slices if event["tid"] == tid and event["cat"] == "flow"]
        for event in mine:
            expect(event["ts"] >= end - 0.0015, f"overlap at {event}")  # of rounding
            expect(event["dur"] >= 0, f"negative: {event}")
            end = event["ts"] + event["dur"]
    return failures


def main() -> int:
    done = subprocess.run([sys.argv[1]], capture_output=True, text=True, timeout=50,
                          check=False)
    if done.returncode:
        print(f"exit code {done.returncode}: {done.stderr}")
        return 1
    trace = json.loads(done.stdout)
    failures = failures_of(trace)
    print("\n".join(failures[:10]) or f"{len(trace['traceEvents'])} events")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
