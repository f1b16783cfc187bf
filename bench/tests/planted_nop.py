#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Is `corobench count` exact enough to see one instruction? A copy of the sources is built twice,
as it is and with one nop planted in each of the two shipped switches. The planted switch must
take exactly one instruction more per one-way switch; one that has no nop must not change; the
gate must fail the planted program, and pass the other against itself; and Valgrind, where there
is one, must find the same slope in the same binary.

usage: planted_nop.py SOURCE_ROOT VALGRIND_SLOPE MESON [COMPILER WORD]...
The compiler is the one under test; the copy's options are the defaults. Exit code 77: skipped."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = 77
ARCH = Path("runtime/arch/x86_64")
# Where each switch gets its nop: file, a text that is there once, and what takes its place.
PLANTS = (
    (ARCH / "arch_switch.h", '"jmpq *%%rdx\\n"', '"nop\\n\\tjmpq *%%rdx\\n"'),
    (ARCH / "switch.S", "    leaq -128(%rsp), %rsp\n", "    nop\n    leaq -128(%rsp), %rsp\n"),
)
PLANTED = ("switch/coro-inline/site=same/place=same-cpu",
           "switch/coro-inline/site=diff/place=same-cpu",
           "switch/coro-abi/site=same/place=same-cpu",
           "switch/coro-abi/site=diff/place=same-cpu")
UNTOUCHED = ("switch/study-ret/site=diff/place=same-cpu",)


class Skip(Exception):
    """Why this machine cannot tell."""


def run(words: list[str], **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=240,
                          **more)  # type: ignore[call-overload, no-any-return]


def checked(words: list[str], **more: object) -> str:
    done = run(words, **more)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: exit code {done.returncode}\n"
                         f"{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def per_op(program: Path, case: str) -> str:
    """Instructions per op: an integer, or a fraction such as "41/2"."""
    done = run([str(program), "count", case, "--no-disassembly", "--format", "json"])
    if done.returncode == SKIPPED:
        raise Skip(done.stderr.strip())
    if done.returncode:
        raise SystemExit(f"count {case}: exit code {done.returncode}: {done.stderr.strip()}")
    return str(json.loads(done.stdout)["per_op"]["instructions"]["exact"])


def plant(root: Path) -> None:
    for name, text, planted in PLANTS:
        source = (root / name).read_text(encoding="utf-8")
        if source.count(text) != 1:
            raise SystemExit(f"{name}: {text!r} is there {source.count(text)} times, not once: "
                             "this test must follow the switch")
        (root / name).write_text(source.replace(text, planted), encoding="utf-8")


def copied(source: Path, copy: Path) -> None:
    copy.mkdir()
    for name in ("meson.build", "meson_options.txt"):
        shutil.copy(source / name, copy)
    for name in ("runtime", "harness", "bench", "scripts", "results"):
        shutil.copytree(source / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns(
            "__pycache__", "*.jsonl", "*.svg", "*.html"))


def built(build: Path) -> Path:
    checked(["ninja", "-C", str(build), "bench/corobench"])
    return build / "bench" / "corobench"


def complaints(before: dict[str, str], after: dict[str, str]) -> list[str]:
    wrong = []
    for case, count in before.items():
        wanted = 1 if case in PLANTED else 0
        print(f"{case}: {count} instructions per op, {after[case]} with a nop planted")
        if "/" in count or "/" in after[case] or int(after[case]) - int(count) != wanted:
            wrong.append(f"{case}: {count} -> {after[case]}, where a difference of {wanted} is right")
    return wrong


def gate_complaints(old: Path, new: Path) -> list[str]:
    """The verdict and the exit code of `corobench compare` on these cases."""
    wrong = []
    for base, code, verdict in ((old, 3, "FAIL"), (new, 0, "PASS")):
        words = [str(new), "compare", "--counts-only", str(base), str(new)]
        for case in PLANTED + UNTOUCHED:
            words += ["--cases", case]
        done = run(words)
        print(done.stdout.strip())
        if done.returncode != code or not done.stdout.splitlines()[-1].startswith(verdict):
            wrong.append(f"compare: exit code {done.returncode}, where {code} is right: "
                         f"{done.stderr.strip()}")
        failed = {line.split()[1] for line in done.stdout.splitlines()
                  if line.startswith("FAIL ")}
        if failed != (set(PLANTED) if code else set()):
            wrong.append(f"compare: FAIL of {sorted(failed)}")
    return wrong


def slope_complaints(slope: str, program: Path) -> list[str]:
    if not shutil.which("valgrind"):
        print("no Valgrind: its slope was not compared")
        return []
    wrong = []
    for case in PLANTED[1::2]:
        done = run([slope, str(program), case])
        print((done.stdout + done.stderr).strip())
        if done.returncode:
            wrong.append(f"{case}: Valgrind's slope differs")
    return wrong


def main(source: Path, slope: str, meson: str, compiler: list[str]) -> int:
    if platform.machine() != "x86_64":
        raise Skip(f"no nop is known for the switches of {platform.machine()}")
    with tempfile.TemporaryDirectory(prefix="planted-nop-") as scratch:
        copy, build = Path(scratch, "source"), Path(scratch, "build")
        copied(source, copy)
        checked([meson, "setup", str(build), str(copy)],
                env={**os.environ, **({"CC": " ".join(compiler)} if compiler else {})})
        program = built(build)
        before = {case: per_op(program, case) for case in PLANTED + UNTOUCHED}
        unplanted = Path(scratch, "unplanted")
        shutil.copy(program, unplanted)
        plant(copy)
        built(build)
        after = {case: per_op(program, case) for case in PLANTED + UNTOUCHED}
        wrong = complaints(before, after) + gate_complaints(unplanted, program)
        wrong += slope_complaints(slope, program)
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]))
    except Skip as reason:
        print(f"skipped: {reason}", file=sys.stderr)
        sys.exit(SKIPPED)
