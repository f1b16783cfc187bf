# SPDX-License-Identifier: MIT
"""Peers in another language (guest.h): an honest one is measured, every liar is caught and
named, and the run goes on.

Usage: guest.py LIARS BROKEN SCHEMA [unittest arguments]; LIARS is a peer's program around
liar.py, BROKEN one around a file of cases that is none."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import jsonschema

LIARS, BROKEN = sys.argv.pop(1), sys.argv.pop(1)
SCHEMA = json.loads(pathlib.Path(sys.argv.pop(1)).read_text(encoding="utf-8"))

CAUGHT = {
    "skips": "counted ",
    "claims": "they were not done",
    "garbles": "no JSON object: this is no answer",
    "evades": "the peer's answer is none",
    "babbles": "printed no line",
    "hangs": "ran out of time",
    "crashes": "died of signal 11",
    "leaves": "ended with exit code 3",
    "refuses": "no more of this",
    "daemon": "left a process behind: python3",
    "sleeps": "voluntary kernel switches per op",
    "strays": "could leave the placement's CPUs",
    "lingers": "did not end within",
    "fails-late": "ended with exit code 9",
}


class Liars(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "run.jsonl"
            daemon = pathlib.Path(folder) / "daemon"
            cls.done = subprocess.run(
                [LIARS, "run", "--output", str(file), "--epoch-ms", "1", "--triples", "3",
                 "--max-rounds", "1", "--trial-timeout", "6"],
                env=os.environ | {"LIAR_DAEMON": str(daemon)},
                capture_output=True, text=True, timeout=120, check=False)
            cls.daemon = int(daemon.read_text(encoding="utf-8"))
            cls.records = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        cls.trials = [r for r in cls.records if r["kind"] in ("trial", "rejection")]

    def of(self, experiment: str, subject: str) -> dict:
        return next(r for r in self.trials
                    if (r["experiment"], r["subject"]) == (experiment, subject))

    def test_each_liar_is_caught_and_named(self) -> None:
        for subject, words in CAUGHT.items():
            if subject == "strays" and (os.cpu_count() or 1) < 2:
                continue
            if subject == "sleeps" and self.of("liar", "sleeps")["kind"] == "rejection":
                continue  # on a busy machine the kernel's counts prove nothing
            with self.subTest(subject):
                record = self.of("liar", subject)
                self.assertIn(words, record["error"] or "no error")
                self.assertEqual(record["metrics"], {})
                self.assertIn(f"failed: liar/{subject}/", self.done.stderr)
        self.assertEqual(self.done.returncode, 1)

    def test_the_honest_one_is_measured(self) -> None:
        record = self.of("liar", "honest")
        self.assertIsNone(record["error"])
        self.assertIsNotNone(record["metrics"]["ns"]["value"])
        self.assertGreater(record["metrics"]["cpu_ns"]["value"], 0)
        self.assertEqual(record["metrics"]["cpu_ns"]["source"], "proc")
        self.assertEqual(record["checks"]["ops_expected"], record["checks"]["ops_counted"])
        self.assertEqual(record["notes"]["system"], "liar 1.0")

    def test_one_that_cannot_run_here_is_skipped_with_its_reason(self) -> None:
        self.assertEqual(self.of("liar", "absent")["skipped"], "this machine has none of it")

    def test_a_footprint_is_proved_too(self) -> None:
        self.assertIn("flows were made", self.of("footprint", "skips")["error"])
        self.assertIn("resident_bytes", self.of("footprint", "honest")["metrics"])

    def test_the_daemon_is_dead(self) -> None:
        try:
            command = pathlib.Path(f"/proc/{self.daemon}/cmdline").read_text("utf-8")
        except FileNotFoundError:
            command = ""
        self.assertNotIn("liar.py", command)

    def test_the_records_are_valid(self) -> None:
        validator = jsonschema.Draft202012Validator(SCHEMA)
        for record in self.records:
            self.assertEqual([e.message for e in validator.iter_errors(record)], [], record)


class Cases(unittest.TestCase):
    def test_a_file_of_cases_that_is_none_is_named(self) -> None:
        done = subprocess.run([BROKEN, "list"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn('case 1: "op" is missing or malformed', done.stderr)

    def test_another_process_is_not_stepped(self) -> None:
        done = subprocess.run([LIARS, "count", "liar/honest/place=same-cpu"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 77)
        self.assertIn("another process does the work", done.stderr)


if __name__ == "__main__":
    os.environ.pop("COROBENCH_EXEC_PATH", None)
    unittest.main()
