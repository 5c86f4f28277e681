"""The report for people: a folder of static files that needs no network and no server.

`index.html` holds what the matrix shows, a few numbers a cell; what stands behind a box lies in `cells/N.js`, some
hundred cells each, loaded when a box is opened. So a run of 100,000 cells is a page of a few megabytes, and since
scripts may be loaded from a folder where other data may not, it works when opened as a file.

Text from cases and workers meets three contexts: HTML, where Jinja2 escapes it; JSON in a script element, where
`embed` does; and the page's own script, which only ever sets text. A content security policy forbids the rest.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.report.model import EDGES, CaseFacts, CellFacts, Headroom, Report, number
from harness.report.pairwise import Distance, Pairwise
from harness.verdict import Verdict

TEMPLATES = Path(__file__).parent / "templates"

CHUNK = 256
"""Cells in a file of details."""

GLYPHS = {
    Verdict.AGREE: "✓",
    Verdict.KNOWN_DEVIATION: "◆",
    Verdict.UNSUPPORTED: "–",
    Verdict.ABSENT: "∅",
    Verdict.INCONCLUSIVE: "?",
    Verdict.STALE: "↻",
    Verdict.DISAGREE: "✗",
    Verdict.ERRORED: "!",
    Verdict.CRASHED: "†",
}
"""A sign for each verdict, so that none is told by colour alone."""

Files = Iterator[tuple[str, str]]


def render(report: Report, pairs: Pairwise) -> Files:
    """Every file of the page, by its name in the folder; one at a time, since together they may be large."""
    templates = _templates()
    common = {"report": report, "glyphs": GLYPHS, "slugs": {v: slug(v) for v in Verdict}}
    plot = plot_of(report.headroom)
    index = templates.get_template("index.html")
    yield "index.html", index.render(**common, plot=plot, facts=embed(matrix(report)))
    yield "pairwise.html", templates.get_template("pairwise.html").render(**common, pairwise=pairs)
    for name in ("style.css", "report.js"):
        yield name, (TEMPLATES / name).read_text(encoding="utf-8")
    yield from _details(report)


def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"number": number, "link": link}
    return made


def slug(verdict: Verdict) -> str:
    """A verdict as the name of a class in CSS."""
    return verdict.value.split(" ", maxsplit=1)[0]


def embed(data: Any) -> Markup:
    """JSON that may stand in a script element, whatever texts it holds: no < can end the element or open another."""
    text = msgspec.json.encode(data).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 (this function is what makes it safe)


def matrix(report: Report) -> dict[str, Any]:
    """What the matrix shows: cells as [row, column, verdict, used], rows as [case, variant], all by index."""
    columns: dict[tuple[str, str, str], int] = {}
    cases: dict[str, int] = {}
    rows: dict[tuple[int, str], int] = {}
    places = sorted({(c.result.framework, c.result.dtype, c.result.mode) for c in report.cells})
    columns = {place: i for i, place in enumerate(places)}
    verdicts = {verdict: i for i, verdict in enumerate(Verdict)}
    cells = []
    for facts in report.cells:
        cell = facts.result
        case = cases.setdefault(cell.case, len(cases))
        row = rows.setdefault((case, cell.variant), len(rows))
        column = columns[cell.framework, cell.dtype, cell.mode]
        cells.append((row, column, verdicts[cell.verdict], _rounded(cell.used)))
    return {
        "chunk": CHUNK,
        "verdicts": [(v.value, slug(v), GLYPHS[v], v.outcome()) for v in Verdict],
        "columns": list(columns),
        "cases": list(cases),
        "rows": list(rows),
        "cells": cells,
    }


def _rounded(used: float | None) -> float | None:
    """Four digits are more than a box shows; rounding never carries a number across 1, where the verdict changes."""
    if used is None:
        return None
    short = float(f"{used:.4g}")
    return used if (short <= 1) != (used <= 1) or math.isinf(short) else short


class _Chunk(msgspec.Struct, frozen=True):
    """Some cells with the cases that they belong to."""

    cells: Sequence[CellFacts]
    cases: Mapping[str, CaseFacts]


def _details(report: Report) -> Files:
    cases = {case.name: case for case in report.cases}
    for start in range(0, len(report.cells), CHUNK):
        cells = report.cells[start : start + CHUNK]
        own = {name: cases[name] for name in dict.fromkeys(cell.result.case for cell in cells)}
        index = start // CHUNK
        yield f"cells/{index}.js", f"loaded({index}, {embed(_Chunk(cells, own))});\n"


def link(distance: Distance) -> str:
    """Address of the box of a distance's cell, from another page of the folder."""
    return f"index.html#{distance.cell}"


@dataclass(frozen=True)
class Bar:
    """One bin of a histogram: its place, its height and what it says."""

    x: float
    y: float
    width: float
    height: float
    beyond: bool
    text: str


@dataclass(frozen=True)
class Strip:
    """One framework and dtype: a histogram on a common axis."""

    headroom: Headroom
    top: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Plot:
    """The headroom plot in the units of its own drawing."""

    width: float
    height: float
    left: float
    right: float
    strip: float
    one: float
    ticks: tuple[tuple[float, str], ...]
    strips: tuple[Strip, ...]


LEFT, STEP, STRIP, TOP = 128.0, 26.0, 44.0, 26.0


def plot_of(headroom: Sequence[Headroom]) -> Plot:
    """Where everything in the headroom plot goes: bins side by side, a strip a framework and dtype."""
    strips = tuple(_strip(row, TOP + i * STRIP) for i, row in enumerate(headroom))
    right = LEFT + STEP * len(EDGES)
    bottom = TOP + STRIP * len(strips)
    ticks = [(_edge(i), f"{EDGES[i]:g}") for i in (1, 5, 9, 13, 17)]
    zero = (LEFT + STEP / 2, "0")
    return Plot(
        width=right + 150,
        height=bottom + 36,
        left=LEFT,
        right=right,
        strip=STRIP,
        one=_edge(13),
        ticks=(zero, *ticks),
        strips=strips,
    )


def _edge(index: int) -> float:
    """Where the bin up to EDGES[index] ends."""
    return LEFT + STEP * (index + 1)


def _strip(row: Headroom, top: float) -> Strip:
    tallest = max(row.counts)
    bars = []
    for i, count in enumerate(row.counts):
        if count:
            height = max(1.5, (STRIP - 10) * count / tallest)
            text = f"{row.framework} {row.dtype}: {count} of {row.cells} cells use {_bin(i)}"
            place = (_edge(i - 1) + 1, top + STRIP - height)
            bars.append(Bar(*place, STEP - 2, height, EDGES[i] > 1 + 1e-9, text))
    return Strip(row, top, tuple(bars))


def _bin(index: int) -> str:
    if index == 0:
        return "exactly 0"
    low, high = number(EDGES[index - 1]), number(EDGES[index])
    return f"more than {low} and up to {high} of the tolerance"
