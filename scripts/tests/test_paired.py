# SPDX-License-Identifier: MIT
"""The paired comparison: closed-form cases, simulated data with a known answer, and the way
from batches to verdicts with a measurement that a test makes up."""
from __future__ import annotations

import math
import random
import subprocess
import sys
import unittest
from collections.abc import Callable, Sequence
from pathlib import Path

from corobench import machine_code, paired, timing
from corobench.estimates import median_interval
from corobench.exact import ProgramError
from corobench.findings import Verdict
from corobench.records import Run, read_run
from tests.helpers import ScratchTest
from tests.synthetic import Generator, Record, metric

ARMS = ("base", "new", "new-again", "base-again")
Draw = Callable[[random.Random], float]


def trials(rounds: int, change: float, seed: int, draw: Draw | None = None,
           burst: Callable[[int, str], float] = lambda number, arm: 1.0,
           arms: Sequence[str] = ARMS) -> dict[tuple[int, str], float]:  # fmt: skip
    noise = random.Random(seed)
    draw = draw or (lambda source: source.lognormvariate(0, 0.01))
    return {
        (number, arm): 10
        * draw(noise)
        * (1 + change if arm.startswith("new") else 1)
        * burst(number, arm)
        for number in range(rounds)
        for arm in arms
    }


def judged(data: dict[tuple[int, str], float], limit: float = 0.03,
           layouts: Sequence[str] = ()) -> paired.Judgement:  # fmt: skip
    return paired.judge({"case": data}, {"case": limit}, layouts=layouts)[0]


class ClosedFormTest(unittest.TestCase):
    def test_holm_is_between_bonferroni_and_nothing(self) -> None:
        self.assertEqual(paired.holm([0.01, 0.02, 0.04], 0.05), [True, True, True])
        self.assertEqual(paired.holm([0.04, 0.04, 0.04], 0.05), [False] * 3)
        self.assertEqual(paired.holm([0.5, 0.016, 0.03], 0.05), [False, True, False])
        self.assertEqual(paired.holm([], 0.05), [])

    def test_the_sign_test_is_binomial(self) -> None:
        self.assertAlmostEqual(paired.sign_p([1.0] * 10, 0.0), 2**-10)
        self.assertAlmostEqual(paired.sign_p([1.0] * 9 + [-1.0], 0.0), 11 * 2**-10)
        self.assertEqual(paired.sign_p([-1.0] * 3, 0.0), 1.0)

    def test_the_fewest_rounds_can_fail_and_one_less_cannot(self) -> None:
        for cases in (1, 2, 7, 20, 500):
            needed = paired.rounds_needed(cases)
            self.assertLessEqual(2.0**-needed, paired.ALPHA / 2 / cases)
            if needed > 6:
                self.assertGreater(2.0 ** -(needed - 1), paired.ALPHA / 2 / cases)

    def test_contrasts_take_rounds_that_are_whole(self) -> None:
        data = {(0, "base"): 1.0, (0, "base-again"): 1.0, (0, "new"): 2.0,
                (0, "new-again"): 2.0, (1, "base"): 1.0, (1, "new"): 3.0}  # fmt: skip
        self.assertEqual(paired.contrast(data, "new", "base"), [math.log(2)])
        data[(0, "base-again")] = data[(0, "new-again")] = 4.0
        drift = paired.first_to_second(data, "new", "base")
        self.assertAlmostEqual(drift[0], (math.log(1 / 4) + math.log(2 / 4)) / 2)


