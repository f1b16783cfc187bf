# SPDX-License-Identifier: MIT
import re
import unittest
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from corobench import render
from corobench.claims import read_claims
from corobench.dataset import Dataset
from corobench.explorer import explorer
from corobench.pages import build
from corobench.records import read_run
from corobench.wording import plain
from tests.helpers import HOSTILE, ScratchTest, environment, one_trial
from tests.synthetic import Generator, contract, metric, write


CLAIMS = read_claims()


def all_files(data: Dataset) -> dict[str, bytes]:
    return render.files(build(data, CLAIMS), explorer(data, None))


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}


@lru_cache
def full_report(rounds: int) -> dict[str, bytes]:
    """All files of a synthetic run's report; drawing takes seconds: it is done once."""
    with TemporaryDirectory() as scratch:
        run = read_run(
            write(Path(scratch) / "run.jsonl", Generator(rounds=rounds).records())
        )
    return all_files(Dataset([run]))


def markdown(data: Dataset) -> str:
    return all_files(data)["REPORT.md"].decode()


def shape(page: str) -> tuple[list[str], list[int]]:
    """A page's structure: its headings, and how many unescaped bars each line has."""
    lines = page.split("\n")
    return (
        [line for line in lines if line.startswith("#")],
        [len(re.findall(r"(?<!\\)\|", line)) for line in lines],
    )


class WholeReport(ScratchTest):
    def test_sentences_and_sections(self) -> None:
        page = full_report(12)["REPORT.md"].decode()
        for words in (
            "## The ledger",
            "| [C14](#c14) | Nothing is copied: only the stack pointer changes | CONFIRMED |",
            '## <a id="c14"></a>C14: Nothing is copied',
            "Predicted: CONFIRMED. The cost of a switch does not depend",
            "- [C10](#c10), QUALIFIED: The state is understated: ",
            "; CONFIRMED if copy\\_deep &gt;= 10 and flow\\_deep &lt; 2; REFUTED if ",
            "Verdict: CONFIRMED. With 1 MiB of live stack a switch costs ",
            "The chart footprint is in [C5](#c5).",
            "8.97 to 1.52 ns (3.34 cycles) with caller-saved switching",
            "source | ours |",
            "| not run here |  |  |",
            "| see the figures above |  |  |",
            "Predicted verdicts that came out: ",
            "standing in for goroutines",
            "## Other systems in the same run\n",
            "no two hardware threads of one core are allowed",
            "no PMU: perf\\_event\\_open says ENOENT",
            "- go: go not installed",
            "A/A floor: 1.",
            "Smallest effect",
            "The contracts are unequal",
            "## How to read this",
            "| limit: pid\\_max |",
        ):
            self.assertIn(words, page)

    def test_tables_are_rectangular(self) -> None:
        page = full_report(12)["REPORT.md"].decode()
        for table in re.findall(r"(?:^\|.*\n)+", page, re.M):
            bars = {
                len(re.findall(r"(?<!\\)\|", line)) for line in table.strip().split("\n")
            }
            self.assertEqual(len(bars), 1, table)

    def test_same_records_same_bytes(self) -> None:
        again = self.dataset(Generator(rounds=12).records())
        self.assertEqual(full_report(12), all_files(again))

    def test_charts_that_are_named_are_written(self) -> None:
        found = full_report(12)
        page = found["REPORT.md"].decode()
        named = set(re.findall(r"results/charts/[a-z-]+\.svg", page))
        self.assertEqual(named, {name for name in found if name.endswith(".svg")})
        self.assertGreaterEqual(len(named), 14)

    def test_html_needs_no_other_file(self) -> None:
        found = full_report(12)
        page = found["results/report.html"].decode()
        self.assertNotRegex(page, r'(src|href|srcset)="(?!data:|#)')
        self.assertIn("prefers-color-scheme: dark", page)

    def test_one_picture_is_both(self) -> None:
        found = full_report(12)
        for name in found:
            if not name.endswith("-light.svg"):
                continue
            both = {theme: found[name.replace("light", theme)] for theme in ("light", "dark")}
            picture = render.both_themes(both)
            rules = re.findall(rb":root\{([^}]*)\}", picture)
            for theme, rule in zip(("light", "dark"), rules):
                colours = dict(one.split(b":") for one in rule.split(b";"))
                used = re.findall(rb"var\((--c\d+)\)", picture)
                self.assertEqual(
                    [colours[one] for one in used],
                    [c for style in render.STYLE.findall(both[theme])
                     for c in render.COLOUR.findall(style)],
                    f"{name} {theme}",
                )  # fmt: skip


