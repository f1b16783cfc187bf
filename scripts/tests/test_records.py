# SPDX-License-Identifier: MIT
import json
import random
import unittest

import jsonschema

from corobench import records
from corobench.records import RecordError, read_run
from tests.helpers import HOSTILE, ScratchTest, as_line, environment, one_trial
from tests.synthetic import Generator


class GoodFiles(ScratchTest):
    def test_a_whole_run(self) -> None:
        run = read_run(self.records_file(Generator(rounds=2).records()))
        self.assertEqual(
            (len(run.environments), len(run.rejections), len(run.ends)), (1, 3, 1)
        )
        self.assertEqual(run.machine, "synthetic-2cpu")
        self.assertFalse(run.torn)
        self.assertTrue(any(trial.skipped for trial in run.trials))

    def test_every_record_satisfies_the_whole_schema(self) -> None:
        schema = json.loads(records.SCHEMA_PATH.read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        for record in Generator(rounds=1).records():
            validator.validate(record)

    def test_empty_file(self) -> None:
        run = read_run(self.file(end=b"", name="x.jsonl"))
        self.assertEqual((run.name, run.machine, run.trials), ("x", "unknown", []))

    def test_torn_last_line_is_dropped(self) -> None:
        whole = as_line(one_trial())
        for cut in (1, len(whole) // 2, len(whole) - 1):
            run = read_run(self.file(as_line(environment()), whole[:cut], end=b""))
            self.assertTrue(run.torn)
            self.assertEqual(run.trials, [])

    def test_torn_inside_a_character(self) -> None:
        line = json.dumps(one_trial(op="é"), ensure_ascii=False).encode()
        at = line.index("é".encode()) + 1
        self.assertTrue(
            read_run(self.file(as_line(environment()), line[:at], end=b"")).torn
        )

    def test_last_line_may_lack_its_newline(self) -> None:
        run = read_run(self.file(as_line(environment()), as_line(one_trial()), end=b""))
        self.assertEqual((len(run.trials), run.torn), (1, False))

    def test_hostile_names_are_data(self) -> None:
        run = read_run(
            self.file(as_line(one_trial(case=HOSTILE[:300], subject=HOSTILE[:300])))
        )
        self.assertEqual(run.trials[0].case, HOSTILE[:300])


class BadFiles(ScratchTest):
    def refused(self, *lines: str | bytes, line: int, says: str) -> None:
        path = self.file(*lines)
        with self.assertRaises(RecordError) as caught:
            read_run(path)
        message = str(caught.exception)
        self.assertTrue(message.startswith(f"{path}:{line}: "), message)
        self.assertIn(says, message)
        self.assertTrue(message.isprintable(), ascii(message))
        self.assertLess(len(message) - len(str(path)), 420)

    def test_not_json(self) -> None:
        self.refused(
            as_line(environment()), "{", as_line(one_trial()), line=2, says="not a JSON"
        )
        self.refused("", line=1, says="not a JSON")
        self.refused("\x00" * 50, line=1, says="not a JSON")
        self.refused(b"\xff\xfe{}", line=1, says="not UTF-8")
        self.refused("[" * 100000, line=1, says="nested too deeply")
        self.refused('{"a": ' * 50000, line=1, says="nested too deeply")

    def test_truncated_middle(self) -> None:
        line = as_line(one_trial())
        self.refused(
            as_line(environment()), line[: len(line) // 2], line, line=2, says="JSON"
        )

    def test_not_an_object(self) -> None:
        for text in ("[]", "3", '"x"', "null", "true"):
            self.refused(text, line=1, says="a record is a JSON object")

    def test_wrong_version_and_kind(self) -> None:
        for version in (2, 0, "1", None, True, [1], "\x1b[31m" * 99):
            self.refused(
                as_line(one_trial(schema=version)), line=1, says="schema version"
            )
        self.refused("{}", line=1, says="schema version None")
        kinds: list[object] = ["nonsense", None, [], "\x1b[31m"]
        for kind in kinds:
            self.refused(as_line(one_trial(kind=kind)), line=1, says="unknown kind")

    def test_numbers_that_are_none(self) -> None:
        for word in ("NaN", "Infinity", "-Infinity"):
            text = as_line(one_trial()).replace('"round": 1', f'"round": {word}')
            self.refused(text, line=1, says=f"{word} is no JSON number")
        for word in ("1e999", "-1e400"):
            text = as_line(one_trial()).replace('"round": 1', f'"round": {word}')
            self.refused(text, line=1, says="number out of range")
        text = as_line(one_trial()).replace('"round": 1', '"round": ' + "9" * 5000)
        self.refused(text, line=1, says="")
        text = as_line(one_trial()).replace('"round": 1', '"round": ' + "9" * 400)
        self.refused(text, line=1, says="round")

    def test_huge_metric(self) -> None:
        for value in (1e300, -1e300, 10**400):
            metrics = {"ns": {"value": value, "unit": "ns/op", "source": "clock"}}
            self.refused(
                as_line(one_trial(metrics=metrics)), line=1, says="metrics/ns/value"
            )

    def test_a_key_twice(self) -> None:
        text = as_line(one_trial()).replace('"round": 1', '"round": 1, "round": 2')
        self.refused(text, line=1, says='key "round" appears twice')

    def test_null_needs_a_reason_and_a_value_none(self) -> None:
        for metric, says in (
            ({"value": None, "unit": "u", "source": "pmu"}, "reason"),
            ({"value": 1, "unit": "u"}, "source"),
            ({"value": 1, "unit": "u", "source": "s", "reason": "r"}, "not allowed"),
            ({"value": "1", "unit": "u", "source": "s"}, "metrics/ns/value"),
            ({"value": True, "unit": "u", "source": "s"}, "metrics/ns/value"),
            ({"value": 1, "unit": "u", "source": "s", "x": 1}, "'x'"),
        ):
            self.refused(as_line(one_trial(metrics={"ns": metric})), line=1, says=says)

    def test_missing_and_foreign_fields(self) -> None:
        for name in ("run", "round", "case", "metrics", "skipped", "epochs", "contract"):
            record = one_trial()
            del record[name]
            self.refused(as_line(record), line=1, says=f"'{name}' is a required")
        self.refused(as_line(one_trial(extra=1)), line=1, says="'extra'")
        self.refused(as_line(one_trial(reasons=["x"])), line=1, says="not allowed here")
        self.refused(as_line(one_trial(kind="rejection")), line=1, says="'reasons'")
        self.refused(as_line(one_trial(params={"site": 3})), line=1, says="params/site")
        self.refused(as_line(one_trial(run="../../etc/passwd")), line=1, says="run")
        self.refused(as_line(environment(machine="../x")), line=1, says="machine")

    def test_skipped_trials_have_no_figures_and_others_have_some(self) -> None:
        self.refused(as_line(one_trial(skipped="no")), line=1, says="metrics")
        self.refused(as_line(one_trial(metrics={})), line=1, says="metrics")

    def test_epochs(self) -> None:
        for epoch in (
            [1, 2.0, 0.1],
            [1, 2.0, 0.1, 2],
            [-1, 2.0, 0.1, 0],
            [1, None, 0.1, 0],
            [1.5, 2.0, 0.1, 0],
            [1, 2.0, -0.1, 0],
            [1, 2e30, 0.1, 0],
            "x",
            {},
        ):
            self.refused(
                as_line(one_trial(epochs=[[1, 2.0, 0.1, 0], epoch])),
                line=1,
                says="epochs",
            )
        self.refused(as_line(one_trial(epochs={})), line=1, says="epochs")

    def test_the_quick_look_at_epochs_never_admits_what_the_schema_refuses(self) -> None:
        schema = json.loads(records.SCHEMA_PATH.read_text())
        validator = jsonschema.Draft202012Validator(schema)
        rng = random.Random(5)
        choices: list[object] = [0, 1, 2, -1, 1.5, None, True, "1", 1e30, 2**64, []]
        for _ in range(600):
            epochs = [[rng.choice(choices) for _ in range(rng.choice((3, 4, 4, 4, 5)))]]
            if records._epochs_are_plain(epochs):
                validator.validate(one_trial(epochs=epochs))

    def test_duplicates(self) -> None:
        line = as_line(one_trial())
        self.refused(
            as_line(environment()), line, line, line=3, says="is in line 2 already"
        )
        read_run(
            self.file(line, as_line(one_trial(round=2)), as_line(one_trial(arm="b")))
        )

    def test_units_must_agree(self) -> None:
        metrics = {"ns": {"value": 1, "unit": "s/op", "source": "clock"}}
        self.refused(
            as_line(one_trial()),
            as_line(one_trial(round=2, metrics=metrics)),
            line=2,
            says="metrics/ns/unit: s/op, but ns/op in line 1",
        )

    def test_one_run_and_one_machine_to_a_file(self) -> None:
        self.refused(
            as_line(environment()),
            as_line(one_trial(run="other")),
            line=2,
            says="run other in a file of run",
        )
        self.refused(
            as_line(environment()),
            as_line(environment(machine="other")),
            line=2,
            says="machine other",
        )

    def test_hostile_words_in_an_error(self) -> None:
        self.refused(
            as_line(one_trial(**{HOSTILE: 1})), line=1, says="Additional properties"
        )
        self.refused(as_line(one_trial(flags=HOSTILE)), line=1, says="flags")

    def test_missing_file(self) -> None:
        with self.assertRaises(FileNotFoundError):
            read_run(self.scratch / "none.jsonl")

    def test_noise_never_escapes_as_another_exception(self) -> None:
        rng = random.Random(2)
        whole = as_line(one_trial()).encode()
        for _ in range(300):
            broken = bytearray(whole)
            for _ in range(rng.randint(1, 6)):
                broken[rng.randrange(len(broken))] = rng.randrange(256)
            try:
                read_run(self.file(bytes(broken).replace(b"\n", b" "), whole))
            except RecordError:
                pass


if __name__ == "__main__":
    unittest.main()
