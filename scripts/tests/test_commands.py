# SPDX-License-Identifier: MIT
"""The commands as a user runs them: exit codes, a line of error, nothing half-written."""
import json
import os
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

from corobench import commands
from tests.helpers import ScratchTest, as_line, environment, one_trial
from tests.synthetic import Generator, Record

SCRIPTS = Path(__file__).resolve().parents[1]


def small_run(rounds: int = 2, **changes: Any) -> list[Record]:
    """Few cases, so that a report takes a second."""
    return [
        one
        for one in Generator(rounds=rounds, **changes).records()
        if one.get("experiment") in (None, "counter", "limit")
    ]


class CommandTest(ScratchTest):
    def run_script(
        self, name: str, *arguments: object, **options: str
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-B", str(SCRIPTS / name), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **options},
        )

    def report(self, *arguments: object) -> "subprocess.CompletedProcess[str]":
        return self.run_script("report", "--output", self.scratch, *arguments)

    def fails(
        self, result: "subprocess.CompletedProcess[str]", code: int, says: str
    ) -> None:
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertIn(says, result.stderr)
        self.assertNotIn("Traceback", result.stderr)
        if code == 1:
            self.assertEqual(result.stderr.count("\n"), 1, result.stderr)

    def tree(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.scratch)): path.read_bytes()
            for path in self.scratch.rglob("*")
            if path.is_file()
        }


class Report(CommandTest):
    def test_writes_then_checks(self) -> None:
        self.records_file(small_run(), "results/m/20260101T000000Z-quick.jsonl")
        result = self.report()
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        before = self.tree()
        self.assertIn("REPORT.md", before)
        self.assertEqual(self.report("--check").returncode, 0)
        self.assertEqual(self.report().returncode, 0)
        self.assertEqual(self.tree(), before)

    def test_check_names_what_is_stale_and_writes_nothing(self) -> None:
        path = self.records_file(small_run())
        self.fails(self.report("--check", path), 1, "REPORT.md is missing")
        self.report(path)
        chart = "results/charts/counter-dark.svg"
        for name, change in (
            ("REPORT.md", b"x"),
            (chart, b"x"),
            ("results/report.html", b"x"),
        ):
            good = (self.scratch / name).read_bytes()
            (self.scratch / name).write_bytes(good + change)
            before = self.tree()
            self.fails(self.report("--check", path), 1, f"{name} is stale")
            self.assertEqual(self.tree(), before)
            (self.scratch / name).write_bytes(good)
        (self.scratch / "results/report.html").unlink()
        self.assertEqual(self.report("--check", path).returncode, 0)
        (self.scratch / chart).unlink()
        self.fails(self.report("--check", path), 1, f"{chart} is missing")

    def test_a_chart_of_another_run_is_stale_and_goes(self) -> None:
        path = self.records_file(small_run())
        self.report(path)
        left = self.scratch / "results/charts/depth-light.svg"
        foreign = self.scratch / "results/charts/mine.svg"
        left.write_text("old")
        foreign.write_text("not ours")
        self.fails(self.report("--check", path), 1, "depth-light.svg is stale")
        self.report(path)
        self.assertFalse(left.exists())
        self.assertTrue(foreign.exists())

    def test_newest_run_of_all_machines(self) -> None:
        for machine, run in (
            ("z", "20260101T000000Z-full"),
            ("a", "20260301T000000Z-quick"),
            ("z", "20260201T000000Z-full"),
        ):
            self.records_file(
                small_run(run=run, machine=machine), f"results/{machine}/{run}.jsonl"
            )
        self.assertIn("from 20260301T000000Z-quick", self.report().stdout)

    def test_runs_are_pooled(self) -> None:
        one = self.records_file(small_run(run="r1"), "1.jsonl")
        two = self.records_file(small_run(run="r2"), "2.jsonl")
        self.assertIn("from r1, r2", self.report(two, one).stdout)
        page = (self.scratch / "REPORT.md").read_text()
        for words in ("From run `r1`, `r2`: ", "- Run `r1` at ", "- Run `r2` at ",
                      "- Settings of `r1`, ", "- Settings of `r2`, "):  # fmt: skip
            self.assertIn(words, page)
        self.assertEqual(self.report("--check", one, two).returncode, 0)
        self.fails(self.report(one, one), 1, "run r1 is in")
        other = self.records_file(small_run(run="r3", machine="other"), "3.jsonl")
        self.fails(self.report(one, other), 1, "a run of other, but")

    def test_empty_run_still_reports(self) -> None:
        self.assertEqual(self.report(self.file(end=b"")).returncode, 0)
        self.assertIn("nothing to report", (self.scratch / "REPORT.md").read_text())

    def test_bad_input_is_one_line_and_changes_nothing(self) -> None:
        good = self.records_file(small_run(), "good.jsonl")
        self.report(good)
        bad = self.file(
            as_line(environment()), '{"schema": 1', as_line(one_trial()), name="bad.jsonl"
        )
        before = self.tree()
        self.fails(self.report(bad), 1, "bad.jsonl:2: ")
        self.fails(self.report(self.scratch / "none.jsonl"), 1, "No such file")
        self.fails(self.report(self.scratch), 1, "directory")
        self.fails(
            self.report("--results", self.scratch / "none"), 1, "no such directory"
        )
        (self.scratch / "void").mkdir()
        self.fails(self.report("--results", self.scratch / "void"), 1, "no run in it")
        self.assertEqual(self.tree(), before)

    def test_usage(self) -> None:
        self.fails(self.report("--nonsense"), 2, "--nonsense")
        result = self.report("--help")
        self.assertEqual(result.returncode, 0)
        for words in ("--check", "--results", "--output", "Exit codes"):
            self.assertIn(words, result.stdout)

    def test_output_that_cannot_be_written(self) -> None:
        path = self.records_file(small_run(), "in/run.jsonl")
        blocked = self.scratch / "file"
        blocked.write_text("I am a file")
        self.fails(self.run_script("report", path, "--output", blocked), 1, str(blocked))
        self.fails(
            self.run_script("report", path, "--output", blocked / "below"), 1, "file"
        )
        self.assertEqual(blocked.read_text(), "I am a file")

    def test_error_in_the_middle_leaves_the_old_files(self) -> None:
        """The last file's place is a directory: no other may have been replaced."""
        old = {name: b"old" for name in ("REPORT.md", "results/charts/a.svg")}
        commands.write_all(self.scratch, old)
        (self.scratch / "results/report.html").mkdir()
        with self.assertRaises(OSError):
            commands.write_all(
                self.scratch,
                {**{name: b"new" for name in old}, "results/report.html": b"new"},
            )
        self.assertEqual(self.tree(), old)

    @unittest.skipIf(os.geteuid() == 0, "root may write anywhere")
    def test_read_only_directory(self) -> None:
        path = self.records_file(small_run(), "in/run.jsonl")
        locked = self.scratch / "locked"
        locked.mkdir(mode=0o555)
        self.fails(
            self.run_script("report", path, "--output", locked), 1, "Permission denied"
        )

    def test_user_settings_of_matplotlib_do_not_matter(self) -> None:
        path = self.records_file(small_run())
        self.report(path)
        (self.scratch / "matplotlibrc").write_text("font.size: 33\nlines.linewidth: 9\n")
        result = self.run_script(
            "report",
            "--output",
            self.scratch,
            "--check",
            path,
            MATPLOTLIBRC=str(self.scratch / "matplotlibrc"),
        )
        self.assertEqual((result.returncode, result.stderr), (0, ""))


