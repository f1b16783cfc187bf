# SPDX-License-Identifier: MIT
"""action.yml and the GitLab example: what their runners demand, and their scripts, run here the way
a runner does, against a program that a test makes up."""
from __future__ import annotations

import os
import shlex
import stat
import subprocess
import unittest
from pathlib import Path
from typing import Any

import jsonschema

from tests.helpers import ScratchTest

try:
    import yaml  # type: ignore[import]
except ImportError:
    yaml = None

ROOT = Path(__file__).resolve().parents[2]
ACTION, GITLAB = ROOT / "action.yml", ROOT / ".ci" / "gitlab-example.yml"
TEXT = {"type": "string", "minLength": 1}
# Of GitHub's metadata syntax for composite actions, what this one uses; nothing else is allowed.
ACTION_SCHEMA = {
    "type": "object", "required": ["name", "description", "runs"],
    "additionalProperties": False,
    "properties": {
        "name": TEXT, "description": TEXT,
        "inputs": {"type": "object", "additionalProperties": {
            "type": "object", "required": ["description"], "additionalProperties": False,
            "properties": {"description": TEXT, "default": {"type": "string"}}}},
        "outputs": {"type": "object", "additionalProperties": {
            "type": "object", "required": ["description", "value"],
            "additionalProperties": False, "properties": {"description": TEXT, "value": TEXT}}},
        "runs": {"type": "object", "required": ["using", "steps"], "additionalProperties": False,
                 "properties": {"using": {"const": "composite"}, "steps": {
                     "type": "array", "minItems": 1, "items": {
                         "type": "object", "required": ["run", "shell"],
                         "additionalProperties": False,
                         "properties": {"name": TEXT, "id": TEXT, "shell": {"const": "bash"},
                                        "run": TEXT, "env": {
                                            "type": "object",
                                            "additionalProperties": {"type": "string"}}}}}}},
    },
}  # fmt: skip
JOB_SCHEMA = {
    "type": "object", "required": ["script", "image"], "additionalProperties": False,
    "properties": {
        "image": TEXT, "variables": {"type": "object", "additionalProperties": TEXT},
        "script": {"type": "array", "minItems": 1, "items": TEXT},
        "allow_failure": {"type": "object", "required": ["exit_codes"],
                          "properties": {"exit_codes": {"type": "array",
                                                        "items": {"type": "integer"}}}},
        "artifacts": {"type": "object", "additionalProperties": False, "properties": {
            "when": {"enum": ["always", "on_success", "on_failure"]},
            "paths": {"type": "array", "items": TEXT},
            "reports": {"type": "object", "required": ["junit"],
                        "properties": {"junit": TEXT}}}}},
}  # fmt: skip
# Stands for corobench: writes what it was asked to write, and exits as it is told.
PROGRAM = """#!/usr/bin/python3
import os, sys
print(*sys.argv[1:], sep="\\n", file=open(os.environ["ASKED"], "w"))
for word in sys.argv:
    name, _, path = word.partition("=")
    if name in ("junit", "json", "markdown") and os.environ["CODE"] != "1":
        open(path, "w").write('{"verdict": "SAID"}' if name == "json" else "# told\\n")
sys.exit(int(os.environ["CODE"]))
"""


@unittest.skipIf(yaml is None, "python3-yaml is not installed")
class CiTest(ScratchTest):
    def setUp(self) -> None:
        super().setUp()
        program = self.file(PROGRAM, name="build/bench/corobench")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def loaded(self, path: Path) -> Any:
        return yaml.safe_load(path.read_text(encoding="utf-8"))

    def run_gate(self, code: int, base_rev: str = "") -> tuple[int, list[str], str, str]:
        """As the runner: inputs to the environment, bash -eo pipefail on a file."""
        gate = self.loaded(ACTION)["runs"]["steps"][1]
        inputs = {"base-rev": base_rev, "limits": "insn=0", "report": "a folder/of reports"}
        env = {name: inputs[value.split("inputs.")[1].removesuffix(" }}")]
               for name, value in gate["env"].items()}  # fmt: skip
        files = {name: self.scratch / name for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
        for path in files.values():
            path.write_text("")
        script = self.file(gate["run"], name="step.sh")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)], cwd=self.scratch,
            env={**os.environ, **env, **{name: str(path) for name, path in files.items()},
                 "GITHUB_ACTION_PATH": str(self.scratch), "CODE": str(code),
                 "ASKED": str(self.scratch / "asked")},
            capture_output=True, text=True, check=False)  # fmt: skip
        asked = (self.scratch / "asked").read_text().splitlines()
        summary, output = (path.read_text() for path in files.values())
        return done.returncode, asked, summary, output

    def test_the_action_is_what_github_takes(self) -> None:
        action = self.loaded(ACTION)
        jsonschema.Draft202012Validator(ACTION_SCHEMA).validate(action)
        for step in action["runs"]["steps"]:
            for value in step.get("env", {}).values():
                self.assertIn(value.split("inputs.")[1].removesuffix(" }}"), action["inputs"])
            # What a user's input says must not become a part of a script.
            self.assertNotIn("${{", step["run"])

    def test_the_gate_step_tells_the_verdict_and_stops_a_regression_alone(self) -> None:
        for code, passes in ((0, 0), (3, 3), (4, 0), (77, 0), (2, 2)):
            found, asked, summary, output = self.run_gate(code)
            self.assertEqual(found, passes, code)
            self.assertEqual((summary, output), ("# told\n", "verdict=SAID\n"))
            self.assertIn("--counts-only", asked)
            self.assertIn("junit=a folder/of reports/junit.xml", asked)

    def test_an_error_without_a_report_is_an_error(self) -> None:
        self.assertEqual((*self.run_gate(1)[::2],), (1, ""))

    def test_a_revision_is_one_word_whatever_it_says(self) -> None:
        _, asked, _, _ = self.run_gate(0, "x; touch hacked $(touch hacked)")
        self.assertIn("x; touch hacked $(touch hacked)", asked)
        self.assertNotIn("--counts-only", asked)
        self.assertFalse((self.scratch / "hacked").exists())

    def test_gitlabs_jobs_call_what_there_is(self) -> None:
        for name, job in self.loaded(GITLAB).items():
            jsonschema.Draft202012Validator(JOB_SCHEMA).validate(job)
            self.assertEqual(job["allow_failure"]["exit_codes"], [4, 77], name)
            for line in job["script"]:
                words = shlex.split(line)
                if words[0].startswith("scripts/"):
                    self.assertTrue(os.access(ROOT / words[0], os.X_OK), line)
            gate = job["script"][-1]
            done = subprocess.run(
                ["bash", "-eo", "pipefail", "-c", gate], cwd=self.scratch, check=False,
                env={**os.environ, "CODE": "3", "ASKED": str(self.scratch / "asked"),
                     "CI_DEFAULT_BRANCH": "main"})  # fmt: skip
            self.assertEqual(done.returncode, 3)
            self.assertTrue((self.scratch / job["artifacts"]["reports"]["junit"]).exists())

    def test_the_words_of_both_are_understood(self) -> None:
        """By compare's own parser: an unknown option would be exit 2."""
        from corobench.compare_command import _options

        asked = [self.run_gate(0)[1], self.run_gate(0, "HEAD")[1]]
        for job in self.loaded(GITLAB).values():
            asked.append(shlex.split(job["script"][-1].replace("$CI_DEFAULT_BRANCH", "main"))[1:])
        for words in asked:
            self.assertEqual(words[0], "compare")
            self.assertTrue(_options(words[1:]).write)


if __name__ == "__main__":
    unittest.main()
