# SPDX-License-Identifier: MIT
"""The command line, as a user meets it: verbs, exit codes, bad input, kills and resumes.

Usage: cli.py TOY SCHEMA [unittest arguments]; TOY is the program built from toy.c.
"""

import json
import os
import pathlib
import platform
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import jsonschema

TOY = sys.argv.pop(1)
SCHEMA = json.loads(pathlib.Path(sys.argv.pop(1)).read_text(encoding="utf-8"))
PASS_OR_CONTAMINATED = (0, 4)  # these tests must pass on a busy machine too
FAST = ["--epoch-ms", "0.05", "--triples", "1"]


def toy(*arguments: str, timeout: float = 150) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOY, *arguments], capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, check=False)


def records_of(path: pathlib.Path) -> list[dict]:
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n")[:-1]]


class InFolder(unittest.TestCase):
    def setUp(self) -> None:
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = pathlib.Path(self.temporary.name)
        self.file = self.folder / "run.jsonl"

    def run_cases(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return toy("run", "--output", str(self.file), *FAST, *arguments)

    def validate(self) -> None:
        validator = jsonschema.Draft202012Validator(SCHEMA)
        for number, record in enumerate(records_of(self.file), 1):
            errors = [error.message for error in validator.iter_errors(record)]
            self.assertEqual(errors, [], f"line {number}: {record}")


class Verbs(InFolder):
    def test_every_verb_has_help_and_exits_0(self) -> None:
        for words in (["--help"], ["help"], *([verb, "--help"] for verb in
                      ("list", "run", "trial", "count", "doctor"))):
            done = toy(*words)
            self.assertEqual(done.returncode, 0, words)
            self.assertIn("usage:", done.stdout)

    def test_usage_errors_exit_2_with_one_line(self) -> None:
        for words in (["nonsense"], ["list", "--profile", "huge"], ["list", "--regex", "a(b"],
                      ["list", "a[b"], ["list", "no-such-case"], ["trial"],
                      ["trial", "a", "b"], ["trial", "toy/none/place=same-cpu"],
                      ["run", "no-such-case"], ["run", "--seed", "-1"], ["run", "--seed"],
                      ["run", "--max-rel-ci", "nan"], ["run", "--time-budget", "soon"],
                      ["run", "--bogus"], ["count", "--ops", "0", "x"],
                      ["doctor", "please"], ["--benchmark_bogus"],
                      ["--benchmark_filter=a(b"], ["--benchmark_repetitions=0"],
                      ["--benchmark_format=xml"], ["--benchmark_min_time=long"]):
            done = toy(*words)
            self.assertEqual(done.returncode, 2, words)
            self.assertEqual(len(done.stderr.strip().split("\n")), 1, done.stderr)
            self.assertTrue(done.stderr.startswith("corobench: "), done.stderr)

    def test_no_word_at_all_prints_usage_and_exits_2(self) -> None:
        done = toy()
        self.assertEqual(done.returncode, 2)
        self.assertIn("usage: corobench", done.stderr)

    def test_list_json_is_what_the_protocol_says(self) -> None:
        lines = toy("list", "--format", "json", "toy").stdout.splitlines()
        cases = [json.loads(line) for line in lines]
        self.assertEqual([c["case"] for c in cases][0], "toy/fine/place=same-cpu")
        self.assertEqual({c["timed"] for c in cases}, {True, False})
        self.assertTrue(all(c["profile"] in ("quick", "full") for c in cases))

    def test_unwritable_standard_output_exits_1(self) -> None:
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([TOY, "list"], stdout=full, stderr=subprocess.PIPE,
                                  text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot write", done.stderr)

    def test_trial_prints_one_record(self) -> None:
        done = toy("trial", "toy/fine/place=same-cpu", *FAST)
        record = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0)
        self.assertTrue(record["metrics"]["ns"]["value"] > 0 or "negative" in record["flags"])
        self.assertEqual(record["checks"]["ops_expected"], record["checks"]["ops_counted"])

    def test_trial_skipped_exits_77_with_its_reason(self) -> None:
        done = toy("trial", "toy/refused/place=same-cpu")
        self.assertEqual(done.returncode, 77)
        self.assertIn('no "toys"', json.loads(done.stdout)["skipped"])
        self.assertNotIn("\033", done.stdout)

    def test_a_figure_that_is_no_number_is_null_with_a_reason(self) -> None:
        metrics = json.loads(toy("trial", "toy/sizes/place=same-cpu").stdout)["metrics"]
        self.assertEqual(metrics["resident_bytes"]["value"], 4384)
        self.assertIsNone(metrics["strange_bytes"]["value"])
        self.assertIn("finite", metrics["strange_bytes"]["reason"])
        self.assertIn("not readable", metrics["kernel_bytes"]["reason"])


class Proofs(InFolder):
    def expect_failure(self, subject: str, words: str) -> None:
        done = toy("trial", f"bad/{subject}/place=same-cpu", *FAST)
        record = json.loads(done.stdout)
        self.assertEqual(done.returncode, 1)
        self.assertIn(words, record["error"])
        self.assertEqual(record["metrics"], {})

    def test_a_case_that_skips_an_operation_fails(self) -> None:
        self.expect_failure("lies", "counted 0 of 1 operations")

    def test_a_case_that_enters_the_kernel_unexpectedly_fails(self) -> None:
        self.expect_failure("sleeps", "voluntary kernel switches per op, at most")

    def test_a_case_that_never_switches_fails(self) -> None:
        self.expect_failure("never-switches", "at least 0.900 expected")

    def test_a_failed_setup_is_said(self) -> None:
        self.expect_failure("setup", "setup failed: Cannot allocate memory")


class Disturbed(unittest.TestCase):
    """What is no fault of the trial's: epochs of several time slices, so that whoever is ready to
    run on the CPU does."""

    def checks_of(self, subject: str) -> tuple[dict, bool]:
        done = toy("trial", f"shared/{subject}/place=same-cpu", "--epoch-ms", "10", "--triples", "3")
        record = json.loads(done.stdout)
        self.assertIsNone(record["error"])
        return record["checks"], "contaminated" in record["flags"]

    def test_another_process_disturbs_threads_that_share_a_cpu(self) -> None:
        checks, contaminated = self.checks_of("rival")
        self.assertTrue(contaminated, checks)
        self.assertGreater(checks["others_ns"], 0)

    def test_another_process_disturbs_a_single_thread(self) -> None:
        checks, contaminated = self.checks_of("rival-of-one")
        self.assertTrue(contaminated, checks)
        self.assertIsNone(checks["others_ns"])

    def test_a_thread_of_the_trial_does_not(self) -> None:
        for _ in range(10):
            checks, contaminated = self.checks_of("company")
            self.assertGreater(checks["kernel_switches_involuntary"], 0)
            if not contaminated:
                return
        self.skipTest("other processes keep this CPU busy")

    def test_a_slow_operation_gets_fewer_triples_and_is_not_rejected_for_it(self) -> None:
        checks, contaminated = self.checks_of("slow")
        self.assertEqual(checks["triples"], 1)
        self.assertEqual(contaminated, checks["triples_disturbed"] == 1)


class Runs(InFolder):
    def test_a_run_writes_valid_records(self) -> None:
        done = self.run_cases("toy", "--max-rounds", "2")
        self.assertIn(done.returncode, PASS_OR_CONTAMINATED, done.stderr)
        self.assertEqual(done.stdout.strip(), str(self.file))
        self.validate()
        records = records_of(self.file)
        self.assertEqual(records[0]["kind"], "environment")
        self.assertEqual(records[-1]["kind"], "end")
        kept = [r for r in records if r["kind"] == "trial"]
        rounds = [r["round"] for r in kept if r["case"].startswith("toy/sizes")]
        self.assertEqual(rounds, [0, 1])
        counted = [r for r in kept if r["case"].startswith("toy/proved") and r["round"] == 0]
        for record in counted:
            self.assertIn("instructions_stepped", record["metrics"])
        refused = [r for r in kept if r["case"].startswith("toy/refused")]
        self.assertEqual(len(refused), 1)
        self.assertFalse(any("only-full" in r["case"] for r in kept))

    def test_the_rest_is_measured_when_cases_misbehave(self) -> None:
        done = self.run_cases("toy", "bad", "--max-rounds", "3", "--trial-timeout", "1")
        self.assertEqual(done.returncode, 1)
        self.validate()
        records = records_of(self.file)
        errors = {r["subject"]: r["error"] for r in records if r["kind"] == "trial"
                  and r["error"]}
        self.assertIn("ran out of time", errors["hangs"])
        self.assertIn("signal 11", errors["crashes"])
        self.assertIn("no record", errors["garbles"])
        self.assertIn("counted", errors["lies"])
        if "COROBENCH_EMULATED_TIMES" not in os.environ:  # QEMU hides who was left
            self.assertIn("left a process behind: toy", errors["daemon"])
        hung = [r for r in records if r["kind"] == "trial" and r["subject"] == "hangs"]
        self.assertEqual(len(hung), 2)
        self.assertIn("failed: bad/hangs", done.stderr)

    def test_an_existing_file_is_never_overwritten(self) -> None:
        self.file.write_text("mine\n", encoding="utf-8")
        done = self.run_cases("toy")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(self.file.read_text(encoding="utf-8"), "mine\n")

    def test_an_unwritable_place_exits_1_with_the_path(self) -> None:
        done = toy("run", "toy", "--output", "/proc/none/run.jsonl")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/proc/none/run.jsonl", done.stderr)

    def test_the_order_is_the_seeds(self) -> None:
        orders = []
        for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
            self.file = self.folder / name
            self.run_cases("toy", "bad/daemon", "bad/never-switches", "--max-rounds", "1",
                           "--seed", seed)
            orders.append([r["case"] for r in records_of(self.file) if "case" in r
                           and r["attempt"] == 0])
        self.assertEqual(orders[0], orders[1])
        self.assertNotEqual(orders[0], orders[2])

    def test_arms_make_blocks_that_mirror_themselves(self) -> None:
        arms = ["--arm", f"base={TOY}", "--arm", f"new={TOY}"]
        done = self.run_cases("toy/fine", "toy/proved", "toy/refused", *arms, "--max-rel-ci", "0",
                              "--min-rounds", "4", "--max-rounds", "4")
        self.assertIn(done.returncode, PASS_OR_CONTAMINATED, done.stderr)
        self.validate()
        records = records_of(self.file)
        self.assertEqual(records[0]["arms"], ["base", "new"])
        blocks: dict[tuple[str, int, int], list[str]] = {}
        kinds: dict[tuple[str, int, int], set[str]] = {}
        for record in records[1:-1]:
            self.assertIn(record["case"].split("/")[1], ("fine", "proved", "refused"))
            key = (record["case"], record["round"], record["attempt"])
            blocks.setdefault(key, []).append(record["arm"])
            kinds.setdefault(key, set()).add(record["kind"])
        self.assertTrue(all(len(found) == 1 for found in kinds.values()), "a block is whole")
        orders = {tuple(order) for order in blocks.values()}
        self.assertTrue(orders <= {("base", "new", "new-again", "base-again"),
                                   ("new", "base", "base-again", "new-again")}, orders)

    def test_bad_arms_exit_2(self) -> None:
        for words in (["--arm", "base"], ["--arm", "=x"], ["--arm", f"a={TOY}"],
                      ["--arm", f"a={TOY}", "--arm", f"a={TOY}"],
                      ["--arm", f"a={TOY}", "--arm", "b=/nowhere"],
                      ["--arm", f"a={TOY}", "--arm", f"b={TOY}", "--resume", "x"]):
            self.assertEqual(toy("run", *words).returncode, 2, words)

    def test_what_is_planted_shows_and_is_flagged(self) -> None:
        plain = toy("count", "toy/fine/place=same-cpu", "--format", "json")
        if plain.returncode == 77:
            self.skipTest(plain.stderr)
        planted = toy("count", "toy/fine/place=same-cpu", "--format", "json", "--plant",
                      "instruction")
        one, two = (json.loads(done.stdout)["per_op"]["instructions"]["value"]
                    for done in (plain, planted))
        self.assertEqual(two - one, 1 if platform.machine() == "x86_64" else 2)
        done = toy("trial", "toy/fine/place=same-cpu", *FAST, "--plant", "delay=0.5")
        self.assertIn("planted", json.loads(done.stdout)["flags"])

    def test_all_skipped_exits_77(self) -> None:
        self.assertEqual(self.run_cases("toy/refused", "--max-rounds", "1").returncode, 77)


class Interruptions(InFolder):
    def start(self) -> "subprocess.Popen[str]":
        child = subprocess.Popen([TOY, "run", "toy", "--output", str(self.file), *FAST,
                                  "--max-rounds", "400", "--max-rel-ci", "0"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.file.exists() and self.file.read_bytes().count(b"\n") > 8:
                return child
            time.sleep(0.01)
        child.kill()
        self.fail("the run wrote no records")

    def shorten(self) -> None:
        """Lets the resumed run end soon: it takes its options from the first record."""
        lines = self.file.read_text(encoding="utf-8").splitlines(keepends=True)
        first = json.loads(lines[0])
        rounds = max(json.loads(line).get("round", 0) for line in lines
                     if line.endswith("\n"))
        first["options"]["max_rounds"] = rounds + 2
        lines[0] = json.dumps(first) + "\n"
        self.file.write_text("".join(lines), encoding="utf-8")

    def resume_and_check(self, before: list[dict]) -> None:
        self.shorten()
        done = toy("run", "--resume", str(self.file))
        self.assertIn(done.returncode, PASS_OR_CONTAMINATED, done.stderr)
        self.validate()
        after = records_of(self.file)
        self.assertEqual(after[1:len(before)], before[1:])
        trials = [(r["case"], r["round"]) for r in after if r["kind"] == "trial"]
        self.assertEqual(len(trials), len(set(trials)), "a trial was made twice")
        fine = {r["round"] for r in after if r.get("case", "").startswith("toy/fine")}
        self.assertEqual(fine, set(range(len(fine))), "a round is missing")

    def test_kill_9_loses_no_finished_trial_and_resume_completes(self) -> None:
        child = self.start()
        child.kill()
        child.communicate()
        with self.file.open("a", encoding="utf-8") as file:
            file.write('{"schema":1,"kind":"tri')  # torn, as by a crash in the write
        self.resume_and_check(records_of(self.file))

    def test_ctrl_c_says_how_to_go_on_and_dies_of_the_signal(self) -> None:
        child = self.start()
        child.send_signal(signal.SIGINT)
        _, stderr = child.communicate(timeout=30)
        self.assertEqual(child.returncode, -signal.SIGINT)
        self.assertIn(f"--resume {self.file}", stderr)
        before = records_of(self.file)
        self.assertEqual(before[-1]["reason"], "interrupted")
        self.resume_and_check(before)

    def test_a_file_that_is_no_run_is_not_resumed_nor_touched(self) -> None:
        for text in ("", "no json\n", '{"schema":1,"kind":"end"}\n', '{"schema":7}\n'):
            self.file.write_text(text, encoding="utf-8")
            done = toy("run", "--resume", str(self.file))
            self.assertIn(done.returncode, (1, 2), text)
            self.assertEqual(len(done.stderr.strip().split("\n")), 1, done.stderr)
            self.assertEqual(self.file.read_text(encoding="utf-8"), text)


class GoogleBenchmark(InFolder):
    def test_json_has_the_schema_of_google_benchmark(self) -> None:
        out = self.folder / "out.json"
        done = toy("--benchmark_filter=toy/fine", "--benchmark_repetitions=3",
                   "--benchmark_min_time=0.01s", "--benchmark_format=json",
                   f"--benchmark_out={out}", "--benchmark_out_format=json")
        self.assertEqual(done.returncode, 0, done.stderr)
        whole = json.loads(done.stdout)
        self.assertEqual(whole, json.loads(out.read_text(encoding="utf-8")))
        for key in ("date", "host_name", "executable", "num_cpus", "mhz_per_cpu",
                    "cpu_scaling_enabled", "caches", "load_avg", "library_build_type"):
            self.assertIn(key, whole["context"])
        rows = whole["benchmarks"]
        self.assertEqual([r["run_type"] for r in rows], ["iteration"] * 3 + ["aggregate"] * 4)
        self.assertEqual([r["aggregate_name"] for r in rows[3:]],
                         ["mean", "median", "stddev", "cv"])
        for row in rows:
            for key in ("name", "run_name", "repetitions", "threads", "iterations",
                        "real_time", "cpu_time", "time_unit"):
                self.assertIn(key, row)
        times = sorted(r["real_time"] for r in rows[:3])
        self.assertEqual(rows[4]["real_time"], times[1])

    def test_list_filter_and_negation(self) -> None:
        names = toy("--benchmark_list_tests", "--benchmark_filter=toy/").stdout.split()
        self.assertIn("toy/fine/place=same-cpu", names)
        self.assertNotIn("toy/sizes/place=same-cpu", names)
        rest = toy("--benchmark_list_tests=true", "--benchmark_filter=-toy/").stdout.split()
        self.assertTrue(rest and not any(name.startswith("toy/") for name in rest))

    def test_a_failing_case_is_marked_and_exits_1(self) -> None:
        done = toy("--benchmark_filter=bad/lies", "--benchmark_format=json")
        self.assertEqual(done.returncode, 1)
        row = json.loads(done.stdout)["benchmarks"][0]
        self.assertTrue(row["error_occurred"])
        self.assertIn("counted", row["error_message"])

    def test_csv_has_google_benchmarks_columns(self) -> None:
        lines = toy("--benchmark_filter=toy/fine", "--benchmark_format=csv").stdout.split("\n")
        self.assertEqual(lines[0], "name,iterations,real_time,cpu_time,time_unit,"
                         "bytes_per_second,items_per_second,label,error_occurred,error_message")
        self.assertTrue(lines[1].startswith('"toy/fine/place=same-cpu",'))

    def test_unwritable_output_exits_1(self) -> None:
        done = toy("--benchmark_filter=toy/fine", "--benchmark_out=/proc/none/x")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/proc/none/x", done.stderr)


if __name__ == "__main__":
    os.environ.pop("COROBENCH_EXEC_PATH", None)
    unittest.main()
