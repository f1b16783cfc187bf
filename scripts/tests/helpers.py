# SPDX-License-Identifier: MIT
"""What several tests need: a scratch directory, records on disk, a Dataset of them."""
from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path
from typing import Any

from corobench.dataset import Dataset
from corobench.records import read_run
from tests.synthetic import Generator, Record, write

# One of everything that could break a page out of its structure.
HOSTILE = (
    "a|b`c``<script>alert(1)</script>\n# h\n| x | y |\n\x1b[31mred\x1b[0m $x^2$ $ "
    "\\frac{1}{0} [l](http://e.example) ![i](x) **b** _e_ ~~s~~ &amp; \u202eRTL\u202c "
    "\u05d0 "
    "{{ 7*7 }} {% raw %} --> ]]> \"'> \u0000 \ud800 www.e.example <img src=x onerror=y>"
)


class ScratchTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)

    def file(
        self, *lines: str | bytes, name: str = "run.jsonl", end: bytes = b"\n"
    ) -> Path:
        path = self.scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            b"\n".join(line.encode() if isinstance(line, str) else line for line in lines)
            + end
        )
        return path

    def records_file(self, records: list[Record], name: str = "run.jsonl") -> Path:
        return write(self.scratch / name, records)

    def dataset(self, records: list[Record]) -> Dataset:
        return Dataset([read_run(self.records_file(records))])


def one_trial(**changes: Any) -> Record:
    generator = Generator()
    record = generator.trial(
        "switch/coro-inline/site=diff/place=same-cpu", 1, generator.cost(1.0)
    )
    return {**record, **changes}


def environment(**changes: Any) -> Record:
    return {
        **Generator().environment(["switch/coro-inline/site=diff/place=same-cpu"]),
        **changes,
    }


def as_line(record: Record) -> str:
    return json.dumps(record)
