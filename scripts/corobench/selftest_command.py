# SPDX-License-Identifier: MIT
"""`corobench selftest`: a gate that never fires looks like one that has nothing to say.

Against this very program, `corobench compare` judges the same program with something planted:
one instruction per op, a delay of 3 % of its time, nothing at all, and processes that burn
the CPUs now and then while one arm runs. The first two must be found; of the others none
may fail. A delay that this machine is too noisy to show is INCONCLUSIVE, or UNKNOWN where so few
rounds fit into BATCH_S that nothing can be said: which is right, and said, and the exit code is 4.

What is planted comes through a wrapper: a script that is the program in every way, but adds
words to `trial` and `count`. So all of the gate is in the test, its exit codes included.
"""
from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from corobench import compare_command, exact
from corobench.commands import CommandError
from corobench.findings import Report, Verdict
from corobench.wording import plain

WRAPPER = """#!/bin/sh
program={program}
verb=$1
shift
case $verb in
{arms}
*) exec "$program" "$verb" "$@" ;;
esac
"""
PLANTED = '{verbs}) exec "$program" "$verb" "$@" {words} ;;'
# In about one trial of three, two processes that do nothing but run.
BURNT = """trial)
    burners=
    if [ $(($$ % 3)) = 0 ]; then
        (while :; do :; done) & burners=$!
        (while :; do :; done) & burners="$burners $!"
    fi
    "$program" trial "$@"
    code=$?
    [ -z "$burners" ] || kill $burners
    wait
    exit $code ;;"""


@dataclass(frozen=True)
class Trick:
    """What is planted, what compare is asked, and which verdicts are right."""

    name: str
    arms: str
    words: tuple[str, ...]
    right: tuple[Verdict, ...]


COUNTS = ("--counts-only",)
# At most seven batches are made, and all of it is to take a minute.
BATCH_S = 7
TIMES = ("--limits", "ns=1%,insn=9,stored=9,loaded=9", "--layouts", "0",
         "--batch-seconds", str(BATCH_S))  # fmt: skip
UNSURE = (Verdict.INCONCLUSIVE, Verdict.UNKNOWN)
NOT_FAIL = (Verdict.PASS, *UNSURE)
TRICKS = (
    Trick("one instruction planted", PLANTED.format(verbs="count", words="--plant instruction"),
          COUNTS, (Verdict.FAIL,)),
    Trick("nothing planted, counts", "", COUNTS, (Verdict.PASS,)),
    Trick("a delay of 3 % planted", PLANTED.format(verbs="trial", words="--plant delay=0.03"),
          TIMES, (Verdict.FAIL, *UNSURE)),
    Trick("nothing planted, times", "", TIMES, NOT_FAIL),
    Trick("one arm burnt by other processes", BURNT, TIMES, NOT_FAIL),
)  # fmt: skip


def wrapper(path: Path, program: Path, arms: str) -> Path:
    """A script that is `program`, but for what `arms` (of its case statement) say."""
    text = WRAPPER.format(program=shlex.quote(str(program.resolve())), arms=arms)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    program = options.program or compare_command.own_program()
    try:
        return _run(program, options)
    except exact.Refused as refused:
        sys.stderr.write(f"selftest: skipped: {refused}\n")
        return compare_command.SKIPPED
    except exact.ProgramError as error:
        raise CommandError(str(error)) from None


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="selftest",
        description="Plants regressions, and looks whether `corobench compare` finds them. "
        "It takes about a minute.",
        epilog="Exit codes: 0 all verdicts were right, 1 one was wrong, 2 usage, 4 right, "
        "but the machine was too noisy to see 3 %, 77 nothing can be counted here.",
    )
    parser.add_argument("program", nargs="?", type=Path)
    parser.add_argument("--case", help="default: the first quick one that is counted and timed")
    parser.add_argument("--rounds", type=int, default=16, help="default: %(default)s")
    return parser.parse_args(arguments)


def _run(program: Path, options: argparse.Namespace) -> int:
    case = options.case or _a_case(program)
    print(f"selftest of the gate with {plain(case)}")
    wrong = unsure = 0
    for trick, report, seconds in _tried(program, case, options.rounds):
        good = report.verdict in trick.right
        wrong += not good
        unsure += good and trick.right[0] == Verdict.FAIL != report.verdict
        notes = "; ".join(plain(f.note, 200) for f in report.findings if f.metric == "ns")
        print(f"{'right' if good else 'WRONG'}  {trick.name}: {report.verdict.name} "
              f"in {seconds:.0f} s{'  (' + notes + ')' if notes else ''}", flush=True)  # fmt: skip
    print(f"{len(TRICKS) - wrong} of {len(TRICKS)} verdicts are right")
    if wrong:
        return 1
    if unsure:
        print("inconclusive: this machine is too noisy now to see a delay of 3 %")
    return 4 if unsure else 0


def _tried(program: Path, case: str, rounds: int) -> Iterator[tuple[Trick, Report, float]]:
    with tempfile.TemporaryDirectory(prefix="corobench-selftest-") as scratch:
        for index, trick in enumerate(TRICKS):
            planted = wrapper(Path(scratch, f"trick{index}"), program, trick.arms)
            start = time.monotonic()
            report = compare_command.judged(
                [str(program), str(planted), "--cases", case, "--rounds", str(rounds),
                 *trick.words]
            )  # fmt: skip
            yield trick, report, time.monotonic() - start


def _a_case(program: Path) -> str:
    for case in exact.selected(exact.identify(program), exact.OWN):
        if case["countable"] and case["timed"] and case["profile"] == "quick":
            return str(case["case"])
    raise CommandError("this program has no case that is both counted and timed: name one")
