# SPDX-License-Identifier: MIT
"""Walks a report: every figure in it has a record behind it.

A fragment with a digit in it is one of: a Measured, recomputed here from the JSON lines alone,
without the code that made it; a name or a text that stands in a record or in claims.toml as it
is; or words of the scripts' own, whose numbers are terms (SETTLED) or parameters of cases. A
verdict's sentence may use the numbers that its claim uses elsewhere. Anything else is a figure
typed by hand, and the template may have none at all.
"""
import ast
import json
import math
import re
import statistics
import tomllib
import unittest
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Optional
from unittest import mock

from corobench import charts, doubts, ledger, pages, peers, render, tables, wording
from corobench.blocks import (
    Bullets,
    Link,
    Measured,
    Paragraph,
    Picture,
    Report,
    Table,
)
from corobench.claims import CLAIMS_PATH, read_claims
from corobench.dataset import CONTAMINATED_SHARE, Dataset
from corobench.explorer import Explorer
from corobench.pages import build
from corobench.records import read_run
from corobench.verdicts import Ruling
from corobench.wording import number, percent, size
from tests.claim_records import records, row
from tests.helpers import ScratchTest
from tests.synthetic import Generator, write

ROOT = Path(__file__).resolve().parents[2]
PLACEHOLDER = re.compile(r"\{\w+\}")
# Numbers that are terms of what the report says, and no figures.
SETTLED = ("95 %", "n = 6", "meets 1 give or take", "runtime is 1")
Series = dict[tuple[str, int], float]


