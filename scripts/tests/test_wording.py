# SPDX-License-Identifier: MIT
import unittest

from corobench.wording import (
    Code,
    count,
    listing,
    markdown,
    number,
    percent,
    plain,
    plural,
    size,
)
from tests.helpers import HOSTILE


class Numbers(unittest.TestCase):
    def test_three_digits(self) -> None:
        for value, words in (
            (0, "0"),
            (0.667, "0.67"),
            (9.994, "9.99"),
            (9.996, "10.0"),
            (99.96, "100"),
            (1820.4, "1,820"),
            (0.00012, "0.00012"),
            (-2.5, "−2.50"),
            (1e18, "1e+18"),
            (None, "–"),
        ):
            self.assertEqual(number(value), words)

    def test_bytes(self) -> None:
        for value, words in (
            (0, "0 B"),
            (264, "264 B"),
            (999, "999 B"),
            (1024, "1.0 KiB"),
            (8 * 2**20, "8.0 MiB"),
            (-4, "−4 B"),
            (2**70, "1048576 PiB"),
        ):
            self.assertEqual(size(value), words)

    def test_shares(self) -> None:
        for value, words in (
            (0.03, "3.0 %"),
            (0.5, "50 %"),
            (-0.012, "−1.2 %"),
            (-1e-9, "0.0 %"),
            (None, "–"),
        ):
            self.assertEqual(percent(value), words)

    def test_lists(self) -> None:
        self.assertEqual(listing([]), "")
        self.assertEqual(listing(["a"]), "a")
        self.assertEqual(listing(["a", "b", "c"]), "a, b and c")
        self.assertEqual(listing(list("abcd"), 2), "a, b and 2 more")
        self.assertEqual((plural(1, "run"), plural(2000, "run")), ("1 run", "2,000 runs"))
        self.assertEqual(count(None), "–")


class ForeignText(unittest.TestCase):
    def test_plain_is_one_visible_line(self) -> None:
        words = plain(HOSTILE)
        self.assertTrue(words.isprintable(), ascii(words))
        self.assertIn("\\x1b[31m", words)
        self.assertIn("\\u202e", words)
        self.assertIn("\\ud800", words)
        words.encode("utf-8")

    def test_plain_is_cut(self) -> None:
        self.assertEqual(plain("x" * 500, 10), "x" * 9 + "…")
        self.assertEqual(len(plain("\x1b" * 1000, 400)), 400)

    def test_markdown_has_no_live_mark(self) -> None:
        words = markdown(HOSTILE)
        live = words.replace("&#", "")  # entities of our own
        for mark in "|`*_[]~$#{}":
            for at, char in enumerate(live):
                if char == mark:
                    self.assertEqual(live[at - 1], "\\", f"{mark} at {at} of {live}")
        self.assertNotRegex(words, "[<>]|://|www\\.")

    def test_markdown_starts_no_block(self) -> None:
        for text in ("# x", "- x", "+ x", "1. x", "12) x", "> x", "=== x", "    x"):
            self.assertNotRegex(markdown(text), r"^(#|-|\+|>|=|\d+[.)]\s|    )")

    def test_code_only_where_it_is_safe(self) -> None:
        self.assertEqual(
            markdown(Code("switch/coro-inline/site=diff")),
            "`switch/coro-inline/site=diff`",
        )
        self.assertEqual(markdown(Code("a`b")), "a\\`b")
        self.assertEqual(markdown(Code("a|b")), "a\\|b")


if __name__ == "__main__":
    unittest.main()