class PoorRuns(ScratchTest):
    def test_no_records_at_all(self) -> None:
        data = self.dataset([])
        page = markdown(data)
        self.assertIn("nothing to report", page)
        self.assertIn("There is no environment record", page)
        self.assertIn("Rejected: no trial ran", page)

    def test_environment_alone(self) -> None:
        page = markdown(self.dataset([environment()]))
        self.assertIn("nothing to report", page)
        self.assertIn(
            "no trial was run: `switch/coro-inline/site=diff/place=same-cpu`", page
        )
        self.assertIn("it was killed, or it goes on still", page)

    def test_one_round(self) -> None:
        page = markdown(self.dataset(Generator(rounds=1).records()))
        self.assertIn("one round only", page)
        self.assertIn("too few rounds", page)
        self.assertIn("A/A floor: not known", page)

    def test_missing_experiments_are_said_to_be_missing(self) -> None:
        records = [
            one
            for one in Generator(rounds=2).records()
            if one.get("experiment") in (None, "counter")
        ]
        page = markdown(self.dataset(records))
        self.assertEqual(page.count("| NOT TESTABLE HERE |"), 19)
        self.assertIn("Missing: `depth/coro-inline/depth", page)
        self.assertIn("Charts that these records can't fill", page)

    def test_only_skips_failures_and_rejections(self) -> None:
        page = markdown(
            self.dataset(
                [
                    environment(),
                    one_trial(metrics={}, skipped="no such CPU"),
                    one_trial(case="switch/b", error="it broke", metrics={}),
                    one_trial(
                        kind="rejection",
                        case="switch/c",
                        reasons=["9 involuntary switches"],
                    ),
                ]
            )
        )
        for words in (
            "no such CPU: ",
            "it broke",
            "the commonest first: involuntary switches (1 trial).",
            "This run is contaminated",
            "nothing to report",
        ):
            self.assertIn(words, page)

    def test_every_trial_rejected_is_not_never_run(self) -> None:
        page = markdown(
            self.dataset([environment(), one_trial(kind="rejection", reasons=["noise"])])
        )
        self.assertIn("every trial was rejected: `switch/coro-inline", page)

    def test_why_trials_were_rejected(self) -> None:
        reasons = (
            ["involuntary switches: 3", "steal: 2 ticks"],
            ["its cost came out below zero"],
            ["involuntary switches: 12", "involuntary switches: 1"],
        )
        rejected = [
            one_trial(kind="rejection", round=number, reasons=one)
            for number, one in enumerate(reasons, 1)
        ]
        self.assertIn(
            "the commonest first: involuntary switches (2 trials), steal ticks (1 trial), "
            "its cost came out below zero (1 trial).",
            markdown(self.dataset([environment(), *rejected])).replace(". That", ".\n"),
        )

    def test_a_case_skipped_in_some_rounds_is_not_impossible(self) -> None:
        page = markdown(
            self.dataset(
                [
                    environment(),
                    one_trial(),
                    one_trial(round=2, metrics={}, skipped="no such CPU"),
                    one_trial(case="switch/b", metrics={}, skipped="no such cache"),
                ]
            )
        )
        skipped, partly = page.split("Ran in some rounds, skipped in others:")
        self.assertIn("Skipped cases:\n\n- no such cache: `switch/b`\n", skipped)
        self.assertIn("- no such CPU: `switch/coro-inline/site=diff/place=same-cpu`", partly)

    def test_resumed_and_torn(self) -> None:
        changed = environment()
        changed["facts"] = [{**changed["facts"][0], "value": "other"}]
        records = [environment(), one_trial(), changed]
        data = self.dataset(records)
        data.runs[0].torn = True
        page = markdown(data)
        self.assertIn("was resumed; facts that changed meanwhile: cpu", page)
        self.assertIn("torn line", page)

    def test_unknown_experiment_and_metrics_get_a_table(self) -> None:
        page = markdown(
            self.dataset(
                [
                    one_trial(
                        case="novel/x/place=same-cpu",
                        experiment="novel",
                        subject="x",
                        metrics={"furlongs": metric(3.0, "furlong", "tape")},
                    )
                ]
            )
        )
        self.assertIn("## All figures: novel", page)
        self.assertIn("| furlongs, furlong |", page)

    def test_no_contract_means_no_contract_columns(self) -> None:
        page = markdown(self.dataset([one_trial()]))
        self.assertNotIn("contract: saves", page)
        page = markdown(self.dataset([one_trial(contract=contract("rsp", 8))]))
        self.assertIn("contract: saves", page)


