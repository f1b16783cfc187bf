# SPDX-License-Identifier: MIT
"""The tables of the report: one row per case, and the notes under them.

A figure that is absent is a dash with a letter; the letter's note gives the reason from
the record. Rows whose contracts differ do different work, and a note says in what.
"""
from __future__ import annotations

from collections.abc import Callable
from string import ascii_lowercase

from corobench.blocks import Block, Bullets, Measured, Paragraph, Parts, Table
from corobench.dataset import COST, STEADY, Case
from corobench.estimates import Estimate
from corobench.records import Contract
from corobench.wording import MISSING, Code, number, size

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
                        (f"({letter}) ", reason)
                        for reason, letter in self._letters.items()
                    ]
                )
            ]
            if self._letters
            else []
        )


Word = Callable[[float | None], str]


def median_cell(case: Case, metric: str, word: Word = number) -> Measured:
    """For a metric that the case has."""
    return Measured(word(case.median(metric)), "median", case.name, metric)


def interval_cell(case: Case, metric: str, word: Word = number) -> str:
    found = case.estimate(metric)
    if found is None:
        return MISSING
    if found.low is None or found.high is None:
        return "too few rounds"
    words = f"{word(found.low)} to {word(found.high)}"
    return Measured(words, "interval", case.name, metric)


def trials_cell(case: Case, metric: str) -> Measured:
    return Measured(str(len(case.values(metric))), "n", case.name, metric)


def cost_table(cases: list[Case], unrecorded: str) -> list[Block]:
    """For cases that are a cost per op. `unrecorded`: why records may lack a counter."""
    notes = Notes(unrecorded)
    rows: list[list[str]] = []
    for case in cases:
        contract = case.contract
        rows.append(
            [
                Code(case.name),
                _cell(case, COST, notes),
                interval_cell(case, COST),
                _cell(case, STEADY, notes),
                _cell(case, "cycles", notes),
                _instructions(case, notes),
                _kernel_switches(case, notes),
                MISSING if contract is None else contract.saves or "nothing",
                _saved(case),
                trials_cell(case, COST),
            ]
        )
    headers = [
        "case",
        "median ns/op",
        "95 % interval",
        "cycles/op, estimated",
        "cycles/op, PMU",
        "instructions/op",
        "kernel switches/op",
        "contract: saves",
        "bytes",
        "n",
    ]
    numeric = [False, True, True, True, True, True, True, False, True, True]
    if all(case.contract is None for case in cases):
        headers, numeric = headers[:7] + headers[9:], numeric[:7] + numeric[9:]
        rows = [row[:7] + row[9:] for row in rows]
    return [
        Table(headers, rows, numeric),
        *notes.block(),
        *contract_note(cases),
        *flag_note(cases),
    ]


def _cell(case: Case, metric: str, notes: Notes) -> str:
    if case.median(metric) is None:
        return notes.mark(case.reason(metric))
    return median_cell(case, metric)


def _saved(case: Case) -> str:
    contract = case.contract
    if contract is None or contract.bytes_saved < 0:
        return MISSING
    return Measured(f"{contract.bytes_saved:,}", "contract", case.name)


def _instructions(case: Case, notes: Notes) -> str:
    """Counted one by one where that was done, which is exact; else what the PMU says."""
    stepped = case.median(STEPPED)
    if stepped is None:
        metric = STEPPED if case.reason(STEPPED) else "instructions"
        return _cell(case, metric, notes)
    words = f"{stepped:.0f}" if stepped == round(stepped) else f"{stepped:.3f}"
    return Measured(words, "median", case.name, STEPPED)


def _kernel_switches(case: Case, notes: Notes) -> str:
    values = [case.median(metric) for metric in KERNEL_SWITCHES]
    known = [value for value in values if value is not None]
    if not known:
        return notes.mark(case.reason(KERNEL_SWITCHES[0]))
    # Timer ticks and the like, spread over millions of ops: not a property of the op.
    small = 0 < abs(sum(known)) < 0.001
    words = "< 0.001" if small else number(sum(known))
    return Measured(words, "sum", case.name, *KERNEL_SWITCHES)


def contract_note(cases: list[Case]) -> list[Block]:
    """What some rows do and others do not."""
    contracts = _contracts(cases)
    parts: list[str] = []
    for words, holds in PROMISES:
        doing = [
            name for name, contract in contracts.items() if contract and holds(contract)
        ]
        if 0 < len(doing) < len(contracts):
            others = [name for name in contracts if name not in doing]
            few = len(others) < len(doing)
            parts += [
                "; " if parts else "",
                f"{words} by all but " if few else f"{words} only by ",
                *named(others if few else doing),
            ]
    if not parts:
        return []
    return [
        Paragraph(
            "The contracts are unequal, so these rows do not all do the same work: ",
            *parts,
            ".",
        )
    ]


def named(names: list[str]) -> Parts:
    """Names of cases or subjects in a sentence."""
    parts: list[str] = []
    for index, name in enumerate(names):
        parts += [", " if index else "", Code(name)]
    return tuple(parts)


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
    items = [
        (f"{flag}: ", *named([case.name for case in those]))
        for flag, those in flagged.items()
    ]
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
            word = size if units[name].startswith("B") else number
            known = case.estimate(name) is not None
            row.append(
                median_cell(case, name, word) if known else notes.mark(case.reason(name))
            )
            row.append(interval_cell(case, name, word))
        words = Measured(case_notes(case) or MISSING, "notes", case.name)
        rows.append([*row, words, Measured(str(len(case.trials)), "trials", case.name)])
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
                or row[at] == "too few rounds"
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
        [
            Code(case.name),
            *[
                MISSING if case.median(name) is None else median_cell(case, name)
                for name in moving
            ],
        ]
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