class Compare(CommandTest):
    def test_text_and_json(self) -> None:
        one = self.records_file(small_run(4, run="r1"), "1.jsonl")
        two = self.records_file(small_run(4, run="r2"), "2.jsonl")
        result = self.run_script("compare", one, two)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("of 3 cases differ by less than 3.00 %", result.stdout)
        result = self.run_script(
            "compare", one, two, "--format", "json", "--metric", "ns", "--threshold", "1"
        )
        self.assertEqual(json.loads(result.stdout)["metric"], "ns")

    def test_errors(self) -> None:
        one = self.records_file(small_run(run="r1"), "1.jsonl")
        other = self.records_file(small_run(run="r2", machine="other"), "2.jsonl")
        self.fails(self.run_script("compare", one, other), 1, "a run of other")
        self.fails(
            self.run_script("compare", one, one, "--metric", "none"),
            1,
            "no case has none in both runs",
        )
        self.fails(self.run_script("compare", one, self.file("{")), 1, "run.jsonl:1: ")
        self.fails(self.run_script("compare", one), 2, "B.jsonl")
        for threshold in ("0", "-1", "x", "nan", "inf"):
            self.fails(
                self.run_script("compare", one, one, "--threshold", threshold),
                2,
                "--threshold",
            )

    def test_reader_that_goes_away(self) -> None:
        one = self.records_file(small_run(), "1.jsonl")
        result = subprocess.run(
            ["sh", "-c", '"$@" | true', "sh"]
            + [sys.executable, "-B", SCRIPTS / "compare", one, one],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(result.stderr, "")


if __name__ == "__main__":
    unittest.main()