class VerdictTest(unittest.TestCase):
    def test_a_large_change_fails_and_none_passes(self) -> None:
        self.assertEqual(judged(trials(20, 0.10, 1)).verdict, Verdict.FAIL)
        self.assertEqual(judged(trials(20, 0.0, 1)).verdict, Verdict.PASS)
        self.assertEqual(judged(trials(20, -0.2, 1)).verdict, Verdict.PASS)

    def test_what_cannot_be_seen_is_inconclusive(self) -> None:
        noisy = trials(20, 0.0, 3, lambda source: source.lognormvariate(0, 0.2))
        found = judged(noisy)
        self.assertEqual(found.verdict, Verdict.INCONCLUSIVE)
        self.assertGreater(found.visible or 0, 0.03)

    def test_too_few_rounds_are_unknown(self) -> None:
        self.assertEqual(judged(trials(5, 0.5, 1)).verdict, Verdict.UNKNOWN)
        self.assertEqual(judged({}).verdict, Verdict.UNKNOWN)

    def test_a_change_below_the_layout_floor_does_not_fail(self) -> None:
        data = trials(20, 0.05, 4)
        for number in range(20):
            for arm in ("layout1", "layout1-again"):
                data[(number, arm)] = 1.08 * data[(number, arm.replace("layout1", "new"))]
        self.assertEqual(judged(data).verdict, Verdict.FAIL)
        found = judged(data, layouts=["layout1"])
        self.assertEqual(found.verdict, Verdict.INCONCLUSIVE)
        self.assertAlmostEqual(found.layout_floor or 0, 0.08, places=3)

    def test_drift_within_a_round_makes_no_change(self) -> None:
        drift = dict(zip(ARMS, (1.0, 1.1, 1.2, 1.3)))
        found = judged(trials(20, 0.0, 5, burst=lambda number, arm: drift[arm]))
        self.assertLess(abs(found.change or 1), 0.02)

    def test_bursts_in_one_arm_do_not_fail(self) -> None:
        for seed in range(59):
            hit = random.Random(seed)
            slow = {number for number in range(20) if hit.random() < 0.4}
            found = judged(trials(20, 0.0, seed, burst=lambda number, arm: 1.5
                                  if number in slow and arm.startswith("new") else 1.0))  # fmt: skip
            self.assertNotEqual(found.verdict, Verdict.FAIL, seed)

    def test_a_family_without_a_change_cries_wolf_rarely(self) -> None:
        draws: tuple[Draw, ...] = (
            lambda source: source.lognormvariate(0, 0.02),
            lambda source: 1 + source.expovariate(20),
        )
        failed = 0
        for seed in range(60):
            family = {
                f"case{index}": trials(15, 0.0, 1000 * seed + index, draws[index % 2])
                for index in range(10)
            }
            found = paired.judge(family, {case: 0.0 for case in family})
            failed += any(one.verdict == Verdict.FAIL for one in found)
        # Even with no limit at all: at most 2.5 % of the families, so that 6 of 60 come about once in 200 tries.
        self.assertLess(failed, 6)

    def test_rounds_that_fail_by_hand(self) -> None:
        # 15 of 20 have p = 0.0207, 14 have 0.0577; 6 of 6 have 0.0156
        self.assertEqual(paired.rounds_that_fail(20, 0.025), 15)
        self.assertEqual(paired.rounds_that_fail(6, 0.025), 6)
        self.assertGreater(paired.rounds_that_fail(5, 0.025), 5)
        self.assertEqual(paired.rounds_that_fail(20, 0.0025), 17)

    def test_the_reach_is_a_bound_of_the_noise(self) -> None:
        even = [(index % 40 + 1) / 40 * (-1) ** index for index in range(4000)]
        # 15 of 20 rounds do with 99.5 % when each does with 91 %: 82 % of the sizes lie below
        self.assertAlmostEqual(paired.reach(even, 20, 0.025) or 0, 0.84, delta=0.03)
        self.assertIsNone(paired.reach(even, 5, 0.025))
        self.assertIsNone(paired.reach(even[:24], 12, 0.025))
        self.assertEqual(paired.reach([0.0] * 40, 20, 0.025), 0.0)

    def test_what_it_says_it_could_see_it_sees(self) -> None:
        """With the second batch, and whatever the noise is like."""
        draws: tuple[Draw, ...] = (
            lambda source: source.lognormvariate(0, 0.008),
            lambda source: 1 + source.expovariate(120),
            lambda source: 1.03 if source.random() < 0.1 else source.lognormvariate(0, 0.003),
        )
        for draw in draws:
            able = missed = 0
            for seed in range(120):
                both = [judged(trials(20, 0.03, 2 * seed + batch, draw), 0.01) for batch in (0, 1)]
                if max(one.visible or 1.0 for one in both) <= 0.03:
                    able += 1
                    missed += any(one.verdict != Verdict.FAIL for one in both)
            self.assertGreater(able, 20)
            self.assertLessEqual(missed, able / 93)

    def test_one_per_cent_never_passes_a_limit_of_half(self) -> None:
        for seed in range(60):
            self.assertNotEqual(judged(trials(20, 0.01, seed), 0.005).verdict, Verdict.PASS)

    def test_skewed_nulls_are_covered(self) -> None:
        source = random.Random(7)
        covered = 0
        for _ in range(1000):
            # the median of an exponential is log 2
            values = [source.expovariate(1) - math.log(2) for _ in range(20)]
            found = median_interval(values)
            covered += (found.low or 0) <= 0 <= (found.high or 0)
        self.assertGreater(covered / 1000, 0.94)


