# SPDX-License-Identifier: MIT
"""The command line of report, and what all commands share.

Exit codes: 0 pass, 1 error, 2 usage. An error is one line on stderr. Files are written
whole under a temporary name beside their place, and moved there when all of them are
written, so that an error leaves what was there before.
"""
from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from corobench import history, pages, render
from corobench.charts import CHARTS
from corobench.claims import ClaimsError, read_claims
from corobench.dataset import Dataset
from corobench.emulated import read_emulated
from corobench.explorer import explorer
from corobench.records import RecordError, Run, read_run
from corobench.wording import plain

ROOT = Path(__file__).resolve().parents[2]


class CommandError(Exception):
    """One line for the user, and the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


def run_command(
    name: str, command: Callable[[list[str]], int], arguments: list[str]
) -> int:
    """Runs a command and turns what went wrong into one line and an exit code."""
    code = 1
    try:
        return command(arguments)
    except (CommandError, RecordError, ClaimsError) as error:
        message, code = str(error), getattr(error, "code", 1)
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): not our error, and nothing to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f"{plain(error.filename)}: " if error.filename else ""
        message = f"{where}{error.strerror or plain(error)}"
    except KeyboardInterrupt:
        message = "interrupted"
    except MemoryError:
        message = "out of memory"
    sys.stderr.write(f"{name}: {message}\n")
    return code


def report_main(arguments: list[str]) -> int:
    options = _report_options(arguments)
    results = options.results or options.output / "results"
    paths = options.runs or [newest_run(results)]
    data = Dataset(_read_together(paths))
    beside = _beside(options, data)
    past = history.read(history.path_of(options.output / "results/history", data.machine))
    report = pages.build(data, read_claims(), past, read_emulated(results))
    files = render.files(report, explorer(data, beside))
    if options.check:
        return _check(options.output, files)
    write_all(options.output, files)
    for leftover in _leftovers(options.output, files):
        leftover.unlink()
    print(
        f"wrote {plain(options.output / 'REPORT.md')}, {len(files) - 2} charts and "
        f"{plain(options.output / 'results' / 'report.html')} from "
        f"{', '.join(plain(run.name) for run in data.runs)}"
    )
    return 0


def _report_options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="report",
        description="Writes REPORT.md, results/charts/*.svg and results/report.html from "
        "the records of a run, and from nothing else.",
        epilog="The same records give the same bytes. Exit codes: 0 pass, 1 error or "
        "stale, 2 usage.",
    )
    parser.add_argument(
        "runs",
        nargs="*",
        type=Path,
        metavar="RUN.jsonl",
        help="runs of one machine, pooled; default: the newest run",
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="DIR",
        help="where to look for the newest run, as DIR/<machine>/<run>.jsonl "
        "(default: results in the output directory)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=ROOT,
        metavar="DIR",
        help="the directory that gets REPORT.md (default: the project's root)",
    )
    parser.add_argument(
        "--beside",
        type=Path,
        metavar="RUN.jsonl",
        help="a run to set beside these in report.html (default: the newest older run of "
        "the same machine, where the runs lie)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; fail when REPORT.md or a chart is not what the "
        "records give",
    )
    return parser.parse_args(arguments)


def newest_run(results: Path) -> Path:
    """The run with the latest name: names begin with the time in UTC."""
    if not results.is_dir():
        raise CommandError(
            f"{plain(results)}: no such directory; name a run, or --results"
        )
    found = sorted(
        results.glob("*/*.jsonl"), key=lambda path: (path.name, path.parent.name)
    )
    if not found:
        raise CommandError(
            f"{plain(results)}: no run in it (no */*.jsonl); " f"`ninja bench` makes one"
        )
    return found[-1]


def _beside(options: argparse.Namespace, data: Dataset) -> Dataset | None:
    """The second run of report.html; None where there is none."""
    path = options.beside or _older_run(data.runs)
    return None if path is None else Dataset([read_run(path)])


def _older_run(runs: list[Run]) -> Path | None:
    oldest = runs[0].path
    older = [
        path
        for path in sorted(oldest.parent.glob("*.jsonl"), key=lambda path: path.name)
        if path.name < oldest.name
    ]
    return older[-1] if older else None


def _read_together(paths: Iterable[Path]) -> list[Run]:
    runs: list[Run] = []
    for path in paths:
        run = read_run(path)
        for before in runs:
            if run.name == before.name:
                raise CommandError(
                    f"{plain(path)}: run {plain(run.name)} is in "
                    f"{plain(before.path)} already"
                )
            if run.machine != before.machine:
                raise CommandError(
                    f"{plain(path)}: a run of {run.machine}, but "
                    f"{plain(before.path)} is of {before.machine}"
                )
        runs.append(run)
    return sorted(runs, key=lambda run: run.name)


def _check(output: Path, files: dict[str, bytes]) -> int:
    """report.html is checked where it is there: it need not be kept."""
    for name, content in files.items():
        path = output / name
        if not path.exists():
            if name.endswith(".html"):
                continue
            raise CommandError(f"{plain(path)} is missing: run scripts/report")
        if path.read_bytes() != content:
            raise CommandError(
                f"{plain(path)} is stale: it is not what the records give; "
                f"run scripts/report"
            )
    for path in _leftovers(output, files):
        raise CommandError(
            f"{plain(path)} is stale: the records give no such chart; "
            f"run scripts/report"
        )
    return 0


def _leftovers(output: Path, files: dict[str, bytes]) -> list[Path]:
    """Charts of ours that an earlier report had and this one has not."""
    names = [
        f"{render.CHARTS_DIRECTORY}/{name}-{theme}.svg"
        for name in (*(chart.name for chart in CHARTS), history.CHART)
        for theme in ("light", "dark")
    ]
    return [
        output / name for name in names if name not in files and (output / name).exists()
    ]


def write_all(output: Path, files: dict[str, bytes]) -> None:
    """All files or none; OSError leaves the old ones as they were."""
    waiting: list[tuple[str, Path]] = []
    try:
        for name, content in files.items():
            path = output / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise IsADirectoryError(21, "is a directory", str(path))
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            waiting.append((temporary, path))
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), 0o644)
        while waiting:
            temporary, path = waiting[0]
            os.replace(temporary, path)
            waiting.pop(0)
    finally:
        for temporary, _ in waiting:
            Path(temporary).unlink(missing_ok=True)
