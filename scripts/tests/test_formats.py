# SPDX-License-Identifier: MIT
"""Formats of other tools: golden files, and each read as its own tool reads it.

To make the golden files anew after a change that is meant: GOLDEN=write, and look at them.
"""
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unittest
import xml.etree.ElementTree as xml
from fractions import Fraction
from pathlib import Path
from unittest import mock

import jsonschema

from corobench import findings, formats, render_findings
from corobench.commands import run_command
from corobench.export_command import main as export_main
from corobench.findings import Finding, Limit, Report, Verdict
from corobench.records import Run, read_run
from tests.helpers import HOSTILE, ScratchTest
from tests.synthetic import Generator, metric

GOLDEN = Path(__file__).resolve().parent / "golden"
COMPARE_PY = Path("/usr/share/benchmark/compare.py")  # Debian's libbenchmark-tools
CASES = ("switch/coro/site=diff/place=same-cpu", "footprint/coro/place=same-cpu")
NUMBER = {"type": "number"}
ROW = {
    "type": "object",
    "required": ["name", "run_name", "run_type", "repetitions", "threads", "iterations",
                 "real_time", "cpu_time", "time_unit"],
    "properties": {"name": {"type": "string"}, "run_type": {"enum": ["iteration", "aggregate"]},
                   "iterations": {"type": "integer", "minimum": 1}, "real_time": NUMBER,
                   "cpu_time": NUMBER, "time_unit": {"const": "ns"}},
}  # fmt: skip
SCHEMAS = {
    "gbench": {"type": "object", "required": ["context", "benchmarks"],
               "properties": {"benchmarks": {"type": "array", "minItems": 1, "items": ROW}}},
    "bmf": {"type": "object", "minProperties": 1, "additionalProperties": {
        "type": "object", "minProperties": 1, "additionalProperties": {
            "type": "object", "required": ["value"], "additionalProperties": False,
            "properties": {"value": NUMBER, "lower_value": NUMBER, "upper_value": NUMBER}}}},
    "action": {"type": "array", "minItems": 1, "items": {
        "type": "object", "required": ["name", "unit", "value"], "additionalProperties": False,
        "properties": {"name": {"type": "string"}, "unit": {"type": "string"},
                       "value": NUMBER, "range": {"type": "string"},
                       "extra": {"type": "string"}}}},
}  # fmt: skip
# https://go.dev/design/14313-benchmark-format and benchfmt's unit metadata.
GO_CONFIG = re.compile(r"[a-z][^ \tA-Z]*: .*")
GO_UNIT = re.compile(r"Unit \S+( \S+=\S+)+")
GO_RESULT = re.compile(r"Benchmark[^a-z\s]\S* [1-9]\d*( -?[0-9.e+-]+ \S+)+")


