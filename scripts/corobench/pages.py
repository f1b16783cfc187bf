# SPDX-License-Identifier: MIT
"""The report as blocks: the ledger, a section per claim, every figure, and what speaks
against them.

Everything comes from the Dataset and the claims; two runs of this over the same records give
the same blocks. Foreign text passes through untouched: the renderers escape it.
"""
from __future__ import annotations

from collections.abc import Sequence

from corobench import bank, charts, emulated, history, layers, ledger, peers, tables
from corobench.blocks import Block, Bullets, Paragraph, Parts, Report, Section, Table
from corobench.claims import Claims
from corobench.dataset import COST, Dataset
from corobench.doubts import run_figure, trust, unmeasured
from corobench.records import Environment, Run
from corobench.wording import MISSING, Code, percent

HEADINGS = {
    "switch": "Switching",
    "ablation": "What a switch saves, and what that costs",
    "context": "How many bytes a switch saves",
    "depth": "Switching with deep stacks",
    "spawn": "Creating flows",
    "footprint": "What a flow weighs",
    "hotsplit": "Calls where a segment of the stack ends",
    "growth": "Stacks that grow",
    "prologue": "The check of the stack's end",
    "limit": "How many flows there can be",
    "yield": "Letting the other flows run",
    "message": "Passing items through shared memory",
    "counter": "Counting in shared memory",
    "bank": "A bank account in shared memory",
    "scale": "Programs of very many flows",
    "layers": "From a switch to two processes, layer by layer",
    "oslevel": "Kernel switches while flows switch",
    "steal": "Who runs what another worker spawned",
    "csp": "The rules of channels, and deadlocks",
    "blocking": "Who waits for I/O",
    "io": "Answering requests",
    "workingset": "Turns that miss the caches",
}
ORDER = list(HEADINGS)
# What an experiment has beside the table of its cases.
OWN_TABLES = {"bank": bank.tables, "layers": layers.table}


def build(
    data: Dataset, claims: Claims, entries: Sequence[history.Entry] = (),
    elsewhere: Sequence[Run] = (),
) -> Report:
    """`elsewhere`: what was counted under emulation (emulated.py)."""
    found = ledger.rulings(claims, data)
    sections = [Section("The ledger", [*_source(data), *ledger.summary(claims, found)])]
    shown_at: dict[str, str] = {}
    sections += [
        ledger.section(ruling, claims.published, data, shown_at) for ruling in found
    ]
    beside = [
        *ledger.chart("peers", data, "", shown_at),
        *ledger.chart("peers-footprint", data, "", shown_at),
        *peers.page(data),
    ]
    if beside:
        runs = "runs" if len(data.runs) > 1 else "run"
        sections.append(Section(f"Other systems in the same {runs}", beside))
    for experiment in sorted(data.experiments(), key=_rank):
        sections.append(
            Section(
                f"All figures: {HEADINGS.get(experiment, experiment)}",
                _experiment(data, experiment, shown_at),
            )
        )
    sections += emulated.section(data, elsewhere)
    past = history.section(list(entries))
    if past is not None:
        sections.append(past)
    sections += [
        Section("Can these figures be trusted?", trust(data)),
        Section(
            "What could not be measured here, and why", unmeasured(data, set(shown_at))
        ),
        Section("The machine and its settings", _machine(data)),
        Section("How to read this", _reading()),
    ]
    return Report(f"corobench on {data.machine}", sections)


def _rank(experiment: str) -> tuple[int, str]:
    return (ORDER.index(experiment) if experiment in ORDER else len(ORDER), experiment)


