# SPDX-License-Identifier: MIT
"""Record files that nobody should believe: a good one, damaged in many ways, each of which
reading must notice. (A digit that became another digit is no such way: a file has no seal.)"""
from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.synthetic import Generator, Record, metric

CASE = "switch/coro/site=diff/place=same-cpu"
Damage = Callable[[list[bytes], random.Random], bytes]


def good(machine: str = "synthetic-2cpu", unit: str = "cycles/op") -> list[bytes]:
    """The lines of a small run."""
    generator = Generator(rounds=6, machine=machine)
    records = [generator.environment([CASE])]
    records += [
        generator.trial(CASE, number, {"cycles_estimated": metric(5.0, unit, "canary")})
        for number in range(6)
    ]
    records.append({"schema": 1, "kind": "end", "run": generator.run, "rounds": 6,
                    "reason": "rounds", "trials": 6, "rejected": 0, "skipped": 0,
                    "failed": 0})  # fmt: skip
    return [json.dumps(record).encode() for record in records]


def _whole(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _changed(change: Callable[[Record, random.Random], Any]) -> Damage:
    """One trial's record, changed and written again."""

    def damage(lines: list[bytes], source: random.Random) -> bytes:
        at = source.randrange(1, 7)
        record = json.loads(lines[at])
        change(record, source)
        return _whole([*lines[:at], json.dumps(record).encode(), *lines[at + 1 :]])

    return damage


def _spliced(piece: bytes) -> Damage:
    """Bytes that no JSON has there, in the middle of a line."""

    def damage(lines: list[bytes], source: random.Random) -> bytes:
        at = source.randrange(1, 7)
        middle = source.randrange(1, len(lines[at]))
        line = lines[at][:middle] + piece + lines[at][middle:]
        return _whole([*lines[:at], line, *lines[at + 1 :]])

    return damage


def _cut_middle(lines: list[bytes], source: random.Random) -> bytes:
    at = source.randrange(1, 7)
    cut = lines[at][: source.randrange(1, len(lines[at]) - 1)]
    return _whole([*lines[:at], cut, *lines[at + 1 :]])


def _cut_end(lines: list[bytes], source: random.Random) -> bytes:
    data = _whole(lines)
    return data[: source.randrange(1, len(data) - 1)]


def _value(value: object) -> Damage:
    return _changed(
        lambda record, _: record["metrics"]["cycles_estimated"].update(value=value)
    )


def _field(name: str, value: object) -> Damage:
    return _changed(lambda record, _: record.update({name: value}))


def _lost_field(record: Record, source: random.Random) -> None:
    del record[source.choice(sorted(record))]


DAMAGES: dict[str, Damage] = {
    "cut off at the end": _cut_end,
    "a line cut off": _cut_middle,
    "a control byte": _spliced(b"\x01"),
    "not UTF-8": _spliced(b"\xff\xfe"),
    "a line break": _spliced(b"\n"),
    "a field lost": _changed(_lost_field),
    "a field too many": _field("verdict", "PASS"),
    "another schema": _field("schema", 2),
    "an unknown kind": _field("kind", "verdict"),
    "NaN": _value(float("nan")),
    "infinity": _value(float("inf")),
    "a huge number": _value(1e300),
    "a number as text": _value("5.0"),
    "absent without a reason": _value(None),
    "true for a number": _value(True),
    "a negative round": _field("round", -1),
    "another run": _field("run", "20991231T000000Z-quick"),
    "no metrics": _field("metrics", {}),
    "an error and figures": _field("skipped", "and figures"),
    "a trial twice": lambda lines, source: _whole([*lines[:3], lines[2], *lines[3:]]),
    "another machine": lambda lines, source: _whole(good("other-1cpu")),
    "units differ": lambda lines, source: _whole([*lines[:3], *good(unit="ns/op")[3:]]),
    "no trials": lambda lines, source: _whole([lines[0], lines[-1]]),
    "no end": lambda lines, source: _whole(lines[: source.randrange(2, 7)]),
    "random bytes": lambda lines, source: source.randbytes(source.randrange(1, 3000)),
    "empty": lambda lines, source: b"",
    "nested deeply": lambda lines, source: b"[" * source.randrange(20000, 90000),
    "a list": lambda lines, source: _whole([b"[1, 2, 3]", *lines]),
    "a key twice": lambda lines, source: _whole(
        [lines[0], lines[1].replace(b'"round":', b'"round": 7, "round":', 1), *lines[2:]]
    ),
}


def files(count: int = 200) -> Iterator[tuple[str, bytes]]:
    """`count` damaged files: what was done, and the content."""
    lines, names = good(), sorted(DAMAGES)
    for index in range(count):
        name = names[index % len(names)]
        yield name, DAMAGES[name](lines, random.Random(index))
