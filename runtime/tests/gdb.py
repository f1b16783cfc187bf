#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gdb.py: a debugger unwinds every instruction of a switch, and stops at an entry.

    gdb.py GDB_TARGET

Runs gdb in batch mode on tests/gdb_target.c: one backtrace inside a flow, then one
at each single step through all its switches. Exit code 0, 1 with what went wrong, 77
without gdb.
"""
import re
import shutil
import subprocess
import sys
from pathlib import Path

STEPS = 260
MARK = "=====step"
FRAME = re.compile(r"^#(\d+) .*?(?:in )?([A-Za-z_][\w.]*) \(", re.MULTILINE)
ENTRY = "coro_arch_entry"
AT_JUMP = re.compile(r":\s+(jmp +\*%rdx|mov +%\w+,%rbp)")
COMPLAINTS = ("Backtrace stopped", "corrupt", "Cannot access", "??", "previous frame")


def gdb(target: Path, commands: list[str]) -> str:
    arguments = ["gdb", "-q", "-batch", "-nx"]
    for command in ["set confirm off", "set debuginfod enabled off", *commands]:
        arguments += ["-ex", command]
    done = subprocess.run([*arguments, str(target)], capture_output=True, text=True,
                          timeout=120, check=False)
    return done.stdout + done.stderr


def frames(text: str) -> list[str]:
    return [name for _, name in FRAME.findall(text)]


def problem(text: str) -> str | None:
    """What is wrong with one backtrace, if anything."""
    names = frames(text)
    if not names:
        return "no frames"
    for complaint in COMPLAINTS:
        if complaint in text:
            return f"gdb says '{complaint}'"
    if names[-1] == "main":
        return None if "home_leaf" in names or len(names) == 1 else "home_leaf is missing"
    if names[-1] == ENTRY:
        if "flow_body" in names or names == [ENTRY]:
            return None
        # About to jump to a flow that has not begun, or from one that has ended.
        return None if AT_JUMP.search(text) else "flow_body is missing"
    return f"ends at {names[-1]}, neither main nor a flow's entry"


def check_flow(target: Path) -> list[str]:
    text = gdb(target, ["break stop_in_flow", "run", "bt"])
    names = frames(text[text.rfind("#0"):])
    wanted = ["stop_in_flow", "flow_leaf", "flow_body", ENTRY]
    return [] if names == wanted else [f"in the flow: {names}, not {wanted}\n{text}"]


def check_steps(target: Path) -> list[str]:
    step = ["stepi", f"echo {MARK}\\n", "x/i $pc", "bt"]
    text = gdb(target, ["break stop_before_switches", "run", *step * STEPS])
    parts = text.split(MARK)[1:]
    end = next((i for i, part in enumerate(parts) if "stop_after_switches" in part), None)
    if end is None:
        return [f"{STEPS} steps did not reach the end:\n{parts[-1] if parts else text}"]
    seen = {name for part in parts[:end] for name in frames(part)}
    failures = [f"never saw {name}" for name in ("flow_leaf", "coro_arch_switch")
                if name not in seen]
    for i, part in enumerate(parts[:end]):
        wrong = problem(part)
        if wrong:
            failures.append(f"step {i}: {wrong}\n{part.strip()}")
    print(f"{end} single steps, {len(failures)} bad backtraces")
    return failures


def main() -> int:
    if not shutil.which("gdb"):
        print("skipped: gdb is not installed")
        return 77
    target = Path(sys.argv[1])
    probe = gdb(target, ["break main", "run"])
    if "Breakpoint 1, " not in probe:
        print("skipped: gdb can't run a program here:", probe.strip().splitlines()[-1:])
        return 77
    failures = check_flow(target) + check_steps(target)
    print("\n\n".join(failures[:5]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
