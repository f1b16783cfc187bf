# SPDX-License-Identifier: MIT
"""For each claim, figures that must make it CONFIRMED, REFUTED, and whatever else it may be.

A row sets metrics of the claim's cases by their names in claims.toml; a list is several cases
under one pattern. What a row leaves out keeps the value of the confirming row. records() makes
a run of them, which the tests judge: a predicate that can't fail, can't pass here either.
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import Union

from corobench.claims import (
    CONFIRMED,
    CONTRACT_BYTES,
    NOT_TESTABLE,
    QUALIFIED,
    REFUTED,
    Claim,
)
from tests.synthetic import Generator, Record, contract, metric

STEPPED = ("bytes_stored", "instructions_stepped")
Row = dict[str, Union[float, list[float]]]

THREAD = {
    "thread.resident_bytes": 8520.0,
    "thread.page_table_bytes": 40.0,
    "thread.kernel_bytes": 23500.0,
}
FLOW = {
    "flow.resident_bytes": 2168.0,
    "flow.page_table_bytes": 4.0,
    "flow.kernel_bytes": 0.0,
}

ROWS: dict[str, dict[str, Row]] = {
    "C1": {
        CONFIRMED: {"rules.broken": [0.0, 0.0], "rules.played": [500.0, 600.0]},
        REFUTED: {"rules.broken": [0.0, 1.0]},
        NOT_TESTABLE: {"rules.played": [10.0, 20.0]},
    },
    "C2": {
        CONFIRMED: {
            "bare.lost_updates": 500.0,
            "chan.lost_updates": [0.0],
            "deadlock_in_mutex.deadlocked": 90.0,
            "deadlock_in_mutex.played": 100.0,
            "deadlock_in_chan.deadlocked": 0.0,
            "deadlock_in_chan.played": 100.0,
        },
        REFUTED: {"chan.lost_updates": [1.0]},
        QUALIFIED: {"deadlock_in_chan.deadlocked": 50.0},
    },
    "C3": {
        CONFIRMED: {
            "order.broken": 0.0,
            "whole.broken": [0.0, 0.0],
            "meet.broken": 3.0,
            "unbuffered.ns": 5.0,
            "buffered.ns": 5.0,
        },
        REFUTED: {"whole.broken": [0.0, 1.0]},
        QUALIFIED: {"meet.broken": 0.0, "unbuffered.ns": 15.0},
    },
    "C4": {
        CONFIRMED: {
            "pipe.kernel_switches_voluntary": 1.0,
            "cached.kernel_switches_voluntary": 1.0,
            "pipe.sibling_stall": 0.99,
            "flow.sibling_stall": 0.99,
            "poller.sibling_stall": 0.01,
        },
        REFUTED: {"pipe.kernel_switches_voluntary": 0.0},
        QUALIFIED: {
            "cached.kernel_switches_voluntary": 0.0,
            "pipe.sibling_stall": 0.05,
        },
        NOT_TESTABLE: {"pipe.kernel_switches_voluntary": 0.5},
    },
    "C5": {
        CONFIRMED: {**THREAD, **FLOW, "state.contract_bytes": 2416.0},
        REFUTED: {"flow.resident_bytes": 32000.0},
        QUALIFIED: {"flow.resident_bytes": 20000.0},
    },
    "C6": {
        CONFIRMED: {**THREAD, "thread.reserved_bytes": 1e6, "thread.resident_bytes": 9e5},
        REFUTED: {"thread.reserved_bytes": 2e4, "thread.resident_bytes": 9e3},
        QUALIFIED: {"thread.resident_bytes": 9e3},
    },
    "C7": {
        CONFIRMED: {"go.resident_bytes": [2700.0, 2750.0]},
        REFUTED: {"go.resident_bytes": [8800.0, 9000.0]},
        QUALIFIED: {"go.resident_bytes": [5000.0, 5100.0]},
    },
    "C8": {
        CONFIRMED: {"segmented_4k.ns": [2.0, 2.1, 30.0]},
        REFUTED: {"segmented_4k.ns": [2.0, 2.0, 2.1]},
        QUALIFIED: {"segmented_4k.ns": [2.0, 3.0]},
    },
    "C9": {
        CONFIRMED: {
            "segmented_4k.ns": [2.0, 30.0],
            "contiguous.ns": [2.0, 2.1],
            "big.reserved_bytes": [8300.0],
            "big.resident_bytes": [4152.0],
            "small.reserved_bytes": 2172.0,
            "small.resident_bytes": 2168.0,
        },
        REFUTED: {"contiguous.ns": [2.0, 30.0]},
        QUALIFIED: {"contiguous.ns": [2.0, 4.0]},
    },
    "C10": {
        CONFIRMED: {
            "list.contract_bytes": 398.0,
            "whole.contract_bytes": 400.0,
            "clean.contract_bytes": 400.0,
            "dirty.contract_bytes": 400.0,
            "general.contract_bytes": 136.0,
            "clean.ns": 12.0,
            "dirty.ns": 12.0,
            "list.ns": 10.0,
            "least.ns": 1.0,
            "whole.ns": 12.0,
        },
        REFUTED: {"whole.contract_bytes": 64.0},
        QUALIFIED: {"whole.contract_bytes": 2416.0},
    },
    "C11": {
        CONFIRMED: {
            "none.contract_bytes": 24.0,
            "one.bytes_stored": 24.0,
            "one.ns": 0.8,
            "six.bytes_stored": 24.0,
            "none.ns": 0.8,
            "six.ns": 0.8,
        },
        REFUTED: {"none.contract_bytes": 64.0},
        QUALIFIED: {"six.ns": 2.0},
    },
    "C12": {
        CONFIRMED: {"flow.ns": 1.0, "thread.ns": 201.0, "least.ns": 1.0, "most.ns": 181.0},
        REFUTED: {"thread.ns": 2001.0},
        QUALIFIED: {"thread.ns": 601.0},
    },
    "C13": {
        CONFIRMED: {
            "one.voluntary": 2.0,
            "some.voluntary": [4.0, 7.0],
            "go.voluntary": 110.0,
        },
        REFUTED: {"one.voluntary": 999000.0},
        QUALIFIED: {"some.voluntary": [1000.0, 1001.0]},
    },
    "C14": {
        CONFIRMED: {
            "flow_0.ns": 0.9,
            "flow_1m.ns": 0.95,
            "ucontext_0.ns": 220.0,
            "ucontext_1m.ns": 221.0,
            "copy_0.ns": 17.0,
            "copy_1m.ns": 45000.0,
        },
        REFUTED: {"flow_1m.ns": 9.0},
        QUALIFIED: {"flow_1m.ns": 2.2},
        NOT_TESTABLE: {"copy_1m.ns": 18.0},
    },
    "C15": {
        CONFIRMED: {"thread.flows": 2.0, "machine.cpus": 2.0},
        REFUTED: {"thread.flows": 32000.0},
        QUALIFIED: {"thread.flows": 100.0},
    },
    "C16": {
        CONFIRMED: {"flow.flows": 1e7, "guarded.flows": 100000.0, "thread.flows": 32440.0},
        REFUTED: {"flow.flows": 32000.0},
        QUALIFIED: {"guarded.flows": 32730.0},
    },
    "C17": {
        CONFIRMED: {
            "bare.lost_updates": 400.0,
            "locked.lost_updates": 0.0,
            "bare.ns": 1000.0,
            "locked.ns": 1100.0,
        },
        REFUTED: {"locked.lost_updates": 2.0},
        NOT_TESTABLE: {"bare.lost_updates": 0.0},
    },
    "C18": {
        CONFIRMED: {
            "parts.taken": [0.5],
            "hog.beside": [1.0],
            "hog_alone.beside": 0.0,
        },
        REFUTED: {"parts.taken": [0.0]},
        QUALIFIED: {"parts.taken": [0.02]},
        NOT_TESTABLE: {"hog_alone.beside": 0.5},
    },
    "C19": {
        CONFIRMED: {
            "checked.ns": 100.0,
            "plain.ns": 100.0,
            "loop_checked.instructions_stepped": 8.0,
            "loop_plain.instructions_stepped": 5.0,
        },
        REFUTED: {"checked.ns": 120.0},
        QUALIFIED: {"checked.ns": 104.0},
    },
}


def row(claim: Claim, verdict: str) -> Row:
    return {**ROWS[claim.id][CONFIRMED], **ROWS[claim.id][verdict]}


def names(claim: Claim, alias: str, count: int) -> list[str]:
    pattern = claim.cases[alias][0]
    return [pattern.replace("*", f"x{index}=1") for index in range(count)]


def records(claim: Claim, figures: Row, rounds: int = 8) -> list[Record]:
    """A run with one case for each alias, or several, and these metrics in each round."""
    found: dict[str, dict[str, float]] = {}
    cpus = "2"
    for key, value in figures.items():
        alias, name = key.split(".")
        values = value if isinstance(value, list) else [value]
        if alias == "machine":
            cpus = f"{values[0]:.0f} of {values[0]:.0f} online"
            continue
        for case, one in zip(names(claim, alias, len(values)), values):
            found.setdefault(case, {})[name] = one
    generator = Generator(rounds=rounds)
    first = generator.environment(sorted(found))
    first["facts"].append({"name": "cpus", "value": cpus, "status": "ok", "advice": ""})
    return [first] + [
        trial(generator, case, number, metrics)
        for number in range(1, rounds + 1)
        for case, metrics in found.items()
    ]


def trial(
    generator: Generator, case: str, number: int, metrics: Mapping[str, float]
) -> Record:
    stored = metrics.get(CONTRACT_BYTES)
    own = {
        name: metric(value, "unit", "singlestep" if name in STEPPED else "clock")
        for name, value in metrics.items()
        if name != CONTRACT_BYTES
    }
    return generator.trial(
        case,
        number,
        own or {"ns": metric(1.0, "ns/op", "clock")},
        contract=None if stored is None else contract("registers", int(stored)),
    )
