# SPDX-License-Identifier: MIT
import unittest

from corobench import layers, oslevel
from tests.helpers import ScratchTest
from tests.synthetic import Generator, Record


class Ladder(ScratchTest):
    def records(self) -> list[Record]:
        return list(Generator(rounds=7, scatter=0.0).records())

    def test_each_addition_is_over_the_one_before_and_the_shares_are_the_gap(self) -> None:
        found = layers.steps(self.dataset(self.records()))
        self.assertEqual([step.rung for step in found][:3], list(layers.RUNGS[:3]))
        by_word = {step.rung.word: step for step in found}
        self.assertAlmostEqual(by_word["through a channel"].cost.median, 5.5)
        self.assertAlmostEqual(by_word["through a channel"].added, 5.5 - 1.4)
        self.assertAlmostEqual(
            by_word["into the kernel and out, twice"].added, 160.0 - 120.0
        )
        self.assertAlmostEqual(sum(step.share for step in found), 1.0)

    def test_a_rung_that_is_missing_is_left_out(self) -> None:
        records = [one for one in self.records() if one.get("experiment") != "yield"]
        found = layers.steps(self.dataset(records))
        self.assertNotIn("through the run queue", [step.rung.word for step in found])
        self.assertAlmostEqual(sum(step.share for step in found), 1.0)

    def test_without_the_bare_switch_there_is_no_ladder(self) -> None:
        records = [one for one in self.records() if one.get("subject") != "coro-inline"]
        data = self.dataset(records)
        self.assertEqual(layers.steps(data), [])
        self.assertEqual(layers.table(data), [])

    def test_kernel_switches_of_both_kinds_from_few_to_many(self) -> None:
        cases = oslevel.oslevel_cases(self.dataset(self.records()))
        self.assertEqual([case.subject for case in cases], ["coro", "pthread"])
        self.assertEqual(oslevel.kernel_switches(cases[0]), 1.5)


if __name__ == "__main__":
    unittest.main()
