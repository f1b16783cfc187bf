# SPDX-License-Identifier: MIT
"""The interactive part of report.html: its data, its plotting library, and its policy.

No script runs before the first paint: page/start.js starts the others after it.

The library (d3 and Observable Plot) is not in this repository: npm puts it beside
scripts/page/package.json (scripts/setup calls it), and the page takes it in as it is. Where it is
not installed, the page has the charts as pictures, and says why.
"""
from __future__ import annotations

import base64
import gzip
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from corobench.dataset import Case, Dataset

PAGE = Path(__file__).resolve().parents[1] / "page"
LIBRARY = (
    "node_modules/d3/dist/d3.min.js",
    "node_modules/@observablehq/plot/dist/plot.umd.min.js",
)
# What the kernel or the stepper counted beside a cost: its trials are not worth their bytes.
COUNTED = ("rusage", "singlestep")
WHY_NOT = (
    "The interactive charts are not in this page: the plotting library was not installed "
    "when it was made. scripts/setup --page installs it."
)


@dataclass(frozen=True)
class Explorer:
    scripts: tuple[str, ...]  # the first starts the rest; none: the library is not installed
    data: str  # JSON, gzipped, in base64: of a full run a fifth of the bytes
    runs: tuple[str, ...]

    @property
    def policy(self) -> str:
        """For the page's Content-Security-Policy: these scripts and no others."""
        hashes = [
            base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
            for script in self.scripts
        ]
        return " ".join(f"'sha256-{one}'" for one in hashes) or "'none'"


def explorer(data: Dataset, beside: Dataset | None) -> Explorer:
    datasets = [data] if beside is None else [data, beside]
    runs = [_run(one) for one in datasets]
    if len({one.machine for one in datasets}) > 1:
        for run, one in zip(runs, datasets):
            run["name"] += f" on {one.machine}"
    text = json.dumps({"runs": runs}, separators=(",", ":"), allow_nan=False)
    return Explorer(
        _scripts(),
        base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode(),
        tuple(run["name"] for run in runs),
    )


def _scripts() -> tuple[str, ...]:
    paths = [PAGE / name for name in LIBRARY]
    if not all(path.is_file() for path in paths):
        return ()
    return tuple(
        path.read_text(encoding="utf-8").replace("</script", "<\\/script")
        for path in (PAGE / "start.js", *paths, PAGE / "page.js")
    )


def _run(data: Dataset) -> dict[str, Any]:
    """Each contract once, as most cases share one: a case has its number."""
    contracts: list[dict[str, Any]] = []
    return {
        "name": ", ".join(run.name for run in data.runs),
        "cases": [_case(case, contracts) for case in data.cases.values()],
        "contracts": contracts,
    }


def _case(case: Case, contracts: list[dict[str, Any]]) -> dict[str, Any]:
    contract = asdict(case.contract) if case.contract else None
    if contract and contract not in contracts:
        contracts.append(contract)
    names = dict.fromkeys(name for trial in case.trials for name in trial.metrics)
    return {
        "name": case.name,
        "experiment": case.experiment,
        "subject": case.subject,
        "params": case.params,
        "placement": case.placement,
        "contract": contracts.index(contract) if contract else None,
        "metrics": {name: _metric(case, name) for name in names if case.values(name)},
    }


def _metric(case: Case, name: str) -> dict[str, Any]:
    found = case.estimate(name)
    assert found is not None
    return {
        "unit": case.unit(name),
        "median": _short(found.median),
        "low": None if found.low is None else _short(found.low),
        "high": None if found.high is None else _short(found.high),
        "n": found.n,
        "values": [_short(value) for value in case.values(name)]
        if case.source(name) not in COUNTED
        else [],
    }


def _short(value: float) -> float:
    return float(f"{value:.5g}")
