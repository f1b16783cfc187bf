# SPDX-License-Identifier: MIT
"""Numbers for people, and foreign text made printable.

Every name, reason and fact in a record was written by another program: none may change
the structure of a page. plain() comes first, for all outputs: it makes controls, escapes,
bidi marks and lone surrogates visible and cuts what is too long. markdown() then
neutralises Markdown; HTML is left to jinja2's autoescape, and charts switch mathtext off.
"""
from __future__ import annotations

import re
import unicodedata

LONGEST = 4096  # as long as a sentence of a record may be
MISSING = "–"
MINUS = "−"
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_CODE_SAFE = re.compile(r"[A-Za-z0-9_./=+,:@%*-]+")


class Code(str):
    """A name to set in a fixed-width face."""


def plain(text: object, longest: int = LONGEST) -> str:
    """One line of visible characters, at most `longest` of them."""
    words = "".join(_visible(char) for char in str(text)[: longest + 1])
    return words if len(words) <= longest else words[: longest - 1] + "…"


def _visible(char: str) -> str:
    if char.isascii() and char.isprintable():
        return char
    if char in "\n\r\t":
        return " "
    if unicodedata.category(char) in _INVISIBLE:
        code = ord(char)
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return " " if char.isspace() else char


def markdown(text: object) -> str:
    """Inline Markdown that shows exactly plain(text), inside a table's cell too."""
    words = re.sub(" {2,}", " ", plain(text))
    if isinstance(text, Code) and _CODE_SAFE.fullmatch(words):
        return f"`{words}`"
    words = re.sub(r"([\\`*_\[\]|~$#!{}])", r"\\\1", words)
    words = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    words = words.replace("://", ":&#47;&#47;").replace("www.", "www&#46;")
    words = re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", words)
    return re.sub(r"^([-+=])", r"\\\1", words)


def number(value: float | None) -> str:
    """Three significant digits or whole numbers: 0.67, 12.3, 456, 12,345."""
    if value is None:
        return MISSING
    size = abs(value)
    if size >= 1e15:
        text = f"{size:.3g}"
    elif size >= 99.95:
        text = f"{size:,.0f}"
    elif size >= 9.995:
        text = f"{size:.1f}"
    elif size >= 0.00995 or size == 0:
        text = f"{size:.2f}"
    else:
        text = f"{size:.2g}"
    text = "0" if text == "0.00" else text
    return MINUS + text if value < 0 and text != "0" else text


def count(value: float | None) -> str:
    return (
        MISSING
        if value is None
        else number(float(round(value)) if value >= 10 else value)
    )


def size(value: float | None) -> str:
    """Bytes: 264 B, 4.3 KiB, 8.0 MiB."""
    if value is None:
        return MISSING
    amount = abs(value)
    sign = MINUS if value < 0 else ""
    if amount < 1000:
        return f"{sign}{amount:.0f} B"
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        amount /= 1024
        if amount < 999.5 or unit == "PiB":
            break
    return (
        f"{sign}{amount:.1f} {unit}" if amount < 99.95 else f"{sign}{amount:.0f} {unit}"
    )


def times(value: float) -> str:
    """A factor: "248 times"; below 1.5 as a percentage is the caller's choice."""
    return f"{number(value)} times"


def percent(share: float | None) -> str:
    if share is None:
        return MISSING
    value = 100 * share
    text = f"{abs(value):.1f}" if abs(value) < 9.95 else f"{abs(value):,.0f}"
    return (
        (MINUS if value < 0 and float(text.replace(",", "")) != 0 else "") + text + " %"
    )


def listing(names: list[str], most: int = 6) -> str:
    """ "a, b and c", or "a, b and 7 more"."""
    if len(names) > most:
        return ", ".join(names[:most]) + f" and {len(names) - most} more"
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def plural(n: int, word: str) -> str:
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"