def _source(data: Dataset) -> list[Block]:
    rounds = {(trial.run, trial.round) for trial in data.trials if trial.measured}
    finished = sum(1 for trial in data.trials if trial.measured)
    parts: list[str] = ["From "]
    for index, run in enumerate(data.runs):
        parts += [", " if index else "run ", Code(run.name)]
    parts += [
        ": ",
        run_figure(f"{len(data.cases):,}", "cases"),
        " cases, ",
        run_figure(f"{len(rounds):,}", "rounds_measured"),
        " rounds, ",
        run_figure(f"{finished:,}", "finished"),
        " finished trials. Costs are per op, and lower is better.",
    ]
    blocks: list[Block] = [Paragraph(*parts)]
    if data.contaminated:
        blocks.append(
            Paragraph(
                "This run is contaminated: ",
                run_figure(percent(data.rejected_share), "rejected_share"),
                " of its trials were thrown away. Do not quote its figures.",
            )
        )
    if not data.cases:
        blocks.append(
            Paragraph("The records hold no finished trial: there is nothing to report.")
        )
    if len(rounds) == 1:
        blocks.append(
            Paragraph(
                "There is one round only: every figure is a single process, "
                "with no interval."
            )
        )
    return blocks


def _experiment(data: Dataset, experiment: str, shown_at: dict[str, str]) -> list[Block]:
    blocks: list[Block] = []
    for chart in charts.CHARTS:
        if experiment in chart.experiments:
            blocks += ledger.chart(chart.name, data, "", shown_at)
    if experiment in OWN_TABLES:
        blocks += OWN_TABLES[experiment](data)
    cases = data.of(experiment)
    costs = [case for case in cases if COST in case.first.metrics]
    others = [case for case in cases if COST not in case.first.metrics]
    for op in dict.fromkeys(case.first.op for case in costs):
        if op:
            blocks.append(Paragraph("One op is: ", op, "."))
        blocks += tables.cost_table(
            [case for case in costs if case.first.op == op], data.unrecorded
        )
    blocks += tables.counter_table(costs)
    if others:
        blocks += tables.own_table(others)
    return blocks


def _machine(data: Dataset) -> list[Block]:
    environment = data.environment
    if environment is None:
        return [Paragraph("There is no environment record.")]
    runs = [run.environments[-1] for run in data.runs if run.environments]
    whose = "The facts are those of the newest run; the others' are in their records."
    return [
        Bullets([line for one in runs for line in (_made_by(one), _settings(one))]),
        *([Paragraph(whose)] if len(runs) > 1 else []),
        Table(
            ["fact", "value", "status"],
            [
                [fact.name, fact.value or MISSING, fact.status]
                for fact in environment.facts
            ],
        ),
    ]


def _made_by(run: Environment) -> Parts:
    program = run.program
    made = (", corobench ", program["version"], ", ", program["compiler"], ", ",
            program["options"], ".")  # fmt: skip
    return ("Run ", Code(run.run), " at ", run.time_utc, ", profile ", run.profile,
            ", seed ", str(run.seed), *made)  # fmt: skip


def _settings(run: Environment) -> Parts:
    parts: list[str] = ["Settings of ", Code(run.run)]
    for name, value in run.options.items():
        if name != "filter" and value is not None:
            parts += [", ", name, " = ", str(value)]
    for kind, pattern in run.options["filter"]:
        parts += [", ", kind, " ", pattern]
    return (*parts, ".")


READING = (
    "A trial is one fresh process; n counts trials. Medians are over trials, because "
    "samples inside one process are not independent.",
    "A triple is three epochs of a trial, the second of twice and the third of four times "
    "the ops of the first: the slope through them is one sample of the cost.",
    "A trial is rejected for what disturbed it, its figure unseen; but for one exception: a "
    "cost below zero, which nothing but a disturbance can give.",
    "The 95 % interval of a median is a pair of order statistics: exact, whatever the "
    "distribution. Below n = 6 there is none.",
    "A ratio is the median of ratios paired by round, each of trials of the same round, "
    "in estimated cycles where both have them.",
    "Estimated cycles come from a chain of dependent additions timed next to each epoch: "
    "they take the clock's frequency and stolen time out, and compare between runs.",
    "One op of a switch is one way. A round trip is two.",
    "A contract says what a switch keeps for the flow. Two rows with unequal contracts "
    "do different work.",
    "A dash is a figure that could not be had; its letter gives the reason. It is "
    "never zero.",
    "A difference smaller than the A/A floor is noise.",
)


def _reading() -> list[Block]:
    return [Bullets([(line,) for line in READING])]
