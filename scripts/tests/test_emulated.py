# SPDX-License-Identifier: MIT
import json
import re
import unittest
from pathlib import Path
from typing import Any

from corobench.blocks import Measured, Report, Table
from corobench.dataset import Dataset
from corobench.emulated import read_emulated, section
from tests.helpers import ScratchTest, environment, one_trial
from tests.synthetic import Record, write
from tests.test_provenance import fragments, literals, scalars

RESULTS = Path(__file__).resolve().parents[2] / "results"
CASE = "switch/coro-inline/site=diff/place=same-cpu"


def counted(number: int, value: float, **changes: Any) -> Record:
    metric = {"value": value, "unit": "instructions/op", "source": "emulator"}
    return one_trial(round=number, metrics={"instructions_stepped": metric}, flags=["emulated"],
                     notes={"machine_code": "10 mov a, b\n14 br c # 10 <loop>"}, **changes)


class Emulated(ScratchTest):
    def told(self, *trials: Record) -> list[str]:
        fact = {"name": "cpu", "value": "vax|11", "status": "ok", "advice": ""}
        write(self.scratch / "emulated" / "vax" / "run.jsonl",
              [environment(facts=[fact]), *trials])
        found = section(Dataset([]), read_emulated(self.scratch))
        return list(fragments(Report("", found))) if found else []

    def test_without_records_there_is_no_section(self) -> None:
        self.assertEqual(section(Dataset([]), read_emulated(self.scratch)), [])

    def test_a_count_and_its_instructions(self) -> None:
        told = self.told(*(counted(number, 15) for number in range(3)))
        for words in ("vax|11", "15", "3 of 3 trials", "mov a, b", "br c"):
            self.assertIn(words, told)

    def test_trials_that_do_not_agree_are_told(self) -> None:
        told = self.told(counted(0, 15), counted(1, 15), counted(2, 16))
        self.assertIn("2 of 3 trials", told)

    def test_what_is_not_marked_is_left_out(self) -> None:
        self.assertEqual(self.told({**counted(0, 15), "flags": []}), [])

    def test_a_failed_trial_is_left_out(self) -> None:
        self.assertEqual(self.told({**counted(0, 15), "error": "it failed", "metrics": {}}), [])


class Committed(unittest.TestCase):
    """What stands in results/emulated/, and what the report makes of it."""

    def setUp(self) -> None:
        self.lines = [json.loads(line) for path in sorted(RESULTS.glob("emulated/*/*.jsonl"))
                      for line in path.read_text().splitlines()]
        self.report = Report("", section(Dataset([]), read_emulated(RESULTS)))

    def values(self, cpu: str, case: str) -> list[float]:
        """Recomputed from the lines alone."""
        runs = {one["run"] for one in self.lines if one["kind"] == "environment"
                and {"cpu": cpu}.items() <= {f["name"]: f["value"] for f in one["facts"]}.items()}
        return [one["metrics"]["instructions_stepped"]["value"] for one in self.lines
                if one["kind"] == "trial" and one["run"] in runs and one["case"] == case]

    def test_the_inline_switch_is_counted_on_three_processors(self) -> None:
        for cpu in ("aarch64", "riscv64", "x86_64"):
            values = self.values(cpu, CASE)
            self.assertEqual(len(set(values)), 1, cpu)
            self.assertGreater(len(values), 1, cpu)

    def test_each_op_has_as_many_instructions_as_were_counted(self) -> None:
        for one in self.lines:
            if one["kind"] == "trial":
                code = one["notes"]["machine_code"].split("\n")
                self.assertEqual(len(code), one["metrics"]["instructions_stepped"]["value"])

    def test_no_time_was_recorded(self) -> None:
        for one in self.lines:
            if one["kind"] == "trial":
                self.assertEqual([*one["metrics"], *one["epochs"]], ["instructions_stepped"])
                self.assertIn("emulated", one["flags"])

    def test_every_figure_has_a_record(self) -> None:
        known = {word for one in self.lines for word in scalars(one)} | literals()
        known |= {re.sub(r"^[0-9a-f]+ | # .*$", "", line) for one in self.lines
                  if one["kind"] == "trial" for line in one["notes"]["machine_code"].split("\n")}
        measured = 0
        for fragment in fragments(self.report):
            if isinstance(fragment, Measured):
                kind, cpu, case = fragment.origin
                values = self.values(cpu, case)
                self.assertIn(fragment, (f"{values[0]:.0f}", f"{len(values)} of {len(values)} trials"))
                measured += 1
            elif re.search(r"\d", fragment):
                self.assertIn(fragment, known)
        self.assertGreaterEqual(measured, 6)

    def test_the_machine_code_stands_side_by_side(self) -> None:
        tables = [block for part in self.report.sections for block in part.blocks
                  if isinstance(block, Table)]
        self.assertEqual(tables[1].headers, ["aarch64", "riscv64", "x86_64"])


if __name__ == "__main__":
    unittest.main()