def poisoned(text: str) -> list[Any]:
    """A small run in which every free string is `text`."""
    first = environment(
        cases=[text[:300], "never-run" + text[:200]],
        program={"version": text, "compiler": text, "options": text},
        facts=[{"name": text[:400], "value": text, "status": "warning", "advice": text}],
        peers=[{"name": text[:400], "status": "absent", "reason": text}],
    )
    first["options"]["filter"] = [["glob", text]]
    words: dict[str, Any] = {
        "case": text[:300],
        "subject": text,
        "params": {text: text},
        "placement": text,
        "op": text,
        "contract": contract(text, 3),
        "notes": {text: text},
        "flags": [text],
    }
    metrics = {
        "ns": metric(2.0, text[:64], text[:64]),
        "cycles": metric(None, text[:64], text[:64], text),
    }
    own = {
        "resident_bytes": metric(64.0, text[:64], text[:64]),
        "kernel_bytes": metric(None, text[:64], text[:64], text),
    }
    return [
        first,
        one_trial(**{**words, "experiment": text}, metrics=metrics),
        one_trial(**{**words, "case": "s"}, metrics=metrics),
        one_trial(**{**words, "case": "c"}, experiment="counter", metrics=metrics),
        one_trial(**{**words, "case": "f"}, experiment="footprint", metrics=own),
        one_trial(**{**words, "case": "k" + text[:200]}, metrics={}, round=2)
        | {"skipped": text},
        one_trial(**{**words, "case": "e" + text[:200]}, metrics={}, round=2)
        | {"error": text},
        one_trial(**words, kind="rejection", round=2, reasons=[text]),
    ]


class HostileRecords(ScratchTest):
    def test_structure_of_markdown_is_that_of_harmless_words(self) -> None:
        harmless = shape(markdown(self.dataset(poisoned("word " * 50))))
        hostile = shape(markdown(self.dataset(poisoned(HOSTILE))))
        self.assertEqual(harmless[1], hostile[1])
        self.assertEqual(len(harmless[0]), len(hostile[0]))

    def test_markdown_has_no_foreign_markup(self) -> None:
        page = markdown(self.dataset(poisoned(HOSTILE)))
        self.assertEqual(
            set(re.findall(r"<(/?[a-z!]+)", page)),
            {"picture", "/picture", "source", "img", "!", "a", "/a"},
        )
        self.assertNotIn("://", page)
        self.assertNotIn("-->", page.split("\n", 1)[1])
        self.assertNotIn(
            "49", re.sub(r"7\\\*7", "", page).split("How to read")[0].replace("0.49", "")
        )
        self.assertTrue(all(char.isprintable() or char == "\n" for char in page))

    def test_html_has_the_tags_of_harmless_words(self) -> None:
        found = []
        for text in ("word " * 50, HOSTILE):
            page = all_files(self.dataset(poisoned(text)))[
                "results/report.html"
            ]
            parser = Tags()
            parser.feed(page.decode())
            found.append((parser.tags, parser.attributes))
        self.assertEqual(found[0], found[1])
        self.assertNotIn("onerror", found[1][1])
        # As many as with harmless words, all at the end: the page's own.
        own = found[1][0].count("script")
        self.assertEqual(found[1][0][-own:], ["script"] * own)

    def test_text_is_shown_and_not_dropped(self) -> None:
        page = all_files(self.dataset(poisoned(HOSTILE)))[
            "results/report.html"
        ]
        self.assertIn("&lt;script&gt;alert(1)&lt;/script&gt;", page.decode())
        self.assertIn("{{ 7*7 }}", plain(HOSTILE))


if __name__ == "__main__":
    unittest.main()
