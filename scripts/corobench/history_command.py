# SPDX-License-Identifier: MIT
"""`corobench history`: appends runs to results/history/, and tells where costs changed."""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

from corobench import baseline, history
from corobench.commands import ROOT, CommandError
from corobench.dataset import Dataset
from corobench.records import read_run
from corobench.wording import plain, plural

USAGE = 2


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="history",
        description="With runs: appends a line for each to the history of its machine. Without: "
        "prints, for each machine, the changes found in its history.",
        epilog="Exit codes: 0 pass, 1 error, 2 usage.",
    )
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN.jsonl")
    parser.add_argument(
        "--commit", help="that the runs measured (default: the work tree's, + where it is changed)"
    )
    parser.add_argument(
        "--history", type=Path, default=ROOT / "results" / "history", metavar="DIR"
    )
    options = parser.parse_args(arguments)
    if not options.runs and options.commit is not None:
        parser.error("--commit is about runs: none is named")
    if options.runs:
        for path in options.runs:
            _append(path, options.history, options.commit or baseline.revision(ROOT))
        return 0
    return _show(options.history)


def _append(path: Path, folder: Path, commit: str) -> None:
    data = Dataset([read_run(path)])
    entry = history.entry_of(data, commit)
    if not data.runs[0].ends:
        raise CommandError(f"{plain(path)}: the run has no end: it was cut off, or still runs")
    if data.contaminated:
        raise CommandError(f"{plain(path)}: a contaminated run is no part of a history")
    if not entry.costs:
        raise CommandError(f"{plain(path)}: no case has a cost in it")
    target = history.path_of(folder, entry.machine)
    if any(one.run == entry.run for one in history.read(target)):
        raise CommandError(f"{plain(target)}: run {plain(entry.run)} is there already")
    folder.mkdir(parents=True, exist_ok=True)
    with target.open("a", encoding="utf-8") as file:
        file.write(history.line_of(entry) + "\n")
    print(f"{plain(target)}: run {plain(entry.run)}, commit {plain(commit)}, "
          f"{plural(len(entry.costs), 'case')}")  # fmt: skip


def _show(folder: Path) -> int:
    paths = sorted(folder.glob("*.jsonl"))
    if not paths:
        raise CommandError(f"{plain(folder)}: no history in it; `history RUN.jsonl` begins one")
    for path in paths:
        entries = history.read(path)
        series = history.series_of(entries)
        changes = history.changes_of(series)
        print(f"{plain(path.stem)}: {plural(len(entries), 'run')}, {plural(len(series), 'case')} "
              f"in enough of them, {plural(len(changes), 'change')}")  # fmt: skip
        for change in changes:
            print(f"  {history.words(change)}")
    sys.stdout.flush()
    return 0
