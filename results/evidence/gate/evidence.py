#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the gate must show, shown: evidence.py [--minutes N] PROGRAM [SECTION]...

Each finished comparison is a line of SECTION.jsonl beside this file, and a section goes on where it
was left: with --minutes, all are left after so many. Counts (nop, same) are the same on a busy
machine; times (aa, delay3, delay1, burnt) need a quiet one. The last section, `summary`, writes
README.md from those files and from nothing else.
"""
from __future__ import annotations

import argparse
import contextlib
import functools
import io
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT)]
from corobench import interpreter  # noqa: E402

interpreter.ensure()
from corobench import (  # noqa: E402
    compare_command,
    findings,
    machine_code,
    paired,
    revision,
    selftest_command,
    timing,
)
from corobench.commands import run_command  # noqa: E402
from corobench.estimates import median_interval  # noqa: E402

SWITCHES = ("switch/coro-inline/site=diff/place=same-cpu",
            "switch/coro-abi/site=same/place=same-cpu")  # fmt: skip
ONE = SWITCHES[1:]
TWO = ("switch/coro-inline/site=same/place=same-cpu", *ONE)
ROUNDS = 30
Row = dict[str, Any]


def rows(section: str) -> list[Row]:
    path = HERE / f"{section}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def add(section: str, row: Row) -> None:
    with (HERE / f"{section}.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")


leave_at_s = math.inf


def until(
    section: str, wanted: int, make: Callable[[int], Row],
    enough: Callable[[], bool] = lambda: False,
) -> None:  # fmt: skip
    for index in range(len(rows(section)), wanted):
        if time.monotonic() > leave_at_s or enough():
            break
        add(section, make(index))


def planted_program(program: Path, folder: Path) -> Path:
    """Built again, by the same compiler, with one nop more in each shipped switch."""
    from bench.tests import planted_nop

    copy, build = folder / "source", folder / "build"
    planted_nop.copied(ROOT, copy)
    planted_nop.plant(copy)
    made = machine_code.build_of(program)
    compilers = revision.compilers_of(made) if made else {}
    planted_nop.checked(["meson", "setup", "-Dpeers=disabled", str(build), str(copy)],
                        env={**os.environ, **compilers})  # fmt: skip
    return planted_nop.built(build)


def nops(program: Path) -> None:
    if len(rows("nop")) < 100:
        with tempfile.TemporaryDirectory() as scratch:
            planted = planted_program(program, Path(scratch))
            until("nop", 100, lambda _: counted(program, planted))


def counted(base: Path, new: Path) -> Row:
    """By the command itself: what it found and its exit code."""
    words = ["--counts-only", "--format", "json", str(base), str(new)]
    for case in SWITCHES:
        words += ["--cases", case]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        code = run_command("compare", compare_command.main, words)
    found = json.loads(out.getvalue())
    figures = {f"{one['case']} {one['metric']}": [one["base"], one["new"]]
               for one in found["findings"] if one["metric"] == "insn"}  # fmt: skip
    return {"exit": code, "verdict": found["verdict"], "insn": figures}


def timed(program: Path, arms: str, limit: float, cases: tuple[str, ...], keep: bool) -> Row:
    """The program against itself with something planted; the trials of an A/A are kept."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        worse = selftest_command.wrapper(folder / "planted", program, arms)
        plan = timing.Plan({"base": program, "new": worse}, cases, ROUNDS, folder)
        outcome = timing.decide(
            plan, lambda _: limit, functools.partial(timing.run_batch, plan), paired.ALPHA
        )
        found = findings.report("", timing.findings_of(outcome), [])
        row: Row = {
            "verdict": found.verdict.name,
            "disturbed": outcome.disturbed,
            "times": [{"case": one.case, "verdict": one.verdict.name, **one.detail}
                      for one in found.findings],
        }  # fmt: skip
        return {**row, **({"trials": kept_trials(folder / "first.jsonl")} if keep else {})}


