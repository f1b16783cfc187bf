# SPDX-License-Identifier: MIT
"""The exact gate: limits, findings, the baseline, and a program that is counted."""
from __future__ import annotations

import json
import stat
import unittest
from fractions import Fraction
from pathlib import Path

from corobench import baseline, compare_command, exact, findings, render_findings
from corobench.commands import run_command
from corobench.findings import Limit, LimitError, Limits, Verdict, parse_limits
from tests.helpers import ScratchTest

CASE = "switch/coro/place=same-cpu"
FLOWS = "footprint/coro/place=same-cpu"
# A program with one case that is counted and one that has bytes per flow.
FAKE = """#!/usr/bin/python3
import json, sys
words = sys.argv[1:]
if words == ["--version"]:
    print("corobench 0.1.0 (gcc 12.2.0)\\noptimization=2 sanitize={sanitize} lto=false")
elif words[0] == "list":
    for name, countable in (("{case}", True), ("{flows}", False)):
        print(json.dumps({{"case": name, "experiment": name.split("/")[0],
                          "skipped": None, "countable": countable}}))
elif words[0] == "count":
    if "{refused}":
        sys.stderr.write("the kernel refuses ptrace\\n")
        sys.exit(77)
    print(json.dumps({{"per_op": {{"instructions": {{"exact": "{insn}"}},
        "bytes_stored": {{"exact": "8"}}, "bytes_loaded": None,
        "system_calls": {{"exact": "0"}}}}}}))
else:
    figures = {{"kernel_switches_voluntary": {{"value": 0.0004}},
               "reserved_bytes": {{"value": 8252.0}}, "resident_bytes": {{"value": {resident}}},
               "page_table_bytes": {{"value": None, "reason": "not readable"}}}}
    print(json.dumps({{"metrics": figures, "error": None, "skipped": None}}))
"""


class LimitsTest(unittest.TestCase):
    def test_shares_and_amounts(self) -> None:
        found = parse_limits("insn=0, ns=3%,reserved=64")
        self.assertEqual(found["ns"], Limit(Fraction(3, 100), True))
        self.assertEqual(found["ns"].tolerated(Fraction(200)), 206)
        self.assertEqual(found["reserved"].tolerated(Fraction(200)), 264)
        self.assertEqual(str(found["ns"]), "3 %")

    def test_what_makes_no_sense_is_refused(self) -> None:
        for text in ("", "insn", "insn=", "insn=-1", "speed=3%", "ns=3", "ns=nan%", "insn=1e9"):
            with self.assertRaises(LimitError, msg=text):
                parse_limits(text)

    def test_an_allowance_has_precedence_and_a_reason(self) -> None:
        allowed = findings.Allowance("switch/*", parse_limits("insn=2"), "it is new")
        limits = Limits(parse_limits("insn=1"), (allowed,))
        self.assertEqual(limits.of(CASE, "insn"), (Limit(Fraction(2), False), "it is new"))
        self.assertEqual(limits.of(FLOWS, "insn"), (Limit(Fraction(1), False), ""))
        self.assertEqual(limits.of(CASE, "stored")[0], Limit(Fraction(0), False))


class FindingsTest(unittest.TestCase):
    def verdict(self, base: str, new: str, limits: str = "insn=0") -> Verdict:
        return findings.exact_finding(
            CASE, "insn", Fraction(base), Fraction(new), Limits(parse_limits(limits))
        ).verdict

    def test_one_instruction_is_enough_and_its_limit_is_inclusive(self) -> None:
        self.assertEqual(self.verdict("21", "22"), Verdict.FAIL)
        self.assertEqual(self.verdict("21", "21"), Verdict.PASS)
        self.assertEqual(self.verdict("797/4", "798/4"), Verdict.FAIL)
        self.assertEqual(self.verdict("21", "22", "insn=1"), Verdict.PASS)
        self.assertEqual(self.verdict("100", "104", "insn=3%"), Verdict.FAIL)
        self.assertEqual(self.verdict("22", "21"), Verdict.PASS)

    def test_a_family_is_as_bad_as_its_worst_and_an_empty_one_never_passes(self) -> None:
        good = findings.exact_finding(CASE, "insn", Fraction(1), Fraction(1), Limits())
        bad = findings.exact_finding(CASE, "stored", Fraction(1), Fraction(2), Limits())
        lost = findings.exact_finding(CASE, "loaded", Fraction(1), "died", Limits())
        self.assertEqual(findings.report("t", [good], []).exit_code, 0)
        self.assertEqual(findings.report("t", [good, lost], []).exit_code, 4)
        self.assertEqual(findings.report("t", [good, lost, bad], []).exit_code, 3)
        self.assertEqual(findings.report("t", [], []).exit_code, 4)
        text = render_findings.to_text(findings.report("t", [good, lost, bad], []))
        self.assertEqual(text.splitlines()[1][:4], "FAIL")
        self.assertIn("FAIL: 3 comparisons: 1 FAIL, 1 UNKNOWN, 1 PASS", text)


