# SPDX-License-Identifier: MIT
"""The tables of the report: one row per case, and the notes under them.

A figure that is absent is a dash with a letter; the letter's note gives the reason from the
record. Rows whose contracts differ do different work, and a note says in what.
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
SHOWN = {COST, STEADY, "cycles", "instructions", *KERNEL_SWITCHES}
PROMISES: tuple[tuple[str, Callable[[Contract], bool]], ...] = (
    ("keep the floating-point control words", lambda contract: contract.fp_control),
    ("keep the signal mask", lambda contract: contract.signal_mask),
    ("keep the TLS base", lambda contract: contract.tls_base),
    ("enter the kernel", lambda contract: contract.kernel_entry),
)


class Notes:
    """Letters for reasons, in order of first use."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}

    def mark(self, reason: str) -> str:
        index = len(self._letters)
        letter = ascii_lowercase[index % 26] * (index // 26 + 1)
        return f"{MISSING} ({self._letters.setdefault(reason, letter)})"

    def block(self) -> list[Block]:
        return [Bullets([(f"({letter}) {reason}",) for reason, letter in
                         self._letters.items()])] if self._letters else []


def interval(found: Estimate | None, word: Callable[[float | None], str] = number) -> str:
    if found is None:
        return MISSING
    if found.low is None or found.high is None:
        return f"none: n = {found.n}"
    return f"{word(found.low)} to {word(found.high)}"


def cost_table(cases: list[Case]) -> list[Block]:
    """For cases that are a cost per op."""
    notes = Notes()
    rows = []
    for case in cases:
        found = case.estimate(COST)
        contract = case.contract
        saves = MISSING if contract is None else contract.saves or "nothing"
        stored = MISSING if contract is None or contract.bytes_saved < 0 else \
            f"{contract.bytes_saved:,}"
        rows.append([Code(case.name),
                     number(found.median) if found else notes.mark(case.reason(COST)),
                     interval(found),
                     f"{_cell(case, STEADY, notes)} / {_cell(case, 'cycles', notes)}",
                     _cell(case, "instructions", notes), _kernel_switches(case, notes),
                     saves, stored, str(found.n if found else 0)])
    headers = ["case", "median ns/op", "95 % interval", "cycles/op, estimated / PMU",
               "instructions/op", "kernel switches/op", "contract: saves", "bytes", "n"]
    numeric = [False, True, True, True, True, True, False, True, True]
    if all(case.contract is None for case in cases):
        headers, numeric = headers[:6] + headers[8:], numeric[:6] + numeric[8:]
        rows = [row[:6] + row[8:] for row in rows]
    return [Table(headers, rows, numeric), *notes.block(), *contract_note(cases),
            *flag_note(cases)]


def _cell(case: Case, metric: str, notes: Notes) -> str:
    value = case.median(metric)
    return notes.mark(case.reason(metric)) if value is None else number(value)


def _kernel_switches(case: Case, notes: Notes) -> str:
    values = [case.median(metric) for metric in KERNEL_SWITCHES]
    known = [value for value in values if value is not None]
    return number(sum(known)) if known else notes.mark(case.reason(KERNEL_SWITCHES[0]))


def contract_note(cases: list[Case]) -> list[Block]:
    """What some rows do and others do not."""
    contracts = {case.subject: case.contract for case in cases if case.contract is not None}
    differences = []
    for words, holds in PROMISES:
        doing = [name for name, contract in contracts.items() if contract and holds(contract)]
        if 0 < len(doing) < len(contracts):
            differences.append(f"only {listing(doing, 12)} {words}")
    stored = {contract.bytes_saved for contract in contracts.values()
              if contract and contract.bytes_saved >= 0}
    if len(stored) > 1:
        differences.append(f"a switch saves {min(stored):,} to {max(stored):,} bytes")
    if not differences:
        return []
    return [Paragraph("The contracts are unequal, so these rows do not all do the same work: "
                      + "; ".join(differences) + ".")]


def flag_note(cases: list[Case]) -> list[Block]:
    items: list[tuple[str, ...]] = [
        (Code(case.name), f": {flag} in {times} of {len(case.trials)} trials")
        for case in cases for flag, times in sorted(case.flag_counts().items())]
    return [Paragraph("Flagged:"), Bullets(items)] if items else []


def own_table(cases: list[Case]) -> list[Block]:
    """For cases that report metrics of their own, such as bytes per flow."""
    notes = Notes()
    metrics = list(dict.fromkeys(name for case in cases for trial in case.trials
                                 for name in trial.metrics))
    units = {name: next((unit for case in cases if (unit := case.unit(name))), "")
             for name in metrics}
    words = list(dict.fromkeys(key for case in cases for trial in case.trials
                               for key in trial.notes))
    rows = []
    for case in cases:
        row: list[str] = [Code(case.name)]
        for name in metrics:
            found = case.estimate(name)
            word = size if units[name].startswith("B") else number
            row.append(notes.mark(case.reason(name)) if found is None else word(found.median))
            row.append(interval(found, word))
        for key in words:
            values = list(dict.fromkeys(trial.notes[key] for trial in case.trials
                                        if key in trial.notes))
            row.append(listing(values, 3) or MISSING)
        rows.append([*row, str(len(case.trials))])
    headers = ["case"]
    for name in metrics:
        words_of = name.replace("_", " ")
        headers += [words_of if words_of == units[name] else f"{words_of}, {units[name]}",
                    "95 % interval"]
    headers += [*words, "n"]
    numeric = [False] + [True] * 2 * len(metrics) + [False] * len(words) + [True]
    table = _without_idle_intervals(Table(headers, rows, numeric))
    return [table, *notes.block(), *flag_note(cases)]


def _without_idle_intervals(table: Table) -> Table:
    """Drops the intervals that have no width: the figure said it all."""
    keep = [not (header == "95 % interval"
                 and all(row[at] == MISSING or row[at] == f"{row[at - 1]} to {row[at - 1]}"
                         for row in table.rows))
            for at, header in enumerate(table.headers)]

    def kept(row: list[str]) -> list[str]:
        return [cell for cell, wanted in zip(row, keep) if wanted]
    return Table(kept(table.headers), [kept(row) for row in table.rows],
                 [cell for cell, wanted in zip(table.numeric, keep) if wanted])


def counter_table(cases: list[Case]) -> list[Block]:
    """The metrics of cost cases that the cost table has no column for, where there are any."""
    metrics = [name for name in dict.fromkeys(name for case in cases for trial in case.trials
                                              for name in trial.metrics)
               if name not in SHOWN and any(case.values(name) for case in cases)]
    moving = [name for name in metrics if any(case.median(name) for case in cases)]
    if not moving:
        return []
    rows: list[list[str]] = [[Code(case.name), *[number(case.median(name)) for name in moving]]
                             for case in cases if any(case.median(name) for name in moving)]
    headers = ["case", *[f"{name.replace('_', ' ')}, "
                         f"{next((case.unit(name) for case in cases if case.unit(name)), '')}"
                         for name in moving]]
    return [Paragraph("Other counts per op, medians; rows that are all zero are left out."),
            Table(headers, rows, [False] + [True] * len(moving))]