class FormatsTest(ScratchTest):
    def run_of(self) -> Run:
        generator = Generator(rounds=7)
        records = [generator.environment(list(CASES))]
        for number in range(7):
            times = {"ns": metric(1.25 + number / 64, "ns/op", "clock")}
            if number == 0:
                times["instructions_stepped"] = metric(14.0, "instructions/op", "singlestep")
            flows = {"resident_bytes": metric(4152.0, "B/flow", "smaps"),
                     "page_table_bytes": metric(None, "B/flow", "none", "not readable")}  # fmt: skip
            records += [generator.trial(CASES[0], number, times),
                        generator.trial(CASES[1], number, flows)]  # fmt: skip
        path = self.records_file(records)
        return read_run(path)

    def text(self, name: str) -> str:
        with mock.patch("platform.machine", return_value="x86_64"):
            return formats.FORMATS[name](self.run_of(), "main")

    def test_golden_files(self) -> None:
        for name in formats.FORMATS:
            path = GOLDEN / f"run.{name}"
            if os.environ.get("GOLDEN") == "write":
                formats.write(path, self.text(name))
            self.assertEqual(self.text(name), path.read_text(encoding="utf-8"), name)

    def test_json_formats_keep_their_schemas(self) -> None:
        for name, schema in SCHEMAS.items():
            jsonschema.Draft202012Validator(schema).validate(json.loads(self.text(name)))

    def test_go_text_is_what_its_specification_says(self) -> None:
        lines = self.text("go").splitlines()
        results = [line for line in lines if GO_RESULT.fullmatch(line)]
        self.assertEqual(len(results), 14)
        self.assertIn("Unit insn/op assume=exact", lines)
        for line in lines:
            if line not in results:
                self.assertTrue(GO_CONFIG.fullmatch(line) or GO_UNIT.fullmatch(line), line)

    def test_google_benchmarks_own_tool_reads_it(self) -> None:
        if not COMPARE_PY.exists():
            self.skipTest("libbenchmark-tools is not installed")
        path = self.scratch / "one.json"
        formats.write(path, self.text("gbench"))
        done = subprocess.run(
            [sys.executable, str(COMPARE_PY), "--no-color", "benchmarks", str(path), str(path)],
            capture_output=True, text=True, check=False)  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"{CASES[0]}_median", done.stdout)
        self.assertIn("U Test, Repetitions: 7 vs 7", done.stdout)

    def test_the_command_names_the_arms_there_are(self) -> None:
        path = self.run_of().path
        for words, code in ((["--format", "go"], 0), (["--format", "go", "--arm", "new"], 2)):
            with mock.patch("sys.stdout"), mock.patch("sys.stderr") as errors:
                self.assertEqual(run_command("export", export_main, [str(path), *words]), code)
            if code:
                self.assertIn("there are: main", errors.write.call_args.args[0])


class ReportFormatsTest(unittest.TestCase):
    def report(self, passes: int = 1) -> Report:
        limit = Limit(Fraction(3, 100), True)
        found = [Finding(f"a/b{n}", "ns", Verdict.PASS, Fraction(1), Fraction(1), limit)
                 for n in range(passes)]  # fmt: skip
        found += [
            Finding(CASES[0], "ns", Verdict.FAIL, Fraction(1), Fraction(2), limit, HOSTILE),
            Finding(HOSTILE, "ns", Verdict.INCONCLUSIVE, Fraction(1), Fraction(1), limit),
            Finding(CASES[1], "resident", Verdict.UNKNOWN, Fraction(1), None, limit, "died"),
        ]
        return findings.report(f"one <b> | `two` {HOSTILE}", found, ["remark"])

    def test_golden_files(self) -> None:
        for name in ("markdown", "junit", "json", "text"):
            text = render_findings.FORMATS[name](self.report())
            path = GOLDEN / f"report.{name}"
            if os.environ.get("GOLDEN") == "write":
                formats.write(path, text)
            self.assertEqual(text, path.read_text(encoding="utf-8"), name)

    def test_junit_is_xml_that_counts_right(self) -> None:
        whole = xml.fromstring(render_findings.to_junit(self.report()))
        suite = whole[0]
        self.assertEqual((suite.get("tests"), suite.get("failures"), suite.get("skipped")),
                         ("4", "1", "2"))  # fmt: skip
        self.assertEqual(len(suite.findall("testcase/failure")), 1)
        self.assertEqual(len(suite.findall("testcase/skipped")), 2)

    def test_markdown_has_the_worst_first_and_a_bound(self) -> None:
        text = render_findings.to_markdown(self.report())
        verdicts = [line.split("|")[1].strip() for line in text.splitlines()
                    if line.startswith("| ") and "verdict" not in line]  # fmt: skip
        self.assertEqual(verdicts, ["FAIL", "INCONCLUSIVE", "UNKNOWN"])
        self.assertNotIn("<script>", text)
        limit = Limit(Fraction(0), False)
        many = [Finding(f"a/{'b' * 150}{n}", "insn", Verdict.FAIL, Fraction(1), Fraction(2),
                        limit, "n" * 300) for n in range(3000)]  # fmt: skip
        long = render_findings.to_markdown(findings.report("t", many, []))
        self.assertLessEqual(len(long.encode()), render_findings.MARKDOWN_BYTES)
        self.assertRegex(long, r"\d+ more lines did not fit here\.\n$")


if __name__ == "__main__":
    unittest.main()
