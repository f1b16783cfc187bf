# SPDX-License-Identifier: MIT
"""The ledger, and a section for each claim: prediction and outcome side by side.

Nothing here decides: verdicts.py does. A sentence's {figures} become Measured fragments, so
that none can be printed that the records did not give.
"""
from __future__ import annotations

from collections import Counter

from corobench import charts
from corobench.blocks import (
    Block,
    Bullets,
    Link,
    Measured,
    Paragraph,
    Parts,
    Picture,
    Section,
    Table,
    said,
)
from corobench.claims import Claim, Claims, Published
from corobench.dataset import Case, Dataset
from corobench.expressions import OTHERWISE
from corobench.tables import interval_cell, median_cell
from corobench.verdicts import Found, Ruling, judge
from corobench.wording import MISSING, Code, count, number, percent, size

VERDICT_ORDER = ("CONFIRMED", "QUALIFIED", "REFUTED", "NOT TESTABLE HERE")
CASES_NAMED = 8


def anchor(claim: Claim) -> str:
    return claim.id.lower()


def rulings(claims: Claims, data: Dataset) -> list[Ruling]:
    return [judge(claim, data) for claim in claims.claims]


def summary(claims: Claims, found: list[Ruling]) -> list[Block]:
    verdicts = Counter(ruling.verdict for ruling in found)
    right = sum(ruling.verdict == ruling.claim.expected for ruling in found)
    counts = [
        (Measured(str(verdicts[verdict]), "verdicts", verdict), f" {verdict}")
        for verdict in VERDICT_ORDER
        if verdicts[verdict]
    ]
    parts: list[str] = [f"The document: {claims.document}. Its claims, settled: "]
    for index, pair in enumerate(counts):
        parts += [", " if index else "", *pair]
    parts += [
        ". Predicted verdicts that came out: ",
        Measured(str(right), "predictions", "right"),
        " of ",
        Measured(str(len(found)), "predictions", "all"),
        " (the word alone is compared; each section has the prediction beside its figures). "
        "Verdicts are computed from the records by predicates; where one was changed after "
        "figures had been seen, its section says so. Except where a claim's cases name Go or "
        "Java, its flows are those of this project's runtime, standing in for goroutines. Each "
        "claim's name leads to its section.",
    ]
    return [Paragraph(*parts), _ledger(found), *_why(claims, found)]


def _why(claims: Claims, found: list[Ruling]) -> list[Block]:
    here = {ruling.claim.id: ruling for ruling in found}
    items: list[Parts] = [
        (Link(name, name.lower()), ", ", here[name].verdict, ": ", *_because(here[name]))
        for name in claims.why
    ]
    words = "Why a switch between flows is cheap, and what its registers have to do with it:"
    return [Paragraph(words), Bullets(items)] if items else []


def _ledger(found: list[Ruling]) -> Table:
    rows: list[list[str]] = [
        [
            Link(ruling.claim.id, anchor(ruling.claim)),
            ruling.claim.title,
            ruling.verdict,
            *_deciding(ruling),
            ruling.claim.expected,
        ]
        for ruling in found
    ]
    headers = [
        "claim",
        "the document says",
        "verdict",
        "deciding figure",
        "95 % interval",
        "of what",
        "predicted",
    ]
    return Table(headers, rows, [False, False, False, True, True, False, False])


def _deciding(ruling: Ruling) -> list[str]:
    found = ruling.deciding
    if found is None:
        return [MISSING, MISSING, "its cases are missing: see its section"]
    return [
        shown(ruling.claim, found),
        shown_interval(ruling.claim, found),
        found.figure.says,
    ]


def section(
    ruling: Ruling, published: tuple[Published, ...], data: Dataset, shown_at: dict[str, str]
) -> Section:
    """shown_at: which section has which chart; a chart is drawn where it comes first."""
    claim = ruling.claim
    told: list[Parts] = [
        ("The document says", f" ({claim.section}): “", claim.words, "”"),
        ("Predicted: ", claim.expected, ". ", claim.prediction),
        ("The experiment: ", claim.experiment),
    ]
    if claim.amended:
        told.append(("Changed after figures were seen: ", claim.amended))
    blocks: list[Block] = [Bullets(told)]
    for name in claim.charts:
        blocks += chart(name, data, claim.id, shown_at)
    if ruling.found:
        blocks.append(_figures(ruling))
    blocks.append(Paragraph(*_rules(claim)))
    blocks.append(Paragraph("Verdict: ", ruling.verdict, ". ", *_because(ruling)))
    cases = _cases(ruling)
    if cases:
        blocks.append(Paragraph(*cases))
    beside = [one for one in published if claim.id in one.claims]
    if beside:
        blocks += [
            Paragraph("Published elsewhere, on other machines, and ours beside it:"),
            _published(beside, data),
        ]
    blocks += [
        Paragraph("What could make the verdict wrong:"),
        Bullets([(threat,) for threat in claim.threats]),
    ]
    return Section(f"{claim.id}: {claim.title}", blocks, anchor(claim))


