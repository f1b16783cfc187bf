# SPDX-License-Identifier: MIT
"""Reads a run: JSON Lines in, trials out, and nothing believed that the schema forbids.

Invariants: what read_run() returns satisfies results/record.schema.json; no number in it
is NaN or infinite; a trial of one case and round appears once; one metric of one case has
one unit. Whatever breaks one of these is a RecordError that names file and line.

A file that ends in the middle of a line is a run that was killed while it wrote: that
last line is dropped and remembered (Run.torn). A broken line anywhere else is an error.

Epochs are checked by hand and kept out of jsonschema's way: they are nine tenths of a
file, and walking them through the validator takes longer than all the rest of a report.
"""
from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema

from corobench.wording import plain

SCHEMA_VERSION = 1
SCHEMA_PATH = Path(__file__).resolve().parents[2] / "results" / "record.schema.json"
LARGEST = 1e24
LARGEST_COUNT = 2**64 - 1


class RecordError(Exception):
    """One line for the reader: file:line: what is wrong."""


@dataclass(frozen=True)
class Metric:
    value: float | None
    unit: str
    source: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Contract:
    saves: str
    bytes_saved: int  # -1: not known
    fp_control: bool
    signal_mask: bool
    tls_base: bool
    kernel_entry: bool
    stack: str = ""  # these five in words; "": not told
    growth: str = ""
    preemption: str = ""
    threads: str = ""
    cancellation: str = ""


@dataclass(frozen=True)
class Trial:
    run: str
    round: int
    arm: str
    attempt: int
    case: str
    experiment: str
    subject: str
    params: dict[str, str]
    placement: str
    contract: Contract | None
    op: str
    metrics: dict[str, Metric]
    flags: tuple[str, ...]
    notes: dict[str, str]
    skipped: str | None
    error: str | None
    reasons: tuple[str, ...] = ()
    ops: int = 0

    @property
    def measured(self) -> bool:
        return self.skipped is None and self.error is None


@dataclass(frozen=True)
class Fact:
    name: str
    value: str
    status: str
    advice: str


@dataclass(frozen=True)
class Peer:
    name: str
    status: str
    reason: str


@dataclass(frozen=True)
class Environment:
    run: str
    time_utc: str
    seed: int
    profile: str
    machine: str
    program: dict[str, str]
    options: dict[str, Any]
    facts: tuple[Fact, ...]
    cases: tuple[str, ...]
    peers: tuple[Peer, ...]


@dataclass(frozen=True)
class End:
    run: str
    rounds: int
    reason: str
    trials: int
    rejected: int
    skipped: int
    failed: int


@dataclass
class Run:
    path: Path
    name: str
    environments: list[Environment] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    rejections: list[Trial] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)
    torn: bool = False

    @property
    def machine(self) -> str:
        return self.environments[-1].machine if self.environments else "unknown"


def read_run(path: Path) -> Run:
    """The run in one file. RecordError: a bad record; OSError: an unreadable file."""
    data = path.read_bytes()
    run = Run(path=path, name=path.name.removesuffix(".jsonl"))
    ledger = _Ledger()
    for number, line, torn in _lines(data):
        where = f"{plain(path)}:{number}"
        try:
            record = _parse(line)
        except ValueError as error:
            if torn:
                run.torn = True
                break
            raise RecordError(f"{where}: not a JSON record: {plain(error)}") from None
        _validate(record, where)
        ledger.admit(record, where, number)
        _append(run, record)
    if ledger.run is not None:
        run.name = ledger.run
    return run


def _lines(data: bytes) -> Iterator[tuple[int, bytes, bool]]:
    """(line number, line, whether it is the unfinished end of the file)."""
    pieces = data.split(b"\n")
    unfinished = pieces.pop()
    for number, line in enumerate(pieces, start=1):
        yield number, line, False
    if unfinished:
        yield len(pieces) + 1, unfinished, True


def _parse(line: bytes) -> Any:
    """json.loads without its leniences. ValueError with a sentence."""
    try:
        return json.loads(
            line.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_unique_keys,
        )
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start + 1} is not UTF-8") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at column {error.colno}") from None