def kept_trials(path: Path) -> Row:
    """By case: per round the four cycles_estimated, base, new, and both again."""
    found: dict[str, dict[int, dict[str, float]]] = {}
    for line in path.read_text().splitlines():
        record = json.loads(line)
        if record["kind"] == "trial":
            value = record["metrics"]["cycles_estimated"]["value"]
            found.setdefault(record["case"], {}).setdefault(record["round"], {})[
                record["arm"]
            ] = value
    arms = ("base", "new", "base-again", "new-again")
    return {case: [[values[arm] for arm in arms] for values in by_round.values()
                   if values.keys() >= set(arms)]
            for case, by_round in found.items()}  # fmt: skip


def planted(kind: str) -> str:
    return selftest_command.PLANTED.format(verbs="trial", words=f"--plant {kind}")


def simulated_aa() -> Iterator[bool]:
    """Recorded A/A rounds drawn anew, with the arms' names exchanged at random in each pair of
    turns: of two programs that are one, any name is as good. True: a false alarm."""
    source = random.Random(20261124)
    pools: dict[str, list[list[float]]] = {}
    for row in rows("aa"):
        for case, values in row["trials"].items():
            pools.setdefault(case, []).extend(values)
    if not pools:
        raise SystemExit("simulated: it draws from the rounds of aa, and there are none yet")
    names = ("base", "new", "base-again", "new-again")
    swapped = ("new", "base", "new-again", "base-again")
    while True:
        def batch() -> list[paired.Judgement]:
            family = {
                case: {
                    (number, arm): value
                    for number in range(ROUNDS)
                    for order in [source.choice((names, swapped))]
                    for arm, value in zip(order, source.choice(pool))
                }
                for case, pool in pools.items()
            }
            return paired.judge(family, {case: 0.01 for case in family})

        first = {one.case for one in batch() if one.verdict.name == "FAIL"}
        again = {one.case for one in batch() if one.verdict.name == "FAIL"} if first else set()
        yield bool(first & again)


def coverage(draw: Callable[[random.Random], float], median: float) -> float:
    source = random.Random(5)
    hits = 0
    for _ in range(10000):
        found = median_interval([draw(source) for _ in range(20)])
        hits += (found.low or 0) <= median <= (found.high or 0)
    return hits / 10000


SKEWED: dict[str, tuple[Callable[[random.Random], float], float]] = {
    "exponential": (lambda s: s.expovariate(1), 0.6931471805599453),
    "log-normal, sigma 2": (lambda s: s.lognormvariate(0, 2), 1.0),
    "Pareto, alpha 1": (lambda s: s.paretovariate(1), 2.0),
    "a tenth of all a hundred times larger": (
        lambda s: s.expovariate(1) * (100 if s.random() < 0.1 else 1), 0.80471895621705
    ),
}  # fmt: skip