class GateTest(ScratchTest):
    def program(self, insn: str = "21", resident: str = "4152.0", refused: str = "",
                sanitize: str = "none") -> exact.Program:  # fmt: skip
        path = self.scratch / "program"
        path.write_text(FAKE.format(case=CASE, flows=FLOWS, insn=insn, resident=resident,
                                    refused=refused, sanitize=sanitize))  # fmt: skip
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return exact.identify(path)

    def test_a_program_is_measured(self) -> None:
        found = exact.measure(self.program("797/4"), ())
        self.assertEqual(found[CASE]["insn"], Fraction(797, 4))
        self.assertEqual(found[CASE]["switches"], 0)
        self.assertEqual(found[CASE]["loaded"], "not decoded on this CPU")
        self.assertEqual(found[FLOWS]["resident"], 4152)
        self.assertEqual(found[FLOWS]["pagetables"], "not readable")
        self.assertEqual(baseline.numbers(found)[FLOWS].keys(), {"reserved", "resident"})
        self.assertEqual(exact.measure(self.program(), (CASE,), ("*/pthread*",)), {})

    def test_refusals(self) -> None:
        for fault in ({"refused": "yes"}, {"sanitize": "address"}):
            with self.assertRaises(exact.Refused):
                exact.measure(self.program(**fault), ())
        (self.scratch / "program").write_text("#!/bin/sh\necho hello\n")
        with self.assertRaises(exact.ProgramError):
            exact.identify(self.scratch / "program")

    def test_the_key_is_what_the_code_depends_on(self) -> None:
        self.assertRegex(self.program().key, r"^[a-z0-9_]+-gcc-12\.2\.0-O2$")

    def test_a_baseline_is_written_and_read_alike_with_its_reasons(self) -> None:
        path = self.scratch / "deep" / "b.json"
        empty = baseline.Baseline("k")
        one, changed = baseline.accept(
            empty, exact.measure(self.program("797/4"), ()), 'why "so"', "t", "r", lambda _: True
        )  # fmt: skip
        self.assertEqual(changed, 2)
        baseline.write(path, one)
        self.assertEqual(baseline.read(path), one)
        two, changed = baseline.accept(
            one, {CASE: {"insn": Fraction(9)}}, "b", "t", "r", lambda name: name == CASE
        )
        self.assertEqual([entry["why"] for entry in two.accepted], ['why "so"', "b"])
        self.assertEqual((changed, two.cases[CASE]), (1, {"insn": Fraction(9)}))
        self.assertIn(FLOWS, two.cases)
        three, _ = baseline.accept(two, {}, "c", "t", "r", lambda name: name == FLOWS)
        self.assertEqual(list(three.cases), [CASE])
        with self.assertRaisesRegex(baseline.BaselineError, "gave up: it would be guarded"):
            baseline.accept(two, {CASE: {"insn": "gave up"}}, "d", "t", "r", lambda _: True)

    def test_gone_new_and_broken_cases(self) -> None:
        base = {CASE: {"insn": Fraction(21)}, "gone": {"insn": Fraction(1)}}
        measured: dict[str, exact.Figures] = {
            CASE: {"insn": "died"}, "new": {"insn": Fraction(5)}
        }  # fmt: skip
        found = {f.case: f.verdict for f in baseline.compare(base, measured, Limits())}
        self.assertEqual(found, {CASE: Verdict.UNKNOWN, "gone": Verdict.FAIL})

    def test_a_file_that_is_no_baseline_is_an_error(self) -> None:
        for text in ("", "{", "[]", "{}", '{"schema": 2}', '{"schema": 1, "cases": []}',
                     '{"schema": 1, "key": "k", "accepted": [], "made_on": {}, '
                     '"cases": {"a": {"speed": "1"}}}',
                     '{"schema": 1, "key": "k", "accepted": [], "made_on": {}, '
                     '"cases": {"a": {"insn": "1/0"}}}', "[" * 100000):  # fmt: skip
            with self.assertRaises(baseline.BaselineError, msg=text[:80]):
                baseline.read(self.file(text))

    def test_an_allowance_without_a_reason_is_an_error(self) -> None:
        good = [{"cases": "a*", "limits": "insn=1", "why": "because"}]
        self.assertEqual(len(baseline.read_allowances(self.file(json.dumps(good)))), 1)
        for bad in ([{**good[0], "why": " "}], [{"cases": "a"}], {"a": 1}):
            with self.assertRaises(baseline.BaselineError):
                baseline.read_allowances(self.file(json.dumps(bad)))

    def compare(self, *words: str | Path) -> int:
        arguments = [str(word) for word in (*words, "--baselines", self.scratch / "b")]
        return run_command("compare", compare_command.main, arguments)

    def test_committed_baselines_can_be_read(self) -> None:
        found = sorted(compare_command.BASELINES.glob("*-O*.json"))
        self.assertTrue(found)
        for path in found:
            read = baseline.read(path)
            self.assertEqual(read.key, path.stem)
            self.assertTrue(read.accepted and all(entry["why"] for entry in read.accepted))

    def test_programs_and_records_do_not_mix(self) -> None:
        elf = self.file(b"\x7fELF", name="elf")
        self.assertEqual(self.compare(elf, self.file("{}")), 2)
        self.assertEqual(self.compare("--counts-only", elf), 1)


if __name__ == "__main__":
    unittest.main()
