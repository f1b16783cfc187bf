# SPDX-License-Identifier: MIT
"""The search for a Python: a module that is missing here, and no other Python to try."""
import os
import subprocess
import sys
import unittest
from pathlib import Path

from corobench import interpreter

SCRIPTS = Path(__file__).resolve().parents[1]


class Search(unittest.TestCase):
    def run_without(
        self, module: str, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        code = (
            f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); sys.argv = ['report']\n"
            f"from corobench import interpreter\n"
            f"interpreter.NEEDED = ('json', {module!r})\n"
            f"interpreter.ensure()\nprint('went on')"
        )
        return subprocess.run(
            [sys.executable, "-B", "-c", code],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **environment},
        )

    def test_this_one_has_all(self) -> None:
        self.assertEqual(interpreter.missing_modules(), [])
        result = self.run_without("json")
        self.assertEqual((result.returncode, result.stdout), (0, "went on\n"))

    def test_none_has_it_and_it_is_said_once(self) -> None:
        result = self.run_without("nonesuch", **{interpreter.TRIED: "1"})
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr.count("\n"), 1)
        self.assertIn(
            "lacks nonesuch; on Debian: apt-get install python3-nonesuch", result.stderr
        )


if __name__ == "__main__":
    unittest.main()
