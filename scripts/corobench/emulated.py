# SPDX-License-Identifier: MIT
"""Instructions per op on other processors: counted under emulation, with the machine code.

scripts/emulated-count writes the records: runs like any other, in results/emulated/<cpu>/,
whose trials are flagged `emulated` and have no times. Of a report's own run they are no part.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from corobench.blocks import Block, Measured, Paragraph, Section, Table
from corobench.dataset import Dataset
from corobench.records import Run, Trial, read_run
from corobench.wording import MISSING, Code, number, plural

FLAG = "emulated"
METRIC = "instructions_stepped"
CODE = "machine_code"


def read_emulated(results: Path) -> list[Run]:
    return [read_run(path) for path in sorted(results.glob("emulated/*/*.jsonl"))]


def section(data: Dataset, runs: Sequence[Run]) -> list[Section]:
    cases = dict.fromkeys(trial.case for run in runs for trial in _counted(run))
    blocks = [block for case in cases for block in _case(data, runs, case)]
    if not blocks:
        return []
    return [Section("Exact instructions on other processors", [Paragraph(
        "Counted under emulation, one instruction at a time, each time in a fresh process. An "
        "emulator's counts are exact; its times mean nothing, and none was taken."), *blocks])]


def _counted(run: Run, case: str | None = None) -> list[Trial]:
    return [
        trial for trial in run.trials
        if FLAG in trial.flags and trial.measured and case in (None, trial.case)
        and METRIC in trial.metrics and trial.metrics[METRIC].value is not None
    ]  # fmt: skip


def _fact(run: Run, name: str) -> str:
    facts = run.environments[-1].facts if run.environments else ()
    return next((fact.value for fact in facts if fact.name == name), MISSING)


def _case(data: Dataset, runs: Sequence[Run], case: str) -> list[Block]:
    counted = [(run, trials) for run in runs if (trials := _counted(run, case))]
    rows = [_row(run, case, trials) for run, trials in counted]
    code = [trials[0].notes.get(CODE, "").split("\n") for _, trials in counted]
    return [
        Paragraph("One op of ", Code(case), ": ", counted[0][1][0].op, ". ", *_here(data, case)),
        Table(["processor", "instructions/op", "alike", "compiler", "emulator"], rows,
              [False, True, False, False, False]),
        Paragraph("Its instructions, from where a flow goes on to where it leaves:"),
        Table([_fact(run, "cpu") for run, _ in counted],
              [[_instruction(line) for line in lines] for lines in zip_longest(*code, fillvalue="")]),
    ]  # fmt: skip


def _here(data: Dataset, case: str) -> tuple[str, ...]:
    """What the single-stepper counted in the report's own run."""
    own = data.cases.get(case)
    value = None if own is None else own.median(METRIC)
    if value is None:
        return ()
    return ("In the run of this report, on the processor itself, it was ",
            Measured(_exact(value), "median", case, METRIC), ".")  # fmt: skip


def _exact(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else number(value)


def _row(run: Run, case: str, trials: list[Trial]) -> list[str]:
    cpu = _fact(run, "cpu")
    values = Counter(trial.metrics[METRIC].value for trial in trials)
    value, alike = values.most_common(1)[0]
    program = run.environments[-1].program if run.environments else {}
    return [
        cpu,
        Measured(_exact(value or 0), "emulated", cpu, case),
        Measured(f"{alike} of {plural(len(trials), 'trial')}", "emulated-alike", cpu, case),
        program.get("compiler", MISSING),
        _fact(run, "emulator"),
    ]


def _instruction(line: str) -> str:
    """Without its address, which the next build moves."""
    return line.partition(" ")[2].partition(" # ")[0]
