# SPDX-License-Identifier: MIT
import json
import unittest

from corobench.comparison import compare, to_json, to_text
from corobench.dataset import Dataset
from tests.helpers import HOSTILE, ScratchTest, one_trial
from tests.synthetic import metric


class Comparing(ScratchTest):
    def side(self, **costs: float) -> Dataset:
        return self.dataset(
            [
                one_trial(
                    case=name,
                    round=number,
                    metrics={"ns": metric(value, "ns/op", "clock")},
                )
                for name, value in costs.items()
                for number in range(1, 5)
            ]
        )

    def test_counts_and_ratios(self) -> None:
        found = compare(
            self.side(a=100, b=100, c=100, d=100, gone=1),
            self.side(a=102.9, b=103.1, c=97.1, d=100, new=1),
            "ns",
            0.03,
        )
        self.assertEqual([row.within for row in found.rows], [True, False, True, True])
        self.assertEqual((found.within, found.only), (3, (["gone"], ["new"])))
        self.assertAlmostEqual(found.rows[0].ratio or 0, 1.029)
        text = to_text(found)
        self.assertIn("3 of 4 cases differ by less than 3.00 %", text)
        self.assertIn("A/A floor of A: 0.0 %", text)
        self.assertIn("only in B: 1 case", text)

    def test_zero_has_no_ratio(self) -> None:
        found = compare(self.side(a=0, b=0, c=1), self.side(a=0, b=1, c=0), "ns", 0.03)
        self.assertEqual(
            [(row.ratio, row.within) for row in found.rows],
            [(None, True), (None, False), (None, False)],
        )
        json.loads(to_json(found))

    def test_json_says_the_same(self) -> None:
        found = compare(self.side(a=1, b=2), self.side(a=1, b=3), "ns", 0.03)
        document = json.loads(to_json(found))
        self.assertEqual((document["within"], document["cases"]), (1, 2))
        self.assertEqual(document["rows"][1]["ratio"], 1.5)

    def test_a_case_without_the_metric_is_not_compared(self) -> None:
        self.assertEqual(compare(self.side(a=1), self.side(a=1), "cycles", 0.03).rows, [])

    def test_hostile_names_print_on_one_line(self) -> None:
        name = HOSTILE[:300]
        text = to_text(
            compare(self.side(**{name: 1}), self.side(**{name: 2}), "ns", 0.03)
        )
        self.assertTrue(all(line.isprintable() for line in text.split("\n")))
        self.assertEqual(len(text.split("\n")), 11)


if __name__ == "__main__":
    unittest.main()
