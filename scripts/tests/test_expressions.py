# SPDX-License-Identifier: MIT
import unittest

from corobench.expressions import (
    ExpressionError,
    Span,
    Truth,
    evaluate,
    holds,
    operands,
    parse_condition,
    parse_value,
)

VALUES = {
    ("a", "ns"): [12.0],
    ("b", "ns"): [3.0],
    ("none", "ns"): [0.0],
    ("all", "lost"): [1.0, 4.0, 2.0],
}


class Values(unittest.TestCase):
    def test_arithmetic_and_reductions(self) -> None:
        for text, expected in (
            ("a.ns / b.ns", 4.0),
            ("(a.ns - b.ns) * 1000000 / 9", 1e6),
            ("largest(all.lost) + smallest(all.lost) + total(all.lost)", 12.0),
            ("largest(a.ns)", 12.0),
            ("a.ns / none.ns", None),
            ("1 + a.ns / none.ns", None),
        ):
            self.assertEqual(evaluate(parse_value(text), VALUES), expected, text)

    def test_operands(self) -> None:
        tree = parse_value("largest(all.lost) / (a.ns + a.ns)")
        self.assertEqual(set(operands(tree)), {("all", "lost"), ("a", "ns")})

    def test_several_cases_must_be_reduced(self) -> None:
        with self.assertRaisesRegex(ExpressionError, "3 cases: reduce it"):
            evaluate(parse_value("all.lost + 1"), VALUES)

    def test_what_is_no_value(self) -> None:
        for text in (
            "a",
            "a.ns.real",
            "a.ns ** 2",
            "-a.ns",
            "len(a.ns)",
            "largest(a.ns, b.ns)",
            "largest(a.ns + 1)",
            "largest(*a.ns)",
            "'text'",
            "True",
            "a.ns if b.ns else 0",
            "__import__('os').system('true')",
            "(lambda: 1)()",
            "a.ns +",
            "",
        ):
            with self.assertRaises(ExpressionError, msg=text):
                parse_value(text)


class Conditions(unittest.TestCase):
    def check(self, text: str, low: float, high: float, expected: Truth) -> None:
        found = holds(parse_condition(text), {"x": Span(low, high), "y": Span(5, 5)})
        self.assertIs(found, expected, f"{text} of {low} to {high}")

    def test_each_comparison_at_its_edges(self) -> None:
        for text, table in (
            ("x > 3", ((4, 5, True), (3, 5, None), (2, 4, None), (1, 3, False))),
            ("x >= 3", ((3, 5, True), (2, 3, None), (1, 2, False))),
            ("x < 3", ((1, 2, True), (2, 3, None), (3, 4, False))),
            ("x <= 3", ((1, 3, True), (2, 4, None), (4, 5, False))),
            ("x == 3", ((3, 3, True), (2, 4, None), (3, 4, None), (4, 5, False))),
        ):
            for low, high, expected in table:
                self.check(text, low, high, expected)

    def test_three_valued_and_or(self) -> None:
        for text, expected in (
            ("x > 0 and y > 0", True),
            ("x > 3 and y > 0", None),
            ("x > 3 and y > 9", False),
            ("x > 3 or y > 0", True),
            ("x > 3 or y > 9", None),
            ("x > 9 or y > 9", False),
            ("y == 5 and (x > 9 or y > 0)", True),
            ("otherwise", True),
        ):
            self.check(text, 2, 4, expected)

    def test_what_is_no_condition(self) -> None:
        for text in ("x", "x > y", "3 < x", "1 < x < 3", "not x > 3", "x != 3", "x.ns > 3"):
            with self.assertRaises(ExpressionError, msg=text):
                parse_condition(text)


if __name__ == "__main__":
    unittest.main()
