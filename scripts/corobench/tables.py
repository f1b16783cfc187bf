# SPDX-License-Identifier: MIT
"""The tables of the report: one row per case, and the notes under them.

A figure that is absent is a dash with a letter; the letter's note gives the reason from
the record. Rows whose contracts differ do different work, and a note says in what.
"""
from __future__ import annotations

from collections.abc import Callable
from string import ascii_lowercase

from corobench.blocks import Block, Bullets, Paragraph, Table
from corobench.dataset import COST, STEADY, Case
from corobench.estimates import Estimate
from corobench.records import Contract
from corobench.wording import MISSING, Code, listing, number, size

KERNEL_SWITCHES = ("kernel_switches_voluntary", "kernel_switches_involuntary")
STEPPED = "instructions_stepped"
SHOWN = {COST, STEADY, "cycles", "instructions", STEPPED, *KERNEL_SWITCHES}
PROMISES: tuple[tuple[str, Callable[[Contract], bool]], ...] = (
    ("the floating-point control words are kept", lambda contract: contract.fp_control),
    ("the signal mask is kept", lambda contract: contract.signal_mask),
    ("the TLS base is kept", lambda contract: contract.tls_base),
    ("the kernel is entered", lambda contract: contract.kernel_entry),
)


class Notes:
    """Letters for reasons, in order of first use."""

    def __init__(self, unrecorded: str = "not in the records") -> None:
        self._letters: dict[str, str] = {}
        self._unrecorded = unrecorded

    def mark(self, reason: str) -> str:
        reason = reason or self._unrecorded
        index = len(self._letters)
        letter = ascii_lowercase[index % 26] * (index // 26 + 1)
        return f"{MISSING} ({self._letters.setdefault(reason, letter)})"

    def block(self) -> list[Block]:
        return (
            [
                Bullets(
                    [
                        (f"({letter}) {reason}",)
                        for reason, letter in self._letters.items()
                    ]
                )
            ]
            if self._letters
            else []
        )


def interval(found: Estimate | None, word: Callable[[float | None], str] = number) -> str:
    if found is None:
        return MISSING
    if found.low is None or found.high is None:
        return f"none: n = {found.n}"
    return f"{word(found.low)} to {word(found.high)}"


def cost_table(cases: list[Case], unrecorded: str) -> list[Block]:
    """For cases that are a cost per op. `unrecorded`: why records may lack a counter."""
    notes = Notes(unrecorded)
    rows = []
    for case in cases:
        found = case.estimate(COST)
        contract = case.contract
        saves = MISSING if contract is None else contract.saves or "nothing"
        stored = (
            MISSING
            if contract is None or contract.bytes_saved < 0
            else f"{contract.bytes_saved:,}"
        )
        rows.append(
            [
                Code(case.name),
                number(found.median) if found else notes.mark(case.reason(COST)),
                interval(found),
                f"{_cell(case, STEADY, notes)} / {_cell(case, 'cycles', notes)}",
                _instructions(case, notes),
                _kernel_switches(case, notes),
                saves,
                stored,
                str(found.n if found else 0),
            ]
        )
    headers = [
        "case",
        "median ns/op",
        "95 % interval",
        "cycles/op, estimated / PMU",
        "instructions/op",
        "kernel switches/op",
        "contract: saves",
        "bytes",
        "n",
    ]
    numeric = [False, True, True, True, True, True, False, True, True]
    if all(case.contract is None for case in cases):
        headers, numeric = headers[:6] + headers[8:], numeric[:6] + numeric[8:]
        rows = [row[:6] + row[8:] for row in rows]
    return [
        Table(headers, rows, numeric),
        *notes.block(),
        *contract_note(cases),
        *flag_note(cases),
    ]


def _cell(case: Case, metric: str, notes: Notes) -> str:
    value = case.median(metric)
    return notes.mark(case.reason(metric)) if value is None else number(value)


def _instructions(case: Case, notes: Notes) -> str:
    """Counted one by one where that was done, which is exact; else what the PMU says."""
    stepped = case.median(STEPPED)
    if stepped is None:
        metric = STEPPED if case.reason(STEPPED) else "instructions"
        return _cell(case, metric, notes)
    return f"{stepped:.0f}" if stepped == round(stepped) else f"{stepped:.3f}"


def _kernel_switches(case: Case, notes: Notes) -> str:
    values = [case.median(metric) for metric in KERNEL_SWITCHES]
    known = [value for value in values if value is not None]
    if not known:
        return notes.mark(case.reason(KERNEL_SWITCHES[0]))
    # Timer ticks and the like, spread over millions of ops: not a property of the op.
    return "< 0.001" if 0 < abs(sum(known)) < 0.001 else number(sum(known))


def contract_note(cases: list[Case]) -> list[Block]:
    """What some rows do and others do not."""
    contracts = _contracts(cases)
    differences = []
    for words, holds in PROMISES:
        doing = [
            name for name, contract in contracts.items() if contract and holds(contract)
        ]
        if 0 < len(doing) < len(contracts):
            others = [name for name in contracts if name not in doing]
            differences.append(
                f"{words} by all but {listing(others, 12)}"
                if len(others) < len(doing)
                else f"{words} by {listing(doing, 12)} only"
            )
    stored = {
        contract.bytes_saved
        for contract in contracts.values()
        if contract and contract.bytes_saved >= 0
    }
    if len(stored) > 1:
        differences.append(f"a switch saves {min(stored):,} to {max(stored):,} bytes")
    if not differences:
        return []
    return [
        Paragraph(
            "The contracts are unequal, so these rows do not all do the same work: "
            + "; ".join(differences)
            + "."
        )
    ]


def _contracts(cases: list[Case]) -> dict[str, Contract]:
    """By subject; by subject and parameters where one subject has several."""
    stated = [(case, case.contract) for case in cases if case.contract is not None]
    several = {
        case.subject
        for case, contract in stated
        if any(
            other.subject == case.subject and theirs != contract
            for other, theirs in stated
        )
    }
    return {
        f"{case.subject} {case.variant}"
        if case.subject in several
        else case.subject: contract
        for case, contract in stated
    }


def flag_note(cases: list[Case]) -> list[Block]:
    """The flags that most trials of a case carry."""
    flagged: dict[str, list[Case]] = {}
    for case in cases:
        for flag, times in sorted(case.flag_counts().items()):
            if 2 * times > len(case.trials):
                flagged.setdefault(flag, []).append(case)
    items: list[tuple[str, ...]] = []
    for flag, those in flagged.items():
        parts: list[str] = [f"{flag}: "]
        for index, case in enumerate(those):
            parts += [
                ", " if index else "",
                Code(case.name),
                f" ({case.flag_counts()[flag]} of {len(case.trials)})",
            ]
        items.append(tuple(parts))
    return (
        [Paragraph("Flagged in more than half of their trials:"), Bullets(items)]
        if items
        else []
    )


def own_table(cases: list[Case]) -> list[Block]:
    """For cases that report metrics of their own, such as bytes per flow."""
    notes = Notes()
    metrics = list(
        dict.fromkeys(
            name for case in cases for trial in case.trials for name in trial.metrics
        )
    )
    units = {
        name: next((unit for case in cases if (unit := case.unit(name))), "")
        for name in metrics
    }
    rows = []
    for case in cases:
        row: list[str] = [Code(case.name)]
        for name in metrics:
            found = case.estimate(name)
            word = size if units[name].startswith("B") else number
            row.append(
                notes.mark(case.reason(name)) if found is None else word(found.median)
            )
            row.append(interval(found, word))
        rows.append([*row, case_notes(case) or MISSING, str(len(case.trials))])
    headers = ["case"]
    for name in metrics:
        words_of = name.replace("_", " ")
        headers += [
            words_of if words_of == units[name] else f"{words_of}, {units[name]}",
            "95 % interval",
        ]
    headers += ["what the case noted", "n"]
    numeric = [False] + [True] * 2 * len(metrics) + [False, True]
    table = _without_idle_columns(Table(headers, rows, numeric))
    return [table, *notes.block(), *flag_note(cases)]


def case_notes(case: Case) -> str:
    """The notes that (nearly) all trials agree on; what varies is in the records."""
    parts = []
    for key in dict.fromkeys(key for trial in case.trials for key in trial.notes):
        values = list(
            dict.fromkeys(trial.notes[key] for trial in case.trials if key in trial.notes)
        )
        if len(values) <= 2 and not key.endswith("_spread"):
            parts.append(f"{key}: {' or '.join(values)}")
    return "; ".join(parts)


def _without_idle_columns(table: Table) -> Table:
    """Drops intervals that no row has or that have no width, and notes of nobody."""
    keep = [
        not (
            header == "95 % interval"
            and all(
                row[at] == MISSING
                or row[at].startswith("none")
                or row[at] == f"{row[at - 1]} to {row[at - 1]}"
                for row in table.rows
            )
            or header == "what the case noted"
            and all(row[at] == MISSING for row in table.rows)
        )
        for at, header in enumerate(table.headers)
    ]

    def kept(row: list[str]) -> list[str]:
        return [cell for cell, wanted in zip(row, keep) if wanted]

    return Table(
        kept(table.headers),
        [kept(row) for row in table.rows],
        [cell for cell, wanted in zip(table.numeric, keep) if wanted],
    )


def counter_table(cases: list[Case]) -> list[Block]:
    """The metrics of cost cases that the cost table has no column for."""
    metrics = [
        name
        for name in dict.fromkeys(
            name for case in cases for trial in case.trials for name in trial.metrics
        )
        if name not in SHOWN
    ]
    moving = [name for name in metrics if any(_is_news(case, name) for case in cases)]
    if not moving:
        return []
    rows: list[list[str]] = [
        [Code(case.name), *[number(case.median(name)) for name in moving]]
        for case in cases
        if any(_is_news(case, name) for name in moving)
    ]
    headers = [
        "case",
        *[
            f"{name.replace('_', ' ')}, "
            f"{next((case.unit(name) for case in cases if case.unit(name)), '')}"
            for name in moving
        ],
    ]
    return [
        Paragraph(
            "Other figures per op, medians. Left out: rows that are all zero, and CPU "
            "time that is the elapsed time."
        ),
        Table(headers, rows, [False] + [True] * len(moving)),
    ]


def _is_news(case: Case, metric: str) -> bool:
    value, cost = case.median(metric), case.median(COST)
    if metric == "cpu_ns" and value is not None and cost:
        return abs(value / cost - 1) > 0.05
    return bool(value)
