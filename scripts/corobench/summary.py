# SPDX-License-Identifier: MIT
"""The report's first section: sentences computed from the records.

Each function answers one question and returns its sentence, which says so where the
records lack the answer. None has a figure of its own.
"""
from __future__ import annotations

from corobench import layers
from corobench.dataset import COST, STEADY, Case, Dataset
from corobench.estimates import Estimate
from corobench.selection import (
    CONTRACTS,
    ablation_parent,
    ablation_steps,
    contract_word,
    depth_lines,
    footprint_cases,
    needed_words,
    weight,
)
from corobench.wording import listing, number, percent, size

MISSING_WORDS = "not in these records"


def sentences(data: Dataset) -> list[str]:
    return [
        switch_cost(data),
        compared(data, "ucontext", "swapcontext"),
        compared(
            data, "pthread-futex", "handoff between two pthreads by futex on one CPU"
        ),
        why_cheap(data),
        registers_share(data),
        layers.sentence(data),
        deep_stacks(data),
        spawning(data),
        weighing(data),
    ]


def _switch(data: Dataset, subject: str) -> Case | None:
    """The subject's headline: different sites where it has them."""
    found = data.find("switch", subject, site="diff") or data.find("switch", subject)
    return found if found is not None and found.values(COST) else None


def _ns(found: Estimate) -> str:
    if found.low is None or found.high is None:
        return f"{number(found.median)} ns (n = {found.n}, too few for an interval)"
    return (
        f"{number(found.median)} ns (95 % interval {number(found.low)} to "
        f"{number(found.high)})"
    )


def _cost(case: Case) -> str:
    found = case.estimate(COST)
    return MISSING_WORDS if found is None else _ns(found)


def _factor(found: Estimate | None) -> str:
    if found is None:
        return "a ratio that can't be formed"
    words = f"{number(found.median)} times a coroutine switch"
    if found.low is None or found.high is None:
        return words
    return f"{words} ({number(found.low)} to {number(found.high)})"


def switch_cost(data: Dataset) -> str:
    case = _switch(data, "coro-inline")
    if case is None:
        return f"What the three-register coroutine switch costs is {MISSING_WORDS}."
    cycles = case.median(STEADY)
    words = f"A coroutine switch costs {_cost(case)}"
    words += f", {number(cycles)} estimated cycles" if cycles is not None else ""
    words += f" (three registers, inline, {case.variant or 'no parameters'}"
    words += ", one CPU)."
    same = data.find("switch", "coro-inline", site="same")
    words += " Between flows that resume at one and the same site it costs "
    words += f"{_cost(same)}." if same is not None else f"a time that is {MISSING_WORDS}."
    abi = _switch(data, "coro-abi")
    words += " The function that keeps the ABI's registers costs "
    words += f"{_cost(abi)}." if abi is not None else f"a time that is {MISSING_WORDS}."
    return words


def compared(data: Dataset, subject: str, words: str) -> str:
    case, base = _switch(data, subject), _switch(data, "coro-inline")
    if case is None:
        return f"What a {words} costs is {MISSING_WORDS}."
    if base is None:
        return f"A {words} costs {_cost(case)}; no coroutine switch is there to compare."
    return f"A {words} costs {_cost(case)}: {_factor(data.ratio(case, base))}."


def why_cheap(data: Dataset) -> str:
    steps = ablation_steps(data)
    if len(steps) < 2:
        return (
            f"What each part of a switch's contract costs (ablation) is {MISSING_WORDS}."
        )
    first, dearest = steps[0], max(steps, key=_median)
    words = (
        f"From the smallest contract ({contract_word(first)}, {_bytes(first)} saved, "
        f"{number(_median(first))} ns) to the dearest ({contract_word(dearest)}, "
        f"{_bytes(dearest)}) one and the same switch grows to "
        f"{number(_median(dearest))} ns"
    )
    gains = [
        (_median(step) - _median(parent), step, parent)
        for step in steps
        if (parent := ablation_parent(step, steps)) is not None
        and contract_word(parent) == CONTRACTS[contract_word(step)]
    ]
    among = (
        ""
        if len(gains) == len(steps) - 1
        else ", of those whose step before is in these records,"
    )
    gain, added, base = max(gains, key=lambda one: one[0], default=(0.0, first, first))
    if gain <= 0:
        return words + "."
    return (
        f"{words}; the largest single addition{among} is {contract_word(added)}, "
        f"{number(gain)} ns over {contract_word(base)}"
        f"{' (it enters the kernel)' if _kernel(added) else ''}."
    )


