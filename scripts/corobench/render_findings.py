# SPDX-License-Identifier: MIT
"""A gate's report for people: text; and the whole of it for programs: JSON."""
from __future__ import annotations

import json
from fractions import Fraction

from corobench.findings import Finding, Report, Verdict
from corobench.wording import MISSING, percent, plain, plural


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
    lines = [report.title]
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