def chart(name: str, data: Dataset, owner: str, shown_at: dict[str, str]) -> list[Block]:
    """The picture, or a link to the section that has it; nothing where it can't be drawn."""
    place = shown_at.get(name)
    if place is not None:
        words = (f"The chart {name} is in ", Link(place, place.lower()), ".")
        return [Paragraph(*words)] if place and owner else []
    wanted = next(one for one in charts.CHARTS if one.name == name)
    pictures = charts.render(wanted, data)
    if pictures is None:
        return []
    shown_at[name] = owner
    alternative = f"Chart: {wanted.heading.rstrip('?')}. {wanted.reading}"
    return [Picture(name, alternative, pictures)]


def _figures(ruling: Ruling) -> Table:
    rows: list[list[str]] = [
        [
            found.figure.says,
            Code(found.figure.name),
            shown(ruling.claim, found),
            shown_interval(ruling.claim, found),
            Measured(str(found.estimate.n), "figure-n", ruling.claim.id, found.figure.name),
        ]
        for found in ruling.found.values()
    ]
    headers = ["figure", "in the rules", "value", "95 % interval", "n"]
    return Table(headers, rows, [False, False, True, True, True])


def _rules(claim: Claim) -> Parts:
    parts = ["The rules, in the order in which they are tried; one holds if it does over the "
             "whole intervals of its figures: "]  # fmt: skip
    for outcome in claim.outcomes:
        parts += [outcome.verdict, " "]
        parts += ["if ", Code(outcome.rule)] if outcome.rule != OTHERWISE else [OTHERWISE]
        parts.append("; ")
    return (*parts[:-1], ".")


def _because(ruling: Ruling) -> Parts:
    if ruling.missing:
        parts = [part for why in ruling.missing for part in ("; ", *why)]
        return ("Missing: ", *parts[1:], ".")
    fragments: dict[str, str] = {}
    for name, found in ruling.found.items():
        fragments[name] = shown(ruling.claim, found)
        fragments[f"SPAN_{name}"] = shown_span(ruling.claim, found)
    if ruling.close is not None:
        fragments["RULE"] = Code(ruling.close.rule)
    return said(ruling.because, **fragments)


def _cases(ruling: Ruling) -> list[str]:
    names = list(
        dict.fromkeys(case.name for several in ruling.cases.values() for case in several)
    )
    parts: list[str] = ["From the cases "] if names else []
    for index, name in enumerate(names[:CASES_NAMED]):
        parts += [", " if index else "", Code(name)]
    if len(names) > CASES_NAMED:
        parts.append(" and others")
    return [*parts, "."] if names else []


def _published(beside: list[Published], data: Dataset) -> Table:
    rows: list[list[str]] = []
    for one in beside:
        case = next(
            (data.cases[name] for name in one.cases if name in data.cases), None
        )
        ours = _ours(case, one.metric) if one.cases else ["see the figures above", "", ""]
        rows.append([one.figure, one.where, one.source, *ours])
    headers = ["published", "where", "source", "ours", "95 % interval", "of"]
    return Table(headers, rows, [False, False, False, True, True, False])


def _ours(case: Case | None, metric: str) -> list[str]:
    if case is None or case.estimate(metric) is None:
        return ["not run here" if case is None else "not in its records", "", ""]
    word = size if case.unit(metric).startswith("B") else number
    unit = "" if word is size else f" {case.unit(metric)}"
    value = median_cell(case, metric, word)
    return [
        Measured(value + unit, *value.origin, unit),
        interval_cell(case, metric, word),
        Code(case.name),
    ]


def in_unit(value: float, unit: str) -> str:
    if unit == "B":
        return size(value)
    if unit == "share":
        return percent(value)
    if unit == "count":
        return count(value)
    return f"{number(value)} {unit}"


def shown(claim: Claim, found: Found) -> Measured:
    words = in_unit(found.estimate.median, found.figure.unit)
    return Measured(words, "figure", claim.id, found.figure.name)


def shown_interval(claim: Claim, found: Found) -> str:
    if found.exact:
        return "exact"
    low, high = found.estimate.low, found.estimate.high
    if low is None or high is None:
        return "too few rounds"
    words = _from_to(low, high, found.figure.unit)
    return Measured(words, "figure-interval", claim.id, found.figure.name)


def shown_span(claim: Claim, found: Found) -> Measured:
    """What a rule goes by: the interval, or all values where there are too few."""
    words = _from_to(found.span.low, found.span.high, found.figure.unit)
    return Measured(words, "figure-span", claim.id, found.figure.name)


def _from_to(low: float, high: float, unit: str) -> str:
    bare = unit if unit in ("B", "share", "count") else ""
    return " to ".join(in_unit(value, bare).strip() for value in (low, high))


