# SPDX-License-Identifier: MIT
"""E-Divisive against definitions, scipy and series with a known answer; the history's file, its
command, and what the report shows of it."""
from __future__ import annotations

import contextlib
import io
import itertools
import json
import random
import unittest
from pathlib import Path
from xml.etree import ElementTree

import numpy
from scipy import stats
from scipy.spatial.distance import cdist

from corobench import divisive, history, pages, render
from corobench.claims import read_claims
from corobench.commands import run_command
from corobench.explorer import explorer
from corobench.history_command import main
from corobench.records import RecordError
from tests.helpers import HOSTILE, ScratchTest, environment, one_trial
from tests.synthetic import Generator, Record

CASE = "switch/coro-inline/site=diff/place=same-cpu"


def statistic(values: list[float], a: int, end: int) -> float:
    """The definition, term by term."""
    x, y = values[:a], values[a:end]
    across = sum(abs(p - q) for p in x for q in y) * 2 / (len(x) * len(y))
    within = sum(
        sum(abs(p - q) for p, q in itertools.combinations(z, 2)) * 2 / len(z) / (len(z) - 1)
        for z in (x, y)
    )
    return len(x) * len(y) / (len(x) + len(y)) * (across - within)


def noisy(steps: dict[int, float], length: int, seed: int, noise: float = 0.01) -> list[float]:
    """A cost that changes by these factors at these runs; now and then a wild run."""
    source = random.Random(seed)
    level, found = 10.0, []
    for index in range(length):
        level *= steps.get(index, 1.0)
        wild = 1.3 if source.random() < 0.05 else 1.0
        found.append(level * wild * source.lognormvariate(0, noise))
    return found


class DivisiveTest(unittest.TestCase):
    def test_six_values_by_hand(self) -> None:
        q = divisive.splits(cdist([[0]] * 3 + [[1]] * 3, [[0]] * 3 + [[1]] * 3)[None])[0]
        self.assertAlmostEqual(q[3, 6], 3 * 3 / 6 * 2)
        self.assertEqual(float(q.max()), q[3, 6])

    def test_every_split_is_the_definition(self) -> None:
        values = [random.Random(3).expovariate(1) for _ in range(11)]
        data = numpy.array(values)[:, None]
        q = divisive.splits(cdist(data, data)[None])[0]
        for a in range(12):
            for end in range(12):
                if min(a, end - a) >= divisive.SHORTEST:
                    self.assertAlmostEqual(q[a, end], statistic(values, a, end))
                else:
                    self.assertEqual(q[a, end], -numpy.inf)

    def test_it_is_scipys_energy_distance_without_its_bias(self) -> None:
        source = numpy.random.default_rng(4)
        x, y = source.normal(0, 1, 9), source.normal(1, 2, 7)
        data = numpy.concatenate([x, y])[:, None]
        q = divisive.splits(cdist(data, data)[None])[0][9, 16]
        # scipy counts each value's distance to itself as well
        biased = stats.energy_distance(x, y) ** 2
        bias = sum(cdist(z[:, None], z[:, None]).sum() / len(z) ** 2 / (len(z) - 1) for z in (x, y))
        self.assertAlmostEqual(q, 9 * 7 / 16 * (biased - bias))

    def test_a_known_change_is_found_where_it_is(self) -> None:
        for seed in range(10):
            found = divisive.change_points(noisy({17: 1.1}, 40, seed), 399)
            self.assertEqual(len(found), 1, seed)
            self.assertLessEqual(abs(found[0] - 17), 1, seed)

    def test_two_changes_that_cancel_are_both_found(self) -> None:
        for seed in range(5):
            values = noisy({15: 1.08, 30: 1 / 1.08}, 45, seed)
            found = divisive.change_points(values, 399)
            self.assertEqual(len(found), 2, seed)
            for one, wanted in zip(found, (15, 30)):
                self.assertLessEqual(abs(one - wanted), 1, seed)

    def test_without_a_change_it_cries_wolf_as_rarely_as_it_says(self) -> None:
        alarms = sum(
            bool(divisive.change_points(noisy({}, 25, seed), divisive.shuffles_for(0.05, 1)))
            for seed in range(100)
        )
        # 5 are expected; more than 13 come once in 2,000 tries
        self.assertLessEqual(alarms, 13)
        families = sum(
            any(divisive.change_points(noisy({}, 20, 100 * seed + one),
                                       divisive.shuffles_for(0.05, 10)) for one in range(10))
            for seed in range(15)
        )  # fmt: skip
        self.assertLessEqual(families, 4)  # more come once in 2,000 tries

    def test_short_and_constant_series_have_none(self) -> None:
        short: tuple[list[float], ...] = ([], [1.0], [1.0] * 5, [1.0] * 3 + [2.0] * 3)
        for values in (*short, [3.0] * 50):
            self.assertEqual(divisive.change_points(values, 99), [], values)

    def test_an_exact_series_changes_once(self) -> None:
        self.assertEqual(divisive.change_points([14.0] * 10 + [15.0] * 8, 399), [10])


