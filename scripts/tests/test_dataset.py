# SPDX-License-Identifier: MIT
import unittest

from corobench.dataset import Dataset
from tests.helpers import ScratchTest, environment, one_trial
from tests.synthetic import Generator, Record, metric


def trials(values: list[float], **changes: object) -> list[Record]:
    return [
        one_trial(
            round=number,
            metrics={
                "ns": metric(value, "ns/op", "clock"),
                "cycles_estimated": metric(3 * value, "cycles/op", "canary"),
            },
            **changes
        )
        for number, value in enumerate(values, start=1)
    ]


class Cases(ScratchTest):
    def test_failed_skipped_and_rejected_trials_carry_no_figure(self) -> None:
        data = self.dataset(
            [
                *trials([1.0, 2.0]),
                one_trial(round=3, error="it broke"),
                one_trial(round=4, metrics={}, skipped="no"),
                one_trial(kind="rejection", round=5, reasons=["noise"]),
            ]
        )
        (case,) = data.cases.values()
        self.assertEqual(case.values("ns"), [1.0, 2.0])
        self.assertEqual(data.ran, 4)
        self.assertEqual(data.rejected_share, 0.25)
        self.assertTrue(data.contaminated)

    def test_a_fifth_is_not_yet_contaminated(self) -> None:
        data = self.dataset(
            [*trials([1.0] * 4), one_trial(kind="rejection", round=5, reasons=["noise"])]
        )
        self.assertEqual(data.rejected_share, 0.2)
        self.assertFalse(data.contaminated)

    def test_null_is_not_zero(self) -> None:
        nothing = {"ns": metric(None, "ns/op", "clock", "no clock")}
        data = self.dataset([*trials([4.0]), one_trial(round=2, metrics=nothing)])
        (case,) = data.cases.values()
        self.assertEqual((case.values("ns"), case.reason("ns")), ([4.0], "no clock"))
        self.assertIsNone(case.estimate("instructions"))

    def test_order_is_the_tables(self) -> None:
        names = ["switch/b/place=same-cpu", "switch/a/place=same-cpu"]
        records = [environment(cases=names)]
        for name in (*sorted(names), "zoo/x/place=same-cpu"):
            records.append(one_trial(case=name))
        self.assertEqual(
            list(self.dataset(records).cases), [*names, "zoo/x/place=same-cpu"]
        )

    def test_find_by_parameters(self) -> None:
        data = self.dataset(Generator(rounds=1).records())
        found = data.find("switch", "coro-inline", site="diff")
        assert found is not None
        self.assertEqual(found.name, "switch/coro-inline/site=diff/place=same-cpu")
        self.assertIsNone(data.find("switch", "coro-inline", site="none"))
        self.assertIsNone(data.find("switch", "coro-inline", placement="same-llc"))

    def test_one_arm_is_reported(self) -> None:
        data = self.dataset([*trials([1.0]), *trials([9.0], arm="base")])
        (case,) = data.cases.values()
        self.assertEqual(
            (data.arm, data.other_arms, case.values("ns")), ("main", ["base"], [1.0])
        )
        self.assertEqual(self.dataset(trials([9.0], arm="b")).arm, "b")


class Noise(ScratchTest):
    def test_floor_of_a_run(self) -> None:
        data = self.dataset(trials([1.0, 1.1] * 4))
        self.assertAlmostEqual(data.aa_floor() or 0, 0.1)
        self.assertAlmostEqual(data.typical_half_width() or 0, 0.05 / 1.05)
        self.assertAlmostEqual(data.smallest_effect() or 0, 0.1)

    def test_one_round_has_no_floor(self) -> None:
        data = self.dataset(trials([1.0]))
        self.assertIsNone(data.aa_floor())
        self.assertIsNone(data.smallest_effect())

    def test_known_medians_come_back(self) -> None:
        data = self.dataset(Generator(rounds=30, seed=4).records())
        case = data.cases["switch/ucontext/site=same/place=same-cpu"]
        base = data.cases["switch/coro-inline/site=diff/place=same-cpu"]
        found, ratio = case.estimate("ns"), data.ratio(case, base)
        assert found is not None and found.low is not None and found.high is not None
        assert ratio is not None
        self.assertAlmostEqual(found.median, 167, delta=1)
        self.assertLess(found.high - found.low, 3)
        self.assertAlmostEqual(ratio.median, 167 / 0.67, delta=4)

    def test_ratio_falls_back_to_time(self) -> None:
        plain = {"ns": metric(2.0, "ns/op", "clock")}
        data = self.dataset([*trials([1.0]), one_trial(case="switch/x", metrics=plain)])
        one, two = data.cases.values()
        found = data.ratio(two, one)
        assert found is not None
        self.assertEqual(found.median, 2.0)

    def test_pooled_runs_pair_their_own_rounds(self) -> None:
        runs = (
            self.dataset(trials([1.0])).runs + self.dataset(trials([3.0], run="r2")).runs
        )
        (case,) = Dataset(runs).cases.values()
        self.assertEqual(sorted(case.values("ns")), [1.0, 3.0])


if __name__ == "__main__":
    unittest.main()
