# SPDX-License-Identifier: MIT
import math
import random
import unittest

from corobench.estimates import (
    aa_difference,
    aa_floor,
    coverage,
    ecdf,
    interval_rank,
    median_interval,
    paired_ratio,
)


class OrderStatistics(unittest.TestCase):
    def test_ranks_are_the_tables(self) -> None:
        # The largest k with 1 - 2 P(Bin(n, 1/2) < k) at or above 0.95.
        for n, rank in (
            (1, 0),
            (5, 0),
            (6, 1),
            (8, 1),
            (9, 2),
            (11, 2),
            (12, 3),
            (15, 4),
            (20, 6),
            (25, 8),
            (30, 10),
            (40, 14),
            (100, 40),
        ):
            self.assertEqual(interval_rank(n), rank, f"n = {n}")

    def test_coverage_by_hand(self) -> None:
        self.assertAlmostEqual(coverage(6, 1), 1 - 2 / 64)
        self.assertAlmostEqual(coverage(9, 2), 1 - 2 * (1 + 9) / 512)
        self.assertEqual(coverage(5, 0), 0.0)

    def test_the_next_rank_would_cover_less_than_asked(self) -> None:
        for n in range(6, 200):
            rank = interval_rank(n)
            self.assertGreaterEqual(coverage(n, rank), 0.95)
            self.assertLess(coverage(n, rank + 1), 0.95)

    def test_six_values_span_all(self) -> None:
        found = median_interval([6, 1, 5, 2, 4, 3])
        self.assertEqual((found.median, found.low, found.high, found.n), (3.5, 1, 6, 6))

    def test_five_values_have_no_interval(self) -> None:
        found = median_interval([1, 2, 3, 4, 5])
        self.assertEqual((found.median, found.low, found.high), (3, None, None))
        self.assertIsNone(found.half_width_relative)

    def test_no_value_is_an_error(self) -> None:
        with self.assertRaises(ValueError):
            median_interval([])

    def test_simulated_coverage(self) -> None:
        """A skewed distribution with a known median: 4,000 runs of 12 trials. The exact
        coverage is 0.9614; four standard errors of the simulation are 0.0122."""
        rng = random.Random(7)
        inside = 0
        for _ in range(4000):
            found = median_interval([rng.lognormvariate(1.0, 0.8) for _ in range(12)])
            assert found.low is not None and found.high is not None
            inside += found.low <= math.e <= found.high
        self.assertAlmostEqual(inside / 4000, coverage(12, 3), delta=0.0122)


class Ratios(unittest.TestCase):
    def test_paired_ratio_sees_through_shared_noise(self) -> None:
        rng = random.Random(3)
        noise = {key: rng.uniform(1, 10) for key in range(20)}
        found = paired_ratio({key: 3 * value for key, value in noise.items()}, noise)
        assert found is not None and found.low is not None and found.high is not None
        self.assertAlmostEqual(found.median, 3)
        self.assertAlmostEqual(found.low, 3)
        self.assertAlmostEqual(found.high, 3)

    def test_only_common_rounds_count(self) -> None:
        found = paired_ratio({1: 2.0, 2: 100.0}, {1: 1.0, 3: 5.0})
        assert found is not None
        self.assertEqual((round(found.median, 12), found.n, found.low), (2.0, 1, None))

    def test_values_without_a_logarithm_are_left_out(self) -> None:
        self.assertIsNone(paired_ratio({1: 0.0, 2: -1.0}, {1: 1.0, 2: 1.0}))
        self.assertIsNone(paired_ratio({1: 1.0}, {2: 1.0}))


class Floor(unittest.TestCase):
    def test_odd_against_even(self) -> None:
        found = aa_difference({1: 1.0, 2: 1.1, 3: 1.0, 4: 1.1})
        self.assertAlmostEqual(found or 0, math.log(1.1))

    def test_too_few_rounds(self) -> None:
        self.assertIsNone(aa_difference({1: 1.0, 2: 1.0, 3: 1.0}))
        self.assertIsNone(aa_difference({1: 0.0, 2: 0.0, 3: 0.0, 4: 0.0}))

    def test_ninetieth_percentile(self) -> None:
        self.assertAlmostEqual(aa_floor([0.0] * 9 + [1.0]) or 0, math.expm1(0.1))
        self.assertAlmostEqual(aa_floor([math.log(1.02)] * 10) or 0, 0.02)
        self.assertIsNone(aa_floor([]))

    def test_nothing_differs_nine_times_in_ten(self) -> None:
        """By construction: nine fresh A/A pairs in ten lie under the floor of others."""
        rng = random.Random(11)

        def pairs(count: int) -> list[float]:
            return [
                aa_difference({n: rng.lognormvariate(0, 0.02) for n in range(20)}) or 0
                for _ in range(count)
            ]

        floor = aa_floor(pairs(1000))
        under = sum(math.expm1(one) < (floor or 0) for one in pairs(2000)) / 2000
        self.assertAlmostEqual(under, 0.9, delta=0.04)


class Distribution(unittest.TestCase):
    def test_ecdf(self) -> None:
        self.assertEqual(ecdf([3, 1, 2, 2]), ([1, 2, 2, 3], [0.25, 0.5, 0.75, 1.0]))


if __name__ == "__main__":
    unittest.main()