class HistoryTest(ScratchTest):
    def entry(self, index: int, value: float, **changes: str) -> history.Entry:
        fields = {"run": f"run{index:03}", "time_utc": f"2026-01-01T{index:02}:00:00Z",
                  "commit": f"c{index:03}", "machine": "toy", "compiler": "gcc 12", **changes}  # fmt: skip
        return history.Entry(**fields, costs={CASE: ("cycles_estimated", value),
                                              "a/b": ("ns", 5.0)})  # fmt: skip

    def entries(self, steps: dict[int, float], length: int = 24) -> list[history.Entry]:
        return [self.entry(at, value) for at, value in enumerate(noisy(steps, length, 1))]

    def written(self, entries: list[history.Entry]) -> Path:
        return self.file(*(history.line_of(one) for one in entries), name="h/toy.jsonl")

    def test_what_is_written_is_read_in_the_order_of_time(self) -> None:
        entries = self.entries({})
        found = history.read(self.written(entries[::-1]))
        self.assertEqual([one.run for one in found], [one.run for one in entries])
        self.assertAlmostEqual(found[3].costs[CASE][1], entries[3].costs[CASE][1], 3)
        self.assertEqual(history.read(self.scratch / "none.jsonl"), [])

    def test_what_is_no_history_is_an_error_with_its_line(self) -> None:
        good = json.loads(history.line_of(self.entry(1, 2.0)))
        bad = ["{", "[]", "1", "null", "[" * 100000,
               *(json.dumps({**good, key: None}) for key in good),
               json.dumps({**good, "schema": 2}), json.dumps({**good, "costs": {"a": {}}}),
               json.dumps({**good, "costs": {"a": {"speed": 1}}}),
               json.dumps({**good, "costs": {"a": {"ns": "x"}}}),
               '{"costs": {"a": {"ns": NaN}}}']  # fmt: skip
        for text in bad:
            with self.assertRaisesRegex(RecordError, "bad.jsonl:1: ", msg=text[:80]):
                history.read(self.file(text, name="bad.jsonl"))
        for second in (good, {**good, "run": "other", "machine": "another"}):
            with self.assertRaisesRegex(RecordError, "two.jsonl:2: "):
                history.read(self.file(json.dumps(good), json.dumps(second), name="two.jsonl"))

    def test_a_change_names_the_first_commit_that_shows_it(self) -> None:
        (change,) = history.changes_of(history.series_of(self.entries({13: 1.2})))
        self.assertEqual((change.case, change.entry.commit), (CASE, "c013"))
        self.assertAlmostEqual(change.share, 0.2, 1)
        self.assertRegex(history.words(change), r"\(\+\d\d %\)")
        self.assertIn("c013", history.words(change))
        self.assertEqual(history.changes_of(history.series_of(self.entries({}))), [])

    def report(self, entries: list[history.Entry]) -> dict[str, bytes]:
        data = self.dataset([environment(), one_trial()])
        return render.files(pages.build(data, read_claims(), entries), explorer(data, None))

    def test_the_report_draws_the_change_with_its_commit(self) -> None:
        files = self.report(self.entries({13: 1.2}))
        for theme in ("light", "dark"):
            drawn = " ".join(ElementTree.fromstring(files[f"results/charts/history-{theme}.svg"])
                             .itertext())  # fmt: skip
            self.assertRegex(drawn, r"c013 \+\d\d")
            self.assertIn("cycles/op", drawn)
            self.assertIn("Lower is better", drawn)
        text = files["REPORT.md"].decode()
        self.assertIn("The history of this machine", text)
        self.assertRegex(text, r"\| `c013` \|")

    def test_a_history_too_short_to_tell_is_not_shown(self) -> None:
        self.assertNotIn("results/charts/history-light.svg", self.report(self.entries({}, 5)))

    def test_hostile_words_stay_words(self) -> None:
        entries = [self.entry(at, 1.0 + (at > 9), commit=HOSTILE, run=f"{HOSTILE}{at}",
                              compiler=HOSTILE) for at in range(20)]  # fmt: skip
        files = self.report(history.read(self.written(entries)))
        self.assertNotIn(b"<script>alert", files["REPORT.md"])
        self.assertNotIn(b"\x1b", files["results/charts/history-light.svg"])

    def command(self, *words: str | Path) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        arguments = [str(word) for word in (*words, "--history", self.scratch / "h")]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run_command("history", main, arguments)
        return code, out.getvalue(), err.getvalue()

    def test_the_command_appends_each_run_once_and_tells_changes(self) -> None:
        run = self.records_file(Generator(rounds=2).records())
        self.assertEqual(self.command(run, "--commit", "abc")[0], 0)
        code, _, err = self.command(run, "--commit", "abc")
        self.assertEqual((code, len(err.splitlines())), (1, 1))
        self.assertIn("there already", err)
        (path,) = (self.scratch / "h").iterdir()
        (entry,) = history.read(path)
        self.assertEqual(entry.commit, "abc")
        self.assertIn(CASE, entry.costs)
        path.unlink()
        self.written(self.entries({13: 1.2}))
        code, out, _ = self.command()
        self.assertEqual(code, 0)
        self.assertRegex(out, r"toy: 24 runs, 2 cases in enough of them, 1 change\n.*c013")

    def test_runs_that_are_no_history_are_refused(self) -> None:
        records = Generator(rounds=2).records()
        cut = [one for one in records if one["kind"] != "end"]
        nothing: list[Record] = []
        for bad, why in ((cut, "no end"), (nothing, "")):
            code, _, err = self.command(self.records_file(bad, "bad.jsonl"))
            self.assertEqual((code, len(err.splitlines())), (1, 1), err)
            self.assertIn(why, err)
        self.assertEqual(self.command()[0], 1)


if __name__ == "__main__":
    unittest.main()
