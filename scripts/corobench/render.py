# SPDX-License-Identifier: MIT
"""Blocks to Markdown and to one HTML page.

Escaping is by the template environment, not by each template: a value that a template
prints is escaped because it is printed. Safe marks the few strings that are markup
already.
"""
from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from corobench.blocks import Link, Report
from corobench.explorer import WHY_NOT, Explorer
from corobench.wording import Code, markdown, plain

TEMPLATES = Path(__file__).resolve().parents[1] / "templates"
CHARTS_DIRECTORY = "results/charts"
STYLE = re.compile(rb'style="[^"]*"')
EXTENT = re.compile(rb'<svg [^>]*?width="([\d.]+)pt" height="([\d.]+)pt"')
COLOUR = re.compile(rb"#[0-9a-f]{6}\b")


class Safe(str):
    """Markdown that needs no escaping."""


def files(report: Report, explorer: Explorer) -> dict[str, bytes]:
    """Every file of the report, by its path below the output directory."""
    result = {"REPORT.md": _markdown(report).encode()}
    for picture in report.pictures():
        for theme, svg in picture.svg.items():
            result[f"{CHARTS_DIRECTORY}/{picture.name}-{theme}.svg"] = svg
    result["results/report.html"] = _html(report, explorer).encode()
    return result


def _environment(**options: Any) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        **options,
    )


def _markdown(report: Report) -> str:
    def finalize(value: object) -> str:
        if isinstance(value, Link):
            return f"[{markdown(value)}](#{value.target})"
        return value if isinstance(value, Safe) else markdown(value)

    def attribute(value: str) -> Safe:
        return Safe(escape(plain(value)))

    template = _environment(finalize=finalize).get_template("report.md.j2")
    return template.render(report=report, attribute=attribute)


def both_themes(svg: dict[str, bytes]) -> bytes:
    """One picture that follows the reader's theme, half as large as the two. They were drawn
    alike, so their colours come in one order."""
    dark = iter([c for style in STYLE.findall(svg["dark"]) for c in COLOUR.findall(style)])
    pairs: dict[tuple[bytes, bytes], int] = {}

    def variable(colour: re.Match[bytes]) -> bytes:
        pair = colour[0], next(dark)
        return b"var(--c%d)" % pairs.setdefault(pair, len(pairs))

    picture = STYLE.sub(lambda style: COLOUR.sub(variable, style[0]), svg["light"])
    rules = [
        b":root{%s}" % b";".join(b"--c%d:%s" % (n, pair[i]) for pair, n in pairs.items())
        for i in (0, 1)
    ]
    rules[1] = b"@media(prefers-color-scheme:dark){%s}" % rules[1]
    style = b'<style type="text/css">'
    picture = picture.replace(style, style + b"".join(rules), 1)
    return re.sub(rb"\n +", b"\n", picture)


def extent(svg: dict[str, bytes]) -> Markup:
    """Width and height in pixels: a picture that is drawn late moves nothing."""
    found = EXTENT.search(svg["light"])
    if found is None:
        return Markup()
    width, height = (round(float(points) * 4 / 3) for points in found.groups())
    return Markup(f'width="{width}" height="{height}"')


def _html(report: Report, explorer: Explorer) -> str:
    def finalize(value: object) -> Markup:
        if isinstance(value, Markup):
            return value
        words = escape(plain(value))
        if isinstance(value, Link):
            return Markup(f'<a href="#{escape(value.target)}">{words}</a>')
        return Markup(f"<code>{words}</code>") if isinstance(value, Code) else words

    def inline(svg: dict[str, bytes]) -> Markup:
        return Markup("data:image/svg+xml;base64,") + base64.b64encode(
            both_themes(svg)
        ).decode("ascii")

    template = _environment(finalize=finalize, autoescape=True).get_template(
        "report.html.j2"
    )
    return template.render(
        report=report,
        inline=inline,
        extent=extent,
        explorer=explorer,
        why_not=WHY_NOT,
        markup=Markup,
    )