def _refuse_constant(word: str) -> float:
    raise ValueError(f"{word} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"number out of range: {text[:40]}")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'key "{twice}" appears twice')
    return result


def _load_validators() -> dict[str, Any]:
    schema = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    result = {}
    for kind, definition in (
        ("environment", "environment"),
        ("trial", "trial"),
        ("rejection", "trial"),
        ("end", "end"),
    ):
        part = {
            "$schema": schema["$schema"],
            "$ref": f"#/$defs/{definition}",
            "$defs": schema["$defs"],
        }
        result[kind] = jsonschema.Draft202012Validator(part)
    return result


_validators: dict[str, Any] = {}


def _validate(record: Any, where: str) -> None:
    if not isinstance(record, dict):
        raise RecordError(
            f"{where}: a record is a JSON object, not {type(record).__name__}"
        )
    version = record.get("schema")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise RecordError(
            f"{where}: schema version {plain(repr(version), 40)}, "
            f"but this program reads version {SCHEMA_VERSION}"
        )
    if not _validators:
        _validators.update(_load_validators())
    kind = record.get("kind")
    if not isinstance(kind, str) or kind not in _validators:
        raise RecordError(f"{where}: unknown kind {plain(repr(kind), 40)}")
    slim = record
    if _epochs_are_plain(record.get("epochs")):
        slim = {**record, "epochs": []}
    error = next(_validators[kind].iter_errors(slim), None)
    if error is not None:
        at = "/".join(str(step) for step in error.absolute_path) or kind
        message = "not allowed here" if error.schema is False else error.message
        raise RecordError(f"{where}: {plain(at, 120)}: {plain(message, 240)}")


def _epochs_are_plain(epochs: Any) -> bool:
    """Whether the epochs surely satisfy the schema; when not, the validator says why."""
    if not isinstance(epochs, list) or len(epochs) > 100000:
        return False
    return all(
        isinstance(epoch, list)
        and len(epoch) == 4
        and type(epoch[0]) is int
        and 0 <= epoch[0] <= LARGEST_COUNT
        and type(epoch[1]) in (int, float)
        and abs(epoch[1]) <= LARGEST
        and (
            epoch[2] is None
            or type(epoch[2]) in (int, float)
            and 0 <= epoch[2] <= LARGEST
        )
        and type(epoch[3]) is int
        and epoch[3] in (0, 1)
        and type(epoch[3]) is int
        and 0 <= epoch[3] <= 1
        for epoch in epochs
    )


class _Ledger:
    """What must agree between the records of one file."""

    def __init__(self) -> None:
        self.run: str | None = None
        self.trials: dict[tuple[int, str, str], int] = {}
        self.units: dict[tuple[str, str], tuple[str, int]] = {}
        self.machine: str | None = None

    def admit(self, record: dict[str, Any], where: str, number: int) -> None:
        if self.run is None:
            self.run = record["run"]
        if record["run"] != self.run:
            raise RecordError(f"{where}: run {record['run']} in a file of run {self.run}")
        if record["kind"] == "environment":
            if self.machine not in (None, record["machine"]):
                raise RecordError(
                    f"{where}: machine {record['machine']} in a run of " f"{self.machine}"
                )
            self.machine = record["machine"]
        if record["kind"] == "trial":
            self._admit_trial(record, where, number)

    def _admit_trial(self, record: dict[str, Any], where: str, number: int) -> None:
        key = (record["round"], record["arm"], record["case"])
        before = self.trials.setdefault(key, number)
        if before != number:
            raise RecordError(
                f"{where}: {plain(record['case'], 120)}: round "
                f"{record['round']} is in line {before} already"
            )
        for name, metric in record["metrics"].items():
            unit, first = self.units.setdefault(
                (record["case"], name), (metric["unit"], number)
            )
            if unit != metric["unit"]:
                raise RecordError(
                    f"{where}: metrics/{name}/unit: {plain(metric['unit'])}, "
                    f"but {plain(unit)} in line {first}"
                )


def _append(run: Run, record: dict[str, Any]) -> None:
    kind = record["kind"]
    if kind == "environment":
        run.environments.append(_environment(record))
    elif kind == "trial":
        run.trials.append(_trial(record))
    elif kind == "rejection":
        run.rejections.append(_trial(record))
    else:
        run.ends.append(End(**{name: record[name] for name in End.__dataclass_fields__}))


def _environment(record: dict[str, Any]) -> Environment:
    return Environment(
        run=record["run"],
        time_utc=record["time_utc"],
        seed=record["seed"],
        profile=record["profile"],
        machine=record["machine"],
        program=record["program"],
        options=record["options"],
        facts=tuple(Fact(**fact) for fact in record["facts"]),
        cases=tuple(record["cases"]),
        peers=tuple(Peer(**peer) for peer in record["peers"]),
    )


def _contract(fields: dict[str, Any]) -> Contract:
    stored = fields["bytes_saved"]
    return Contract(**{**fields, "bytes_saved": -1 if stored is None else stored})


def _trial(record: dict[str, Any]) -> Trial:
    contract = record["contract"]
    return Trial(
        run=record["run"],
        round=int(record["round"]),
        arm=record["arm"],
        attempt=int(record["attempt"]),
        case=record["case"],
        experiment=record["experiment"],
        subject=record["subject"],
        params=record["params"],
        placement=record["placement"],
        contract=None if contract is None else _contract(contract),
        op=record["op"],
        metrics={name: Metric(**metric) for name, metric in record["metrics"].items()},
        flags=tuple(record["flags"]),
        notes=record["notes"],
        skipped=record["skipped"],
        error=record["error"],
        reasons=tuple(record.get("reasons", ())),
        ops=int(record["ops"]),
    )
