# SPDX-License-Identifier: MIT
"""`corobench compare`: does the new thing cost more than the old one?

What is compared follows from what is named: two programs; one program, with the committed
baseline of its architecture and compiler; or two record files, which were measured at
different times and are set side by side without a verdict.
"""
from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from corobench import baseline, comparison, exact, findings, machine_code, paired, revision, timing
from corobench.commands import ROOT, CommandError
from corobench.dataset import STEADY, Dataset
from corobench.findings import Limits, Report, Verdict
from corobench.formats import write
from corobench.records import Run, read_run
from corobench.render_findings import FORMATS
from corobench.wording import plain, plural

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
        "--base-rev",
        metavar="REV",
        help="BASE is this revision, built as the new program was, in a worktree of its own",
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
    parser.add_argument("--rounds", type=_whole, default=20, help="default: %(default)s")
    parser.add_argument(
        "--alpha",
        type=_probability,
        default=paired.ALPHA,
        help="chance that a family without a change fails, before the second batch "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--batch-seconds",
        type=_whole,
        default=0,
        metavar="S",
        help="rounds of a batch (first, extension, confirmation) that would end later are not "
        "made; 0: all are (default)",
    )
    parser.add_argument("--seed", type=_whole, help="of the random orders")
    parser.add_argument(
        "--layouts",
        type=_whole,
        default=3,
        help="link orders that make the layout floor (default: %(default)s)",
    )
    parser.add_argument(
        "--records", type=Path, metavar="DIR", help="keep the timed runs' record files there"
    )
    parser.add_argument("--baselines", type=Path, default=BASELINES, metavar="DIR")
    parser.add_argument("--format", choices=sorted(FORMATS), default="text")
    parser.add_argument(
        "--write",
        action="append",
        default=[],
        type=_written,
        metavar="FORMAT=FILE",
        help="the report to a file too; again for another format",
    )
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
    if len(options.things) > (2 if options.base_rev is None else 1):
        parser.error("at most two things can be compared")
    if options.accept is not None and options.base_rev is not None:
        parser.error("--accept is about one program and the baseline")
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


