"""The report for people: a folder of static files that needs no network and no server.

`index.html` holds what the matrix shows, a few numbers a cell; what stands behind a box lies in `cells/N.js`, some
hundred cells each, loaded when a box is opened; of a long list of what changed it holds the beginning, and
`changes/N-M.js` the rest. So a run of 100,000 cells is a page of a few megabytes, and since scripts may be loaded
from a folder where other data may not, it works when opened as a file.

As one file, to be sent to somebody, it holds all of these, and leaves out the comparison of frameworks with each other.

Text from cases and workers meets three contexts: HTML, where Jinja2 escapes it; JSON in a script element, where
`embed` does; and the page's own script, which only ever sets text. A content security policy forbids the rest.
"""

import math
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..reading.text import count_of, visible
from ..run.diff import BAD, Change, Difference
from ..run.lines import number
from ..verdict import Verdict
from .cases import CaseFacts
from .model import EDGES, CellFacts, Headroom, Report, short
from .pairwise import Distance, Pairwise

TEMPLATES = Path(__file__).parent / "templates"

MARK = re.compile(rb'<meta name="generator" content="gradient conformance harness">')
"""What a page of ours has at its head: another is not replaced."""

CHUNK = 256
"""Cells in a file of details."""

LISTED = 10
"""Changes of a list that stand in the page itself; the rest lies in files, and comes in portions."""

LISTED_CAUSES = 100
"""Causes of a list: a run has few, whatever its size, and the JSON report has all."""

FOLDERS = {"cells": re.compile(r"\d+\.js"), "changes": re.compile(r"\d+-\d+\.js")}
"""Folders of the page that hold the files of this run alone, and how those are called."""

Files = Iterator[tuple[str, str]]


def render(report: Report, pairs: Pairwise) -> Files:
    """Every file of the page, by its name in the folder; one at a time, since together they may be large."""
    yield "index.html", _index(report, None)
    paired = _templates().get_template("pairwise.html")
    yield "pairwise.html", paired.render(report=report, verdicts=list(Verdict), pairwise=pairs, inside=None)
    for name in ("style.css", "report.js"):
        yield name, _own(name)
    for name, data in _beside(report):
        yield name, f"loaded({embed(name)}, {embed(data)});\n"


def one_file(report: Report) -> str:
    """The whole page as one file."""
    inside = Inside(_own("style.css"), _own("report.js"), [(n, embed(data)) for n, data in _beside(report)])
    return _index(report, inside)


