# SPDX-License-Identifier: MIT
"""Which cases answer which question: the choices that charts and sentences share.

All of them are functions of a Dataset. A case that they do not know by name is not lost:
it is in the tables, and in those charts that take every case of an experiment.
"""
from __future__ import annotations

from corobench.dataset import COST, Case, Dataset
from corobench.wording import size

# How the contract grows: each step, and the one that it adds to. XSAVE keeps the control
# words and XMM itself, so its step adds to the general registers alone.
CONTRACTS = {
    "sp-pc": "",
    "bp": "sp-pc",
    "callee-saved": "bp",
    "fpctl": "callee-saved",
    "gpr16": "fpctl",
    "gpr16-no-fpctl": "callee-saved",
    "xmm16": "gpr16",
    "xsave-clean": "gpr16-no-fpctl",
    "xsave-dirty": "xsave-clean",
    "xsavec-clean": "gpr16-no-fpctl",
    "xsavec-dirty": "xsavec-clean",
    "fsbase": "xsave-clean",
    "sigmask": "xsave-clean",
}
WEIGHTS = (
    ("resident_bytes", "resident"),
    ("page_table_bytes", "page tables"),
    ("kernel_bytes", "kernel"),
)
HEADLINES = (
    ("coro-inline", "diff"),
    ("coro-abi", "diff"),
    ("boost-fcontext", "diff"),
    ("setjmp", "diff"),
    ("ucontext", "diff"),
    ("pthread-futex", "diff"),
)


def costs(data: Dataset, experiment: str) -> list[Case]:
    """Cases of the experiment with a positive cost, which a log scale can show."""
    return [case for case in data.of(experiment) if (case.median(COST) or 0) > 0]


def reference(data: Dataset) -> Case | None:
    """What switch costs are compared with: the inline switch at different sites, or else
    the cheapest switch that the run has."""
    preferred = data.find("switch", "coro-inline", site="diff")
    if preferred is not None and (preferred.median(COST) or 0) > 0:
        return preferred
    cheapest = sorted(costs(data, "switch"), key=lambda case: case.median(COST) or 0)
    return cheapest[0] if cheapest else None


def contract_word(case: Case) -> str:
    return case.params.get("contract", "").lstrip("+")


def contract_order(case: Case) -> tuple[int, int]:
    """In the order of CONTRACTS; a step that is not named there comes last."""
    words = list(CONTRACTS)
    word = contract_word(case)
    step = words.index(word) if word in CONTRACTS else len(words)
    return step, case.contract.bytes_saved if case.contract else 0


def ablation_parent(step: Case, steps: list[Case]) -> Case | None:
    """The nearest step that this one adds to, among those measured."""
    found = {contract_word(one): one for one in steps}
    word = CONTRACTS.get(contract_word(step), "")
    while word and word not in found:
        word = CONTRACTS[word]
    return found.get(word)


def weight(case: Case) -> dict[str, float]:
    """The parts of what a flow needs that have a value; what it reserves is apart."""
    medians = {word: case.median(metric) for metric, word in WEIGHTS}
    return {word: max(value, 0.0) for word, value in medians.items() if value is not None}


def needed_words(case: Case) -> str:
    """The sum of the parts; "at least" where a part could not be measured."""
    parts = weight(case)
    return ("" if len(parts) == len(WEIGHTS) else "≥ ") + size(sum(parts.values()))


def headline_cases(data: Dataset) -> list[Case]:
    found = [
        data.find("switch", subject, site=site) or data.find("switch", subject)
        for subject, site in HEADLINES
    ]
    named = [case for case in found if case is not None and case.values(COST)]
    return named or [case for case in data.cases.values() if case.values(COST)][:6]


def ablation_steps(data: Dataset) -> list[Case]:
    return sorted(
        (
            case
            for case in costs(data, "ablation")
            if "contract" in case.params
            and case.contract is not None
            and case.contract.bytes_saved >= 0
        ),
        key=contract_order,
    )


def footprint_cases(data: Dataset) -> list[Case]:
    return [case for case in data.of("footprint") if sum(weight(case).values()) > 0]


def depth_lines(data: Dataset) -> dict[str, list[tuple[int, Case]]]:
    lines: dict[str, list[tuple[int, Case]]] = {}
    for case in costs(data, "depth"):
        word = case.params.get("depth_bytes", "")
        if word.isascii() and word.isdigit() and len(word) < 16:
            name = (
                case.subject
                if case.placement == "same-cpu"
                else f"{case.subject} ({case.placement})"
            )
            lines.setdefault(name, []).append((int(word), case))
    return {
        name: sorted(points, key=lambda point: point[0]) for name, points in lines.items()
    }


def live_lines(data: Dataset) -> dict[str, list[tuple[int, Case]]]:
    lines: dict[str, list[tuple[int, Case]]] = {}
    for case in costs(data, "ablation"):
        word = case.params.get("live", "")
        if word.isascii() and word.isdigit() and len(word) < 4:
            lines.setdefault(case.subject, []).append((int(word), case))
    return {
        name: sorted(points, key=lambda point: point[0]) for name, points in lines.items()
    }


def message_kind(case: Case) -> str:
    """Of the experiment `message`: "pair", "many" flows, or a pair's larger "items"."""
    if "element_bytes" in case.params:
        return "items"
    return "many" if case.params.get("mode") in ("pxc", "fan-in", "ring") else "pair"


def size_lines(data: Dataset) -> dict[str, list[tuple[int, Case]]]:
    """By subject, capacity and placement; an item without a stated size has 8 bytes. Lines
    of one point are left out."""
    lines: dict[str, list[tuple[int, Case]]] = {}
    for case in costs(data, "message"):
        word = case.params.get("element_bytes", "8")
        if case.params.get("mode") == "stream" and word.isascii() and word.isdigit():
            others = [
                f"{key}={value}"
                for key, value in case.params.items()
                if key not in ("mode", "element_bytes", "workers")
                and (key, case.subject) != ("capacity", "pipe")
            ]
            name = ", ".join([case.subject, *others, case.placement])
            lines.setdefault(name, []).append((int(word[:12]), case))
    return {
        name: sorted(points, key=lambda point: point[0])
        for name, points in lines.items()
        if len(points) > 1
    }


def _number(word: str) -> int | None:
    return int(word) if word.isascii() and word.isdigit() and 0 < len(word) < 16 else None


def _by_depth(data: Dataset, experiment: str) -> dict[str, list[tuple[int, Case]]]:
    """By subject and whatever parameters there are but the depth; none is 0 deep."""
    lines: dict[str, list[tuple[int, Case]]] = {}
    for case in costs(data, experiment):
        depth = _number(case.params.get("depth_bytes", ""))
        if depth:
            others = [
                f"{key}={value}" for key, value in case.params.items() if key != "depth_bytes"
            ]
            lines.setdefault(", ".join([case.subject, *others]), []).append((depth, case))
    return {
        name: sorted(points, key=lambda point: point[0])
        for name, points in sorted(lines.items(), key=lambda line: line[0])
    }


def hotsplit_lines(data: Dataset) -> dict[str, list[tuple[int, Case]]]:
    return _by_depth(data, "hotsplit")


def segment_ends(data: Dataset) -> list[int]:
    found = {_number(case.params.get("segment_bytes", "")) for case in costs(data, "hotsplit")}
    return sorted(end for end in found if end)


def growth_lines(data: Dataset) -> dict[str, list[tuple[int, Case]]]:
    return _by_depth(data, "growth")