def _written(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    if name not in FORMATS or not path:
        raise argparse.ArgumentTypeError(
            f"FORMAT=FILE is wanted, with one of {', '.join(sorted(FORMATS))}: {text}"
        )
    return name, Path(path)


def _whole(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 10**12:
        raise argparse.ArgumentTypeError(f"not a number that makes sense here: {text}")
    return value


def _probability(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"not between 0 and 1: {text}")
    return value


def _percentage(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"not a percentage above 0: {text}")
    return value


def is_program(path: Path) -> bool:
    """An ELF file, or a script that stands for one."""
    with path.open("rb") as file:
        return file.read(4)[:2] in (b"\x7fE", b"#!")


def _dispatch(options: argparse.Namespace) -> int:
    programs = [is_program(path) for path in options.things]
    if options.things and not any(programs):
        return _side_by_side(options)
    if not all(programs):
        raise CommandError("a program and a record file cannot be compared", USAGE)
    if options.base_rev is not None:
        return _against_revision(options)
    if len(programs) < 2:
        return _against_baseline(options)
    return _show(_two_programs(options, *options.things), options)


def _accept_words(program: exact.Program) -> str:
    return f'{plain(program.path)} compare --counts-only --accept "why"'


def own_program() -> Path:
    return Path(os.environ.get("COROBENCH_PROGRAM", ROOT / "build/bench/corobench"))


def _show(report: Report, options: argparse.Namespace) -> int:
    for name, path in options.write:
        write(path, FORMATS[name](report))
    sys.stdout.write(FORMATS[options.format](report))
    sys.stdout.flush()
    return report.exit_code


def _against_baseline(options: argparse.Namespace) -> int:
    program = exact.identify(options.things[0] if options.things else own_program())
    path = options.baselines / f"{program.key}.json"
    patterns = tuple(options.cases)
    if options.accept is None and not path.exists():
        raise exact.Refused(f"no baseline for {program.key}; to make one: {_accept_words(program)}")
    base = baseline.read(path) if path.exists() else baseline.Baseline(program.key)
    measured = exact.measure(program, patterns, exact.OWN)
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
        remarks.append(f"{plural(better, 'figure')} better than the baseline; to keep: {accept}")
    if fresh:
        remarks.append(f"{plural(fresh, 'case')} in no baseline yet; to add: {accept}")
    return remarks


def _accept(
    options: argparse.Namespace,
    path: Path,
    base: baseline.Baseline,
    measured: dict[str, exact.Figures],
) -> int:
    when = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    patterns = tuple(options.cases)
    new, changed = baseline.accept(
        base, measured, options.accept, when, baseline.revision(ROOT),
        lambda name: not patterns or exact.matches(name, patterns),
    )  # fmt: skip
    if not new.cases:
        raise CommandError("nothing was measured: the baseline stays as it was")
    baseline.write(path, new)
    print(f"wrote {plain(path)}: {len(new.cases)} cases, {changed} of them changed")
    return 0


def _against_revision(options: argparse.Namespace) -> int:
    new = options.things[0] if options.things else own_program()
    with revision.built(ROOT, options.base_rev, new) as base:
        return _show(_two_programs(options, base, new), options)


def judged(arguments: list[str]) -> Report:
    """The report of `compare ARGUMENTS`, which name two programs."""
    options = _options(arguments)
    return _two_programs(options, *options.things)


def _two_programs(options: argparse.Namespace, base: Path, new: Path) -> Report:
    """The exact part, and then the times, unless both have the same machine code."""
    old, latest = exact.identify(base), exact.identify(new)
    limits = Limits(
        options.limits, baseline.read_allowances(options.baselines / "allowances.json")
    )
    cases = [] if options.counts_only else _timed_cases(options, new)
    found, remarks = _exact_part(options, old, latest, limits)
    if cases:
        more, words = _timed_part(options, base, new, cases, limits)
        found, remarks = found + more, remarks + words
    title = f"{plain(new)} against {plain(base)}"
    return findings.report(title, found, remarks)


def _exact_part(
    options: argparse.Namespace, old: exact.Program, new: exact.Program, limits: Limits
) -> tuple[list[findings.Finding], list[str]]:
    """What cannot be counted here is no failure of a comparison that has times as well."""
    patterns = tuple(options.cases)
    try:
        base = baseline.numbers(exact.measure(old, patterns))
        measured = exact.measure(new, patterns)
    except exact.Refused as refused:
        if options.counts_only:
            raise
        return [], [f"nothing was counted: {refused}"]
    if not base and options.counts_only:
        raise CommandError("no case has a count or a footprint in BASE", USAGE)
    return list(baseline.compare(base, measured, limits)), []


def _timed_part(
    options: argparse.Namespace, base: Path, new: Path, cases: list[str], limits: Limits
) -> tuple[list[findings.Finding], list[str]]:
    hashes = machine_code.code_hash(base), machine_code.code_hash(new)
    if hashes[0] is not None and hashes[0] == hashes[1]:
        return _same_code(cases, limits)
    with tempfile.TemporaryDirectory(prefix="corobench-compare-") as scratch:
        folder = options.records or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        layouts = machine_code.relink(new, Path(scratch), options.layouts)
        arms = {"base": base, "new": new}
        arms.update({f"layout{n}": path for n, path in enumerate(layouts, 1)})
        plan = timing.Plan(
            arms, tuple(cases), options.rounds, folder, batch_s=options.batch_seconds
        )
        if options.seed is not None:
            plan = dataclasses.replace(plan, seed=options.seed)

        def batch(name: str, names: Sequence[str], rounds: int) -> Run:
            timing.progress(name, names, rounds)
            return timing.run_batch(plan, name, names, rounds)

        outcome = timing.decide(
            plan, lambda case: float(limits.of(case, "ns")[0].amount), batch, options.alpha
        )
        return timing.findings_of(outcome), timing.remarks_of(outcome, plan)


def _timed_cases(options: argparse.Namespace, new: Path) -> list[str]:
    """Those asked for; without a word, the project's own of the quick profile. A family that
    could never fail with so few rounds is refused."""
    wanted = tuple(options.cases) or exact.OWN
    found = [
        case["case"]
        for case in exact.list_cases(exact.identify(new))
        if case["timed"]
        and case["skipped"] is None
        and exact.matches(case["case"], wanted)
        and (options.cases or case["profile"] == "quick")
    ]
    if not found:
        raise CommandError("no timed case matches", USAGE)
    needed = paired.rounds_needed(len(found), options.alpha)
    if options.rounds < needed:
        raise CommandError(
            f"{plural(len(found), 'case')} at alpha {options.alpha:g} need at least {needed} "
            f"rounds: with {options.rounds} nothing could ever fail",
            USAGE,
        )
    return found


def _same_code(
    cases: list[str], limits: Limits
) -> tuple[list[findings.Finding], list[str]]:
    found = [
        findings.Finding(case, "ns", Verdict.PASS, None, None, limits.of(case, "ns")[0],
                         "same machine code")
        for case in cases
    ]  # fmt: skip
    return found, ["both programs have the same machine code: their times were not measured"]


def _whole_run(path: Path) -> Run:
    """A run that came to an end: half of one would be compared with all of another."""
    run = read_run(path)
    if run.torn or not run.ends:
        raise CommandError(f"{plain(path)}: the run has no end: it was cut off, or still runs")
    return run


def _side_by_side(options: argparse.Namespace) -> int:
    if len(options.things) != 2:
        raise CommandError("two record files are wanted: B.jsonl is missing", USAGE)
    first, second = (_whole_run(path) for path in options.things)
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
    if options.format not in ("text", "json") or options.write:
        raise CommandError("record files side by side are text or json", USAGE)
    text = comparison.to_json if options.format == "json" else comparison.to_text
    sys.stdout.write(text(found))
    sys.stdout.flush()
    return 0