def _median(case: Case) -> float:
    return case.median(COST) or 0.0


def _bytes(case: Case) -> str:
    return size(case.contract.bytes_saved) if case.contract else "unknown bytes"


def _kernel(case: Case) -> bool:
    return case.contract is not None and case.contract.kernel_entry


def registers_share(data: Dataset) -> str:
    """How much of the gap to a thread's switch saving registers could explain."""
    user = [step for step in ablation_steps(data) if not _kernel(step)]
    thread, base = _switch(data, "pthread-futex"), _switch(data, "coro-inline")
    if len(user) < 2 or thread is None or base is None:
        return f"How much of a thread's cost saved registers explain is {MISSING_WORDS}."
    widest = max(user, key=lambda step: step.median(COST) or 0)
    added = (widest.median(COST) or 0) - (user[0].median(COST) or 0)
    gap = (thread.median(COST) or 0) - (base.median(COST) or 0)
    if gap <= 0:
        return (
            "The futex handoff is no dearer than the coroutine switch in these records."
        )
    return (
        f"Saving registers explains at most {percent(added / gap)} of the gap between "
        f"that handoff and a coroutine switch: the dearest contract that stays in user "
        f"space ({contract_word(widest)}, {_bytes(widest)}) adds {number(added)} ns, and "
        f"the gap is {number(gap)} ns."
    )


def deep_stacks(data: Dataset) -> str:
    lines = {
        name: points for name, points in depth_lines(data).items() if len(points) > 1
    }
    if not lines:
        return f"Whether a deep stack makes a switch dearer is {MISSING_WORDS}."
    ranges = {(points[0][0], points[-1][0]) for points in lines.values()}
    parts = []
    for name, points in lines.items():
        (shallow, first), (deep, last) = points[0], points[-1]
        ratio = data.ratio(last, first)
        if ratio is not None:
            span = f" ({size(shallow)} to {size(deep)})" if len(ranges) > 1 else ""
            parts.append(f"{name} {number(ratio.median)} times{span}")
    shallow, deep = next(iter(ranges))
    instead = (
        f"{size(deep)} of live stack in place of {size(shallow)}"
        if len(ranges) == 1
        else "a deep live stack in place of a shallow one"
    )
    return f"With {instead}, a switch costs: {listing(parts, 8)}."


def spawning(data: Dataset) -> str:
    cases = [case for case in data.of("spawn") if case.values(COST)]
    cheapest: dict[str, Case] = {}
    for case in sorted(cases, key=lambda case: case.median(COST) or 0):
        cheapest.setdefault(case.subject, case)
    if not cheapest:
        return f"What creating a flow costs is {MISSING_WORDS}."
    parts = [
        f"{case.subject} {number(case.median(COST))} ns"
        f"{f' ({case.variant})' if case.variant else ''}"
        for case in cheapest.values()
    ]
    return f"To create a flow, run it and join it costs, at best: {listing(parts, 8)}."


def weighing(data: Dataset) -> str:
    lightest: dict[str, Case] = {}
    for case in sorted(
        footprint_cases(data), key=lambda case: sum(weight(case).values())
    ):
        lightest.setdefault(case.subject, case)
    if not lightest:
        return f"What a parked flow weighs is {MISSING_WORDS}."
    parts = [
        f"{case.subject} {needed_words(case).replace('≥', 'at least')}"
        f"{f' ({case.variant})' if case.variant else ''}"
        for case in lightest.values()
    ]
    return (
        f"A parked flow needs, at least, resident memory, page tables and kernel memory "
        f"together: {listing(parts, 8)}."
    )
