# SPDX-License-Identifier: MIT
"""Two hundred damaged record files, given to compare: a line and exit 1 or 2, never a PASS."""
from __future__ import annotations

import contextlib
import io
import unittest
from pathlib import Path

from corobench import compare_command
from corobench.commands import run_command
from tests import hostile
from tests.helpers import ScratchTest


def compare(*words: object) -> tuple[int, str, str]:
    """Exit code, output and errors of `compare WORDS`."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = run_command("compare", compare_command.main, [str(word) for word in words])
        except SystemExit as left:  # argparse
            code = int(left.code or 0)
    return code, out.getvalue(), err.getvalue()


class HostileTest(ScratchTest):
    def good(self) -> Path:
        return self.file(*hostile.good(), name="good.jsonl")

    def test_the_good_one_is_taken(self) -> None:
        code, out, _ = compare(self.good(), self.good())
        self.assertEqual(code, 0)
        self.assertIn("1 of 1 case differ", out)

    def test_two_hundred_are_refused_with_a_line(self) -> None:
        good = self.good()
        for index, (name, content) in enumerate(hostile.files(200)):
            bad = self.file(content, name="bad.jsonl", end=b"")
            words = (bad, good) if index % 2 else (good, bad)
            with self.subTest(index=index, damage=name):
                code, out, err = compare(*words)
                self.assertIn(code, (1, 2), err)
                self.assertEqual(out, "")
                self.assertEqual(len(err.splitlines()), 1, err)
                self.assertLess(len(err), 1000)

    def test_what_is_no_file_is_refused_too(self) -> None:
        good = self.good()
        for path in (self.scratch, self.scratch / "none", Path("/dev/null")):
            code, out, err = compare(good, path)
            self.assertIn(code, (1, 2), err)
            self.assertEqual((out, len(err.splitlines())), ("", 1))


if __name__ == "__main__":
    unittest.main()