class Measurement:
    """Batches as a machine would make them: by name, the change that each shows."""

    def __init__(self, test: ScratchTest, changes: dict[str, float], noise: float) -> None:
        self.test, self.changes, self.noise = test, changes, noise
        self.asked: list[tuple[str, list[str], int]] = []

    def __call__(self, name: str, cases: Sequence[str], rounds: int) -> Run:
        self.asked.append((name, list(cases), rounds))
        generator = Generator(run=name)
        records: list[Record] = [generator.environment(list(cases))]
        for case in cases:
            values = trials(rounds, self.changes[name], len(self.asked),
                            lambda source: source.lognormvariate(0, self.noise))  # fmt: skip
            records += [
                generator.trial(case, number,
                                {"ns": metric(value / 3, "ns/op", "clock"),
                                 "cycles_estimated": metric(value, "cycles/op", "canary")},
                                arm=arm)
                for (number, arm), value in values.items()
            ]  # fmt: skip
        return read_run(self.test.records_file(records, f"{name}.jsonl"))


class DecideTest(ScratchTest):
    def decide(self, noise: float = 0.01, **changes: float) -> tuple[list[Verdict], Measurement]:
        batch = Measurement(self, changes, noise)
        plan = timing.Plan({"base": Path("a"), "new": Path("b")}, ("toy/a/place=same-cpu",),
                           16, self.scratch)  # fmt: skip
        found = timing.decide(plan, lambda case: 0.03, batch, paired.ALPHA)
        self.findings = timing.findings_of(found)
        return [one.verdict for one in found.judged], batch

    def test_a_failure_is_confirmed_by_a_batch_of_its_own(self) -> None:
        verdicts, batch = self.decide(first=0.1, confirmation=0.1)
        self.assertEqual(verdicts, [Verdict.FAIL])
        self.assertEqual([name for name, _, _ in batch.asked], ["first", "confirmation"])
        self.assertIn("could see", self.findings[0].note)

    def test_one_that_is_not_confirmed_does_not_fail(self) -> None:
        verdicts, _ = self.decide(first=0.1, confirmation=0.0)
        self.assertEqual(verdicts, [Verdict.INCONCLUSIVE])
        self.assertIn("did not confirm", self.findings[0].note)

    def test_what_it_could_see_is_what_the_weaker_batch_could(self) -> None:
        batch = paired.Judgement("a", Verdict.FAIL, 12, 0.01, visible=0.02)
        weaker = paired.Judgement("a", Verdict.INCONCLUSIVE, 12, 0.01, change=0.0, visible=0.2)
        found = timing.confirm([batch], {"a": weaker})[0]
        self.assertEqual((found.verdict, found.visible), (Verdict.INCONCLUSIVE, 0.2))

    def test_the_inconclusive_is_extended_once(self) -> None:
        verdicts, batch = self.decide(noise=0.2, first=0.0, extension=0.0)
        self.assertEqual(verdicts, [Verdict.INCONCLUSIVE])
        self.assertEqual([(name, rounds) for name, _, rounds in batch.asked],
                         [("first", 16), ("extension", 32)])  # fmt: skip

    def test_a_clear_pass_needs_one_batch(self) -> None:
        verdicts, batch = self.decide(noise=0.005, first=0.0)
        self.assertEqual((verdicts, len(batch.asked)), ([Verdict.PASS], 1))


class MachineCodeTest(ScratchTest):
    def test_one_byte_of_code_is_another_program(self) -> None:
        program = Path(sys.executable).resolve().read_bytes()
        same = self.file(program, name="same", end=b"")
        longer = self.file(program, name="longer", end=b"more data")
        self.assertEqual(machine_code.code_hash(same), machine_code.code_hash(longer))
        words = ["objdump", "-h", str(same)]
        try:
            listing = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        except OSError:
            self.skipTest("objdump is not installed")
        text = next(line.split() for line in listing.splitlines() if " .text " in line)
        at = int(text[5], 16)
        changed = bytearray(program)
        changed[at] ^= 1
        other = self.file(bytes(changed), name="other", end=b"")
        self.assertNotEqual(machine_code.code_hash(same), machine_code.code_hash(other))

    def test_what_is_no_program_is_an_error(self) -> None:
        for data in (b"", b"\x7fELF\x01", b"\x7fELF\x02\x01", b"\x7fELF\x02\x01" + bytes(99)):
            with self.assertRaises(ProgramError, msg=repr(data)):
                machine_code.code_hash(self.file(data, end=b""))
        self.assertIsNone(machine_code.code_hash(self.file("#!/bin/sh")))


if __name__ == "__main__":
    unittest.main()
