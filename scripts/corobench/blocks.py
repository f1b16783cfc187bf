# SPDX-License-Identifier: MIT
"""What a report is made of: sections of blocks, said once and rendered twice.

A fragment is a str (shown as it is, whatever it contains), a Code, a Link, or a Measured: a
figure, with where it comes from, so that a test can walk a report and recompute every one. A
figure inside a plain str has no record behind it, and that test fails. Escaping is the
renderer's work alone; nothing in here is Markdown or HTML.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar, Union


class Measured(str):
    """A figure as printed; origin says of what: ("median", case, metric) and the like."""

    origin: tuple[str, ...]

    def __new__(cls, text: str, *origin: str) -> "Measured":
        made = super().__new__(cls, text)
        made.origin = origin
        return made


class Link(str):
    """Words that lead to the section with that anchor."""

    target: str

    def __new__(cls, text: str, target: str) -> "Link":
        made = super().__new__(cls, text)
        made.target = target
        return made


Parts = tuple[str, ...]


def said(template: str, **fragments: str) -> Parts:
    """The parts of a sentence, its {names} replaced by fragments."""
    parts = re.split(r"\{(\w+)\}", template)
    return tuple(
        fragments[part] if at % 2 else part for at, part in enumerate(parts) if part
    )


@dataclass
class Paragraph:
    parts: Parts
    kind: ClassVar[str] = "paragraph"

    def __init__(self, *parts: str) -> None:
        self.parts = parts


@dataclass
class Bullets:
    items: list[Parts]
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
    anchor: str = ""


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
