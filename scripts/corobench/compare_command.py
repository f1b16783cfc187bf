# SPDX-License-Identifier: MIT
"""`corobench compare`: does the new thing cost more than the old one?

What is compared follows from what is named: two programs; one program, with the committed
baseline of its architecture and compiler; or two record files, which were measured at
different times and are set side by side without a verdict.
"""
from __future__ import annotations

import argparse
import os
import sys
from datetime import datetime, timezone
from pathlib import Path

from corobench import baseline, comparison, exact, findings
from corobench.commands import ROOT, CommandError
from corobench.dataset import STEADY, Dataset
from corobench.findings import Limits, Report
from corobench.records import read_run
from corobench.render_findings import to_json, to_text
from corobench.wording import plain

USAGE, SKIPPED = 2, 77
BASELINES = ROOT / "results" / "baselines"


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    try:
        return _dispatch(options)
    except exact.Refused as refused:
        sys.stderr.write(f"compare: skipped: {refused}\n")
        return SKIPPED
    except (exact.ProgramError, baseline.BaselineError) as error:
        raise CommandError(str(error)) from None


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="compare",
        description="Judges a change. Two programs: BASE and NEW. One or none: the program "
        "(default: this corobench) with the committed baseline. Two record files: side by "
        "side, without a verdict.",
        epilog="Exit codes: 0 pass, 1 error, 2 usage, 3 regression, 4 inconclusive, "
        "77 skipped.",
    )
    parser.add_argument("things", nargs="*", type=Path, metavar="BASE|NEW")
    parser.add_argument(
        "--counts-only",
        action="store_true",
        help="only what is exact: instructions, bytes, system calls, kernel switches, "
        "bytes per flow",
    )
    parser.add_argument(
        "--cases", action="append", default=[], metavar="PATTERN", help="only these"
    )
    parser.add_argument(
        "--limits",
        type=_limits,
        default={},
        metavar="LIST",
        help="what is tolerated, such as insn=0,ns=3%%",
    )
    parser.add_argument(
        "--accept", metavar="WHY", help="make the figures of now the baseline"
    )
    parser.add_argument("--baselines", type=Path, default=BASELINES, metavar="DIR")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument(
        "--metric", default=STEADY, help="of record files (default: %(default)s)"
    )
    parser.add_argument(
        "--threshold",
        type=_percentage,
        default=3.0,
        metavar="PERCENT",
        help="of record files: more is marked (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    if len(options.things) > 2:
        parser.error("at most two things can be compared")
    if options.accept is not None and not options.accept.strip():
        parser.error("--accept wants the reason")
    if options.accept is not None and len(options.things) == 2:
        parser.error("--accept is about one program and the baseline")
    return options


def _limits(text: str) -> dict[str, findings.Limit]:
    try:
        return findings.parse_limits(text)
    except findings.LimitError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _percentage(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"not a percentage above 0: {text}")
    return value


def is_program(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _dispatch(options: argparse.Namespace) -> int:
    programs = [is_program(path) for path in options.things]
    if options.things and not any(programs):
        return _side_by_side(options)
    if not all(programs):
        raise CommandError("a program and a record file cannot be compared", USAGE)
    if len(programs) < 2:
        return _against_baseline(options)
    return _two_programs(options)


def _accept_words(program: exact.Program) -> str:
    return f'{plain(program.path)} compare --counts-only --accept "why"'


def own_program() -> Path:
    return Path(os.environ.get("COROBENCH_PROGRAM", ROOT / "build/bench/corobench"))


def _show(report: Report, options: argparse.Namespace) -> int:
    sys.stdout.write(to_json(report) if options.format == "json" else to_text(report))
    sys.stdout.flush()
    return report.exit_code


def _against_baseline(options: argparse.Namespace) -> int:
    program = exact.identify(options.things[0] if options.things else own_program())
    path = options.baselines / f"{program.key}.json"
    patterns = tuple(options.cases)
    if options.accept is None and not path.exists():
        raise exact.Refused(f"no baseline for {program.key}; to make one: {_accept_words(program)}")
    base = baseline.read(path) if path.exists() else baseline.Baseline(program.key)
    measured = exact.measure(program, patterns)
    if options.accept is not None:
        return _accept(options, path, base, measured)
    cases = {
        name: row
        for name, row in base.cases.items()
        if not patterns or exact.matches(name, patterns)
    }
    if not cases:
        raise CommandError(f"{plain(path)}: none of its cases is asked for", USAGE)
    allowed = baseline.read_allowances(options.baselines / "allowances.json")
    found = list(baseline.compare(cases, measured, Limits(options.limits, allowed)))
    report = findings.report(
        f"counts and footprint of {plain(program.path)} against the baseline {program.key}",
        found,
        _remarks(program, base, found, measured),
    )
    return _show(report, options)


def _remarks(
    program: exact.Program,
    base: baseline.Baseline,
    found: list[findings.Finding],
    measured: dict[str, exact.Figures],
) -> list[str]:
    remarks = []
    accept = _accept_words(program)
    fresh = len(baseline.numbers(measured).keys() - base.cases.keys())
    better = sum(1 for finding in found if finding.better)
    failed = any(f.verdict == findings.Verdict.FAIL for f in found)
    here = baseline.this_machine()
    if failed and here != base.made_on:
        remarks.append(
            f"the baseline was made with {base.made_on}, and this machine has {here}"
        )
    if failed:
        remarks.append(f"if the change is meant, the one command to run is: {accept}")
    if better:
        remarks.append(f"{better} figures are better than the baseline; to keep: {accept}")
    if fresh:
        remarks.append(f"{fresh} cases are in no baseline yet; to add them: {accept}")
    return remarks


def _accept(
    options: argparse.Namespace,
    path: Path,
    base: baseline.Baseline,
    measured: dict[str, exact.Figures],
) -> int:
    when = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    whole = not options.cases
    new, changed = baseline.accept(
        base, measured, options.accept, when, baseline.revision(ROOT), whole
    )
    if not new.cases:
        raise CommandError("nothing was measured: the baseline stays as it was")
    baseline.write(path, new)
    print(f"wrote {plain(path)}: {len(new.cases)} cases, {changed} of them changed")
    return 0


def _two_programs(options: argparse.Namespace) -> int:
    old, new = (exact.identify(path) for path in options.things)
    patterns = tuple(options.cases)
    base = baseline.numbers(exact.measure(old, patterns))
    measured = exact.measure(new, patterns)
    if not base:
        raise CommandError("no case has a count or a footprint in BASE")
    allowed = baseline.read_allowances(options.baselines / "allowances.json")
    report = findings.report(
        f"counts and footprint of {plain(new.path)} against {plain(old.path)}",
        baseline.compare(base, measured, Limits(options.limits, allowed)),
        [],
    )
    return _show(report, options)


def _side_by_side(options: argparse.Namespace) -> int:
    if len(options.things) != 2:
        raise CommandError("two record files are wanted: B.jsonl is missing", USAGE)
    first, second = (read_run(path) for path in options.things)
    if (
        "unknown" not in (first.machine, second.machine)
        and first.machine != second.machine
    ):
        raise CommandError(
            f"{plain(options.things[1])}: a run of {second.machine}, but "
            f"{plain(options.things[0])} is of {first.machine}"
        )
    found = comparison.compare(
        Dataset([first]), Dataset([second]), options.metric, options.threshold / 100
    )
    if not found.rows:
        raise CommandError(f"no case has {plain(options.metric)} in both runs")
    text = comparison.to_json if options.format == "json" else comparison.to_text
    sys.stdout.write(text(found))
    sys.stdout.flush()
    return 0
