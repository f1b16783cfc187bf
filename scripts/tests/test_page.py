# SPDX-License-Identifier: MIT
"""report.html in a headless Chromium: it opens from its file, and is used as by a reader.

Skipped, with the reason, where Node.js, the page's packages or a Chromium are not installed.
"""
import base64
import gzip
import html
import json
import os
import shutil
import subprocess
import unittest
from pathlib import Path
from typing import Any, Optional
from unittest import mock

from corobench import charts, render
from corobench.claims import read_claims
from corobench.dataset import Dataset
from corobench.explorer import LIBRARY, PAGE, explorer
from corobench.pages import build
from corobench.records import read_run
from tests.helpers import HOSTILE, ScratchTest
from tests.synthetic import Generator, write
from tests.test_pages import poisoned

ROOT = Path(__file__).resolve().parents[2]
LARGEST_BYTES = 3_000_000
BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome", "chrome")


def browser() -> Optional[str]:
    named = os.environ.get("COROBENCH_CHROMIUM")
    return named or next((path for name in BROWSERS if (path := shutil.which(name))), None)


def missing() -> str:
    if shutil.which("node") is None:
        return "Node.js is not installed: scripts/setup --page"
    if not all((PAGE / name).is_file() for name in LIBRARY):
        return "the page's packages are not installed: scripts/setup --page"
    if not (PAGE / "node_modules" / "playwright-core").is_dir():
        return "playwright-core is not installed: scripts/setup --page"
    return "" if browser() else "no Chromium: apt-get install chromium-headless-shell"


class PageTest(ScratchTest):
    def page(self, first: list[Any], second: Optional[list[Any]] = None) -> Path:
        data = Dataset([read_run(write(self.scratch / "first.jsonl", first))])
        beside = (
            Dataset([read_run(write(self.scratch / "second.jsonl", second))])
            if second
            else None
        )
        # Pictures are drawn and looked at elsewhere, and cost seconds.
        with mock.patch.object(charts, "render", lambda chart, found: None):
            report = build(data, read_claims())
        files = render.files(report, explorer(data, beside))
        path = self.scratch / "report.html"
        path.write_bytes(files["results/report.html"])
        return path

    def look(self, path: Path) -> dict[str, Any]:
        done = subprocess.run(
            ["node", "check.mjs", browser() or "", str(path)],
            cwd=PAGE,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@unittest.skipIf(missing(), missing())
class InABrowser(PageTest):
    def test_two_runs_side_by_side(self) -> None:
        first = Generator(rounds=7, run="20260102T000000Z-full").records()
        second = Generator(seed=2, rounds=7, run="20260101T000000Z-full").records()
        path = self.page(first, second)
        self.assertLess(path.stat().st_size, LARGEST_BYTES)
        found = self.look(path)
        self.assertEqual((found["errors"], found["requests"]), ([], []))
        self.assertEqual(found["axe"], {"light": [], "dark": []})
        self.assertLess(found["firstPaintMs"], found["startedMs"])
        self.assertEqual(found["dots"], 2 * found["dotsOfOneRun"])
        self.assertGreater(found["circlesWithTrials"], 5 * found["dots"])
        self.assertEqual(found["filtered"], 2)
        for said in (found["focused"], found["hovered"].replace("\u200b", "\n")):
            for words in ("switch/", " ns/op", "95 % interval", "n = 7", "saves rsp"):
                self.assertIn(words, said)
        self.assertIn("footprint", found["experiments"])

    def test_hostile_names_stay_text(self) -> None:
        found = self.look(self.page(poisoned(HOSTILE)))
        self.assertEqual((found["errors"], found["requests"]), ([], []))
        self.assertEqual(found["strangers"], 0)
        self.assertIn("<script>alert(1)</script>", "".join(found["experiments"]))


class WithoutABrowser(PageTest):
    def test_the_committed_run_makes_a_page_that_is_small_enough(self) -> None:
        """With its pictures as committed: to draw them anew takes a minute."""
        runs = sorted(ROOT.glob("results/*/*.jsonl"), key=lambda path: path.name)
        if len(runs) < 2:
            self.skipTest("fewer than two runs are committed")
        data, beside = (Dataset([read_run(path)]) for path in (runs[-1], runs[-2]))
        with mock.patch.object(charts, "render", lambda chart, found: None):
            report = build(data, read_claims())
        page = len(render.files(report, explorer(data, beside))["results/report.html"])
        for light in ROOT.glob("results/charts/*-light.svg"):
            dark = light.with_name(light.name.replace("-light", "-dark"))
            both = {"light": light.read_bytes(), "dark": dark.read_bytes()}
            page += 4 * len(render.both_themes(both)) // 3
        self.assertGreater(page, 1_000_000)
        self.assertLess(page, LARGEST_BYTES)

    def test_data_can_not_end_its_element(self) -> None:
        page = self.page(poisoned(HOSTILE)).read_text()
        data = page.split('id="data">')[1].split("</script>")[0]
        self.assertNotIn("<", data)
        text = gzip.decompress(base64.b64decode(data))
        self.assertEqual(json.loads(text)["runs"][0]["cases"][0]["params"], {HOSTILE: HOSTILE})

    def test_only_named_scripts_may_run(self) -> None:
        page = html.unescape(self.page(Generator(rounds=2).records()).read_text())
        self.assertRegex(page, r"default-src 'none'; .*script-src '(sha256-|none)")
        self.assertNotIn("unsafe-eval", page)


if __name__ == "__main__":
    unittest.main()
