# SPDX-License-Identifier: MIT
"""`corobench export`: a record file in the format of another tool."""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

from corobench import formats
from corobench.commands import CommandError
from corobench.dataset import MAIN_ARM
from corobench.records import read_run
from corobench.wording import listing, plain

USAGE = 2


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="export",
        description="Prints a run in a format that other tools read: gbench (Google "
        "Benchmark's JSON), go (for benchstat), bmf (Bencher), action "
        "(github-action-benchmark's customSmallerIsBetter).",
        epilog="Exit codes: 0 pass, 1 error, 2 usage.",
    )
    parser.add_argument("run", type=Path, metavar="RUN.jsonl")
    parser.add_argument("--format", choices=sorted(formats.FORMATS), required=True)
    parser.add_argument(
        "--arm", help="of a comparison: base or new (default: the only one, or main)"
    )
    options = parser.parse_args(arguments)
    run = read_run(options.run)
    arms = formats.arms_of(run)
    arm = options.arm or (arms[0] if len(arms) == 1 else MAIN_ARM)
    if arm not in arms:
        raise CommandError(
            f"{plain(options.run)}: no trial of arm {plain(arm)}; there are: "
            f"{listing([plain(name) for name in arms]) or 'none'}",
            USAGE if arms else 1,
        )
    sys.stdout.write(formats.FORMATS[options.format](run, arm))
    sys.stdout.flush()
    return 0
