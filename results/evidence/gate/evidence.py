#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the gate must show, shown: evidence.py PROGRAM PLANTED_PROGRAM [SECTION]...

PLANTED_PROGRAM is PROGRAM built again with one nop more in each shipped switch, as
bench/tests/planted_nop.py does it (--keep leaves both programs). Each finished comparison is
a line of SECTION.jsonl beside this file, and a section goes on where it was left. The last
section, `summary`, writes README.md from those files and from nothing else.
"""
from __future__ import annotations

import functools
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "scripts"))
from corobench import interpreter  # noqa: E402

interpreter.ensure()
from corobench import findings, paired, selftest_command, timing  # noqa: E402
from corobench.estimates import median_interval  # noqa: E402

SWITCHES = ("switch/coro-inline/site=diff/place=same-cpu",
            "switch/coro-abi/site=same/place=same-cpu")  # fmt: skip
ONE = SWITCHES[1:]
TWO = ("switch/coro-inline/site=same/place=same-cpu", *ONE)
ROUNDS = 12
Row = dict[str, Any]


def rows(section: str) -> list[Row]:
    path = HERE / f"{section}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def add(section: str, row: Row) -> None:
    with (HERE / f"{section}.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")


def until(section: str, wanted: int, make: Callable[[int], Row]) -> None:
    for index in range(len(rows(section)), wanted):
        add(section, make(index))


def counted(base: Path, new: Path) -> Row:
    """By the command itself: what it found and its exit code."""
    words = [str(new), "compare", "--counts-only", "--format", "json", str(base), str(new)]
    for case in SWITCHES:
        words += ["--cases", case]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    figures = {f"{one['case']} {one['metric']}": [one["base"], one["new"]]
               for one in found["findings"] if one["metric"] == "insn"}  # fmt: skip
    return {"exit": done.returncode, "verdict": found["verdict"], "insn": figures}


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


def sections(program: Path, nop: Path) -> dict[str, Callable[[], None]]:
    burnt = selftest_command.BURNT
    return {
        "nop": lambda: until("nop", 100, lambda _: counted(program, nop)),
        "same": lambda: until("same", 100, lambda _: counted(program, program)),
        "aa": lambda: until("aa", 60, lambda _: timed(program, "", 0.01, TWO, True)),
        "delay3": lambda: until(
            "delay3", 93, lambda _: timed(program, planted("delay=0.03"), 0.01, ONE, False)
        ),
        "delay1": lambda: until(
            "delay1", 59, lambda _: timed(program, planted("delay=0.01"), 0.005, ONE, False)
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
        "summary": summary,
    }  # fmt: skip


def summary() -> None:
    raise SystemExit("summary comes later")


def main(arguments: list[str]) -> int:
    if len(arguments) < 2:
        sys.stderr.write((__doc__ or "") + "\n")
        return 2
    os.environ["COROBENCH_EXEC_PATH"] = str(ROOT / "scripts")
    todo = sections(Path(arguments[0]), Path(arguments[1]))
    for name in arguments[2:] or list(todo):
        todo[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
