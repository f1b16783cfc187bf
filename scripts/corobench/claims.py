# SPDX-License-Identifier: MIT
"""Reads bench/claims.toml and believes nothing of it that could not be evaluated.

The schema says what fields there are. What no schema can say is checked here: expressions
parse; they name cases and figures that the claim has; a condition uses no optional figure; a
sentence's {figure}s exist; each claim can be confirmed and can be refuted.
"""
from __future__ import annotations

import ast
import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema

from corobench import expressions
from corobench.expressions import ExpressionError

ROOT = Path(__file__).resolve().parents[2]
CLAIMS_PATH = ROOT / "bench" / "claims.toml"
SCHEMA_PATH = ROOT / "bench" / "claims.schema.json"

CONFIRMED, QUALIFIED, REFUTED = "CONFIRMED", "QUALIFIED", "REFUTED"
NOT_TESTABLE = "NOT TESTABLE HERE"
MACHINE = "machine"  # a name that every claim has: what the environment record says
CONTRACT_BYTES = "contract_bytes"  # a metric that every case with a contract has
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class ClaimsError(Exception):
    """One line for the reader."""


@dataclass(frozen=True)
class Figure:
    name: str
    value: ast.expr
    unit: str
    says: str
    rounds: str  # how rounds make one figure: median, largest, total
    optional: bool

    @property
    def operands(self) -> set[tuple[str, str]]:
        return set(expressions.operands(self.value))


@dataclass(frozen=True)
class Outcome:
    verdict: str
    rule: str  # the words of `when`
    when: ast.expr
    because: str


@dataclass(frozen=True)
class Claim:
    id: str
    title: str
    words: str
    section: str
    expected: str
    prediction: str
    experiment: str
    charts: tuple[str, ...]
    cases: dict[str, tuple[str, ...]]  # name -> alternatives, in order of preference
    figures: dict[str, Figure]
    deciding: Figure
    outcomes: tuple[Outcome, ...]
    threats: tuple[str, ...]
    amended: str  # what was changed after figures were seen, and why; mostly empty


@dataclass(frozen=True)
class Published:
    claims: tuple[str, ...]
    figure: str
    where: str
    source: str
    cases: tuple[str, ...]  # of ours to stand beside it, in order of preference; may be none
    metric: str


@dataclass(frozen=True)
class Claims:
    document: str
    why: tuple[str, ...]  # ids of the claims that the ledger ends with
    claims: tuple[Claim, ...]
    published: tuple[Published, ...]


def read_claims(path: Path = CLAIMS_PATH) -> Claims:
    try:
        return parse_claims(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ClaimsError) as error:
        raise ClaimsError(f"{path.name}: {error}") from None


def parse_claims(raw: dict[str, Any]) -> Claims:
    """ClaimsError, with a sentence, for what can't be evaluated."""
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA_PATH.read_text()))
    for error in validator.iter_errors(raw):
        where = ".".join(str(part) for part in error.absolute_path) or "the whole"
        raise ClaimsError(f"{where}: {error.message[:200]}")
    claims = tuple(_claim(one) for one in raw["claim"])
    ids = [claim.id for claim in claims]
    if len(set(ids)) != len(ids):
        raise ClaimsError("an id is there twice")
    published = tuple(_published(one) for one in raw["published"])
    for one in published:
        for name in one.claims:
            if name not in ids:
                raise ClaimsError(f"published {one.figure!r}: no claim {name}")
    for name in raw["why"]:
        if name not in ids:
            raise ClaimsError(f"why: no claim {name}")
    return Claims(raw["document"], tuple(raw["why"]), claims, published)


def _claim(raw: dict[str, Any]) -> Claim:
    try:
        figures = {
            name: Figure(
                name,
                expressions.parse_value(one["value"]),
                one["unit"],
                one["says"],
                one.get("rounds", "median"),
                one.get("optional", False),
            )
            for name, one in raw["figures"].items()
        }
        outcomes = tuple(
            Outcome(
                one["verdict"],
                one["when"],
                expressions.parse_condition(one["when"]),
                one["because"],
            )
            for one in raw["outcomes"]
        )
        if raw["deciding"] not in figures:
            raise ExpressionError(f"deciding: no figure {raw['deciding']}")
        claim = Claim(
            **{
                key: raw[key]
                for key in ("id", "title", "words", "section", "expected", "prediction")
            },
            experiment=raw["experiment"],
            charts=tuple(raw["charts"]),
            cases={name: _alternatives(one) for name, one in raw["cases"].items()},
            figures=figures,
            deciding=figures[raw["deciding"]],
            outcomes=outcomes,
            threats=tuple(raw["threats"]),
            amended=raw.get("amended", ""),
        )
        _check(claim)
    except ExpressionError as error:
        raise ClaimsError(f"{raw['id']}: {error}") from None
    return claim


def _alternatives(one: str | list[str]) -> tuple[str, ...]:
    return (one,) if isinstance(one, str) else tuple(one)


def _check(claim: Claim) -> None:
    for figure in claim.figures.values():
        for name, _ in figure.operands:
            if name != MACHINE and name not in claim.cases:
                raise ExpressionError(f"figure {figure.name}: no case {name}")
    needed = {figure.name for figure in claim.figures.values() if not figure.optional}
    if claim.deciding.name not in needed:
        raise ExpressionError(f"deciding: {claim.deciding.name} is optional")
    for outcome in claim.outcomes:
        used = expressions.condition_figures(outcome.when)
        used |= set(PLACEHOLDER.findall(outcome.because))
        if not used <= needed:
            raise ExpressionError(
                f"outcome {outcome.verdict}: {', '.join(sorted(used - needed))} is no "
                f"figure that it could always use"
            )
    verdicts = {outcome.verdict for outcome in claim.outcomes}
    if not {CONFIRMED, REFUTED} <= verdicts:
        raise ExpressionError("it can't be both confirmed and refuted")


def _published(raw: dict[str, Any]) -> Published:
    ours = raw.get("ours")
    return Published(
        tuple(raw["claims"]),
        raw["figure"],
        raw["where"],
        raw["source"],
        _alternatives(ours["case"]) if ours else (),
        ours["metric"] if ours else "",
    )