def interval(values: list[float]) -> Optional[tuple[float, float]]:
    """The closest pair of order statistics that holds the median 95 times of 100."""
    ordered, n = sorted(values), len(values)
    outside, best = 0.0, None
    for k in range(n // 2):
        outside += math.comb(n, k) / 2**n
        if 1 - 2 * outside < 0.95:
            break
        best = ordered[k], ordered[n - 1 - k]
    return best


class Lines:
    """What the report says, recomputed from the lines of its run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = [json.loads(line) for line in path.read_text().splitlines()]
        self.trials = [one for one in self.records if one["kind"] == "trial"]
        self.ran = [one for one in self.trials if one["metrics"] and not one["error"]]
        self.rejections = [one for one in self.records if one["kind"] == "rejection"]
        self.cases: dict[str, list[dict[str, Any]]] = {}
        for one in self.ran:
            self.cases.setdefault(one["case"], []).append(one)
        self.claims = {
            one["id"]: one for one in tomllib.loads(CLAIMS_PATH.read_text())["claim"]
        }

    def series(self, case: str, metric: str) -> Series:
        if metric == "contract_bytes":
            return {("", 0): self.cases[case][0]["contract"]["bytes_saved"]}
        return {
            (one["run"], one["round"]): one["metrics"][metric]["value"]
            for one in self.cases[case]
            if one["metrics"].get(metric, {}).get("value") is not None
        }

    def values(self, case: str, metric: str) -> list[float]:
        return list(self.series(case, metric).values())

    def texts(self, origin: tuple[str, ...]) -> set[str]:
        """Every way in which the figure may be printed."""
        kind, *names = origin
        if kind in ("figure", "figure-interval", "figure-span", "figure-n"):
            return self._figure(kind, names[0], names[1])
        if kind == "run":
            return self._about_the_run(*names)
        if kind in ("verdicts", "predictions"):
            return {str(self._count(kind, names[0]))}
        return self._of_case(kind, *names)

    def _of_case(self, kind: str, case: str, *names: str) -> set[str]:
        if kind.startswith("rung"):
            return self._rung(kind, [case, *names])
        if kind == "bank":
            lost = statistics.median(self.values(case, "lost_updates"))
            words = f"{number(statistics.median(self.values(case, 'ns')))} ns"
            return {f"{words}, {percent(lost / 1e6)} lost" if lost > 0 else words}
        if kind.startswith("ratio"):
            return self._ratio(kind, case, names[0])
        if kind == "contract":
            return {f"{self.cases[case][0]['contract']['bytes_saved']:,}"}
        if kind == "trials":
            return {str(len(self.cases[case]))}
        if kind == "notes":
            return {tables.case_notes(self.data.cases[case]), wording.MISSING}
        if kind == "sum":
            known = [self.values(case, name) for name in names]
            value = sum(statistics.median(one) for one in known if one)
            return {number(value)} | ({"< 0.001"} if 0 < abs(value) < 0.001 else set())
        values = self.values(case, names[0])
        if kind == "n":
            return {str(len(values))}
        if kind == "interval":
            low, high = interval(values) or (math.nan, math.nan)
            return {f"{word(low)} to {word(high)}" for word in (number, size)}
        assert kind == "median", kind
        value, unit = statistics.median(values), "".join(names[1:])
        return {word(value) + unit for word in (number, size)} | {
            f"{value:.0f}" if value == round(value) else f"{value:.3f}"
        }

    def _ratio(self, kind: str, case: str, own: str) -> set[str]:
        """Of rounds that have both, in estimated cycles where there are any."""
        for metric in ("cycles_estimated", "ns"):
            ours, theirs = self.series(own, metric), self.series(case, metric)
            logs = [math.log(theirs[at] / ours[at]) for at in theirs if at in ours]
            if logs:
                break
        if kind == "ratio":
            return {f"{number(math.exp(statistics.median(logs)))}×"}
        low, high = interval(logs) or (math.nan, math.nan)
        return {f"{number(math.exp(low))} to {number(math.exp(high))}"}

    def _rung(self, kind: str, names: list[str]) -> set[str]:
        """names: pairs of a case and its ops in one hand-over."""
        if kind == "rung-ops":
            return {number(float(names[0]))}
        costs = [
            statistics.median(self.values(case, "ns")) * float(ops)
            for case, ops in zip(names[::2], names[1::2])
        ]
        if kind == "rung-interval":
            low, high = interval(self.values(names[0], "ns")) or (math.nan, math.nan)
            return {f"{number(low * float(names[1]))} to {number(high * float(names[1]))}"}
        if kind == "rung":
            return {number(costs[0])}
        if kind == "rung-added":
            return {number(costs[0] - costs[1])}
        return {percent((costs[0] - costs[1]) / (costs[3] - costs[2]))}

    def _figure(self, kind: str, claim: str, name: str) -> set[str]:
        figure = self.claims[claim]["figures"][name]
        values = self._rounds(claim, figure["value"], figure.get("rounds", "median"))
        if kind == "figure-n":
            return {str(len(values))}
        unit = figure["unit"]
        if kind in ("figure-interval", "figure-span"):
            ends = (min(values), max(values)) if kind == "figure-span" else (math.nan,) * 2
            low, high = interval(values) or ends
            bare = unit if unit in ("B", "share", "count") else ""
            return {
                " to ".join(ledger.in_unit(one, bare).strip() for one in (low, high))
            }
        reduce: dict[str, Callable[[list[float]], float]] = {
            "median": statistics.median,
            "total": sum,
            "largest": max,
        }
        return {ledger.in_unit(reduce[figure.get("rounds", "median")](values), unit)}

    def _rounds(self, claim: str, expression: str, how: str) -> list[float]:
        """By Python's own eval, one round at a time."""
        aliases = {
            name: self._resolve(wanted)
            for name, wanted in self.claims[claim]["cases"].items()
        }
        used = re.findall(r"([a-z_0-9]+)\.([a-z_]+)", expression)
        several: dict[str, dict[str, list[Series]]] = {}
        for alias, metric in used:
            every = (
                [{("", 0): self._machine(metric)}]
                if alias == "machine"
                else [self.series(case, metric) for case in aliases[alias]]
            )
            several.setdefault(alias, {})[metric] = [one for one in every if one]
        moving = [
            [set(one) for one in every if len(one) > 1]
            for metrics in several.values()
            for every in metrics.values()
        ]
        sets = [
            set.intersection(*one) if how == "median" else set.union(*one)
            for one in moving
            if one
        ]
        rounds = sorted(set.intersection(*sets)) if sets else [("", 0)]
        if how == "total":
            own = [one for metrics in several.values() for every in metrics.values()
                   for one in every]
            rounds = sorted(set().union(*own))
            for metrics in several.values():  # what a round lacks adds nothing to it
                for every in metrics.values():
                    every[:] = [dict.fromkeys(rounds, 0.0) | one for one in every]
        found = [self._evaluate(expression, several, at) for at in rounds]
        return [value for value in found if value is not None]

    @staticmethod
    def _evaluate(
        expression: str, several: dict[str, dict[str, list[Series]]], at: tuple[str, int]
    ) -> Optional[float]:
        class Here:
            pass

        names: dict[str, Any] = {}
        lists = {"largest": max, "smallest": min, "total": sum}
        for alias, metrics in several.items():
            names[alias] = Here()
            for metric, every in metrics.items():
                values = [
                    next(iter(one.values())) if len(one) == 1 else one.get(at)
                    for one in every
                ]
                known = [value for value in values if value is not None]
                reduced = re.search(rf"\w+\({alias}\.{metric}\)", expression)
                setattr(names[alias], metric, known if reduced else known[0])
        try:
            return float(eval(expression, {"__builtins__": {}}, {**names, **lists}))
        except ZeroDivisionError:
            return None

    def _resolve(self, wanted: Any) -> list[str]:
        for pattern in [wanted] if isinstance(wanted, str) else wanted:
            shape = re.compile(re.escape(pattern).replace(r"\*", ".*"))
            found = [name for name in self.cases if shape.fullmatch(name)]
            if found:
                return found
        return []

    def _machine(self, metric: str) -> float:
        facts = self.records[0]["facts"]
        value = next(one["value"] for one in facts if one["name"] == metric)
        return float(value.split()[0])

    def _count(self, kind: str, what: str) -> int:
        found: list[Ruling] = self.rulings
        if kind == "verdicts":
            return sum(one.verdict == what for one in found)
        right = sum(one.verdict == one.claim.expected for one in found)
        return right if what == "right" else len(found)

    def _about_the_run(self, what: str, *more: str) -> set[str]:
        rounds = {(one["run"], one["round"]) for one in self.ran}
        ran = len(self.rejections) + sum(1 for one in self.trials if not one["skipped"])
        ends = [one for one in self.records if one["kind"] == "end"]
        counts = {
            "cases": len(self.cases),
            "rounds_measured": len(rounds),
            "finished": len(self.ran),
            "rejected": len(self.rejections),
            "ran": ran,
        }
        if what in counts:
            return {f"{counts[what]:,}"}
        if what == "rounds":
            return {wording.plural(ends[-1]["rounds"], "round")}
        if what == "rejected_for":
            trials = sum(
                any(doubts.bare_reason(reason) == more[0] for reason in one["reasons"])
                for one in self.rejections
            )
            return {wording.plural(trials, "trial")}
        if what in ("flagged", "flagged_mostly"):
            return {f"{self._flagged(more[0], what == 'flagged_mostly'):,}"}
        differences = self._differences()
        ordered = sorted(differences)
        place = 0.9 * (len(ordered) - 1)
        below = int(place)
        above = min(below + 1, len(ordered) - 1)
        log = ordered[below] + (place - below) * (ordered[above] - ordered[below])
        floor = math.expm1(log)
        return {
            "rejected_share": {percent(len(self.rejections) / max(ran, 1))},
            "limit_of_rejections": {percent(CONTAMINATED_SHARE)},
            "aa_cases": {f"{len(differences):,}"},
            "aa_floor": {percent(floor)},
            "smallest_effect": {percent(max(floor, self._half_width()))},
        }[what]

    def _flagged(self, flag: str, mostly: bool) -> int:
        times = Counter(
            one["case"] for one in self.ran for name in set(one["flags"]) if name == flag
        )
        if not mostly:
            return sum(times.values())
        return sum(2 * count > len(self.cases[case]) for case, count in times.items())

    def _differences(self) -> list[float]:
        found = []
        for case in self.cases:
            values = [one for _, one in sorted(self.series(case, "cycles_estimated").items())]
            odd, even = values[1::2], values[::2]
            if min(len(odd), len(even)) >= 2:
                first, second = statistics.median(odd), statistics.median(even)
                if min(first, second) > 0:
                    found.append(abs(math.log(first / second)))
        return found or [0.0]

    def _half_width(self) -> float:
        widths = []
        for case in self.cases:
            values = self.values(case, "cycles_estimated")
            pair = interval(values)
            if pair and statistics.median(values):
                widths.append((pair[1] - pair[0]) / 2 / abs(statistics.median(values)))
        return statistics.median(widths) if widths else 0.0

    @cached_property
    def data(self) -> Dataset:
        return Dataset([read_run(self.path)])

    @cached_property
    def rulings(self) -> list[Ruling]:
        return ledger.rulings(read_claims(), self.data)

    @cached_property
    def words(self) -> set[str]:
        """Every text and number of the records, but for metrics, epochs and checks."""
        found: set[str] = set()
        for one in self.records:
            kept = {k: v for k, v in one.items() if k not in ("epochs", "checks", "metrics")}
            found |= set(scalars(kept))
            for metric in one.get("metrics", {}).values():
                found |= {metric.get("reason", ""), metric["unit"]}
        for one in self.ran:
            variant = ", ".join(f"{k}={v}" for k, v in one["params"].items())
            found |= {f"{one['subject']} {variant}", *one["metrics"]}
        return found


def scalars(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from scalars(part)
    elif isinstance(value, list):
        for part in value:
            yield from scalars(part)
    else:
        yield str(value)


def is_settled(words: str) -> bool:
    return re.search(r"\d", re.sub("|".join(SETTLED), "", words)) is None


def literals() -> set[str]:
    """The scripts' own words, and those of the claims."""
    own: set[str] = set()
    for path in (ROOT / "scripts" / "corobench").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                own |= {node.value, *PLACEHOLDER.split(node.value)}
    for chart in charts.CHARTS:
        own.add(f"Chart: {chart.heading.rstrip('?')}. {chart.reading}")
    found = {words for words in own if is_settled(words)}
    for task in peers.TASKS:
        if numbers(task.heading.replace(",", "")) <= {*task.own.values(), *task.params.values()}:
            found.add(task.heading)
    claims = tomllib.loads(CLAIMS_PATH.read_text())
    for claim in claims["claim"]:
        found |= {f"{claim['id']}: {claim['title']}", *sentences(claim)}
    return found | set(scalars([claims["document"], claims["published"]]))


def numbers(words: str) -> set[str]:
    return set(re.findall(r"\d+(?:[.,]\d+)*", words))


def sentences(claim: dict[str, Any]) -> set[str]:
    """A claim's texts. What follows from the figures has no numbers but those of the rest."""
    rest = {name: value for name, value in claim.items() if name != "outcomes"}
    texts = {*scalars(rest), *(one["when"] for one in claim["outcomes"])}
    known = {number for text in texts for number in numbers(text)}
    for one in claim["outcomes"]:
        pieces = PLACEHOLDER.split(one["because"])
        texts |= {piece for piece in pieces if numbers(piece) <= known}
    return texts


def fragments(report: Report) -> Iterator[str]:
    yield report.title
    for section in report.sections:
        yield section.title
        for block in section.blocks:
            if isinstance(block, Paragraph):
                yield from block.parts
            elif isinstance(block, Bullets):
                for item in block.items:
                    yield from item
            elif isinstance(block, Table):
                yield from block.headers
                for cells in block.rows:
                    yield from cells
            elif isinstance(block, Picture):
                yield block.alternative


class Walk(ScratchTest):
    def strangers(self, path: Path) -> tuple[list[str], int]:
        """Figures without a record behind them, and how many had one."""
        lines = Lines(path)
        known = lines.words | literals()
        with mock.patch.object(charts, "render", lambda chart, data: {}):
            report = build(lines.data, read_claims())
        strangers, measured = [], 0
        for fragment in fragments(report):
            if isinstance(fragment, Measured):
                measured += 1
                if str(fragment) not in lines.texts(fragment.origin):
                    strangers.append(f"{fragment} is not {fragment.origin}")
            elif re.search(r"\d", fragment) and not self.is_known(fragment, known):
                strangers.append(str(fragment))
        return strangers, measured

    @staticmethod
    def is_known(fragment: str, known: set[str]) -> bool:
        if fragment in known or isinstance(fragment, Link):
            return True
        # A heading of a table is a metric and its unit, the title names the machine.
        pieces = re.split(r", |^corobench on |^each sleeps ", fragment)
        return all(
            piece in known or piece.replace(" ", "_") in known or not re.search(r"\d", piece)
            for piece in pieces
        )

    def test_every_figure_of_a_whole_run(self) -> None:
        path = write(self.scratch / "run.jsonl", Generator(rounds=9).records())
        strangers, measured = self.strangers(path)
        self.assertEqual(strangers, [])
        self.assertGreater(measured, 500)

    def test_every_figure_of_each_claim(self) -> None:
        for claim in read_claims().claims:
            path = self.records_file(records(claim, row(claim, "CONFIRMED")))
            with self.subTest(claim.id):
                self.assertEqual(self.strangers(path)[0], [])

    def test_every_figure_of_a_claim_too_close_to_call(self) -> None:
        claim = next(one for one in read_claims().claims if one.id == "C19")
        for rounds in (3, 8):
            found = records(claim, row(claim, "CONFIRMED"), rounds)
            for one in found[1:]:
                if one["round"] % 2 and "fib/check=on" in one["case"]:
                    one["metrics"]["ns"]["value"] *= 1.1
            path = self.records_file(found)
            with self.subTest(rounds):
                self.assertEqual(self.strangers(path)[0], [])
                ruling = next(one for one in Lines(path).rulings if one.claim.id == "C19")
                self.assertIn("Too close to call", ruling.because)

    def test_every_figure_of_the_committed_report(self) -> None:
        runs = sorted((ROOT / "results").glob("*/*.jsonl"), key=lambda path: path.name)
        if not runs:
            self.skipTest("no run is committed")
        self.assertEqual(self.strangers(runs[-1])[0], [])

    def test_a_figure_typed_by_hand_is_found(self) -> None:
        known = literals() | {"0.67"}
        for typed in ("A switch costs 0.68 ns.", "12.3 times", "0.67 ns", "about 9"):
            self.assertFalse(self.is_known(typed, known), typed)
            self.assertFalse(is_settled(typed), typed)

    def test_a_figure_typed_into_the_scripts_is_found(self) -> None:
        """Among their own words too, and so is one in a verdict's sentence."""
        path = write(self.scratch / "run.jsonl", Generator(rounds=2).records())
        typed = "A switch costs 2.4 ns."
        with mock.patch.object(pages, "READING", (typed,)):
            self.assertEqual(self.strangers(path)[0], [typed])
        claim = tomllib.loads(CLAIMS_PATH.read_text())["claim"][0]
        claim["outcomes"][0]["because"] = "It costs {broken}, 2.4 times as much."
        self.assertNotIn(", 2.4 times as much.", sentences(claim))

    def test_the_template_has_no_figure_of_its_own(self) -> None:
        empty = render.files(Report("corobench", []), Explorer((), "{}", ()))["REPORT.md"]
        self.assertEqual(numbers(empty.decode()), set())

    def test_a_figure_that_its_record_does_not_give_is_found(self) -> None:
        path = write(self.scratch / "run.jsonl", Generator(rounds=9).records())
        lines = Lines(path)
        case = "depth/ucontext/depth_bytes=0/place=same-cpu"
        right = lines.texts(("median", case, "ns"))
        self.assertNotIn("168.9", right)
        self.assertNotIn("99", lines.texts(("n", case, "ns")))


if __name__ == "__main__":
    unittest.main()
