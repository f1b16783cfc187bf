# SPDX-License-Identifier: MIT
"""A gate's report: text for people, Markdown for a step summary, JSON and JUnit's XML for
programs. All have the worst first, and none believes a name that another program wrote."""
from __future__ import annotations

import json
import xml.etree.ElementTree as xml
from collections.abc import Callable
from fractions import Fraction

from corobench.findings import Finding, Report, Verdict
from corobench.wording import MISSING, Code, markdown, percent, plain, plural

# A step summary on GitHub may have 1 MiB; what does not fit is left out whole, and said.
MARKDOWN_BYTES = 900_000


def exact_text(value: Fraction | None) -> str:
    """14, 20.5, 199.25; a third with four decimals."""
    if value is None:
        return MISSING
    if value.denominator == 1:
        return str(value.numerator)
    return f"{float(value):.10g}" if value.denominator % 3 else f"{float(value):.4f}"


def change_text(finding: Finding) -> str:
    if finding.base is None or finding.new is None:
        return MISSING
    difference = finding.new - finding.base
    if finding.limit.relative and finding.base:
        share = float(difference / abs(finding.base))
        return ("+" if share > 0 else "") + percent(share)
    return ("+" if difference > 0 else "") + exact_text(difference)


def is_worth_a_line(finding: Finding) -> bool:
    return finding.verdict != Verdict.PASS or finding.better


def line(finding: Finding) -> str:
    note = f"; {plain(finding.note, 300)}" if finding.note else ""
    return (
        f"{finding.verdict.name:<12} {plain(finding.case, 120)}  {finding.metric} "
        f"{exact_text(finding.base)} -> {exact_text(finding.new)} {finding.unit}  "
        f"({change_text(finding)}, limit {finding.limit}{note})"
    )


def summary(report: Report) -> str:
    parts = [
        f"{n} {verdict.name}" for verdict in Verdict if (n := report.counts[verdict])
    ]
    return (
        f"{report.verdict.name}: {plural(len(report.findings), 'comparison')}: "
        f"{', '.join(parts) or 'none'}"
    )


def to_text(report: Report) -> str:
    lines = [plain(report.title)]
    lines += [line(finding) for finding in report.findings if is_worth_a_line(finding)]
    lines += [plain(remark) for remark in report.remarks]
    lines.append(summary(report))
    return "\n".join(lines) + "\n"


def to_json(report: Report) -> str:
    document = {
        "title": report.title,
        "verdict": report.verdict.name,
        "counts": {verdict.name: report.counts[verdict] for verdict in Verdict},
        "remarks": list(report.remarks),
        "findings": [_finding_json(finding) for finding in report.findings],
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def _finding_json(finding: Finding) -> dict[str, object]:
    return {
        "case": finding.case,
        "metric": finding.metric,
        "unit": finding.unit,
        "verdict": finding.verdict.name,
        "base": None if finding.base is None else float(finding.base),
        "new": None if finding.new is None else float(finding.new),
        "limit": str(finding.limit),
        "note": finding.note,
        **({"detail": finding.detail} if finding.detail else {}),
    }


def to_markdown(report: Report) -> str:
    """At most MARKDOWN_BYTES: rows that pass without a change are counted, not shown."""
    head = [f"### {report.verdict.name}: {markdown(report.title)}", "",
            markdown(summary(report)), ""]  # fmt: skip
    head += [f"- {markdown(remark)}" for remark in report.remarks]
    rows = ["", "| verdict | case | metric | base | new | change | limit | |",
            "|---|---|---|--:|--:|--:|--:|---|"]  # fmt: skip
    room = MARKDOWN_BYTES - 200 - sum(len(text.encode()) + 1 for text in head + rows)
    shown = [finding for finding in report.findings if is_worth_a_line(finding)]
    left = len(shown)
    for finding in shown:
        row = _markdown_row(finding)
        room -= len(row.encode()) + 1
        if room < 0:
            break
        rows.append(row)
        left -= 1
    tail = [f"\n{left} more lines did not fit here."] if left else []
    return "\n".join([*head, *(rows if shown else []), *tail]) + "\n"


def _markdown_row(finding: Finding) -> str:
    cells = [finding.verdict.name, Code(plain(finding.case, 200)), finding.metric,
             exact_text(finding.base), f"{exact_text(finding.new)} {finding.unit}",
             change_text(finding), str(finding.limit), plain(finding.note, 400)]  # fmt: skip
    return "| " + " | ".join(markdown(cell) for cell in cells) + " |"


def to_junit(report: Report) -> str:
    """A FAIL is a failure; what could not be told is a skip, with its reason."""
    counts = report.counts
    skips = counts[Verdict.INCONCLUSIVE] + counts[Verdict.UNKNOWN]
    suite = xml.Element(
        "testsuite", name="corobench compare", tests=str(len(report.findings)),
        failures=str(counts[Verdict.FAIL]), errors="0", skipped=str(skips), time="0",
    )  # fmt: skip
    for finding in report.findings:
        case = xml.SubElement(
            suite, "testcase", classname=plain(finding.case), name=finding.metric, time="0"
        )
        if finding.verdict == Verdict.FAIL:
            xml.SubElement(case, "failure", message=line(finding), type="regression")
        elif finding.verdict != Verdict.PASS:
            xml.SubElement(case, "skipped", message=line(finding))
    xml.SubElement(suite, "system-out").text = "\n".join(
        plain(text) for text in (report.title, *report.remarks, summary(report))
    )
    whole = xml.Element("testsuites")
    whole.append(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(whole, "unicode") + "\n"


FORMATS: dict[str, Callable[[Report], str]] = {
    "text": to_text,
    "json": to_json,
    "markdown": to_markdown,
    "junit": to_junit,
}