def too_few(program: Path) -> Row:
    words = [str(program), "compare", str(program), str(program), "--rounds", "5"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return {"exit": done.returncode, "said": done.stderr.strip()}


def sections(program: Path) -> dict[str, Callable[[], None]]:
    burnt = selftest_command.BURNT
    return {
        "nop": lambda: nops(program),
        "same": lambda: until("same", 100, lambda _: counted(program, program)),
        "aa": lambda: until("aa", 50, lambda _: timed(program, "", 0.01, TWO, True)),
        "delay3": lambda: until(
            "delay3", 160, lambda _: timed(program, planted("delay=0.03"), 0.01, ONE, False),
            lambda: len(able("delay3", 0.03)) >= 93,
        ),
        "delay1": lambda: until(
            "delay1", 40, lambda _: timed(program, planted("delay=0.01"), 0.005, ONE, False)
        ),
        "burnt": lambda: until(
            "burnt", 59, lambda _: timed(program, burnt, 0.01, ONE, False)
        ),
        "simulated": lambda: until(
            "simulated", 373, lambda _, alarms=simulated_aa(): {"alarm": next(alarms)}  # type: ignore
        ),
        "skewed": lambda: until(
            "skewed", len(SKEWED),
            lambda index: {"law": list(SKEWED)[index],
                           "coverage": coverage(*list(SKEWED.values())[index])},
        ),
        "few": lambda: until("few", 1, lambda _: too_few(program)),
        "hostile": lambda: until("hostile", 200, hostile_row),
        "summary": summary,
    }  # fmt: skip


def hostile_row(index: int) -> Row:
    """Damaged record file number `index`, given to compare beside a good one."""
    from tests import hostile
    from tests.test_hostile import compare

    name, content = list(hostile.files(index + 1))[index]
    with tempfile.TemporaryDirectory() as scratch:
        bad, good = Path(scratch, "bad.jsonl"), Path(scratch, "good.jsonl")
        bad.write_bytes(content)
        good.write_bytes(b"".join(line + b"\n" for line in hostile.good()))
        code, out, err = compare(bad, good)
    return {"damage": name, "exit": code, "lines": len(err.splitlines()), "output": len(out)}


def able(section: str, share: float) -> list[Row]:
    """The comparisons in which the tool said that it could see such a change."""
    return [row for row in rows(section) if (row["times"][0]["visible"] or 1.0) <= share]


def verdicts(section: str) -> str:
    found = [row["verdict"] for row in rows(section)]
    return ", ".join(f"{found.count(word)} {word}" for word in sorted(set(found))) or "none"


def claims() -> Iterator[tuple[str, str]]:
    """What must be shown, and what the files here show."""
    nop, same, aa = rows("nop"), rows("same"), rows("aa")
    right = sum(row["exit"] == 3 for row in nop)
    yield "+1 nop in the switch: exit 3 in 100 of 100", f"{right} of {len(nop)}"
    alike = max((same.count(row) for row in same), default=0)
    yield ("identical code: spread 0 in 100 of 100",
           f"{alike} of {len(same)} gave the very same counts, of base and of new, "
           f"{sum(row['exit'] == 0 for row in same)} exit 0")  # fmt: skip
    compared = sum(len(row["times"]) for row in aa)
    alarms = [row["alarm"] for row in rows("simulated")]
    yield ("A/A: at most 1 false alarm in 473 comparisons, 100 of them real",
           f"{sum(row['verdict'] == 'FAIL' for row in aa)} in {compared} real comparisons of "
           f"{len(aa)} families, {sum(alarms)} in {len(alarms)} simulated families")  # fmt: skip
    seen = able("delay3", 0.03)
    yield ("a delay of 3 %: at most 1 miss in 93 where it could see 3 % (limit 1 %)",
           f"{sum(row['verdict'] != 'FAIL' for row in seen)} missed in {len(seen)} that could "
           f"see it, of {len(rows('delay3'))}: {verdicts('delay3')}")  # fmt: skip
    yield "a delay of 1 %: never PASS (limit 0.5 %)", verdicts("delay1")
    yield "bursts in one arm: no FAIL in 59", verdicts("burnt")
    yield ("skewed nulls: 95 % intervals cover at least 94 % in 10,000 draws",
           "; ".join(f"{row['law']} {100 * row['coverage']:.1f} %" for row in rows("skewed")))
    yield ("a configuration that could never fail: exit 2",
           "; ".join(f"exit {row['exit']}: {row['said']}" for row in rows("few")))
    bad = rows("hostile")
    fine = sum(row["exit"] in (1, 2) and row["lines"] == 1 and not row["output"] for row in bad)
    yield ("200 damaged record files: a line and exit 1 or 2",
           f"{fine} of {len(bad)}, {len({row['damage'] for row in bad})} sorts of damage")
    yield ("formats of other tools", "golden files, schemas and parsers: "
           "scripts/tests/test_formats.py; compare.py of Google Benchmark read them")  # fmt: skip


def summary() -> None:
    lines = ["# What the gate must show, and what was seen", "",
             "Written by `evidence.py summary` from the files beside it. A section that is not "
             "full goes on where it was left: `evidence.py PROGRAM SECTION`.", "",
             "| must show | seen |", "|---|---|",
             *(f"| {wanted} | {seen} |" for wanted, seen in claims())]  # fmt: skip
    (HERE / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("program", type=Path)
    parser.add_argument("sections", nargs="*")
    options = parser.parse_args()
    todo = sections(options.program)
    unknown = [name for name in options.sections if name not in todo]
    if unknown:
        parser.error(f"no section {unknown[0]}: there are {', '.join(todo)}")
    global leave_at_s
    leave_at_s = time.monotonic() + 60 * options.minutes
    os.environ["COROBENCH_EXEC_PATH"] = str(ROOT / "scripts")
    for name in options.sections or list(todo):
        todo[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
