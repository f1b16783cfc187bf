# SPDX-License-Identifier: MIT
"""What a report is made of: sections of blocks, said once and rendered twice.

A fragment is a str (shown as it is, whatever it contains) or a Code. Escaping is the
renderer's work alone; nothing in here is Markdown or HTML.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Union


@dataclass
class Paragraph:
    parts: tuple[str, ...]
    kind: ClassVar[str] = "paragraph"

    def __init__(self, *parts: str) -> None:
        self.parts = parts


@dataclass
class Bullets:
    items: list[tuple[str, ...]]
    kind: ClassVar[str] = "bullets"


@dataclass
class Table:
    headers: list[str]
    rows: list[list[str]]
    numeric: list[bool] = field(default_factory=list)
    kind: ClassVar[str] = "table"

    @property
    def alignment(self) -> list[bool]:
        """Which columns hold numbers and align right."""
        return self.numeric or [False] * len(self.headers)


@dataclass
class Picture:
    name: str
    alternative: str
    svg: dict[str, bytes]
    kind: ClassVar[str] = "picture"


Block = Union[Paragraph, Bullets, Table, Picture]


@dataclass
class Section:
    title: str
    blocks: list[Block]


@dataclass
class Report:
    title: str
    sections: list[Section]

    def pictures(self) -> list[Picture]:
        return [
            block
            for section in self.sections
            for block in section.blocks
            if isinstance(block, Picture)
        ]