@dataclass(frozen=True)
class Inside:
    """What stands in a page of one file instead of beside it."""

    style: str
    script: str
    data: Sequence[tuple[str, Markup]]
    """By the name of the file that it would lie in."""

    @property
    def policy(self) -> str:
        """The content security policy: this script and this style, by their digests, and no other."""
        return f"default-src 'none'; script-src {_digest(self.script)}; style-src {_digest(self.style)}"


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _own(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _index(report: Report, inside: Inside | None) -> str:
    own = {
        "plot": plot_of(report.headroom),
        "changes": changes_of(report.since),
        "bad": BAD,
        "listed": LISTED_CAUSES,
        "facts": embed(matrix(report)),
        "digits": digits_of(report.cells),
        "inside": inside,
    }
    return _templates().get_template("index.html").render(report=report, verdicts=list(Verdict), **own)


def _beside(report: Report) -> Iterator[tuple[str, Any]]:
    """What is loaded when somebody asks for it, by the name of its file."""
    yield from _details(report)
    yield from _changes(changes_of(report.since))


def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    made.filters |= {
        "own": Markup,
        "number": number,
        "link": link,
        "fragment": fragment,
        "short": short,
        "count_of": count_of,
    }
    return made


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
        cells.append((row, column, verdicts[cell.verdict], _rounded(cell.headroom)))
    return {
        "chunk": CHUNK,
        "verdicts": [(v.value, v.slug, v.face.sign, v.outcome()) for v in Verdict],
        "columns": list(columns),
        "cases": list(cases),
        "rows": list(rows),
        "cells": cells,
    }


def digits_of(cells: Iterable[CellFacts]) -> dict[str, str]:
    """`float32 6.3, float64 14.9`: by framework and dtype to how many digits all agreeing cells are right.

    Of the cell that is right to the fewest, relative to the scale of each tensor; those by a convention are others by choice.
    """
    largest: dict[str, dict[str, float]] = {}
    for cell in (facts.result for facts in cells):
        own = largest.setdefault(cell.framework, {})
        if cell.verdict is Verdict.AGREE and cell.relative is not None and not cell.agrees_by_convention:
            own[cell.dtype] = max(own.get(cell.dtype, 0.0), cell.relative)
    return {
        name: ", ".join(f"{dtype} {_digits(relative)}" for dtype, relative in sorted(own.items()))
        for name, own in largest.items()
    }


def _digits(relative: float) -> str:
    return f"{max(0.0, -math.log10(relative)):.1f}" if relative else "all"


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


def _details(report: Report) -> Iterator[tuple[str, _Chunk]]:
    cases = {case.name: case for case in report.cases}
    for start in range(0, len(report.cells), CHUNK):
        cells = report.cells[start : start + CHUNK]
        own = {name: cases[name] for name in dict.fromkeys(cell.result.case for cell in cells)}
        yield f"cells/{start // CHUNK}.js", _Chunk(cells, own)


@dataclass(frozen=True)
class ChangeList:
    """A list of what changed, worst lists first: its beginning, and the files with the rest."""

    title: str
    changes: Sequence[Change]

    @property
    def beginning(self) -> Sequence[Change]:
        """As much as stands in the page itself."""
        return self.changes[:LISTED]

    @property
    def rest(self) -> Sequence[Sequence[Change]]:
        """What follows, in portions."""
        return [self.changes[i : i + CHUNK] for i in range(LISTED, len(self.changes), CHUNK)]


def changes_of(since: Difference | msgspec.UnsetType) -> list[ChangeList]:
    """The lists of what changed that hold something."""
    if not isinstance(since, Difference):
        return []
    return [ChangeList(title, changes) for title, changes in since.sections().items() if changes]


def _changes(lists: Sequence[ChangeList]) -> Iterator[tuple[str, Any]]:
    """Rows as the page shows them: address of the box where there is one, cell, what became of it, what is said of it."""
    for index, own in enumerate(lists):
        for number_, portion in enumerate(own.rest):
            rows = [(fragment(c.cell) if c.now else "", c.cell, c.became, c.excerpt) for c in portion]
            yield f"changes/{index}-{number_}.js", rows


def fragment(cell: str) -> str:
    """The part of an address that names a cell's box."""
    return "#" + quote(cell, safe="/:;,=+@&$!*()'~")


def link(distance: Distance) -> str:
    """Address of the box of a distance's cell, from another page of the folder."""
    return f"index.html{fragment(distance.cell)}"


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
        width=right + 175,
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
    tallest = max(row.counts[1:]) or max(
        row.counts
    )  # cells without any error are many, and would flatten the others
    bars = []
    for i, count in enumerate(row.counts):
        if count:
            height = max(1.5, (STRIP - 10) * min(1.0, count / tallest))
            text = f"{row.framework} {row.dtype}: {count} of {row.cells} cells use {_bin(i)}"
            place = (_edge(i - 1) + 1, top + STRIP - height)
            bars.append(Bar(*place, STEP - 2, height, EDGES[i] > 1 + 1e-9, text))
    return Strip(row, top, tuple(bars))


def _bin(index: int) -> str:
    if index == 0:
        return "exactly 0"
    low, high = number(EDGES[index - 1]), number(EDGES[index])
    return f"more than {low} and up to {high} of the tolerance"
