#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gdb_flows.py: gdb/coro.py lists every flow, its state and its frames, of a process and of its core.

    gdb_flows.py SCRIPT TARGET

Exit code 0, 1 with what went wrong, 77 without gdb.
"""
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DEEP = ["receive_deep", "receive_deep", "receive_deep", "receiver"]
EXPECTED = {  # state, and frames that must be there in this order
    "main": ("running on worker 0", ["stop_here", "play"]),
    "the-receiver": ("receiving from a channel", DEEP),
    "the-segmented": ("receiving from a channel", DEEP),  # by code without the check
    "the-locker": ("locking a mutex", ["locker"]),
    "the-ended": ("ended, not joined", []),
    "the-sleeper": ("asleep", ["coro_sleep_until", "sleeper"]),
    "the-spinner": ("running on worker 1", ["spinner"]),
    "the-runnable": ("runnable", []),
}
FLOW = re.compile(r"^flow 0x[0-9a-f]+ ([^,]+), stack \d+: (.*)$")
FRAME = re.compile(r"^    #\d+ +0x[0-9a-f]+ in (\S+)")


def gdb(arguments: list[str], commands: list[str]) -> str:
    options = ["gdb", "-q", "-batch", "-nx"]
    for command in ["set confirm off", "set debuginfod enabled off", *commands]:
        options += ["-ex", command]
    done = subprocess.run([*options, *arguments], capture_output=True, text=True, timeout=120,
                          check=False)
    return done.stdout + done.stderr


def parse(text: str) -> dict[str, tuple[str, list[str]]]:
    flows: dict[str, tuple[str, list[str]]] = {}
    frames: list[str] = []
    for line in text.splitlines():
        if match := FLOW.match(line):
            frames = []
            flows[match[1]] = (match[2], frames)
        elif match := FRAME.match(line):
            frames.append(match[1])
    return flows


def failures_of(name: str, text: str) -> list[str]:
    found = parse(text)
    failures = []
    if set(found) != set(EXPECTED):
        failures.append(f"{name}: flows {sorted(found)}, not {sorted(EXPECTED)}")
    for flow, (state, frames) in EXPECTED.items():
        state_found, frames_found = found.get(flow, ("missing", []))
        if not state_found.startswith(state):
            failures.append(f"{name}: {flow} is '{state_found}', not '{state}'")
        rest = iter(frames_found)
        if not all(frame in rest for frame in frames):
            failures.append(f"{name}: {flow} has frames {frames_found}, not {frames}")
        if frames and flow not in ("main", "the-spinner") and \
                frames_found[-1:] not in (["coro_arch_entry"], ["coro_arch_flow"]):
            failures.append(f"{name}: {flow} does not end at its entry: {frames_found}")
    return [f"{failure}\n{text}" for failure in failures]


def main() -> int:
    if not shutil.which("gdb"):
        print("skipped: gdb is not installed")
        return 77
    script, target = Path(sys.argv[1]), Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as directory:
        core = Path(directory) / "core"
        live = gdb([str(target)], [
            "break stop_here", "run", f"source {script}", "coro bt",
            "coro select the-receiver", *["up", "print my_depth"] * 12,
            "coro select", "bt 1", f"generate-core-file {core}"])
        if "Breakpoint 1, " not in live:
            print("skipped: gdb can't run a program here:", live.strip().splitlines()[-1:])
            return 77
        dead = gdb([str(target), str(core)], [f"source {script}", "coro bt"])
    failures = failures_of("live", live) + failures_of("core", dead)
    if re.findall(r"^\$\d+ = (\d+)$", live, re.MULTILINE) != ["0", "1", "2"]:
        failures.append(f"locals of a selected flow: not found\n{live}")
    if not re.search(r"^#0 .*stop_here", live.split("$3 =")[-1], re.MULTILINE):
        failures.append(f"after a selected flow the thread is back: it is not\n{live}")
    print("\n\n".join(failures[:4]) or f"{len(EXPECTED)} flows, live and from a core")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
